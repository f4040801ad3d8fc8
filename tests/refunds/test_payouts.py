from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update

from refunds.payout import Order, Paid, Returned
from refunds.post_prizes import Prize, PrizesPosted, post_prizes
from refunds.run_payouts import (
    PayoutsAnswered,
    PayoutsReserved,
    PayoutUnknown,
    orders_to_send,
    run_payouts,
    settle_payouts,
)
from refunds.tables import CONSUMERS
from runtime.database import Database, Role
from tests.factories import World, open_world

ACCOUNT = "MN120005005001234567"


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with open_world(database) as opened:
        yield opened


async def consumer_with(world: World, credit_mongo: int, *, bank_account: str | None = ACCOUNT) -> int:
    consumer = world.add_consumer()
    await world.claim(await world.sell(world.add_shop(), credit_mongo * 55), consumer)
    with world.database.transaction(Role.CLAIMS) as connection:
        here = update(CONSUMERS).where(CONSUMERS.c.consumer == consumer)
        connection.execute(here.values(bank_account=bank_account))
    return consumer


def run(world: World, **limits: int) -> PayoutsReserved:
    with world.database.transaction(Role.JOBS) as connection:
        return run_payouts(connection, world.clock, **limits)


def orders(world: World) -> list[Order]:
    with world.database.transaction(Role.JOBS) as connection:
        return orders_to_send(connection)


def settle(world: World, *answers: Paid | Returned) -> PayoutsAnswered:
    with world.database.transaction(Role.JOBS) as connection:
        return settle_payouts(connection, world.clock, answers=answers)


class TestRunPayouts:
    async def test_reserves_all_that_is_available_and_orders_it(self, world):
        consumer = await consumer_with(world, 200_00)
        assert run(world) == PayoutsReserved(1, 200_00)
        assert await world.balances(consumer) == {"reserved": 200_00}
        assert [(order.bank_account, order.amount_mongo) for order in orders(world)] == [(ACCOUNT, 200_00)]

    async def test_run_again_reserves_nothing(self, world):
        await consumer_with(world, 200_00)
        run(world)
        assert run(world) == PayoutsReserved(0, 0)
        assert len(orders(world)) == 1

    async def test_passes_over_who_has_no_bank_account(self, world):
        consumer = await consumer_with(world, 200_00, bank_account=None)
        assert run(world) == PayoutsReserved(0, 0)
        assert await world.balances(consumer) == {"available": 200_00}

    async def test_waits_for_the_minimum(self, world):
        await consumer_with(world, 200_00)
        assert run(world, minimum_mongo=200_01) == PayoutsReserved(0, 0)
        assert run(world, minimum_mongo=200_00) == PayoutsReserved(1, 200_00)

    async def test_takes_as_many_at_once_as_asked(self, world):
        for _ in range(3):
            await consumer_with(world, 200_00)
        assert [run(world, limit=2).count for _ in range(3)] == [2, 1, 0]

    async def test_never_pays_what_is_provisional(self, world):
        consumer = await consumer_with(world, 200_00)
        await world.claim(world.ring_up(world.add_till(), 11_000_00), consumer)
        assert run(world) == PayoutsReserved(1, 200_00)
        assert await world.balances(consumer) == {"provisional": 200_00, "unreported": 200_00, "reserved": 200_00}


class TestSettlePayouts:
    async def test_moves_paid_money(self, world):
        consumer = await consumer_with(world, 200_00)
        run(world)
        [order] = orders(world)
        assert settle(world, Paid(order.payout)) == PayoutsAnswered(paid=1, returned=0)
        assert await world.balances(consumer) == {"paid": 200_00}
        assert orders(world) == []

    async def test_told_again_changes_nothing(self, world):
        consumer = await consumer_with(world, 200_00)
        run(world)
        [order] = orders(world)
        settle(world, Paid(order.payout))
        assert settle(world, Paid(order.payout), Paid(order.payout)) == PayoutsAnswered(0, 0)
        assert await world.balances(consumer) == {"paid": 200_00}

    async def test_brings_returned_money_back_to_be_paid_again(self, world):
        consumer = await consumer_with(world, 200_00)
        run(world)
        [order] = orders(world)
        settle(world, Paid(order.payout))
        assert settle(world, Returned(order.payout, "closed")) == PayoutsAnswered(paid=0, returned=1)
        assert settle(world, Returned(order.payout, "closed"), Paid(order.payout)) == PayoutsAnswered(0, 0)
        assert await world.balances(consumer) == {"available": 200_00}
        assert run(world) == PayoutsReserved(1, 200_00)

    async def test_brings_money_back_that_never_arrived(self, world):
        consumer = await consumer_with(world, 200_00)
        run(world)
        [order] = orders(world)
        assert settle(world, Returned(order.payout, "no such account")) == PayoutsAnswered(paid=0, returned=1)
        assert await world.balances(consumer) == {"available": 200_00}

    async def test_brings_money_back_to_a_debtor_as_less_debt(self, world):
        consumer = world.add_consumer()
        receipt = await world.sell(world.add_shop(), 11_000_00)
        await world.claim(receipt, consumer)
        with world.database.transaction(Role.CLAIMS) as connection:
            connection.execute(update(CONSUMERS).values(bank_account=ACCOUNT))
        run(world)
        await world.void(receipt)
        await world.follow()
        assert await world.balances(consumer) == {"reserved": 200_00, "debt": 200_00}
        settle(world, Returned(orders(world)[0].payout, "closed"))
        assert await world.balances(consumer) == {}

    async def test_refuses_the_answer_to_an_order_never_given(self, world):
        with pytest.raises(PayoutUnknown):
            settle(world, Paid(1))


class TestPostPrizes:
    async def test_makes_prizes_available_once(self, world):
        consumer = world.add_consumer()
        claim = (await world.claim(await world.sell(world.add_shop(), 1), consumer)).claim.claim
        prizes = [Prize(claim, 3, 30_000_00), Prize(claim, 4, 100_000_00)]
        with world.database.transaction(Role.JOBS) as connection:
            assert post_prizes(connection, world.clock, prizes=prizes[:1]) == PrizesPosted(1, 30_000_00)
        with world.database.transaction(Role.JOBS) as connection:
            assert post_prizes(connection, world.clock, prizes=prizes) == PrizesPosted(1, 100_000_00)
        assert await world.balances(consumer) == {"available": 130_000_00}

    async def test_nets_debt(self, world):
        consumer = world.add_consumer()
        receipt = await world.sell(world.add_shop(), 11_000_00)
        claim = (await world.claim(receipt, consumer)).claim.claim
        with world.database.transaction(Role.CLAIMS) as connection:
            connection.execute(update(CONSUMERS).values(bank_account=ACCOUNT))
        run(world)
        await world.void(receipt)
        await world.follow()
        with world.database.transaction(Role.JOBS) as connection:
            post_prizes(connection, world.clock, prizes=[Prize(claim, 3, 300_00)])
        assert await world.balances(consumer) == {"reserved": 200_00, "available": 100_00}

    async def test_of_nobody_are_nothing(self, world):
        with world.database.transaction(Role.JOBS) as connection:
            assert post_prizes(connection, world.clock, prizes=[]) == PrizesPosted(0, 0)
