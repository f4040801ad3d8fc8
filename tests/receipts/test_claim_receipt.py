from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from receipts.claim import ClaimState
from receipts.claim_receipt import ByHand
from receipts.claim_rules import (
    AlreadyClaimed,
    BusinessReceipt,
    Expired,
    NotClaimable,
    OwnSeller,
    ReceiptVoid,
    TrainingReceipt,
    UnknownReceipt,
)
from receipts.receipt import LotteryNumber, Nature, TaxType, lottery_number
from receipts.sight_receipt import sight_receipt
from receipts.verification import AskTheCentre
from runtime.database import Database
from tests.changing import replace
from tests.factories import EPOCH, MASTER, OPENED_AT, PartOf, World, by_hand, open_world

DEADLINE = datetime(2018, 1, 8, 16, 0, tzinfo=UTC)
"""Midnight in Ulaanbaatar after the 8th of January 2018: receipts of 2017 are claimed by the year."""


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with open_world(database) as opened:
        yield opened


class TestClaimByQr:
    async def test_answers_what_was_bought_and_credits_a_fifth_of_the_vat(self, world):
        shop, consumer = world.add_shop(), world.add_consumer()
        receipt = await world.sell(shop, 11_000_00)
        claimed, credit = await world.claim_and_credit(receipt, consumer)
        assert (claimed.total_mongo, claimed.vat_mongo, credit.credit_mongo) == (11_000_00, 1_000_00, 200_00)
        assert (claimed.seller_tin, claimed.root_id, claimed.fresh) == (shop.tin, receipt.id, True)
        assert claimed.lottery == lottery_number(receipt.receipt_hash)
        assert claimed.claim.state is ClaimState.FINAL
        assert await world.balances(consumer) == {"available": 200_00}

    async def test_gives_the_same_consumer_the_first_answer_again(self, world):
        consumer = world.add_consumer()
        receipt = await world.sell(world.add_shop(), 11_000_00)
        first = await world.claim(receipt, consumer)
        again, credit = await world.claim_and_credit(receipt, consumer)
        assert again == replace(first, fresh=False)
        assert (credit.credit_mongo, credit.change_mongo) == (200_00, 0)
        assert await world.balances(consumer) == {"available": 200_00}

    async def test_gives_the_first_answer_again_after_the_deadline(self, world):
        consumer = world.add_consumer()
        receipt = await world.sell(world.add_shop(), 11_000_00)
        first = await world.claim(receipt, consumer)
        world.now = DEADLINE
        assert (await world.claim(receipt, consumer)).claim == first.claim

    async def test_takes_the_payment_of_an_invoice(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00, nature=Nature.PAYMENT)
        assert (await world.claim(receipt, world.add_consumer())).total_mongo == 11_000_00

    async def test_counts_the_vat_of_taxable_parts_of_vat_payers_alone(self, world):
        shop, partner, small = world.add_shop(), world.add_shop(), world.add_shop(vat_payer=False)
        consumer = world.add_consumer()
        receipt = await world.sell(
            shop,
            PartOf(1_100_00),
            PartOf(500_00, TaxType.NO_VAT),
            PartOf(2_200_00, shop=partner),
            PartOf(3_300_00, shop=small),
        )
        claimed, credit = await world.claim_and_credit(receipt, consumer)
        assert (claimed.claim.eligible_vat_mongo, credit.credit_mongo) == (300_00, 60_00)

    async def test_credits_nothing_where_no_vat_was_charged(self, world):
        consumer = world.add_consumer()
        receipt = await world.sell(world.add_shop(vat_payer=False), 5_000_00)
        claimed, credit = await world.claim_and_credit(receipt, consumer)
        assert (claimed.claim.state, credit.credit_mongo) == (ClaimState.FINAL, 0)
        assert await world.balances(consumer) == {}

    async def test_of_a_correction_goes_through_the_root(self, world):
        shop, consumer = world.add_shop(), world.add_consumer()
        receipt = await world.sell(shop, 11_000_00)
        correction = await world.correct(receipt, shop, 5_500_00)
        claimed, credit = await world.claim_and_credit(correction, consumer)
        assert (claimed.root_id, claimed.lottery) == (receipt.id, lottery_number(receipt.receipt_hash))
        assert (claimed.total_mongo, credit.credit_mongo) == (5_500_00, 100_00)
        assert not (await world.claim(receipt, consumer)).fresh

    async def test_of_the_root_gives_what_its_last_correction_says(self, world):
        shop, consumer = world.add_shop(), world.add_consumer()
        receipt = await world.sell(shop, 11_000_00)
        await world.correct(await world.correct(receipt, shop, 5_500_00), shop, 22_000_00)
        claimed, credit = await world.claim_and_credit(receipt, consumer)
        assert (claimed.total_mongo, credit.credit_mongo) == (22_000_00, 400_00)

    async def test_is_possible_until_the_last_second_before_the_deadline(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00)
        world.now = DEADLINE - timedelta(seconds=1)
        assert (await world.claim(receipt, world.add_consumer())).fresh

    async def test_takes_one_mongo(self, world):
        receipt = await world.sell(world.add_shop(), 1)
        claimed, credit = await world.claim_and_credit(receipt, world.add_consumer())
        assert (claimed.total_mongo, credit.credit_mongo) == (1, 0)

    async def test_of_a_revoked_key_counts_what_was_stored_before(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00)
        scanned = world.scan(receipt)
        revoked = replace(scanned, key=replace(scanned.key, revoked_at=OPENED_AT + timedelta(seconds=1)))
        assert (await world.claim(revoked, world.add_consumer())).fresh


