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
from tests.lottery.drawing import MONTH, SECRET


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
