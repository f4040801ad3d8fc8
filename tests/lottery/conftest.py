"""A small world with shops and consumers, whose draws are closed and run as the jobs do it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from kernel.clock import Month
from lottery.beacon import RECORDED, Mode, Round
from lottery.close_month import close_month
from lottery.commitment import Commitment
from lottery.rules import cut_off
from lottery.run_draw import Drawn, run_draw
from runtime.database import Database, Role
from tests.factories import World, open_world
from tests.lottery.drawing import MONTH, SECRET, easy_rules


@dataclass(frozen=True, slots=True)
class Draws:
    """Closes and draws months of a world."""

    world: World

    def close(
        self, month: Month = MONTH, *, mode: Mode = Mode.REHEARSAL, real_now: datetime | None = None
    ) -> Commitment:
        """Close a month at its cut-off, if it is not later already."""
        self.world.now = max(self.world.now, cut_off(month))
        with self.world.database.transaction(Role.JOBS) as connection:
            return close_month(
                connection,
                self.world.clock,
                month=month,
                mode=mode,
                secret=SECRET,
                real_clock=lambda: real_now or self.world.now,
            )

    def run(self, month: Month = MONTH, *, beacon: Round = RECORDED) -> Drawn:
        """Draw a closed month."""
        self.world.now += timedelta(hours=1)
        with self.world.database.transaction(Role.JOBS) as connection:
            return run_draw(connection, self.world.clock, month=month, beacon=beacon)


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """A world of one test."""
    async with open_world(database, connections=2) as opened:
        yield opened


@pytest.fixture
def draws(world: World) -> Draws:
    """The draws of that world."""
    return Draws(world)


@pytest.fixture
def generous(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prize plan by which one receipt in ten wins, so that a draw of thirty has winners."""
    monkeypatch.setattr("lottery.rules._PLANS", ((Month(2000, 1), easy_rules(1, 1).plan),))


async def claims_of_thirty(world: World) -> list[int]:
    """Thirty claims of five consumers (numbers 1 to 5) at two shops."""
    shops, consumers = [world.add_shop() for _ in range(2)], [world.add_consumer() for _ in range(5)]
    return [
        (await world.claim(await world.sell(shops[at % 2], 1100), consumers[at % 5])).claim.claim for at in range(30)
    ]