class TestRefusals:
    """One row a refusal, in the order in which they are looked for: each receipt breaks its own rule and all after."""

    async def test_training_receipt(self, world):
        shop = world.add_shop()
        receipt = await world.sell(shop, 11_000_00, nature=Nature.TRAINING, business=True)
        with pytest.raises(TrainingReceipt):
            await world.claim(receipt, world.add_consumer(owner_of=shop))

    async def test_business_receipt(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00, nature=Nature.INVOICE, business=True)
        with pytest.raises(BusinessReceipt):
            await world.claim(receipt, world.add_consumer())

    async def test_not_claimable_nature(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00, nature=Nature.INVOICE)
        await world.void(receipt)
        with pytest.raises(NotClaimable):
            await world.claim(receipt, world.add_consumer())

    async def test_already_claimed_even_when_voided_since(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00)
        await world.claim(receipt, world.add_consumer())
        await world.void(receipt)
        with pytest.raises(AlreadyClaimed):
            await world.claim(receipt, world.add_consumer())

    async def test_receipt_void(self, world):
        shop = world.add_shop()
        receipt = await world.sell(shop, 11_000_00)
        await world.void(receipt)
        world.now = DEADLINE
        with pytest.raises(ReceiptVoid):
            await world.claim(receipt, world.add_consumer(owner_of=shop))

    async def test_receipt_void_by_the_qr_of_the_void(self, world):
        void = await world.void(await world.sell(world.add_shop(), 11_000_00))
        with pytest.raises(ReceiptVoid):
            await world.claim(void, world.add_consumer())

    async def test_receipt_void_after_a_correction(self, world):
        shop = world.add_shop()
        receipt = await world.sell(shop, 11_000_00)
        await world.void(await world.correct(receipt, shop, 5_500_00))
        with pytest.raises(ReceiptVoid):
            await world.claim(receipt, world.add_consumer())

    async def test_not_claimable_when_nothing_was_paid(self, world):
        shop = world.add_shop()
        receipt = await world.sell(shop, 0)
        with pytest.raises(NotClaimable):
            await world.claim(receipt, world.add_consumer(owner_of=shop))

    async def test_not_claimable_when_corrected_to_nothing(self, world):
        shop = world.add_shop()
        receipt = await world.sell(shop, 11_000_00)
        await world.correct(receipt, shop, 0)
        with pytest.raises(NotClaimable):
            await world.claim(receipt, world.add_consumer())

    async def test_own_seller(self, world):
        shop = world.add_shop()
        receipt = await world.sell(shop, 11_000_00)
        owner = world.add_consumer(owner_of=shop)
        world.now = DEADLINE
        with pytest.raises(OwnSeller):
            await world.claim(receipt, owner)

    async def test_own_seller_of_one_part(self, world):
        shop, partner = world.add_shop(), world.add_shop()
        receipt = await world.sell(shop, PartOf(1_100_00), PartOf(1_100_00, shop=partner))
        with pytest.raises(OwnSeller):
            await world.claim(receipt, world.add_consumer(owner_of=partner))

    async def test_own_seller_of_a_part_that_a_correction_brought(self, world):
        shop, partner = world.add_shop(), world.add_shop()
        receipt = await world.sell(shop, 1_100_00)
        await world.correct(receipt, shop, PartOf(1_100_00, shop=partner))
        with pytest.raises(OwnSeller):
            await world.claim(receipt, world.add_consumer(owner_of=partner))

    async def test_expired_at_the_deadline(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00)
        world.now = DEADLINE
        with pytest.raises(Expired):
            await world.claim(receipt, world.add_consumer())

    async def test_unknown_when_the_centre_never_stored_what_its_key_signed(self, world):
        shop = world.add_shop()
        receipt = await world.sell(shop, 11_000_00)
        other = await world.sell(shop, 22_000_00)
        scanned = world.scan(receipt)
        unstored = replace(scanned, payload=replace(scanned.payload, id=other.id))
        with pytest.raises(UnknownReceipt):
            await world.claim(unstored, world.add_consumer())

    async def test_revoked_key_of_what_was_stored_afterwards(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00)
        scanned = world.scan(receipt)
        revoked = replace(scanned, key=replace(scanned.key, revoked_at=OPENED_AT))
        with pytest.raises(AskTheCentre):
            await world.claim(revoked, world.add_consumer())

    async def test_leaves_no_trace(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00, business=True)
        with pytest.raises(BusinessReceipt):
            await world.claim(receipt, world.add_consumer())
        assert await world.claims.fetchval("SELECT count(*) FROM claims.claims") == 0
        assert await world.claims.fetchval("SELECT count(*) FROM private.claim_owners") == 0


