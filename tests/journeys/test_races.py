"""Claims against claims, voids and reports, on real connections: once at random, once with the order forced."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable

import pytest

from kernel.refusal import Refusal
from receipts.claim import ClaimState
from receipts.claim_rules import AlreadyClaimed, ReceiptVoid
from receipts.orders import VoidOrder
from receipts.stored import StoredReceipt
from refunds.check_ledger import Breach, check_ledger
from runtime.database import Database, Role
from tests.factories import Shop, World, open_world

SIMULTANEOUS = 200
RACED = 1000
LANES = 8
START_STEP_S = 0.004
CONNECTIONS = 30


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with open_world(database, connections=CONNECTIONS) as opened:
        yield opened


def breaches(world: World) -> list[Breach]:
    with world.database.transaction(Role.JOBS) as connection:
        return check_ledger(connection)


async def blocked(world: World, task: "asyncio.Task[object]") -> None:
    """Wait until somebody waits for a lock, and so until the task cannot go on."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity"
    for _ in range(2000):
        if await world.claims.fetchval(waiting + " WHERE datname = current_database())"):
            assert not task.done()
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nobody came to wait")


async def outcome_of(attempt: Awaitable[object]) -> str:
    try:
        await attempt
    except Refusal as refusal:
        return refusal.code
    return "ok"


def void_of(receipt: StoredReceipt) -> VoidOrder:
    key = f"void-{receipt.id}"
    return VoidOrder("test", key, b"\0" * 32, receipt.seller, receipt.terminal, receipt.id, "returned")


