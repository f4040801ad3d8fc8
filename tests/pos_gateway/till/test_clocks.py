"""Midnight, month end, full days, and clocks that were set wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kernel.clock import Month, business_date, business_day
from pos_gateway.till.installation import Installation, open_installation
from pos_gateway.till.issue_offline import DAY_WARNED_AT
from pos_gateway.till.refusals import CertificateExpired, ClockFarAhead
from pos_gateway.till.rows import seconds
from pos_gateway.till.seat import Seat
from receipts import qr
from receipts.chain import TerminalDayFull
from receipts.ids import NUMBERS_A_DAY
from receipts.receipt import Nature
from tests.pos_gateway.till.tilling import TURNOVER_KEY, Activations, Hands, sale, sell

MIDNIGHT = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
"""Between November and December in Ulaanbaatar."""


async def stand_before_the_days_end(till: Installation, seat: Seat, left: int) -> None:
    """Let the seat's day have so many numbers left, as if it had given the others."""

    def job(desk: object) -> None:
        from msgspec.structs import replace  # noqa: PLC0415

        head = desk.head(seat.chain)  # type: ignore[attr-defined]
        desk.put_head(replace(head, next_number=NUMBERS_A_DAY - left))  # type: ignore[attr-defined]

    await till._writer.write(job)


class TestDays:
    async def test_a_day_and_a_month_end_at_midnight_in_ulaanbaatar(
        self, till: Installation, seat: Seat, hands: Hands
    ) -> None:
        hands.now = MIDNIGHT - timedelta(seconds=1)
        hands.elapsed = (hands.now - datetime(2026, 11, 27, 1, tzinfo=UTC)).total_seconds()
        last = await sell(till, seat)
        hands.forward(seconds=1)
        first = await sell(till, seat)
        assert (first.id.day, last.id.day) == (business_day(MIDNIGHT), business_day(MIDNIGHT) - 1)
        assert (first.id.number, first.link.counter) == (0, last.link.counter + 1)
        assert [str(Month.of(one.link.issued_at)) for one in (last, first)] == ["2026-11", "2026-12"]
        november = await till.day(seat, business_date(MIDNIGHT) - timedelta(days=1))
        december = await till.day(seat, business_date(MIDNIGHT))
        assert (november.receipts, december.receipts) == (1, 1)

    async def test_a_correction_of_yesterday_counts_today(self, till: Installation, seat: Seat, hands: Hands) -> None:
        yesterday = await sell(till, seat, sale(1_000))
        hands.forward(days=1)
        await sell(till, seat, sale(400, nature=Nature.CORRECTION, corrects=yesterday.id))
        assert (await till.day(seat, business_date(hands.now))).net_mongo == -600

    async def test_a_full_day_is_refused_until_midnight_and_foretold(
        self, till: Installation, seat: Seat, hands: Hands
    ) -> None:
        await stand_before_the_days_end(till, seat, NUMBERS_A_DAY - DAY_WARNED_AT + 1)
        await sell(till, seat)
        assert [(notice.code, notice.detail) for notice in till.notices()] == [("day_numbers_run_out", "80")]
        await stand_before_the_days_end(till, seat, 3)
        await sell(till, seat)
        with pytest.raises(TerminalDayFull):
            await sell(till, seat)
        hands.forward(days=1)
        assert (await sell(till, seat)).id.number == 0


class TestClockSetBack:
    async def test_time_stands_still_until_the_clock_has_caught_up(
        self, till: Installation, seat: Seat, hands: Hands
    ) -> None:
        first = await sell(till, seat)
        hands.now -= timedelta(days=40)
        second = await sell(till, seat)
        assert second.link.issued_at == first.link.issued_at
        hands.forward(days=41)
        assert (await sell(till, seat)).link.issued_at == hands.now


class TestClockFarAhead:
    async def test_is_not_believed(self, till: Installation, seat: Seat, hands: Hands) -> None:
        hands.now += timedelta(hours=24)
        await sell(till, seat)
        hands.now += timedelta(hours=24, seconds=1)
        with pytest.raises(ClockFarAhead):
            await sell(till, seat)
        await till.learn_time(hands.now)
        await sell(till, seat)

    async def test_is_believed_when_that_time_has_passed(self, till: Installation, seat: Seat, hands: Hands) -> None:
        hands.forward(days=20)
        await sell(till, seat)

    async def test_what_is_known_survives_the_till(
        self, tmp_path: Path, hands: Hands, activations: Activations
    ) -> None:
        with open_installation(tmp_path, hands.clock, elapsed_s=hands.elapsed_s) as till:
            till.add_seat(activations.activated())
            hands.forward(days=9)
        with open_installation(tmp_path, hands.clock, elapsed_s=hands.elapsed_s) as till:
            await sell(till, till.seats[0])
            hands.now += timedelta(hours=25)
            with pytest.raises(ClockFarAhead):
                await sell(till, till.seats[0])
            closing = await till.close_chain(till.seats[0])
            assert closing.link.issued_at == hands.now - timedelta(hours=25)


class TestCertificate:
    async def test_nothing_is_issued_after_its_end(
        self, till: Installation, activations: Activations, hands: Hands
    ) -> None:
        seat = till.add_seat(activations.activated(days=10))
        hands.forward(days=10)
        await sell(till, seat)
        hands.forward(seconds=1)
        with pytest.raises(CertificateExpired):
            await sell(till, seat)


class TestTurnover:
    async def test_is_gross_and_opens_with_the_terminals_key(self, till: Installation, seat: Seat) -> None:
        sold = await sell(till, seat, sale(1_000))
        void = await till.void(sold.id, reason="x")
        payload = qr.unpack(void.link.cose[18:78])
        assert qr.open_turnover(payload.turnover_sealed, turnover_key=TURNOVER_KEY, id=void.id) == 1_000
        assert payload.issued_at == seconds(void.link.issued_at)
