"""The bounded pool between requests and the sequencers: orders wait here until a transaction takes them.

The bound keeps the promise that nobody waits long: 4,096 receipts are about a second of work of one worker, and at some
4 KiB each no more than 16 MiB. What does not fit is refused at once with `Unavailable`, and nothing has happened.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from time import perf_counter

from msgspec import Struct
from msgspec.structs import replace

from kernel.refusal import Refusal, Unavailable
from receipts.orders import Issued, Order, Outcome

POOL_RECEIPTS_MAX = 4096
WORTHWHILE = 32
"""Orders that are worth a transaction of their own while another is open: what one costs by itself, some 400 µs, is
then less than a tenth of what its receipts cost."""
WORTHWHILE_ALONE = 20
"""The same for the only worker of a machine: it would have nothing to do while more tills wait for its transactions."""


class OutcomeUnknown(Refusal):
    """Nobody knows whether the order was issued: the connection broke in the middle of a commit and stayed broken.

    The client must ask again with the same key; it is told nothing that could be taken for "not issued".
    """

    code = "outcome_unknown"


Result = Outcome | Exception
"""How an order ended: issued, refused, or with an exception that is raised to whoever waits (mostly `Unavailable`)."""


Terminal = tuple[int, int]
"""Seller and terminal."""


class Waiting(Struct, eq=False):
    """An order, the promise of its outcome, since when it waits (`time.perf_counter`, for the metrics alone), and who
    asked with the same key while it was in flight.
    """

    order: Order
    outcome: "asyncio.Future[Outcome]"
    since: float
    later: list["Waiting"] | None = None


class Pool:
    """Orders that wait, at most one for each client and key. Belongs to one event loop.

    A terminal's orders are taken in the order in which they came, and by one sequencer at a time, so that several of
    them never wait for each other. Terminals take turns.
    """

    def __init__(self, receipts_max: int = POOL_RECEIPTS_MAX, *, worthwhile: int = WORTHWHILE) -> None:
        self._receipts_max = receipts_max
        self._worthwhile = worthwhile
        self._waiting: dict[Terminal, deque[Waiting]] = {}
        """Of each terminal that has orders in flight, those that were not taken yet."""
        self._ready: deque[Terminal] = deque()
        """Terminals with waiting orders and none that are being issued."""
        self._in_flight: dict[tuple[str, str], Waiting] = {}
        self._taken = 0
        """Of those, how many are being issued."""
        self._arrived = asyncio.Event()
        self._closed = False

    @property
    def depth(self) -> int:
        """How many orders wait or are being issued."""
        return len(self._in_flight)

    @property
    def oldest_since(self) -> float | None:
        """Since when the order waits that came first; None when none waits."""
        return min([orders[0].since for orders in self._waiting.values() if orders], default=None)

    @property
    def has_room(self) -> bool:
        """Whether another order would be taken. A closed pool is another matter than a full one, and says so itself."""
        return self._closed or len(self._in_flight) < self._receipts_max

    def enter(self, order: Order) -> "asyncio.Future[Outcome]":
        """Let an order wait and answer the promise of its outcome, which whoever waits may give up alone. The same
        client, key and content in flight share one outcome, which for all but the first is a repetition; other content
        waits until the first is over.

        Raises `Unavailable` when the pool is full or closed. So may the promise, and with what else the sequencer says
        of an order that failed.
        """
        waiting = Waiting(order, asyncio.get_running_loop().create_future(), perf_counter())
        first = self._in_flight.get((order.client_id, order.key))
        if first is None:
            self.require_room(1)
            self._add(waiting)
        else:
            _wait_behind(first, waiting)
        return waiting.outcome

    def _add(self, waiting: Waiting) -> None:
        order = waiting.order
        self._in_flight[order.client_id, order.key] = waiting
        terminal = order.seller, order.terminal
        orders = self._waiting.get(terminal)
        if orders is None:
            self._waiting[terminal] = deque((waiting,))
            self._ready.append(terminal)
        else:
            orders.append(waiting)
        if self._is_worthwhile:  # to wake a sequencer in vain takes as long as to judge a receipt's form
            self._arrived.set()

    def require_room(self, orders: int) -> None:
        """Refuse with `Unavailable` when that many orders do not fit."""
        if self._closed:
            raise Unavailable("shutting down", retry_after_s=5)
        if len(self._in_flight) + orders > self._receipts_max:
            raise Unavailable("pool_full")

    async def take(self, most: int) -> list[Waiting]:
        """Wait until orders can be taken, and take at most `most` of them; none once the pool is closed and empty.

        While others are being issued, `worthwhile` must have gathered: a transaction costs the same for few.
        """
        while not self._is_worthwhile and not (self._closed and not any(self._waiting.values())):
            self._arrived.clear()
            await self._arrived.wait()
        taken: list[Waiting] = []
        while self._ready and len(taken) < most:
            orders = self._waiting[self._ready.popleft()]
            taken += [orders.popleft() for _ in range(min(len(orders), most - len(taken)))]
        self._taken += len(taken)
        return taken

    @property
    def _is_worthwhile(self) -> bool:
        if not self._ready:
            return False
        return self._taken == 0 or self._closed or len(self._in_flight) - self._taken >= self._worthwhile

    def settle(self, settled: Sequence[tuple[Waiting, Result]]) -> None:
        """Hand out the outcomes of all orders that were taken together; an exception that is no refusal is raised to
        whoever waits.
        """
        self._end(settled)
        self._taken -= len(settled)
        for terminal in {(waiting.order.seller, waiting.order.terminal) for waiting, _ in settled}:
            if self._waiting[terminal]:
                self._ready.append(terminal)
            else:
                del self._waiting[terminal]
        self._arrived.set()

    def _end(self, ended: Sequence[tuple[Waiting, Result]]) -> None:
        for waiting, result in ended:
            del self._in_flight[waiting.order.client_id, waiting.order.key]
            _tell(waiting, result)
            for later in waiting.later or ():
                first = self._in_flight.get((later.order.client_id, later.order.key))
                if later.order.content_hash == waiting.order.content_hash:
                    _tell(later, _repeated(result))
                elif first is None:
                    self._add(later)
                else:
                    _wait_behind(first, later)

    def turn_away(self, unavailable: Unavailable) -> None:
        """Refuse everything that waits and was not taken yet."""
        turned = [(waiting, unavailable) for orders in self._waiting.values() for waiting in orders]
        for terminal in self._ready:
            del self._waiting[terminal]
        self._ready.clear()
        for orders in self._waiting.values():
            orders.clear()
        self._end(turned)

    def give_up(self) -> None:
        """Take nothing more and keep nobody waiting: what was not taken is not issued, of the rest nobody knows."""
        self.close()
        while self._in_flight:
            self.turn_away(Unavailable("no sequencer", retry_after_s=5))
            waiting = {id(one) for orders in self._waiting.values() for one in orders}
            self._end([(one, OutcomeUnknown()) for one in self._in_flight.values() if id(one) not in waiting])

    def close(self) -> None:
        """Take nothing more; what waits is still issued."""
        self._closed = True
        self._arrived.set()


def _wait_behind(first: Waiting, waiting: Waiting) -> None:
    if first.later is None:
        first.later = []
    first.later.append(waiting)


def _tell(waiting: Waiting, result: Result) -> None:
    outcome = waiting.outcome
    if outcome.done():
        return  # nobody waits any more
    if isinstance(result, Issued | Refusal):
        outcome.set_result(result)
    else:
        outcome.set_exception(result)
        outcome.exception()  # looked at: nobody may ever ask


def _repeated(result: Result) -> Result:
    return replace(result, repeated=True) if isinstance(result, Issued) else result
