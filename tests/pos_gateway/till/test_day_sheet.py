"""A day as the shopkeeper reads it: totals, and the last receipts with what became of them."""

import pytest

from kernel.clock import business_date
from kernel.refusal import Malformed
from pos_gateway.till.day_sheet import DaySheets, day_sheet, parse_day
from pos_gateway.till.installation import Installation
from pos_gateway.till.outcomes import Verdict
from pos_gateway.till.queue_view import QueueView
from pos_gateway.till.seat import Seat
from receipts.ids import NUMBERS_A_DAY
from receipts.receipt import Nature
from tests.pos_gateway.till.tilling import OPENED_AT, Activations, Hands, sale, sell

TODAY = business_date(OPENED_AT)


@pytest.fixture
def view(till: Installation, seat: Seat) -> QueueView:  # noqa: ARG001 - with a seat
    return till.view


class TestDaySheet:
    async def test_lists_the_newest_first_with_what_followed(
        self, till: Installation, seat: Seat, view: QueueView
    ) -> None:
        first = await sell(till, seat, sale(100_000))
        second = await sell(till, seat, sale(200_000))
        await sell(till, seat, sale(150_000, nature=Nature.CORRECTION, corrects=second.id))
        await till.void(first.id, reason="returned")
        listed = (await day_sheet(till, view, TODAY))["receipts"]
        assert [(one["nature"], one["total_mongo"]) for one in listed] == [
            ("VOID", -100_000), ("CORRECTION", 150_000), ("SALE", 200_000), ("SALE", 100_000),
        ]  # fmt: skip
        assert [(one["void"], one["corrected"], one["voidable"]) for one in listed] == [
            (False, False, False), (False, False, True), (False, True, False), (True, False, False),
        ]  # fmt: skip

    async def test_adds_up_each_seller(
        self, till: Installation, seat: Seat, view: QueueView, activations: Activations
    ) -> None:
        other = till.add_seat(activations.activated("61200064714", 20000002))
        await sell(till, seat, sale(110_000))
        await sell(till, other, sale(220_000, tin="61200064714"))
        sellers = (await day_sheet(till, view, TODAY))["sellers"]
        assert [(one["terminal"], one["receipts"], one["net_mongo"]) for one in sellers] == [
            ("20000001", 1, 110_000), ("20000002", 1, 220_000),
        ]  # fmt: skip
        assert sellers[0]["by_tax_type"] == [
            {"tax_type": "VAT_ABLE", "total_mongo": 110_000, "vat_mongo": 10_000, "city_tax_mongo": 0}
        ]
        assert sellers[0]["payments"] == [{"method": "CASH", "amount_mongo": 110_000}]

    async def test_says_what_the_centre_has(self, till: Installation, seat: Seat, view: QueueView) -> None:
        await sell(till, seat, sale())
        start, sold = await till.waiting(seat, lines_max=9, bytes_max=10**6)
        verdicts = [
            Verdict(start.seq, start.receipt_hash, 201),
            Verdict(sold.seq, sold.receipt_hash, 201, ("clock_ahead",), fork=True),
        ]
        await till.settle(seat, verdicts)
        (one,) = (await day_sheet(till, view, TODAY))["receipts"]
        assert (one["uploaded"], one["fork"], one["findings"]) == (True, True, ["clock_ahead"])

    async def test_counts_the_numbers_that_are_left(
        self, till: Installation, seat: Seat, view: QueueView, hands: Hands
    ) -> None:
        await sell(till, seat, sale())
        assert view.numbers_left(seat.chain, TODAY) == NUMBERS_A_DAY - 3, "the start link, the bundle, its part"
        hands.forward(days=1)
        assert view.numbers_left(seat.chain, business_date(hands.now)) == NUMBERS_A_DAY


class TestDaySheets:
    async def test_adds_up_again_only_where_something_changed_and_not_at_once(
        self, till: Installation, seat: Seat, view: QueueView
    ) -> None:
        times = iter([0.0, 1.0, 2.0, 3.0, 22.0, 23.0])
        sheets = DaySheets(till, view, elapsed_s=lambda: next(times))
        first = await sheets.of(TODAY)
        assert await sheets.of(TODAY) is first
        await sell(till, seat, sale())
        assert await sheets.of(TODAY) is first, "it took a second, so twenty are left for sales"
        assert (await sheets.of(TODAY))["sellers"][0]["receipts"] == 1


class TestParseDay:
    @pytest.mark.parametrize("text", ["", "today", "2026-13-01", "2026-02-30", "26-01-01", "2026-01-01T00"])
    def test_refuses_what_is_no_day(self, text: str) -> None:
        with pytest.raises(Malformed) as caught:
            parse_day(text)
        assert caught.value.faults[0].code == "date_form"

    def test_reads_a_day(self) -> None:
        assert parse_day(TODAY.isoformat()) == TODAY
