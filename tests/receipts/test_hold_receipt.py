from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from receipts.claim import ClaimState
from receipts.claim_rules import (
    AlreadyClaimed,
    BusinessReceipt,
    Expired,
    NotClaimable,
    OwnSeller,
    TooManyHeld,
    TrainingReceipt,
)
from receipts.lapse_claims import lapse_claims
from receipts.receipt import Nature, lottery_number
from receipts.rules import rules_on
from receipts.verification import AskTheCentre
from refunds.claw_back import claw_back
from runtime.database import Database
from tests.changing import replace
from tests.factories import OPENED_AT, World, open_world

TIME_TO_REPORT = timedelta(hours=72)


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with open_world(database) as opened:
        yield opened


async def lapse(world: World) -> list[ClaimState]:
    async with world.claims.acquire() as connection, connection.transaction():
        claims = await lapse_claims(connection, world.clock, limit=100)
        await claw_back(connection, world.clock, claims=claims)
    return [claim.state for claim in claims]


class TestHoldReceipt:
    async def test_credits_provisionally(self, world):
        till, consumer = world.add_till(), world.add_consumer()
        link = world.ring_up(till, 11_000_00)
        claimed, credit = await world.claim_and_credit(link, consumer)
        assert (claimed.claim.state, credit.credit_mongo) == (ClaimState.PROVISIONAL, 200_00)
        assert (claimed.root_id, claimed.lottery) == (link.id, lottery_number(link.receipt_hash))
        assert await world.balances(consumer) == {"provisional": 200_00, "unreported": 200_00}

    async def test_gives_the_same_consumer_the_first_answer_again(self, world):
        link, consumer = world.ring_up(world.add_till(), 11_000_00), world.add_consumer()
        first = await world.claim(link, consumer)
        assert await world.claim(link, consumer) == replace(first, fresh=False)
        assert await world.balances(consumer) == {"provisional": 200_00, "unreported": 200_00}

    async def test_credits_nothing_of_a_seller_that_pays_no_vat(self, world):
        link = world.sign(world.add_till(vat_payer=False), Nature.SALE, 11_000_00, 1_000_00)
        assert (await world.claim(link, world.add_consumer())).claim.eligible_vat_mongo == 0

    async def test_keeps_the_turnover_that_the_qr_carries_encrypted(self, world):
        till = world.add_till()
        world.ring_up(till, 5_000_00)
        await world.claim(world.ring_up(till, 11_000_00), world.add_consumer())
        assert await world.claims.fetchval("SELECT turnover_mongo FROM claims.sightings") == 16_000_00

    async def test_lets_one_consumer_hold_as_many_of_a_terminal_as_the_rules_say(self, world):
        till, other, consumer = world.add_till(), world.add_till(), world.add_consumer()
        for _ in range(rules_on(OPENED_AT.date()).held_claims_max):
            await world.claim(world.ring_up(till, 11_000_00), consumer)
        one_more = world.ring_up(till, 11_000_00)
        with pytest.raises(TooManyHeld):
            await world.claim(one_more, consumer)
        assert (await world.claim(world.ring_up(other, 11_000_00), consumer)).fresh
        assert (await world.claim(one_more, world.add_consumer())).fresh

    async def test_refuses_another_consumer(self, world):
        link = world.ring_up(world.add_till(), 11_000_00)
        await world.claim(link, world.add_consumer())
        with pytest.raises(AlreadyClaimed):
            await world.claim(link, world.add_consumer())

    @pytest.mark.parametrize(
        ("nature", "business", "total", "refusal"),
        [
            (Nature.TRAINING, True, 11_000_00, TrainingReceipt),
            (Nature.SALE, True, 11_000_00, BusinessReceipt),
            (Nature.INVOICE, False, 11_000_00, NotClaimable),
            (Nature.VOID, False, -11_000_00, NotClaimable),
            (Nature.SALE, False, 0, NotClaimable),
        ],
    )
    async def test_refuses_what_nobody_claims(self, world, nature, business, total, refusal):
        till = world.add_till()
        link = world.sign(till, nature, total, 0, business=business)
        with pytest.raises(refusal):
            await world.claim(link, world.add_consumer())

    async def test_refuses_the_sellers_own_people(self, world):
        till = world.add_till()
        with pytest.raises(OwnSeller):
            await world.claim(world.ring_up(till, 11_000_00), world.add_consumer(owner_of=till.shop))

    async def test_refuses_what_is_expired(self, world):
        link = world.ring_up(world.add_till(), 11_000_00)
        world.now += timedelta(days=400)
        with pytest.raises(Expired):
            await world.claim(link, world.add_consumer())

    async def test_sends_a_revoked_key_to_the_centre_which_has_nothing(self, world):
        scanned = world.scan(world.ring_up(world.add_till(), 11_000_00))
        revoked = replace(scanned, key=replace(scanned.key, revoked_at=OPENED_AT + timedelta(days=9)))
        with pytest.raises(AskTheCentre):
            await world.claim(revoked, world.add_consumer())


