"""Issuing a chunk on the real database: what its statements find."""

import asyncpg
import pytest

from kernel.canonical import sha256
from kernel.clock import Month
from receipts.issue_receipts import issue_receipts
from receipts.orders import Issued, VoidOrder
from receipts.store.issuing import PostgresIssuing, ensure_month
from runtime.database import Database
from tests.factories import World, open_world

MONTH = Month(2017, 3)


async def issue_in_month(world: World, connection: asyncpg.Connection, order: VoidOrder, received: Month) -> Issued:
    async with connection.transaction():
        await ensure_month(connection, received)
        [outcome] = await issue_receipts(
            PostgresIssuing(connection), world.clock, orders=[order], chain_keys=world.chain_key,
            received_month=received,
        )  # fmt: skip
    assert isinstance(outcome, Issued)
    return outcome


class TestRetries:
    @pytest.mark.parametrize("later", [-1, 0, 1])
    async def test_find_the_first_receipt_also_across_a_months_end(self, database: Database, later: int) -> None:
        """`later` is -1 where the clock was set back over the month's end in between."""
        async with open_world(database) as world, world.gateway.acquire() as connection:
            shop = world.add_shop()
            sold = await world.sell(shop, 110_000)
            order = VoidOrder("test", "k", sha256(b"k"), sold.seller, sold.terminal, sold.id, "буцаалт")
            first = await issue_in_month(world, connection, order, MONTH)
            again = await issue_in_month(world, connection, order, MONTH.plus(later))
        assert again.repeated
        assert again.receipt.id == first.receipt.id
