"""An installation issues, voids, remembers and hands over what the centre has not got."""

from datetime import timedelta

import pytest

from kernel.clock import business_date
from kernel.refusal import Malformed
from pos_gateway.till.installation import Installation
from pos_gateway.till.outcomes import Verdict, Waiting
from pos_gateway.till.refusals import IdempotencyKeyReused
from pos_gateway.till.seat import Seat
from receipts.keys import keyring_of
from receipts.orders import AlreadyVoid, NotLatest, UnknownReceipt
from receipts.receipt import Nature, TaxType
from receipts.verification import verify_receipt
from tests.pos_gateway.till.tilling import Activations, Hands, sale, sell


async def everything(till: Installation, seat: Seat) -> list[Waiting]:
    return await till.waiting(seat, lines_max=1000, bytes_max=10**9)


class TestIssue:
    async def test_signs_links_of_one_chain(self, till: Installation, seat: Seat, activations: Activations) -> None:
        await sell(till, seat, sale())
        await sell(till, seat, sale(tax_types=(TaxType.VAT_ABLE, TaxType.VAT_FREE)))
        waiting, keyring = await everything(till, seat), keyring_of(activations.keys)
        assert [line.counter for line in waiting] == [0, 1, 2]
        for before, line in zip([None, *waiting], waiting, strict=False):
            previous = before.qr if before else None
            verified = verify_receipt(line.qr, keyring, document=line.document, previous=previous)
            assert verified.kind.by_till

    async def test_gives_the_bundle_and_each_part_an_id(self, till: Installation, seat: Seat) -> None:
        issued = await sell(till, seat, sale(tax_types=(TaxType.VAT_ABLE, TaxType.NO_VAT)))
        assert [issued.id.number, *(part.id.number for part in issued.parts)] == [1, 2, 3]
        assert [part.vat_mongo for part in issued.parts] == [50_909, 0]

    async def test_says_every_fault_at_once(self, till: Installation, seat: Seat) -> None:
        with pytest.raises(Malformed):
            await sell(till, seat, sale(tin="12345678901234"))
        assert till.backlog(seat).count == 1

    async def test_answers_the_same_key_with_the_first_receipt(
        self, till: Installation, seat: Seat, hands: Hands
    ) -> None:
        first = await sell(till, seat, sale(), key="one")
        again = await sell(till, seat, sale(), key="one")
        assert (again.id, again.lottery, again.repeated) == (first.id, first.lottery, True)
        with pytest.raises(IdempotencyKeyReused):
            await sell(till, seat, sale(1), key="one")
        hands.forward(days=28, seconds=1)
        assert (await sell(till, seat, sale(), key="one")).id != first.id


class TestFollow:
    async def test_a_correction_shows_its_roots_lottery_number(self, till: Installation, seat: Seat) -> None:
        root = await sell(till, seat, sale())
        first = await sell(till, seat, sale(100, nature=Nature.CORRECTION, corrects=root.id))
        second = await sell(till, seat, sale(50, nature=Nature.CORRECTION, corrects=first.id))
        assert root.lottery == first.lottery == second.lottery is not None
        with pytest.raises(NotLatest) as refused:
            await sell(till, seat, sale(50, nature=Nature.CORRECTION, corrects=root.id))
        assert refused.value.values == {"latest": str(second.id)}

    async def test_a_void_is_final(self, till: Installation, seat: Seat) -> None:
        root = await sell(till, seat, sale())
        void = await till.void(root.id, reason="буцаалт")
        assert (void.total_mongo, void.nature) == (-560_000, Nature.VOID)
        with pytest.raises(AlreadyVoid):
            await till.void(root.id, reason="буцаалт")
        with pytest.raises(AlreadyVoid):
            await sell(till, seat, sale(nature=Nature.CORRECTION, corrects=root.id))

    async def test_what_was_never_issued_cannot_be_followed(self, till: Installation, seat: Seat) -> None:
        root = await sell(till, seat, sale())
        with pytest.raises(UnknownReceipt):
            await till.void(type(root.id)(seat.seller, 1, root.id.day, 77, seat.terminal), reason="x")

    async def test_a_correction_of_what_is_not_here_goes_on(self, till: Installation, seat: Seat) -> None:
        root = await sell(till, seat, sale())
        elsewhere = type(root.id)(seat.seller, 1, root.id.day, 77, 33)
        issued = await sell(till, seat, sale(nature=Nature.CORRECTION, corrects=elsewhere))
        assert (issued.lottery, issued.root_hash) == (None, None)


