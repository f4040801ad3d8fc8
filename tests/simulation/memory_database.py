"""The server's side of a store in memory, as strict as the real one: row locks, unique keys, partitions, crashes.

It reads as READ COMMITTED does: each statement sees what was committed when it ran. Unique keys are taken like locks:
a second insert waits for the first transaction and then fails.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from kernel.clock import Month, date_of_day
from pos_gateway.transactions import Lost, Refused
from receipts.chain import Head
from receipts.chunk import Chunk, Event, LockedChain, Successor
from receipts.issuing import KnownKey
from receipts.orders import Order
from receipts.stored import ReceiptKey, StoredReceipt
from tests.simulation.chance import History

Place = tuple[int, int]
KeyName = tuple[int, str, str, int]
"""seller, client, key, month received."""


@dataclass(slots=True, eq=False)
class Session:
    """One transaction on the server."""

    number: int
    over: bool = False
    detached: bool = False
    """Its client is gone, but its commit is under way."""
    held: list[Hashable] = field(default_factory=list)
    waits_for: Hashable = None
    waits: asyncio.Future[None] | None = None
    added: list[tuple[Chunk, int]] = field(default_factory=list)


class MemoryDatabase:
    """What is stored, and who holds what. `violations` are refusals for which no fault was planned."""

    def __init__(self, history: History, chains: dict[Place, LockedChain]) -> None:
        self.history = history
        self.chains = chains
        self.receipts: dict[ReceiptKey, StoredReceipt] = {}
        self.keys: dict[KeyName, KnownKey] = {}
        self.successors: dict[ReceiptKey, Successor] = {}
        self.followers: defaultdict[ReceiptKey, list[Successor]] = defaultdict(list)
        self.events: list[Event] = []
        self.months: set[Month] = set()
        self.committed: dict[int, tuple[Order, ReceiptKey]] = {}
        """Which very orders were issued, by their identity."""
        self.violations: list[str] = []
        self.life = 0
        self.up = True
        self._sessions: dict[int, Session] = {}
        self._owners: dict[Hashable, Session] = {}
        self._waiting: defaultdict[Hashable, deque[Session]] = defaultdict(deque)
        self._begun = 0

    def begin(self) -> Session:
        """Open a transaction."""
        self._begun += 1
        session = self._sessions[self._begun] = Session(self._begun)
        return session

    async def lock(self, session: Session, name: Hashable) -> None:
        """Wait until a row or a unique key is this transaction's own. Raises `Lost` where the transaction is over."""
        _require_open(session)
        owner = self._owners.setdefault(name, session)
        if owner is session:
            session.held.append(name)
            return
        if self._closes_a_circle(session, owner):
            raise self._violated(f"deadlock over {name}")
        session.waits_for, session.waits = name, asyncio.get_running_loop().create_future()
        self._waiting[name].append(session)
        await session.waits
        _require_open(session)

    def _closes_a_circle(self, session: Session, owner: Session) -> bool:
        while owner.waits_for is not None and owner is not session:
            owner = self._owners[owner.waits_for]
        return owner is session

    def latest(self, root: ReceiptKey) -> ReceiptKey | None:
        """Answer the last link of a bundle; None where nothing followed its root."""
        ends = [one.by for one in self.followers.get(root, []) if one.by not in self.successors]
        return ends[-1] if ends else None

    async def add(self, session: Session, chunk: Chunk, received_month: int) -> None:
        """Take a chunk into the transaction, or refuse it as a constraint would."""
        _require_open(session)
        for receipt in chunk.receipts:
            first = date_of_day(receipt.day)
            self._require(Month(first.year, first.month) in self.months, f"no partition for {receipt.key}")
            self._require(receipt.key not in self.receipts, f"receipt {receipt.key} twice")
        self._require(Month(received_month // 12, received_month % 12 + 1) in self.months, "no partition for keys")
        for order, _ in chunk.keys:
            name = (order.seller, order.client_id, order.key, received_month)
            await self.lock(session, ("key", *name))
            self._require(name not in self.keys, f"key {name} twice")
        for successor in chunk.successors:
            await self.lock(session, ("successor", *successor.receipt))
            self._require(successor.receipt not in self.successors, f"two successors of {successor.receipt}")
        session.added.append((chunk, received_month))

    def commit(self, session: Session) -> None:
        """Make what a transaction added visible and durable, at once."""
        if session.over:
            return
        for chunk, received_month in session.added:
            self._store(chunk, received_month)
        hashes = [receipt.receipt_hash.hex()[:8] for chunk, _ in session.added for receipt in chunk.receipts]
        self.history.note("committed", session.number, *hashes)
        self._end(session)

    def _store(self, chunk: Chunk, received_month: int) -> None:
        self.receipts |= {receipt.key: receipt for receipt in chunk.receipts}
        for head in chunk.heads.values():
            self._move(head)
        for order, receipt in chunk.keys:
            self.committed[id(order)] = (order, receipt)
            self.keys[order.seller, order.client_id, order.key, received_month] = KnownKey(order.content_hash, receipt)
        for successor in chunk.successors:
            self.successors[successor.receipt] = successor
            self.followers[successor.root].append(successor)
        self.events += chunk.events

    def _move(self, head: Head) -> None:
        at = (head.seller, head.terminal)
        self.chains[at] = with_head(self.chains[at], head)

    def abort(self, session: Session) -> None:
        """Forget what a transaction did."""
        if not session.over:
            self.history.note("aborted", session.number)
            self._end(session)

    def crash(self) -> None:
        """Lose every transaction that is open, and every connection."""
        self.life += 1
        self.up = False
        for session in list(self._sessions.values()):
            self.abort(session)

    def _end(self, session: Session) -> None:
        session.over = True
        del self._sessions[session.number]
        if session.waits is not None and not session.waits.done():
            self._waiting[session.waits_for].remove(session)
            session.waits.set_exception(Lost())
        for name in session.held:
            self._hand_on(name)

    def _hand_on(self, name: Hashable) -> None:
        del self._owners[name]
        if waiting := self._waiting.get(name):
            heir = self._owners[name] = waiting.popleft()
            heir.held.append(name)
            assert heir.waits is not None
            heir.waits_for = None
            heir.waits.set_result(None)

    def _require(self, holds: object, otherwise: str) -> None:
        if not holds:
            raise self._violated(otherwise)

    def _violated(self, what: str) -> Refused:
        self.violations.append(what)
        self.history.note("violated", what)
        return Refused(what)

    @property
    def idle(self) -> bool:
        """Whether no transaction is open and no lock is held."""
        return not self._sessions and not self._owners

    def found(self, keys: Iterable[ReceiptKey]) -> dict[ReceiptKey, StoredReceipt]:
        """Answer the receipts that are there."""
        return {key: self.receipts[key] for key in keys if key in self.receipts}


def _require_open(session: Session) -> None:
    if session.over:
        raise Lost


def with_head(chain: LockedChain, head: Head) -> LockedChain:
    """Answer a chain that stands elsewhere."""
    return LockedChain(head, chain.epoch, chain.mode, chain.suspended, chain.closed, chain.branch)