class TestReport:
    async def test_makes_the_claim_final_and_the_money_available(self, world):
        till, consumer = world.add_till(), world.add_consumer()
        link = world.ring_up(till, 11_000_00)
        held = await world.claim(link, consumer)
        await world.upload(till, link)
        [claim] = (await world.follow()).claims
        assert (claim.claim, claim.state) == (held.claim.claim, ClaimState.FINAL)
        assert await world.balances(consumer) == {"available": 200_00}

    async def test_is_seen_at_once_by_the_same_consumers_next_scan(self, world):
        till, consumer = world.add_till(), world.add_consumer()
        link = world.ring_up(till, 11_000_00)
        held = await world.claim(link, consumer)
        await world.upload(till, link)
        again = await world.claim(link, consumer)
        assert (again.claim.claim, again.claim.state, again.fresh) == (held.claim.claim, ClaimState.FINAL, False)
        await world.follow()
        assert await world.balances(consumer) == {"available": 200_00}

    async def test_keeps_the_receipt_for_who_held_it(self, world):
        till = world.add_till()
        link = world.ring_up(till, 11_000_00)
        await world.claim(link, world.add_consumer())
        await world.upload(till, link)
        with pytest.raises(AlreadyClaimed):
            await world.claim(link, world.add_consumer())

    async def test_of_other_bytes_of_the_same_id_binds_nothing(self, world):
        till, consumer = world.add_till(), world.add_consumer()
        forked = replace(till)
        link = world.ring_up(till, 11_000_00)
        twin = world.ring_up(forked, 22_000_00)
        assert twin.id == link.id
        await world.claim(link, consumer)
        await world.upload(till, twin)
        await world.follow()
        assert await world.balances(consumer) == {"provisional": 200_00, "unreported": 200_00}
        assert (await world.claim(twin, world.add_consumer())).claim.state is ClaimState.FINAL

    async def test_of_a_bundle_with_the_consumers_own_shop_drops_the_claim(self, world):
        till, partner = world.add_till(), world.add_shop()
        owner = world.add_consumer(owner_of=partner)
        link = world.ring_up(till, 11_000_00)
        await world.claim(link, owner)
        await world.upload(till, link, merchants=[till.shop, partner])
        await world.follow()
        assert await world.balances(owner) == {}
        assert (await world.claim(link, world.add_consumer())).fresh

    async def test_together_with_its_void_ends_void(self, world):
        till, consumer = world.add_till(), world.add_consumer()
        link = world.ring_up(till, 11_000_00)
        await world.claim(link, consumer)
        [row] = await world.upload(till, link)
        await world.void_by_till(till, row)
        [claim] = (await world.follow()).claims
        assert claim.state is ClaimState.VOID
        assert await world.balances(consumer) == {}

    async def test_of_a_held_correction_goes_to_its_root(self, world):
        till, consumer = world.add_till(), world.add_consumer()
        sale = world.ring_up(till, 11_000_00)
        correction = world.sign(till, Nature.CORRECTION, 5_500_00, 500_00)
        held = await world.claim(correction, consumer)
        assert held.lottery is None
        [root] = await world.upload(till, sale)
        await world.correct_by_till(till, root, correction)
        await world.follow()
        assert await world.balances(consumer) == {"available": 100_00}
        again = await world.claim(sale, consumer)
        assert (again.root_id, again.claim.claim, again.fresh) == (sale.id, held.claim.claim, False)

    async def test_gives_a_bundle_held_twice_to_the_first(self, world):
        till, first, second = world.add_till(), world.add_consumer(), world.add_consumer()
        sale = world.ring_up(till, 11_000_00)
        correction = world.sign(till, Nature.CORRECTION, 5_500_00, 500_00)
        await world.claim(correction, first)
        await world.claim(sale, second)
        [root] = await world.upload(till, sale)
        await world.correct_by_till(till, root, correction)
        await world.follow()
        assert await world.balances(first) == {"available": 100_00}
        assert await world.balances(second) == {}


class TestLapse:
    async def test_takes_back_what_no_till_reported_in_time(self, world):
        consumer = world.add_consumer()
        await world.claim(world.ring_up(world.add_till(), 11_000_00), consumer)
        world.now += TIME_TO_REPORT - timedelta(seconds=1)
        assert await lapse(world) == []
        world.now += timedelta(seconds=1)
        assert await lapse(world) == [ClaimState.LAPSED]
        assert await lapse(world) == []
        assert await world.balances(consumer) == {}

    async def test_is_undone_by_a_later_report(self, world):
        till, consumer = world.add_till(), world.add_consumer()
        link = world.ring_up(till, 11_000_00)
        await world.claim(link, consumer)
        world.now += TIME_TO_REPORT
        await lapse(world)
        await world.upload(till, link)
        await world.follow()
        assert await world.balances(consumer) == {"available": 200_00}
        causes = await world.claims.fetch("SELECT cause FROM private.transfers ORDER BY step")
        assert [row["cause"] for row in causes] == ["credit", "lapse", "revival"]

    async def test_comes_at_once_when_the_scan_is_late(self, world):
        till, consumer = world.add_till(), world.add_consumer()
        link = world.ring_up(till, 11_000_00)
        world.now += TIME_TO_REPORT
        assert (await world.claim(link, consumer)).claim.state is ClaimState.LAPSED
        assert await world.balances(consumer) == {}
        await world.upload(till, link)
        await world.follow()
        assert await world.balances(consumer) == {"available": 200_00}

    async def test_frees_a_place_under_the_cap(self, world):
        till, consumer = world.add_till(), world.add_consumer()
        for _ in range(rules_on(OPENED_AT.date()).held_claims_max):
            await world.claim(world.ring_up(till, 11_000_00), consumer)
        world.now += TIME_TO_REPORT
        await lapse(world)
        assert (await world.claim(world.ring_up(till, 11_000_00), consumer)).fresh
