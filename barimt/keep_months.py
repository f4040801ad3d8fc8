"""Keep the months' partitions: next month's are made weeks ahead, so that no till waits for them at midnight of the
first, and those of idempotency keys that nobody looks up any more are dropped.

| event              | what it tells                                                                                 |
|--------------------|-----------------------------------------------------------------------------------------------|
| `month_made`       | the partitions of a month are there from now on                                               |
| `keys_forgotten`   | idempotency keys of months before last month and the one before it are dropped                 |
| `months_not_kept`  | the database was away, or somebody was reading keys: it tries again; what is there stays       |

Every worker does this: what is made already costs one small query, and nothing happens twice.
"""

import asyncio
from typing import Any

import asyncpg
import structlog

from kernel.clock import Clock, Month
from receipts.store import issuing, months

KEEP_EVERY_S = 600.0
"""A month is made when the one before it begins, give or take this; so it is there 28 days ahead."""
_AWAY = (OSError, asyncpg.InterfaceError, asyncpg.PostgresError)
_log = structlog.get_logger()


class MonthKeeper:
    """One worker's eye on the months. Belongs to one event loop.

    Args:
        clock: business time, by which receipts fall into months.
        real_clock: real time, by which idempotency keys do.
    """

    def __init__(self, database: Any, clock: Clock, real_clock: Clock) -> None:
        self._database = database
        self._clocks = (clock, real_clock)

    async def keep(self) -> None:
        """Make this month and the next where they are missing, and forget old keys."""
        wanted = {Month.of(clock()).plus(ahead) for clock in self._clocks for ahead in (0, 1)}
        for month in await months.find_unmade(self._database, sorted(wanted)):
            await issuing.ensure_month(self._database, month)
            _log.info("month_made", month=str(month))
        forgotten = await months.forget_old_keys(self._database)
        if forgotten:
            _log.info("keys_forgotten", partitions=forgotten)

    async def keep_for_ever(self) -> None:
        """Keep them every `KEEP_EVERY_S` seconds, through every failure of the database."""
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Keep them once; when the database is away the next time will do."""
        try:
            await self.keep()
        except _AWAY as error:
            _log.warning("months_not_kept", error=type(error).__name__)
