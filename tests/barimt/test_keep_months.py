"""Months are made before they begin, nobody waits for that, and old idempotency keys are forgotten."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import pytest
from structlog.testing import capture_logs

from barimt.keep_months import MonthKeeper
from kernel.clock import Month
from pos_gateway.keep_connection import KeptConnection
from pos_gateway.transactions import Refused
from receipts.store import issuing, months
from runtime.clock import real_now
from runtime.database import Database, Role
from tests.factories import open_world

PARENTS = ("pos.receipts", "pos.idempotency", "claims.claims", "claims.sightings")
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::text::regclass ORDER BY 1"
ADD_KEY = "INSERT INTO pos.idempotency VALUES (1, 'c', $1, $2, sha256('x'), 1, 1, 1)"
LAST_OF_MARCH = datetime(2017, 3, 31, 15, 59, 59, tzinfo=UTC)
"""A second before midnight in Ulaanbaatar."""
THIS_MONTH = Month.of(real_now())


@dataclass(slots=True)
class Kept:
    """A database with a keeper whose business time stands where the test sets it; `owner` sees everything."""

    gateway: "asyncpg.Pool[asyncpg.Record]"
    owner: "asyncpg.Pool[asyncpg.Record]"
    now: datetime = LAST_OF_MARCH

    @property
    def keeper(self) -> MonthKeeper:
        """A keeper that has just started."""
        return MonthKeeper(self.gateway, lambda: self.now, real_now)

    async def partitions(self, parent: str) -> set[str]:
        """The months of which a table has a partition, as 2017_03."""
        return {row[0][-7:] for row in await self.owner.fetch(PARTITIONS, parent)}


@pytest.fixture
async def kept(database: Database) -> AsyncIterator[Kept]:
    async with (
        await database.pool(Role.GATEWAY, min_size=1, max_size=2) as gateway,
        await database.pool(Role.OWNER, min_size=1, max_size=2) as owner,
    ):
        yield Kept(gateway, owner)


def named(*of: Month) -> set[str]:
    return {str(month).replace("-", "_") for month in of}


class TestMonthKeeper:
    async def test_makes_this_month_and_the_next_of_business_and_of_real_time(self, kept: Kept) -> None:
        await kept.keeper.keep()
        real = (THIS_MONTH, THIS_MONTH.plus(1))
        for parent in PARENTS[:1] + PARENTS[2:]:
            assert await kept.partitions(parent) == named(Month(2017, 3), Month(2017, 4), *real)
        assert await kept.partitions("pos.idempotency") == named(*real)  # the others are old already

    async def test_makes_the_month_after_when_a_month_begins(self, kept: Kept) -> None:
        keeper = kept.keeper
        await keeper.keep()
        kept.now = datetime(2017, 12, 31, 16, tzinfo=UTC)  # New Year in Ulaanbaatar
        with capture_logs() as logs:
            await keeper.keep()
            await keeper.keep()
        assert [log["month"] for log in logs if log["event"] == "month_made"] == ["2018-01", "2018-02"]
        assert named(Month(2018, 1), Month(2018, 2)) <= await kept.partitions("pos.receipts")

    async def test_says_which_months_are_not_made(self, kept: Kept) -> None:
        asked = [Month(2017, number) for number in (3, 4, 5)]
        assert await months.find_unmade(kept.gateway, asked) == asked
        await kept.keeper.keep()
        assert await months.find_unmade(kept.gateway, asked) == [Month(2017, 5)]

    async def test_goes_on_when_the_database_does_not_answer(self, kept: Kept) -> None:
        await kept.gateway.close()
        with capture_logs() as logs:
            await kept.keeper.look()
        assert [(log["event"], log["error"]) for log in logs] == [("months_not_kept", "InterfaceError")]


class TestTills:
    async def test_do_not_wait_for_a_month_that_is_being_made(self, database: Database, kept: Kept) -> None:
        async with open_world(database) as world:
            shop = world.add_shop()
            await world.sell(shop, 100)
            async with kept.gateway.acquire() as connection, connection.transaction():
                await issuing.ensure_month(connection, Month(2030, 1))  # its locks are held until the end
                await asyncio.wait_for(world.sell(shop, 200), timeout=5)

    async def test_do_not_delay_a_month_with_their_transactions(self, database: Database, kept: Kept) -> None:
        async with open_world(database) as world:
            order = world.order_of(world.add_shop(), 100)
            async with world.gateway.acquire() as connection, connection.transaction():
                await world.issue_in(connection, order)
                async with kept.gateway.acquire() as other:
                    await asyncio.wait_for(issuing.ensure_month(other, Month(2030, 1)), timeout=5)


class TestForgetting:
    async def test_keeps_what_is_looked_up_and_a_month_more(self, kept: Kept) -> None:
        kept_months = [THIS_MONTH.plus(-ago) for ago in (-1, 0, 1, 2)]
        for month in [*kept_months, THIS_MONTH.plus(-3), THIS_MONTH.plus(-40)]:
            await issuing.ensure_month(kept.gateway, month)
            await kept.gateway.execute(ADD_KEY, str(month), month.year * 12 + month.number - 1)
        gone = [f"idempotency_{name}" for name in sorted(named(THIS_MONTH.plus(-40), THIS_MONTH.plus(-3)))]
        assert await months.forget_old_keys(kept.gateway) == gone
        assert await months.forget_old_keys(kept.gateway) == []
        assert await kept.partitions("pos.idempotency") == named(*kept_months)
        assert await kept.owner.fetchval("SELECT count(*) FROM pos.idempotency") == len(kept_months)

    async def test_lets_nobody_wait_behind_a_long_reader(self, kept: Kept) -> None:
        await issuing.ensure_month(kept.gateway, Month(2017, 3))
        with capture_logs() as logs:
            async with kept.owner.acquire() as reader, reader.transaction():
                await reader.fetch("SELECT FROM pos.idempotency")
                await asyncio.wait_for(kept.keeper.look(), timeout=5)
            await kept.keeper.look()
        assert [log for log in logs if log["event"] != "month_made"] == [
            {"event": "months_not_kept", "error": "LockNotAvailableError", "log_level": "warning"},
            {"event": "keys_forgotten", "partitions": ["idempotency_2017_03", "idempotency_2017_04"],
             "log_level": "info"},
        ]  # fmt: skip

    @pytest.mark.parametrize("role", [Role.CLAIMS, Role.OFFICER, Role.JOBS])
    async def test_is_the_gateways_alone(self, database: Database, role: Role) -> None:
        async with await database.pool(role, min_size=1, max_size=1) as pool:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await months.forget_old_keys(pool)


class TestIssuing:
    async def test_finds_a_month_again_that_was_dropped_meanwhile(self, kept: Kept) -> None:
        old, transactions = Month(2017, 3), KeptConnection(kept.gateway)
        async with transactions.begin([old]):
            pass
        await months.forget_old_keys(kept.owner)
        ordinal = old.year * 12 + old.number - 1
        with pytest.raises(Refused):
            async with transactions.begin([old]) as issuing_there:
                await issuing_there.connection.execute(ADD_KEY, "a", ordinal)  # type: ignore[attr-defined] - a PostgresIssuing
        async with transactions.begin([old]) as issuing_there:
            await issuing_there.connection.execute(ADD_KEY, "a", ordinal)  # type: ignore[attr-defined] - as above
        await transactions.close()