class TestManyClaimsOfOneReceipt:
    async def test_of_many_consumers_give_one_credit(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00)
        consumers = [world.add_consumer() for _ in range(SIMULTANEOUS)]
        outcomes = await asyncio.gather(*(outcome_of(world.claim(receipt, one)) for one in consumers))
        assert Counter(outcomes) == {"ok": 1, "already_claimed": SIMULTANEOUS - 1}
        assert await world.claims.fetchval("SELECT sum(available_mongo) FROM private.accounts") == 200_00
        assert breaches(world) == []

    async def test_of_one_consumer_give_one_credit_and_one_answer(self, world):
        receipt, consumer = await world.sell(world.add_shop(), 11_000_00), world.add_consumer()
        answers = await asyncio.gather(*(world.claim(receipt, consumer) for _ in range(SIMULTANEOUS)))
        assert len({answer.claim for answer in answers}) == 1
        assert sum(answer.fresh for answer in answers) == 1
        assert await world.balances(consumer) == {"available": 200_00}
        assert breaches(world) == []

    async def test_of_an_unreported_receipt_give_one_provisional_credit(self, world):
        link = world.ring_up(world.add_till(), 11_000_00)
        consumers = [world.add_consumer() for _ in range(20)] * (SIMULTANEOUS // 20)
        outcomes = await asyncio.gather(*(outcome_of(world.claim(link, one)) for one in consumers))
        assert Counter(outcomes) == {"ok": 10, "already_claimed": SIMULTANEOUS - 10}
        assert await world.claims.fetchval("SELECT sum(provisional_mongo) FROM private.accounts") == 200_00
        assert breaches(world) == []

    async def test_of_many_receipts_by_one_consumer_add_up(self, world):
        shop, consumer = world.add_shop(), world.add_consumer()
        receipts = await world.issue(*(world.order_of(shop, 11_000_00) for _ in range(SIMULTANEOUS)))
        await asyncio.gather(*(world.claim(receipt, consumer) for receipt in receipts))
        assert await world.balances(consumer) == {"available": SIMULTANEOUS * 200_00}
        assert breaches(world) == []


class TestClaimAgainstVoid:
    async def test_raced_a_thousand_times_leaves_no_credit_on_a_voided_sale(self, world):
        shops = [world.add_shop() for _ in range(LANES)]
        consumers = [world.add_consumer() for _ in range(LANES)]
        done = asyncio.Event()
        workers = [asyncio.create_task(self.follow_until(world, done)) for _ in range(2)]
        lanes = zip(shops, consumers, strict=True)
        raced = await asyncio.gather(*(self.race(world, shop, consumer) for shop, consumer in lanes))
        done.set()
        await asyncio.gather(*workers)
        while (await world.follow()).taken:
            pass
        outcomes = sum(raced, Counter())
        assert outcomes.keys() == {"ok", "receipt_void"}
        assert (outcomes.total(), min(outcomes.values()) > RACED // 10) == (RACED, True), outcomes
        assert await world.claims.fetchval("SELECT count(*) FROM claims.claims WHERE state = 'void'") == outcomes["ok"]
        for consumer in consumers:
            assert await world.balances(consumer) == {}
        assert breaches(world) == []

    async def race(self, world: World, shop: Shop, consumer: int) -> Counter[str]:
        """Claim and void each receipt of a shop at the same time; who lost gets more of a start the next time, so that
        the two go on meeting however busy the machine is.
        """
        receipts = await world.issue(*(world.order_of(shop, 11_000_00) for _ in range(RACED // LANES)))
        outcomes: Counter[str] = Counter()
        start_s = 0.0

        async def later(seconds: float, attempt: Awaitable[object]) -> str:
            await asyncio.sleep(max(0.0, seconds))
            return await outcome_of(attempt)

        for receipt in receipts:
            claimed, voided = await asyncio.gather(
                later(start_s, world.claim(receipt, consumer)), later(-start_s, world.issue(void_of(receipt)))
            )
            assert voided == "ok"
            outcomes[claimed] += 1
            start_s += START_STEP_S if claimed == "ok" else -START_STEP_S
        return outcomes

    async def follow_until(self, world: World, done: asyncio.Event) -> None:
        """A worker like those that follow the outbox in service."""
        while not done.is_set():
            if not (await world.follow(limit=20)).taken:
                await asyncio.sleep(0.01)

    async def test_that_waited_for_the_void_sees_it(self, world):
        receipt, consumer = await world.sell(world.add_shop(), 11_000_00), world.add_consumer()
        async with world.gateway.acquire() as gateway:
            voiding = gateway.transaction()
            await voiding.start()
            await world.issue_in(gateway, void_of(receipt))
            claiming = asyncio.create_task(world.claim(receipt, consumer))
            await blocked(world, claiming)
            await voiding.commit()
        with pytest.raises(ReceiptVoid):
            await claiming

    async def test_that_the_void_waited_for_is_taken_back(self, world):
        receipt, consumer = await world.sell(world.add_shop(), 11_000_00), world.add_consumer()
        async with world.claims.acquire() as connection:
            claiming = connection.transaction()
            await claiming.start()
            await world.claim_in(connection, world.scan(receipt), consumer)
            voiding = asyncio.create_task(world.issue(void_of(receipt)))
            await blocked(world, voiding)
            await claiming.commit()
        await voiding
        await world.follow()
        assert await world.balances(consumer) == {}
        assert breaches(world) == []


class TestClaimAgainstReport:
    async def test_that_cannot_see_the_report_yet_is_bound_when_it_is_followed(self, world):
        world.add_shop()  # whose start link makes the month's partitions, so that nobody waits for those
        till, consumer = world.add_till(), world.add_consumer()
        link = world.ring_up(till, 11_000_00)
        async with world.claims.acquire() as connection:
            claiming = connection.transaction()
            await claiming.start()
            held, _ = await world.claim_in(connection, world.scan(link), consumer)
            await world.upload(till, link)
            following = asyncio.create_task(world.follow())
            await blocked(world, following)
            await claiming.commit()
        [claim] = (await following).claims
        assert (claim.claim, claim.state) == (held.claim.claim, ClaimState.FINAL)
        assert await world.balances(consumer) == {"available": 200_00}
        assert breaches(world) == []

    async def test_that_waits_for_the_follower_finds_the_receipt_reported(self, world):
        till, first, second = world.add_till(), world.add_consumer(), world.add_consumer()
        link = world.ring_up(till, 11_000_00)
        await world.claim(link, first)
        await world.upload(till, link)
        attempts = [outcome_of(world.claim(link, one)) for one in (first, second)]
        outcomes = await asyncio.gather(*attempts, outcome_of(world.follow()))
        assert outcomes == ["ok", AlreadyClaimed.code, "ok"]
        assert await world.balances(first) == {"available": 200_00}
        assert breaches(world) == []
