"""The client's side of the store in memory: statements that take time, and connections that break at any of them.

| fault        | what the client sees        | what the server does                                    |
|--------------|-----------------------------|---------------------------------------------------------|
| cut before   | the connection is lost      | nothing; rolls back when it notices                     |
| cut after    | the connection is lost      | the statement ran; rolls back when it notices           |
| stall        | a long wait                 | holds its locks meanwhile                               |
| refuse       | a refusal                   | rolls back                                              |
| unforeseen   | an error that is no word    | rolls back when it notices                              |
| commit lost  | the connection is lost      | nothing; rolls back when it notices                     |
| answer lost  | the connection is lost      | has committed                                           |
| commit late  | the connection is lost      | commits a while later, holding its locks until then     |
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from kernel.clock import Month
from pos_gateway.transactions import Lost, Refused
from receipts.chunk import Chunk, LockedChain
from receipts.issuing import Issuing, KnownKey
from receipts.stored import ReceiptKey, StoredReceipt
from tests.simulation.chance import Chance, History
from tests.simulation.memory_database import MemoryDatabase, Session
from tests.simulation.weather import Weather

T = TypeVar("T")
STATEMENTS = 9
"""Statements of a transaction among which a fault picks its place; what lies beyond the last does not happen."""
CONNECT_S = 2.0


class Fault(StrEnum):
    """What goes wrong in a transaction."""

    CUT_BEFORE = "cut before"
    CUT_AFTER = "cut after"
    STALL = "stall"
    REFUSE = "refuse"
    UNFORESEEN = "unforeseen"
    COMMIT_LOST = "commit lost"
    ANSWER_LOST = "answer lost"
    COMMIT_LATE = "commit late"


Draw = Callable[[], tuple[Fault, int] | None]
"""Answers a fault and at which statement, from 0, it strikes; one of a commit waits for that."""


class Unforeseen(Exception):  # noqa: N818 - named by what happened
    """Something that no word of the seam is for."""


class MemoryTransactions:
    """One connection of one life of a worker. `draw` says what goes wrong in the next transaction, if anything."""

    def __init__(
        self, database: MemoryDatabase, weather: Weather, chance: Chance, name: str, draw: Draw | None = None
    ) -> None:
        self._database = database
        self._weather = weather
        self._chance = chance
        self._name = name
        self._draw = draw or self._drawn
        self._life: int | None = None
        self._months: set[Month] = set()
        self._session: Session | None = None
        self._committing = False
        self._killed = False
        self._fault: tuple[Fault, int] | None = None
        self._step = 0

    @property
    def history(self) -> History:
        return self._database.history

    @asynccontextmanager
    async def begin(self, months: Iterable[Month]) -> AsyncIterator[Issuing]:
        """Hold a transaction open and commit it at the end; whatever goes wrong, the connection is cut."""
        self._fault, self._step, self._committing = self._draw(), 0, False
        try:
            await self._connect()
            for month in months:
                if month not in self._months:
                    await self.ask(lambda month=month: self._ensure(month))  # type: ignore[misc]
                    self._months.add(month)
            self._session = self._database.begin()
            yield MemoryIssuing(self, self._database, self._session)
            await self._commit(self._session)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Cut the connection; the server notices a while later."""
        session, self._session, self._life = self._session, None, None
        if session is not None and not session.detached:
            notices_s = 0.0 if self._chance.happens(0.7) else self._chance.uniform(0, 4)
            self._later(notices_s, self._database.abort, session)

    def kill(self) -> None:
        """Die with the process. A commit that was on its way may still arrive."""
        self._killed = True
        if self._session is not None and self._committing and self._chance.happens(0.5):
            self._detach(self._session)

    async def ask(self, statement: Callable[[], Awaitable[T]]) -> T:
        """Run a statement on the server, there and back again, with whatever the weather has for it."""
        fault = self._due()
        if fault is Fault.CUT_BEFORE:
            raise Lost
        await self._travel(self._chance.uniform(1, 6) if fault is Fault.STALL else 0)
        if fault is Fault.REFUSE:
            raise Refused
        if fault is Fault.UNFORESEEN:
            raise Unforeseen
        answer = await statement()
        await self._travel()
        if fault is Fault.CUT_AFTER:
            raise Lost
        return answer

    async def _commit(self, session: Session) -> None:
        fault = self._due(commits=True)
        self._committing = True
        if fault is Fault.COMMIT_LOST:
            raise Lost
        if fault is Fault.COMMIT_LATE:
            self._detach(session)
            raise Lost
        await self._travel()
        self._database.commit(session)
        await self._travel()
        self._session = None
        if fault is Fault.ANSWER_LOST:
            raise Lost

    def _detach(self, session: Session) -> None:
        session.detached = True
        self._later(self._chance.uniform(0, 3), self._database.commit, session)

    async def _connect(self) -> None:
        if self._life == self._database.life and self._database.up and not self._killed:
            return
        if self._killed or not self._database.up:
            self._life = None
            await asyncio.sleep(0.001 if self._chance.happens(0.8) else CONNECT_S)
            raise Lost
        self._life = self._database.life
        self._months.clear()
        await self._travel()

    async def _travel(self, more_s: float = 0) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(more_s + self._chance.uniform(0.0001, self._weather.at(loop.time()).latency_s))
        if self._killed or self._life != self._database.life:
            raise Lost

    async def _ensure(self, month: Month) -> None:
        self._database.months.add(month)

    def _drawn(self) -> tuple[Fault, int] | None:
        climate = self._weather.at(asyncio.get_running_loop().time())
        if not self._chance.happens(climate.transaction_fails):
            return None
        return self._chance.choice(list(Fault)), self._chance.randrange(STATEMENTS)

    def _due(self, *, commits: bool = False) -> Fault | None:
        """Answer the fault of this statement: those of a commit wait for it."""
        if self._fault is None:
            return None
        fault, at = self._fault
        of_commit = fault in {Fault.COMMIT_LOST, Fault.ANSWER_LOST, Fault.COMMIT_LATE}
        due = commits if of_commit else not commits and self._step == at
        self._step += 1
        if not due:
            return None
        self._fault = None
        self.history.note(fault, self._name)
        return fault

    @staticmethod
    def _later(after_s: float, act: Callable[[Session], None], session: Session) -> None:
        asyncio.get_running_loop().call_later(after_s, act, session)