class TestUpload:
    async def test_is_settled_in_the_order_of_the_chain(self, till: Installation, seat: Seat) -> None:
        for _ in range(4):
            await sell(till, seat, sale(consumer_no=10038071))
        lines = await everything(till, seat)
        assert [line.private and b'"consumer_no":"10038071"' in line.private for line in lines] == [None, *[True] * 4]
        said = [Verdict(line.seq, line.receipt_hash, 201 if line.counter != 2 else 409) for line in lines]
        assert await till.settle(seat, said) == 2
        assert await till.settle(seat, said[3:]) == 0
        assert [line.counter for line in await everything(till, seat)] == [2, 3, 4]
        assert till.backlog(seat).count == 3
        assert till.check() == []

    async def test_prunes_what_is_old_and_uploaded(self, till: Installation, seat: Seat, hands: Hands) -> None:
        for _ in range(5):
            await sell(till, seat, sale())
        lines = await everything(till, seat)
        await till.settle(seat, [Verdict(line.seq, line.receipt_hash, 200) for line in lines[:4]])
        hands.forward(days=63)
        assert await till.prune() == 4
        await sell(till, seat, sale())
        assert till.check() == []
        assert [line.counter for line in await everything(till, seat)] == [4, 5, 6]


class TestOwed:
    async def test_tells_the_latest_answers_of_two_minutes_that_may_not_have_been_read(
        self, till: Installation, seat: Seat, hands: Hands
    ) -> None:
        digests = [bytes([number]) * 32 for number in range(4)]
        await sell(till, seat, sale(), digest=digests[0])
        hands.forward(seconds=121)
        sold = [await sell(till, seat, sale(), digest=digest) for digest in digests[1:]]
        assert list(till.owed(most=10)) == digests[1:]
        assert list(till.owed(most=2)) == digests[2:]
        assert [issued.id for issued, _ in till.owed(most=1).values()] == [sold[-1].id]


class TestDay:
    async def test_adds_up_what_was_sold(self, till: Installation, seat: Seat, hands: Hands) -> None:
        first = await sell(till, seat, sale(1_000))
        await sell(till, seat, sale(500, nature=Nature.CORRECTION, corrects=first.id))
        second = await sell(till, seat, sale(2_000, method="PAYMENT_CARD"))
        await till.void(second.id, reason="x")
        await sell(till, seat, sale(300, nature=Nature.INVOICE, business=True))
        day = await till.day(seat, business_date(hands.now))
        assert (day.receipts, day.corrections, day.voids, day.invoices, day.net_mongo) == (2, 1, 1, 1, 800)
        assert day.payments == (("CASH", 500),)

    async def test_lists_equal_bodies_within_ten_minutes(self, till: Installation, seat: Seat, hands: Hands) -> None:
        first = await sell(till, seat, sale(), digest=b"bread")
        second = await sell(till, seat, sale(), digest=b"bread")
        hands.forward(minutes=11)
        await sell(till, seat, sale(), digest=b"bread")
        today = business_date(hands.now)
        assert [same.receipts for same in await till.identical(today)] == [(first.id, second.id)]
        await till.void(second.id, reason="x")
        assert await till.identical(today) == []


class TestRemember:
    async def test_keeps_look_ups_and_notices(self, till: Installation, seat: Seat) -> None:
        await till.remember("a", b"1")
        await till.remember("a", b"2")
        assert (found := till.remembered("a")) is not None
        assert found.body == b"2"
        assert await till.notice(seat, "day_numbers_run_out", "80", once=True)
        assert not await till.notice(seat, "day_numbers_run_out", "80", once=True)
        assert [notice.code for notice in till.notices()] == ["day_numbers_run_out"]


class TestSeats:
    async def test_each_seller_has_a_chain_of_its_own(
        self, till: Installation, seat: Seat, activations: Activations
    ) -> None:
        other = till.add_seat(activations.activated("61200064714", 20000002))
        await sell(till, other, sale(tin="61200064714"))
        assert (till.backlog(seat).count, till.backlog(other).count) == (1, 2)
        assert till.seat_of("61200064714") == other

    async def test_a_closed_one_gives_way(
        self, till: Installation, seat: Seat, activations: Activations, hands: Hands
    ) -> None:
        sold = await sell(till, seat, sale())
        closing = await till.close_chain(seat)
        assert closing.nature is Nature.CLOSING
        assert till.seat_of(seat.tin) is None
        hands.forward(hours=1)
        new = till.add_seat(activations.activated(terminal=20000009, at=hands.now))
        void = await till.void(sold.id, reason="x")
        assert void.terminal == new.terminal
        assert till.backlog(seat).oldest == hands.now - timedelta(hours=1)