class TestClaimByHand:
    async def test_takes_the_id_and_the_lottery_number(self, world):
        consumer = world.add_consumer()
        receipt = await world.sell(world.add_shop(), 11_000_00)
        claimed = await world.claim(by_hand(receipt), consumer)
        assert (claimed.root_id, claimed.fresh) == (receipt.id, True)
        assert await world.balances(consumer) == {"available": 200_00}

    async def test_takes_the_id_of_a_correction_with_the_number_of_its_root(self, world):
        shop = world.add_shop()
        receipt = await world.sell(shop, 11_000_00)
        correction = await world.correct(receipt, shop, 5_500_00)
        claimed = await world.claim(by_hand(correction, root=receipt), world.add_consumer())
        assert (claimed.root_id, claimed.total_mongo) == (receipt.id, 5_500_00)

    async def test_and_by_qr_afterwards_is_one_claim(self, world):
        consumer = world.add_consumer()
        receipt = await world.sell(world.add_shop(), 11_000_00)
        first = await world.claim(by_hand(receipt), consumer)
        assert (await world.claim(receipt, consumer)).claim == first.claim
        assert await world.claims.fetchval("SELECT count(*) FROM claims.sightings") == 1

    async def test_gives_one_and_the_same_refusal_for_an_unknown_id_and_a_wrong_number(self, world):
        shop = world.add_shop()
        receipt, other = await world.sell(shop, 11_000_00), await world.sell(shop, 11_000_00)
        business = await world.sell(shop, 11_000_00, business=True)
        known = by_hand(receipt)
        attempts = [
            ByHand(replace(receipt.id, number=77_777), known.lottery),
            ByHand(replace(receipt.id, branch=2), known.lottery),
            ByHand(receipt.id, by_hand(other).lottery),
            ByHand(receipt.id, LotteryNumber("AA", known.lottery.digits)),
            by_hand(business),
        ]
        refusals = []
        for attempt in attempts:
            with pytest.raises(UnknownReceipt) as refused:
                await world.claim(attempt, world.add_consumer())
            refusals.append((refused.value.code, refused.value.values))
        assert set(map(str, refusals)) == {"('unknown_receipt', {})"}

    async def test_refuses_what_the_rules_refuse_once_the_number_is_right(self, world):
        receipt = await world.sell(world.add_shop(), 11_000_00)
        await world.void(receipt)
        with pytest.raises(ReceiptVoid):
            await world.claim(by_hand(receipt), world.add_consumer())


class TestSightings:
    async def test_keeps_what_the_qr_showed(self, world):
        shop = world.add_shop()
        await world.sell(shop, 11_000_00)
        receipt = await world.sell(shop, 22_000_00)
        await world.claim(receipt, world.add_consumer())
        [seen] = await world.claims.fetch("SELECT * FROM claims.sightings")
        assert (seen["receipt_hash"], seen["counter"], seen["turnover_mongo"]) == (receipt.receipt_hash, 2, 33_000_00)

    async def test_of_a_correction_is_that_link_not_the_root(self, world):
        shop = world.add_shop()
        receipt = await world.sell(shop, 11_000_00)
        correction = await world.correct(receipt, shop, 5_500_00)
        await world.claim(correction, world.add_consumer())
        assert await world.claims.fetchval("SELECT receipt_hash FROM claims.sightings") == correction.receipt_hash

    async def test_of_a_refused_scan_is_kept_by_who_answers_the_refusal(self, world):
        till = world.add_till()
        scanned = world.scan(world.ring_up(till, 11_000_00, business=True))
        with pytest.raises(BusinessReceipt):
            await world.claim(scanned, world.add_consumer())
        for _ in range(2):
            async with world.claims.acquire() as connection, connection.transaction():
                await sight_receipt(connection, world.clock, verified=scanned, masters={EPOCH: MASTER})
        [seen] = await world.claims.fetch("SELECT * FROM claims.sightings")
        assert (seen["receipt_hash"], seen["turnover_mongo"]) == (scanned.receipt_hash, 11_000_00)
