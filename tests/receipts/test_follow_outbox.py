from collections.abc import AsyncIterator

import pytest

from receipts.claim import ClaimState
from receipts.claim_rules import AlreadyClaimed
from receipts.follow_outbox import follow_outbox
from runtime.database import Database
from tests.factories import World, open_world


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with open_world(database) as opened:
        yield opened


async def waiting(world: World) -> int:
    return await world.claims.fetchval("SELECT count(*) FROM pos.outbox")


class TestFollowVoid:
    async def test_ends_the_claim_and_takes_the_credit_back(self, world):
        receipt, consumer = await world.sell(world.add_shop(), 11_000_00), world.add_consumer()
        await world.claim(receipt, consumer)
        await world.void(receipt)
        followed = await world.follow()
        assert (followed.taken, [claim.state for claim in followed.claims]) == (1, [ClaimState.VOID])
        assert await world.claims.fetchval("SELECT state FROM claims.claims") == "void"
        assert await world.balances(consumer) == {}

    async def test_of_a_receipt_that_nobody_claimed_does_nothing(self, world):
        await world.void(await world.sell(world.add_shop(), 11_000_00))
        followed = await world.follow()
        assert (followed.taken, followed.claims) == (1, ())
        assert await waiting(world) == 0

    async def test_makes_debt_of_what_was_paid_out_and_nets_it_from_the_next_credit(self, world):
        shop, consumer = world.add_shop(), world.add_consumer()
        receipt = await world.sell(shop, 11_000_00)
        await world.claim(receipt, consumer)
        async with world.claims.acquire() as connection:
            await connection.execute(
                "UPDATE private.accounts SET available_mongo = 5000, paid_mongo = 15000 WHERE consumer = $1", consumer
            )
        await world.void(receipt)
        await world.follow()
        assert await world.balances(consumer) == {"paid": 150_00, "debt": 150_00}
        await world.claim(await world.sell(shop, 22_000_00), consumer)
        assert await world.balances(consumer) == {"paid": 150_00, "available": 250_00}

    async def test_is_answered_to_the_same_consumer_before_it_is_followed(self, world):
        receipt, consumer = await world.sell(world.add_shop(), 11_000_00), world.add_consumer()
        await world.claim(receipt, consumer)
        await world.void(receipt)
        again, credit = await world.claim_and_credit(receipt, consumer)
        assert (again.claim.state, again.total_mongo, credit.credit_mongo) == (ClaimState.VOID, 11_000_00, 0)
        await world.follow()
        assert await world.balances(consumer) == {}

    async def test_applied_again_changes_nothing(self, world):
        receipt, consumer = await world.sell(world.add_shop(), 11_000_00), world.add_consumer()
        await world.claim(receipt, consumer)
        await world.void(receipt)
        await world.follow()
        async with world.gateway.acquire() as connection:
            await connection.execute(
                "INSERT INTO pos.outbox (seller, root_terminal, root_day, root_number, event, created_at)"
                " VALUES ($1, $2, $3, $4, 'void', $5)",
                *receipt.key,
                world.now,
            )
        assert (await world.follow()).taken == 1
        assert await world.balances(consumer) == {}
        assert await world.claims.fetchval("SELECT count(*) FROM private.transfers") == 2


