"""Whom a body that came before is answered with: the first receipt again, or a new one (docs/decisions/0035).

PosAPI knows no key that tells a repeated request from a second customer with the same bread. So a body is answered with
the receipt of an earlier one of exactly the same bytes in two cases alone: that one is still in flight, or its answer
reached nobody and it was made within the last two minutes. Once an answer has arrived, the same bytes are a new sale.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from pos_gateway.till.watched_connections import Delivery, DeliveryState

GIVEN_AGAIN_S: Final = 120.0
BODIES_MAX: Final = 10_000
"""Bodies remembered; at a till's 100 a second those of the last minute and a half."""

T = TypeVar("T")


@dataclass(slots=True)
class _Made(Generic[T]):
    """What was made of a body, or is being made; who waits for it, and what became of the answers."""

    outcome: "asyncio.Future[T]"
    made_at_s: float | None = None
    answering: int = 0
    deliveries: list[Delivery] = field(default_factory=list)

    def reached_nobody(self) -> bool:
        """Whether every answer was lost."""
        return all(delivery.look() is DeliveryState.LOST for delivery in self.deliveries)


class Given(Generic[T]):
    """An outcome that is to be answered to one client, who says what became of the answer: `sent` or `lost`, once."""

    __slots__ = ("_answers", "_digest", "_made", "outcome", "repeated")

    def __init__(self, answers: "LostAnswers[T]", digest: bytes, made: _Made[T], *, repeated: bool) -> None:
        self._answers = answers
        self._digest = digest
        self._made = made
        self.outcome = made.outcome.result()
        self.repeated = repeated

    def sent(self, watch: Callable[[Callable[[Delivery], None]], Delivery]) -> Delivery:
        """Note that the answer was written; `watch` begins to watch it."""
        delivery = watch(self._told)
        self._made.answering -= 1
        if delivery.state is DeliveryState.SENT:
            self._made.deliveries.append(delivery)
        return delivery

    def read(self) -> None:
        """Note that the client surely has the answer."""
        self._made.answering -= 1
        self._answers.forget(self._digest, self._made)

    def lost(self) -> None:
        """Note that the client is gone, so that nothing was written."""
        self._made.answering -= 1

    def _told(self, delivery: Delivery) -> None:
        if delivery.state is DeliveryState.READ:
            self._answers.forget(self._digest, self._made)


class LostAnswers(Generic[T]):
    """The bodies of the last two minutes whose answers may have been lost. `now_s` is a clock that nobody sets, `owed`
    what was made before a crash and how many seconds ago.
    """

    def __init__(self, now_s: Callable[[], float], owed: Mapping[bytes, tuple[T, float]]) -> None:
        self._now_s = now_s
        self._made: dict[bytes, _Made[T]] = {}
        for digest, (outcome, ago_s) in owed.items():
            future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            future.set_result(outcome)
            self._made[digest] = _Made(future, now_s() - ago_s)

    async def take(self, digest: bytes, make: Callable[[], Awaitable[T]]) -> Given[T]:
        """Answer what is made of a body: of an earlier one with the same bytes where its answer reached nobody, else a
        new one by `make`, whose exceptions go to everybody who waits for it.
        """
        made = self._made.get(digest)
        repeated = made is not None and self._may_be_given_again(made)
        if made is None or not repeated:
            made = self._begin(digest, make)
        made.answering += 1
        try:
            await asyncio.shield(made.outcome)
        except BaseException:
            made.answering -= 1
            raise
        return Given(self, digest, made, repeated=repeated)

    def forget(self, digest: bytes, made: "_Made[T]") -> None:
        """Forget a body whose answer was read; a newer one of the same bytes stays."""
        if self._made.get(digest) is made:
            del self._made[digest]

    def _may_be_given_again(self, made: _Made[T]) -> bool:
        if not made.outcome.done() or made.answering:
            return True
        now_s = self._now_s()
        ago_s = 0.0 if made.made_at_s is None else now_s - made.made_at_s
        return ago_s <= GIVEN_AGAIN_S and made.reached_nobody()

    def _begin(self, digest: bytes, make: Callable[[], Awaitable[T]]) -> _Made[T]:
        self._sweep()
        made: _Made[T] = _Made(asyncio.ensure_future(make()))
        self._made.pop(digest, None)
        self._made[digest] = made

        def done(outcome: "asyncio.Future[T]") -> None:
            made.made_at_s = self._now_s()
            if outcome.cancelled() or outcome.exception() is not None:
                self.forget(digest, made)

        made.outcome.add_done_callback(done)
        return made

    def _sweep(self) -> None:
        """Forget the oldest where they are out of time, or too many."""
        while self._made:
            digest, made = next(iter(self._made.items()))
            old = made.made_at_s is not None and self._now_s() - made.made_at_s > GIVEN_AGAIN_S
            if made.answering or not (old or len(self._made) >= BODIES_MAX):
                return
            del self._made[digest]
