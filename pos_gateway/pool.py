"""The bounded pool between requests and the sequencer: orders wait here until a transaction takes them.

The bound keeps the promise that nobody waits long: 4,096 receipts are about a second of work of one worker, and at some
4 KiB each no more than 16 MiB. What does not fit is refused at once with `Unavailable`, and nothing has happened.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from msgspec.structs import replace

from kernel.refusal import Refusal, Unavailable
from receipts.orders import Issued, Order, Outcome

POOL_RECEIPTS_MAX = 4096


class OutcomeUnknown(Refusal):
    """Nobody knows whether the order was issued: the connection broke in the middle of a commit and stayed broken.

    The client must ask again with the same key; it is told nothing that could be taken for "not issued".
    """

    code = "outcome_unknown"


Result = Outcome | Exception
"""How an order ended: issued, refused, or with an exception that is raised to whoever waits (mostly `Unavailable`)."""


@dataclass(slots=True, eq=False)
class Waiting:
    """An order, the promise of its outcome, and since when it waits (`time.perf_counter`, for the metrics alone)."""

    order: Order
    outcome: asyncio.Future[Outcome]
    since: float


class Pool:
    """Orders that wait, first in first out, at most one for each client and key. Belongs to one event loop."""

    def __init__(self, receipts_max: int = POOL_RECEIPTS_MAX) -> None:
        self._receipts_max = receipts_max
        self._queue: deque[Waiting] = deque()
        self._in_flight: dict[tuple[str, str], Waiting] = {}
        self._arrived = asyncio.Event()
        self._closed = False

    @property
    def depth(self) -> int:
        """How many orders wait or are being issued."""
        return len(self._in_flight)

    @property
    def oldest_since(self) -> float | None:
        """Since when the order waits that is taken next; None when none waits."""
        return self._queue[0].since if self._queue else None

    async def submit(self, order: Order) -> Outcome:
        """Wait in the pool for an order's outcome. The same client, key and content in flight share one outcome, which
        for all but the first is a repetition.

        Raises `Unavailable` when the pool is full or closed, and what the sequencer says of an order that failed.
        """
        name = (order.client_id, order.key)
        while (other := self._in_flight.get(name)) is not None:
            if other.order.content_hash == order.content_hash:
                return _repeated(await asyncio.shield(other.outcome))
            await asyncio.wait([other.outcome])
        self.require_room(1)
        waiting = Waiting(order, asyncio.get_running_loop().create_future(), perf_counter())
        self._in_flight[name] = waiting
        self._queue.append(waiting)
        self._arrived.set()
        return await asyncio.shield(waiting.outcome)

    def require_room(self, orders: int) -> None:
        """Refuse with `Unavailable` when that many orders do not fit."""
        if self._closed:
            raise Unavailable("shutting down", retry_after_s=5)
        if len(self._in_flight) + orders > self._receipts_max:
            raise Unavailable("pool_full")

    async def take(self, most: int) -> list[Waiting]:
        """Wait until something is there, and take at most `most` orders out of the queue; empty once closed."""
        while not self._queue and not self._closed:
            self._arrived.clear()
            await self._arrived.wait()
        return [self._queue.popleft() for _ in range(min(most, len(self._queue)))]

    def settle(self, settled: Sequence[tuple[Waiting, Result]]) -> None:
        """Hand out outcomes; an exception that is no refusal is raised to whoever waits."""
        for waiting, result in settled:
            del self._in_flight[waiting.order.client_id, waiting.order.key]
            if waiting.outcome.done():
                continue
            if isinstance(result, Issued | Refusal):
                waiting.outcome.set_result(result)
            else:
                waiting.outcome.set_exception(result)
                waiting.outcome.exception()  # looked at: nobody may be waiting any more

    def turn_away(self, unavailable: Unavailable) -> None:
        """Refuse everything that waits and was not taken yet."""
        turned = [(waiting, unavailable) for waiting in self._queue]
        self._queue.clear()
        self.settle(turned)

    def give_up(self) -> None:
        """Take nothing more and keep nobody waiting: what was not taken is not issued, of the rest nobody knows."""
        self.close()
        self.turn_away(Unavailable("no sequencer", retry_after_s=5))
        self.settle([(waiting, OutcomeUnknown()) for waiting in self._in_flight.values()])

    def close(self) -> None:
        """Take nothing more; what waits is still issued."""
        self._closed = True
        self._arrived.set()


def _repeated(outcome: Outcome) -> Outcome:
    return replace(outcome, repeated=True) if isinstance(outcome, Issued) else outcome