class TestFollowCorrection:
    @pytest.mark.parametrize(("corrected", "credit"), [(5_500_00, 100_00), (22_000_00, 400_00), (0, 0)])
    async def test_moves_the_difference(self, world, corrected, credit):
        shop, consumer = world.add_shop(), world.add_consumer()
        receipt = await world.sell(shop, 11_000_00)
        await world.claim(receipt, consumer)
        await world.correct(receipt, shop, corrected)
        await world.follow()
        assert (await world.balances(consumer)).get("available", 0) == credit

    async def test_of_several_links_comes_to_the_last(self, world):
        shop, consumer = world.add_shop(), world.add_consumer()
        receipt = await world.sell(shop, 11_000_00)
        await world.claim(receipt, consumer)
        second = await world.correct(receipt, shop, 5_500_00)
        await world.correct(second, shop, 33_000_00)
        followed = await world.follow()
        assert (followed.taken, len(followed.claims)) == (2, 1)
        assert await world.balances(consumer) == {"available": 600_00}

    async def test_then_void_takes_all_back(self, world):
        shop, consumer = world.add_shop(), world.add_consumer()
        receipt = await world.sell(shop, 11_000_00)
        await world.claim(receipt, consumer)
        correction = await world.correct(receipt, shop, 22_000_00)
        await world.follow()
        await world.void(correction)
        await world.follow()
        assert await world.balances(consumer) == {}

    async def test_keeps_the_months_entitlement(self, world):
        shop, consumer = world.add_shop(), world.add_consumer()
        receipt = await world.sell(shop, 11_000_00)
        await world.claim(receipt, consumer)
        await world.claim(await world.sell(shop, 1_100_00), consumer)
        await world.correct(receipt, shop, 5_500_00)
        await world.follow()
        row = await world.claims.fetchrow("SELECT * FROM private.entitlements")
        assert tuple(row) == (consumer, 2017 * 12 + 2, 2, 600_00, 120_00)


class TestFollowEasy:
    async def test_claims_for_the_login_number_given_at_the_till(self, world):
        consumer, login_no = world.add_person()
        receipt = await world.sell(world.add_shop(), 11_000_00, consumer_no=login_no)
        followed = await world.follow()
        assert (followed.taken, followed.declined) == (1, ())
        assert await world.balances(consumer) == {"available": 200_00}
        assert await world.claims.fetchval("SELECT via FROM claims.claims") == "easy"
        with pytest.raises(AlreadyClaimed):
            await world.claim(receipt, world.add_consumer())

    async def test_of_a_receipt_voided_meanwhile_gives_nothing(self, world):
        consumer, login_no = world.add_person()
        await world.void(await world.sell(world.add_shop(), 11_000_00, consumer_no=login_no))
        followed = await world.follow()
        assert [declined.code for declined in followed.declined] == ["receipt_void"]
        assert await world.balances(consumer) == {}

    async def test_declines_a_number_that_nobody_has(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00, consumer_no=11_999_999)
        followed = await world.follow()
        assert [(one.root_id, one.code) for one in followed.declined] == [(receipt.id, "login_unknown")]

    async def test_declines_the_sellers_own_people_and_goes_on(self, world):
        shop = world.add_shop()
        _, owner = world.add_person(owner_of=shop)
        consumer, login_no = world.add_person()
        await world.sell(shop, 11_000_00, consumer_no=owner)
        await world.sell(shop, 11_000_00, consumer_no=login_no)
        followed = await world.follow()
        assert [declined.code for declined in followed.declined] == ["own_seller"]
        assert await world.balances(consumer) == {"available": 200_00}


class TestFollowOutbox:
    async def test_takes_no_more_than_asked_and_the_oldest_first(self, world):
        shop = world.add_shop()
        receipts = [await world.sell(shop, 11_000_00) for _ in range(3)]
        consumer = world.add_consumer()
        for receipt in receipts:
            await world.claim(receipt, consumer)
            await world.void(receipt)
        assert (await world.follow(limit=2)).taken == 2
        assert await world.balances(consumer) == {"available": 200_00}
        assert (await world.follow(limit=2)).taken == 1

    async def test_leaves_the_events_where_the_transaction_fails(self, world):
        await world.void(await world.sell(world.add_shop(), 11_000_00))
        async with world.claims.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            assert (await follow_outbox(connection, world.clock, limit=10)).taken == 1
            await transaction.rollback()
        assert await waiting(world) == 1

    async def test_passes_over_what_another_worker_has_taken(self, world):
        await world.void(await world.sell(world.add_shop(), 11_000_00))
        async with world.claims.acquire() as one, one.transaction():
            await follow_outbox(one, world.clock, limit=10)
            assert (await world.follow()).taken == 0
