"""Five bugs that a team could write, planted between the sequencer and the store. The simulation must find each."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from kernel.clock import Month, date_of_day
from pos_gateway.transactions import Transactions
from receipts.chain import Head
from receipts.chunk import Chunk, LockedChain
from receipts.issuing import Issuing, KnownKey
from receipts.stored import ReceiptKey, StoredReceipt
from tests.simulation.gateways import Plant
from tests.simulation.memory_database import MemoryDatabase, Place, with_head
from tests.simulation.memory_transactions import MemoryTransactions


class AnswerBeforeCommit:
    """The commit is sent off and nobody waits for it: half the latency, until it fails."""

    def __init__(self, inner: Transactions) -> None:
        self._inner = inner
        self._committing: asyncio.Task[object] | None = None

    @asynccontextmanager
    async def begin(self, months: Iterable[Month]) -> AsyncIterator[Issuing]:
        if self._committing is not None:
            await asyncio.wait([self._committing])
        transaction = self._inner.begin(months)
        issuing = await transaction.__aenter__()
        try:
            yield issuing
        except BaseException:
            await transaction.__aexit__(*sys.exc_info())
            raise
        self._committing = asyncio.create_task(transaction.__aexit__(None, None, None))  # type: ignore[arg-type]
        self._committing.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def close(self) -> None:
        await self._inner.close()


class _Altered:
    """Transactions whose statements are those of another object, which passes on what it leaves alone."""

    def __init__(self, inner: Transactions, alter: Callable[[Issuing], Issuing]) -> None:
        self._inner = inner
        self._alter = alter

    @asynccontextmanager
    async def begin(self, months: Iterable[Month]) -> AsyncIterator[Issuing]:
        async with self._inner.begin(months) as issuing:
            yield self._alter(issuing)

    async def close(self) -> None:
        await self._inner.close()


class _PassingOn:
    def __init__(self, inner: Issuing) -> None:
        self.inner = inner

    async def lock_chains(self, terminals: Iterable[Place]) -> dict[Place, LockedChain]:
        return await self.inner.lock_chains(terminals)

    async def find_keys(
        self, asked: Iterable[tuple[int, str, str]], received_month: int
    ) -> dict[tuple[str, str], KnownKey]:
        return await self.inner.find_keys(asked, received_month)

    async def find_receipts(self, keys: Iterable[ReceiptKey], *, lock: bool = False) -> dict[ReceiptKey, StoredReceipt]:
        return await self.inner.find_receipts(keys, lock=lock)

    async def find_latest(self, roots: Iterable[ReceiptKey]) -> dict[ReceiptKey, ReceiptKey]:
        return await self.inner.find_latest(roots)

    async def add(self, chunk: Chunk, received_month: int) -> None:
        await self.inner.add(chunk, received_month)


class GapInTheCounter(_PassingOn):
    """Heads are remembered from the last chunk, to save a read; also when that chunk was rolled back."""

    def __init__(self, inner: Issuing, remembered: dict[Place, Head]) -> None:
        super().__init__(inner)
        self._remembered = remembered

    async def lock_chains(self, terminals: Iterable[Place]) -> dict[Place, LockedChain]:
        chains = await super().lock_chains(terminals)
        return {at: self._further(at, chain) for at, chain in chains.items()}

    def _further(self, at: Place, chain: LockedChain) -> LockedChain:
        remembered = self._remembered.get(at, chain.head)
        return chain if remembered.counter <= chain.head.counter else with_head(chain, remembered)

    async def add(self, chunk: Chunk, received_month: int) -> None:
        self._remembered.update(chunk.heads)
        await super().add(chunk, received_month)


class SecondReceiptOnRetry(_PassingOn):
    """Keys are looked up among the receipts of this month only: the partition that is certainly in memory."""

    async def find_keys(
        self, asked: Iterable[tuple[int, str, str]], received_month: int
    ) -> dict[tuple[str, str], KnownKey]:
        known = await super().find_keys(asked, received_month)
        return {name: used for name, used in known.items() if _month_of(used.receipt) == received_month}


class StaleHead(_PassingOn):
    """Heads are read first and locked then: another worker may have moved them in between."""

    def __init__(self, inner: Issuing, database: MemoryDatabase) -> None:
        super().__init__(inner)
        self._database = database

    async def lock_chains(self, terminals: Iterable[Place]) -> dict[Place, LockedChain]:
        wanted = set(terminals)
        read = {at: self._database.chains[at] for at in wanted if at in self._database.chains}
        await super().lock_chains(wanted)
        return read


class LostVoid(_PassingOn):
    """Of the corrections and voids of one chunk only the first is recorded as a successor."""

    async def add(self, chunk: Chunk, received_month: int) -> None:
        del chunk.successors[1:]
        await super().add(chunk, received_month)


def _month_of(receipt: ReceiptKey) -> int:
    day = date_of_day(receipt[2])
    return day.year * 12 + day.month - 1


def _gap(connection: MemoryTransactions, _database: MemoryDatabase) -> Transactions:
    remembered: dict[Place, Head] = {}
    return _Altered(connection, lambda issuing: GapInTheCounter(issuing, remembered))


PLANTED: dict[str, Plant] = {
    "answer before commit": lambda connection, _: AnswerBeforeCommit(connection),
    "gap in the counter": _gap,
    "second receipt on retry": lambda connection, _: _Altered(connection, SecondReceiptOnRetry),
    "stale head": lambda connection, database: _Altered(connection, lambda issuing: StaleHead(issuing, database)),
    "lost void": lambda connection, _: _Altered(connection, LostVoid),
}
