"""What befalls the machines: workers killed and restarted, the database gone, clocks stepping."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from tests.simulation.chance import Chance
from tests.simulation.gateways import Slot
from tests.simulation.memory_database import MemoryDatabase
from tests.simulation.weather import DAY_S, RUSH_S, Weather

KILLS, RESTARTS, CRASHES = 2, 1, 1
"""How many in each rush, on average about."""
STEPS = 4
"""How often each machine's clock steps in a day."""


class Disasters:
    """Plans the day's disasters from its chance, and lets them happen."""

    def __init__(
        self, database: MemoryDatabase, slots: list[Slot], weather: Weather, chance: Chance, midnight_s: float
    ) -> None:
        self._database = database
        self._slots = slots
        self._chance = chance
        self._planned: list[tuple[float, Callable[[], Awaitable[None]]]] = []
        for began_s in weather.rushes:
            self._plan_rush(began_s)
        for slot in slots:
            self._plan_clock(slot, midnight_s)

    def _plan_rush(self, began_s: float) -> None:
        def moment() -> float:
            return began_s + self._chance.uniform(0, RUSH_S)

        for _ in range(self._chance.randint(0, 2 * KILLS)):
            self._at(moment(), partial(self._kill, self._chance.choice(self._slots)))
        for _ in range(self._chance.randint(0, 2 * RESTARTS)):
            self._at(moment(), self._chance.choice(self._slots).restart)
        for _ in range(self._chance.randint(0, 2 * CRASHES)):
            self._at(moment(), self._crash)

    def _plan_clock(self, slot: Slot, midnight_s: float) -> None:
        for _ in range(STEPS):
            self._at(self._chance.uniform(0, DAY_S), partial(self._step, slot, self._chance.uniform(-200, 200)))
        if self._chance.happens(0.7):  # the month ends twice for this machine
            self._at(midnight_s + self._chance.uniform(0, 8), partial(self._step, slot, -self._chance.uniform(1, 60)))

    def _at(self, time_s: float, disaster: Callable[[], Awaitable[None]]) -> None:
        self._planned.append((max(0.0, time_s), disaster))

    async def strike(self) -> None:
        """Let everything happen at its time, and wait until the last is over."""

        async def at(time_s: float, disaster: Callable[[], Awaitable[None]]) -> None:
            await asyncio.sleep(time_s)
            await disaster()

        await asyncio.gather(*(at(*one) for one in self._planned))

    async def _kill(self, slot: Slot) -> None:
        slot.kill()
        await asyncio.sleep(self._chance.uniform(0.05, 8))
        if slot.life is None:
            slot.start()

    async def _crash(self) -> None:
        if not self._database.up:
            return
        self._database.history.note("crashed")
        self._database.crash()
        await asyncio.sleep(self._chance.choice((0.1, 1, 5, 20)) * self._chance.random())
        self._database.up = True
        self._database.history.note("recovered")

    async def _step(self, slot: Slot, to_s: float) -> None:
        """Set a clock right, or wrong: it is `to_s` ahead from now on."""
        self._database.history.note("stepped", slot.name, round(to_s - slot.ahead_s, 3))
        slot.ahead_s = to_s
