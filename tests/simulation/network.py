"""What lies between tills and workers: it loses, doubles, delays and reorders requests and answers."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count

from receipts.orders import Order
from tests.simulation.chance import Chance, History
from tests.simulation.gateways import Slot
from tests.simulation.promises import Said
from tests.simulation.weather import Weather

MINUTE_S, HOUR_S = 60.0, 3600.0


class Network:
    """Carries requests to any worker that a balancer picks, and the answers back, each message on its own."""

    def __init__(self, slots: Sequence[Slot], weather: Weather, chance: Chance, history: History) -> None:
        self._slots = slots
        self._weather = weather
        self._chance = chance
        self._history = history
        self._numbers = count(1)

    async def ask(self, orders: Sequence[Order], timeout_s: float) -> list[Said | None]:
        """Post a request and answer what came back for each order within the time; None where nothing did."""
        number = next(self._numbers)
        answers: list[Said | None] = [None] * len(orders)
        complete = asyncio.get_running_loop().create_future()
        self._history.note("posted", number, *(order.key for order in orders))

        def arrive(at: int, said: Said) -> None:
            if answers[at] is None:
                answers[at] = said
            if None not in answers and not complete.done():
                complete.set_result(None)

        def reply(at: int, said: Said) -> None:
            self._carry(f"answer {number}.{at}", lambda: arrive(at, said))

        self._carry(f"request {number}", lambda: self._chance.choice(self._slots).receive(orders, reply))
        done, _ = await asyncio.wait([complete], timeout=timeout_s)
        if not done:
            self._history.note("timeout", number)
        return list(answers)

    def _carry(self, name: str, arrive: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        climate = self._weather.at(loop.time())
        if self._chance.happens(climate.message_lost):
            self._history.note("lost", name)
            return
        copies = 2 if self._chance.happens(climate.message_doubled) else 1
        if copies > 1:
            self._history.note("doubled", name)
        for _ in range(copies):
            late = self._chance.happens(climate.message_late)
            loop.call_later(self._late_s() if late else self._chance.uniform(0.001, 0.04), arrive)

    def _late_s(self) -> float:
        """How long a late message is on its way: mostly seconds, rarely hours."""
        return self._chance.expovariate(1 / self._chance.choice((1.0, 10.0, 10.0, MINUTE_S, HOUR_S)))
