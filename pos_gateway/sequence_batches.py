"""The sequencer: one for each worker. It takes what has gathered, issues it in one transaction, and answers.

Fault table:

| what happened                         | what is done                                         | who is told what      |
|---------------------------------------|------------------------------------------------------|-----------------------|
| a rule refuses an order               | the others of the chunk are issued                   | its refusal           |
| the database refuses the chunk        | each terminal's orders once more by themselves       | the guilty: 503       |
| something unforeseen                  | the same                                             | the guilty: 500       |
| the connection broke before a commit  | terminal by terminal on a new one, for `PATIENCE_S`  | the outcome, else 503 |
| the connection broke while committing | the same, for `UNKNOWN_PATIENCE_S`: the keys tell    | the outcome, else 504 |
| the database stays away               | what waits is turned away, who comes gets one try    | 503, not issued       |

503 always means that nothing was issued, 504 that nobody knows: the client asks again with the same key.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Protocol

import structlog

from kernel.clock import Clock, Month, business_date
from kernel.refusal import Refusal
from pos_gateway.pool import OutcomeUnknown, Pool, Result, Waiting
from pos_gateway.transactions import Lost, Refused, Transactions, unavailable
from receipts.issue_receipts import Sign, issue_receipts, sign_here
from receipts.orders import ChainKeys, Order, Outcome
from receipts.rules import rules_on

CHUNK_RECEIPTS_MAX = 256
"""At some 150 µs a receipt a full chunk holds its locks for 40 ms."""
PATIENCE_S = 2.0
"""How long a chunk waits for a database that went away; to this comes the time that the last try to connect takes."""
UNKNOWN_PATIENCE_S = 10.0
PAUSE_S = 0.1
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How a transaction ended. `committing`: a commit was asked for, in this attempt or before, whose answer never
    came.
    """

    results: Sequence[Result] = ()
    error: BaseException | None = None
    committing: bool = False


class Watch(Protocol):
    """Is told of every chunk."""

    def taken(self, waiting: Sequence[Waiting]) -> None:
        """A chunk was taken out of the pool."""

    def settled(self, results: Sequence[Result]) -> None:
        """The chunk ended so, order by order."""


class Sequencer:
    """Issues the orders of one pool, one transaction at a time. Its time-outs run on the event loop's time."""

    def __init__(
        self,
        pool: Pool,
        transactions: Transactions,
        *,
        clock: Clock,
        real_clock: Clock,
        chain_keys: ChainKeys,
        sign: Sign = sign_here,
        watch: Watch | None = None,
    ) -> None:
        self._pool = pool
        self._transactions = transactions
        self._clock = clock
        self._real_clock = real_clock
        self._chain_keys = chain_keys
        self._sign = sign
        self._watch = watch
        self._committing = False
        self._away = False

    async def run(self) -> None:
        """Issue until the pool is closed and empty."""
        try:
            while waiting := await self._pool.take(CHUNK_RECEIPTS_MAX):
                if self._watch is not None:
                    self._watch.taken(waiting)
                results = await self._issue([entry.order for entry in waiting])
                self._pool.settle(list(zip(waiting, results, strict=True)))
                if self._watch is not None:
                    self._watch.settled(results)
        finally:
            await self._transactions.close()

    async def _issue(self, orders: Sequence[Order]) -> Sequence[Result]:
        """Issue a chunk: in one transaction, and when that fails terminal by terminal."""
        attempt = await self._attempt(orders)
        if attempt.error is None:
            self._away = False
            return attempt.results
        _log.warning("chunk_failed", receipts=len(orders), error=type(_cause(attempt.error)).__name__)
        if self._away and isinstance(attempt.error, Lost) and not attempt.committing:
            self._pool.turn_away(unavailable())
            return _verdicts(attempt, len(orders))
        failed_at = asyncio.get_running_loop().time()
        results: dict[int, Result] = {}
        for places in _by_terminal(orders):
            outcome = await self._insist([orders[at] for at in places], attempt, failed_at)
            results.update(zip(places, outcome, strict=True))
        return [results[at] for at in range(len(orders))]

    async def _insist(self, orders: Sequence[Order], failed: _Attempt, failed_at: float) -> Sequence[Result]:
        """Try a terminal's orders again until the database answers, or patience ends."""
        loop = asyncio.get_running_loop()
        attempt = failed
        while True:
            attempt = await self._attempt(orders, committing=attempt.committing)
            if attempt.error is None:
                self._away = False
                return attempt.results
            patience_s = UNKNOWN_PATIENCE_S if attempt.committing else PATIENCE_S
            lost = isinstance(attempt.error, Lost)
            self._away = lost and loop.time() - failed_at >= PATIENCE_S
            if self._away:
                self._pool.turn_away(unavailable())
            if not lost or loop.time() - failed_at >= patience_s:
                _log.error(
                    "group_failed", receipts=len(orders), unknown=attempt.committing, exc_info=_cause(attempt.error)
                )
                return _verdicts(attempt, len(orders))
            await asyncio.sleep(PAUSE_S)

    async def _attempt(self, orders: Sequence[Order], *, committing: bool = False) -> _Attempt:
        """Run one transaction in a task of its own, so that nothing that goes wrong in it ends the sequencer."""
        self._committing = False
        issuing = asyncio.create_task(self._transaction(orders))
        await asyncio.wait([issuing])
        error = issuing.exception()
        if error is None:
            return _Attempt(issuing.result())
        return _Attempt(error=error, committing=committing or (self._committing and not isinstance(error, Refused)))

    async def _transaction(self, orders: Sequence[Order]) -> Sequence[Outcome]:
        received = Month.of(self._real_clock())
        now = self._clock()  # once: the partitions are made for the time that the receipts will state
        async with self._transactions.begin(_months(now, received)) as issuing:
            outcomes = await issue_receipts(
                issuing, lambda: now, orders=orders, chain_keys=self._chain_keys, received_month=received,
                sign=self._sign,
            )  # fmt: skip
            self._committing = not all(isinstance(outcome, Refusal) or outcome.repeated for outcome in outcomes)
        return outcomes


def _months(now: datetime, received: Month) -> list[Month]:
    """Answer the months whose partitions may be needed now: of every time that `sold_at` may state, and no others."""
    rules = rules_on(business_date(now))
    earliest = Month.of(now - timedelta(hours=rules.late_issue_hours))
    latest = Month.of(now + timedelta(seconds=rules.clock_ahead_seconds))
    return sorted({received, earliest, Month.of(now), latest})


def _cause(error: BaseException) -> BaseException:
    """Answer what lies below our own word for it."""
    return error.__cause__ or error


def _verdicts(attempt: _Attempt, orders: int) -> Sequence[Result]:
    """Answer what is said of orders whose last attempt failed."""
    error = attempt.error
    if attempt.committing:
        return [OutcomeUnknown()] * orders
    if isinstance(error, Exception) and not isinstance(error, Lost | Refused):
        return [error] * orders
    return [unavailable()] * orders


def _by_terminal(orders: Sequence[Order]) -> Iterator[list[int]]:
    """Answer the places of each terminal's orders, in the order in which they came."""

    def terminal(at: int) -> tuple[int, int]:
        return orders[at].seller, orders[at].terminal

    for _, places in groupby(sorted(range(len(orders)), key=terminal), key=terminal):
        yield list(places)