@dataclass(frozen=True, slots=True)
class MemoryIssuing:
    """The statements of issuing, each answered as PostgreSQL answers it."""

    transactions: MemoryTransactions
    database: MemoryDatabase
    session: Session

    async def lock_chains(self, terminals: Iterable[tuple[int, int]]) -> dict[tuple[int, int], LockedChain]:
        async def locked() -> dict[tuple[int, int], LockedChain]:
            found = [at for at in sorted(set(terminals)) if at in self.database.chains]
            for at in found:
                await self.database.lock(self.session, ("chain", *at))
            return {at: self.database.chains[at] for at in found}

        return await self.transactions.ask(locked)

    async def find_keys(
        self, asked: Iterable[tuple[int, str, str]], received_month: int
    ) -> dict[tuple[str, str], KnownKey]:
        async def found() -> dict[tuple[str, str], KnownKey]:
            keys = self.database.keys
            names = [
                (*name, month) for name in sorted(asked) for month in range(received_month - 1, received_month + 2)
            ]
            return {(name[1], name[2]): keys[name] for name in names if name in keys}

        return await self.transactions.ask(found)

    async def find_receipts(self, keys: Iterable[ReceiptKey], *, lock: bool = False) -> dict[ReceiptKey, StoredReceipt]:
        wanted = sorted(set(keys))
        if not wanted:
            return {}

        async def found() -> dict[ReceiptKey, StoredReceipt]:
            if lock:
                for key in self.database.found(wanted):
                    await self.database.lock(self.session, ("receipt", *key))
            return self.database.found(wanted)

        return await self.transactions.ask(found)

    async def find_latest(self, roots: Iterable[ReceiptKey]) -> dict[ReceiptKey, ReceiptKey]:
        wanted = sorted(set(roots))
        if not wanted:
            return {}

        async def found() -> dict[ReceiptKey, ReceiptKey]:
            latest = {root: self.database.latest(root) for root in wanted}
            return {root: last for root, last in latest.items() if last is not None}

        return await self.transactions.ask(found)

    async def add(self, chunk: Chunk, received_month: int) -> None:
        await self.transactions.ask(lambda: self.database.add(self.session, chunk, received_month))
