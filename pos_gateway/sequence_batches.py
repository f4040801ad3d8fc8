"""The sequencer: one for each worker. It takes what has gathered, issues it in one transaction, and answers.

Fault table:

| what happened                        | what is done                                        | who is told what       |
|--------------------------------------|-----------------------------------------------------|------------------------|
| a rule refuses an order              | the others of the chunk are issued                  | its refusal            |
| the database refuses the chunk       | each terminal's orders once more by themselves      | the guilty: 503        |
| the database cannot be reached       | tried again for `PATIENCE_S`; nothing was committed | 503, not issued        |
| the connection broke while committing | tried again: the keys tell whether it was committed | the outcome            |
| the same, and the database stays away | nobody knows                                        | no answer              |
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby

import asyncpg
import structlog

from kernel.clock import Clock, Month
from kernel.refusal import Refusal, Unavailable
from pos_gateway.pool import OutcomeUnknown, Pool
from receipts.issue_receipts import issue_receipts
from receipts.orders import ChainKeys, Order, Outcome, SaleOrder
from receipts.store.issuing import ensure_month

CHUNK_RECEIPTS_MAX = 256
"""At some 150 µs a receipt a full chunk holds its locks for 40 ms."""
PATIENCE_S = 10.0
PAUSE_S = 0.25

CONNECTION_LOST = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)
DATABASE_REFUSED = (asyncpg.PostgresError,)
_log = structlog.get_logger()
Result = Outcome | Unavailable


class Sequencer:
    """Issues the orders of one pool through one database pool, one transaction at a time."""

    def __init__(
        self,
        pool: Pool,
        database: "asyncpg.Pool[asyncpg.Record]",
        *,
        clock: Clock,
        real_clock: Clock,
        chain_keys: ChainKeys,
        observe: Callable[[int, float], None] = lambda _receipts, _seconds: None,
    ) -> None:
        self._pool = pool
        self._database = database
        self._clock = clock
        self._real_clock = real_clock
        self._chain_keys = chain_keys
        self._observe = observe
        self._months: set[Month] = set()

    async def run(self) -> None:
        """Issue until the pool is closed and empty."""
        loop = asyncio.get_running_loop()
        while waiting := await self._pool.take(CHUNK_RECEIPTS_MAX):
            began = loop.time()
            results = await self._guarded([entry.order for entry in waiting])
            self._pool.settle(list(zip(waiting, results, strict=True)))
            self._observe(len(waiting), loop.time() - began)

    async def _guarded(self, orders: Sequence[Order]) -> Sequence[Result]:
        """Issue, and outlive what nobody foresaw: its orders' outcome is then unknown, and the next chunk is issued."""
        try:
            return await self._issue(orders)
        except Exception as error:  # noqa: BLE001 - a sequencer that ends would leave every till waiting for ever
            _log.error("chunk_broke", receipts=len(orders), exc_info=error)
            return [OutcomeUnknown()] * len(orders)

    async def _issue(self, orders: Sequence[Order]) -> Sequence[Result]:
        attempt = _Attempt()
        try:
            return await self._transaction(orders, attempt)
        except (*CONNECTION_LOST, *DATABASE_REFUSED) as error:
            _log.warning("chunk_failed", receipts=len(orders), error=type(error).__name__)
        by_terminal = sorted(range(len(orders)), key=lambda at: (orders[at].seller, orders[at].terminal))
        results: dict[int, Result] = {}
        for _, group in groupby(by_terminal, key=lambda at: (orders[at].seller, orders[at].terminal)):
            places = sorted(group)
            outcome = await self._issue_again([orders[at] for at in places], _Attempt(committing=attempt.committing))
            results.update(zip(places, outcome, strict=True))
        return [results[at] for at in range(len(orders))]

    async def _issue_again(self, orders: Sequence[Order], attempt: "_Attempt") -> Sequence[Result]:
        loop = asyncio.get_running_loop()
        patience_ends = loop.time() + PATIENCE_S
        while True:
            try:
                return await self._transaction(orders, attempt)
            except CONNECTION_LOST as error:
                if loop.time() > patience_ends:
                    _log.error("database_away", error=type(error).__name__, unknown=attempt.committing)
                    break
                await asyncio.sleep(PAUSE_S)
            except DATABASE_REFUSED as error:
                _log.error("group_failed", receipts=len(orders), error=type(error).__name__, sqlstate=error.sqlstate)
                break
        if attempt.committing:
            return [OutcomeUnknown()] * len(orders)
        return [Unavailable("database", retry_after_s=2)] * len(orders)

    async def _transaction(self, orders: Sequence[Order], attempt: "_Attempt") -> Sequence[Outcome]:
        async with self._database.acquire(timeout=PATIENCE_S) as connection:
            month = Month.of(self._real_clock())
            await self._ensure_months(connection, {month, Month.of(self._clock()), *_months_of(orders)})
            transaction = connection.transaction()
            await transaction.start()
            try:
                outcomes = await issue_receipts(
                    connection, self._clock, orders=orders, chain_keys=self._chain_keys, received_month=month
                )
            except BaseException:
                await _roll_back(transaction)
                raise
            if all(isinstance(outcome, Refusal) or outcome.repeated for outcome in outcomes):
                await transaction.commit()
                return outcomes
            attempt.committing = True
            await transaction.commit()
            return outcomes

    async def _ensure_months(self, connection: "asyncpg.Connection[asyncpg.Record]", months: set[Month]) -> None:
        for month in sorted(months - self._months):
            await ensure_month(connection, month)
            self._months.add(month)


class _Attempt:
    """Whether a commit was asked for whose answer never came."""

    __slots__ = ("committing",)

    def __init__(self, *, committing: bool = False) -> None:
        self.committing = committing


async def _roll_back(transaction: asyncpg.transaction.Transaction) -> None:
    try:
        await transaction.rollback()
    except CONNECTION_LOST:
        _log.warning("rollback_lost")  # the server rolls back by itself


def _months_of(orders: Sequence[Order]) -> set[Month]:
    stated = [order.submission.sold_at for order in orders if isinstance(order, SaleOrder)]
    return {Month.of(sold_at) for sold_at in stated if sold_at is not None}
