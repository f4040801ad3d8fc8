"""Transactions that are timed: the seconds of each stage of a chunk, and how those that fail do so."""

from collections.abc import Iterable
from time import perf_counter
from types import TracebackType

from kernel.clock import Month
from pos_gateway.metrics import GatewayMetrics
from pos_gateway.transactions import Lost, Refused, Transactions
from receipts.chunk import Chunk, LockedChain
from receipts.issuing import Issuing, KnownKey
from receipts.stored import ReceiptKey, StoredReceipt


class WatchedTransactions:
    """Other transactions with a stop-watch beside them (`pos_gateway.transactions.Transactions`)."""

    def __init__(self, transactions: Transactions, metrics: GatewayMetrics) -> None:
        self._transactions = transactions
        self._metrics = metrics

    def begin(self, months: Iterable[Month]) -> "_Watched":
        """Hold a transaction open and commit it at the end. Raises `Lost` or `Refused`."""
        return _Watched(self._transactions, months, self._metrics)

    async def close(self) -> None:
        """Give up what is held between transactions."""
        await self._transactions.close()


class _Watched:
    """A transaction (`receipts.issuing.Issuing`) that notes when each of its stages ended. It is its own context,
    because a generator's costs a lone receipt three microseconds.
    """

    __slots__ = ("_began", "_inner", "_issuing", "_locked", "_looked_up", "_metrics", "_signed", "_stored")
    _issuing: Issuing

    def __init__(self, transactions: Transactions, months: Iterable[Month], metrics: GatewayMetrics) -> None:
        self._began = self._locked = self._looked_up = self._signed = perf_counter()
        self._stored: float | None = None
        self._metrics = metrics
        self._inner = transactions.begin(months)

    async def __aenter__(self) -> Issuing:
        try:
            self._issuing = await self._inner.__aenter__()
        except (Lost, Refused) as failure:
            self._metrics.chunk_failed(_why(failure))
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            passed = await self._inner.__aexit__(kind, error, trace)
        except (Lost, Refused) as failure:
            self._metrics.chunk_failed(_why(failure))
            raise
        if error is None:
            self._tell()
        else:
            self._metrics.chunk_failed("other")
        return passed

    async def lock_chains(self, terminals: Iterable[tuple[int, int]]) -> dict[tuple[int, int], LockedChain]:
        """Lock chains in one order until the end and answer where they stand."""
        chains = await self._issuing.lock_chains(terminals)
        self._locked = self._looked_up = perf_counter()
        return chains

    async def find_keys(
        self, asked: Iterable[tuple[int, str, str]], received_month: int
    ) -> dict[tuple[str, str], KnownKey]:
        """Answer what idempotency keys were used for."""
        known = await self._issuing.find_keys(asked, received_month)
        self._looked_up = perf_counter()
        return known

    async def find_receipts(self, keys: Iterable[ReceiptKey], *, lock: bool = False) -> dict[ReceiptKey, StoredReceipt]:
        """Answer receipts by primary key."""
        receipts = await self._issuing.find_receipts(keys, lock=lock)
        self._looked_up = perf_counter()
        return receipts

    async def find_latest(self, roots: Iterable[ReceiptKey]) -> dict[ReceiptKey, ReceiptKey]:
        """Answer the last link of correction chains."""
        latest = await self._issuing.find_latest(roots)
        self._looked_up = perf_counter()
        return latest

    async def add(self, chunk: Chunk, received_month: int) -> None:
        """Store what a chunk gathered."""
        self._signed = perf_counter()
        await self._issuing.add(chunk, received_month)
        self._stored = perf_counter()
        self._metrics.issued_by(chunk.heads)

    def _tell(self) -> None:
        """Count the stages of a transaction that is committed. One that stored nothing had nothing to sign."""
        stage = self._metrics.stage
        stage("lock", self._locked - self._began)
        stage("look_up", self._looked_up - self._locked)
        if self._stored is not None:
            stage("sign", self._signed - self._looked_up)
            stage("store", self._stored - self._signed)
            stage("commit", perf_counter() - self._stored)


def _why(failure: Lost | Refused) -> str:
    return "lost" if isinstance(failure, Lost) else "refused"
