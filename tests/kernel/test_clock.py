"""Days and months are Ulaanbaatar's."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import (
    ULAANBAATAR,
    Month,
    business_date,
    business_day,
    date_of_day,
    format_instant,
    parse_instant,
)
from kernel.refusal import Malformed

INSTANTS = st.datetimes(min_value=datetime(2000, 1, 8), max_value=datetime(2105, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


class TestBusinessDay:
    @pytest.mark.parametrize(
        ("day", "number"), [(date(2026, 2, 12), 9533), (date(2026, 5, 9), 9619), (date(2026, 1, 15), 9505)]
    )
    def test_agrees_with_recorded_receipts(self, day: date, number: int) -> None:
        assert date_of_day(number) == day
        assert business_day(datetime(day.year, day.month, day.day, 4, tzinfo=UTC)) == number

    def test_midnight_is_ulaanbaatars(self) -> None:
        assert business_date(datetime(2017, 2, 28, 15, 59, 59, tzinfo=UTC)) == date(2017, 2, 28)
        assert business_date(datetime(2017, 2, 28, 16, 0, 0, tzinfo=UTC)) == date(2017, 3, 1)

    @given(INSTANTS)
    def test_agrees_with_the_time_zone_database(self, instant: datetime) -> None:
        local = instant.astimezone(ULAANBAATAR)
        assert business_date(instant) == local.date()
        assert format_instant(instant) == local.isoformat(timespec="seconds")


class TestMonth:
    @given(INSTANTS)
    def test_holds_the_instants_between_its_bounds(self, instant: datetime) -> None:
        month = Month.of(instant)
        assert month.starts_at <= instant < month.ends_at
        assert month.first_day <= business_day(instant) < month.end_day

    @given(INSTANTS, st.integers(-200, 200))
    def test_plus_is_undone_by_minus(self, instant: datetime, months: int) -> None:
        month = Month.of(instant)
        assert month.plus(months).plus(-months) == month

    def test_reads_what_it_writes(self) -> None:
        assert str(Month.parse("2017-03")) == "2017-03"

    @pytest.mark.parametrize("text", ["", "2017-3", "2017-13", "2017-00", "1999-12", "2017-03 ", "２０１７-03"])
    def test_refuses_what_is_not_a_month(self, text: str) -> None:
        with pytest.raises(Malformed) as caught:
            Month.parse(text)
        assert caught.value.faults[0].code == "month_form"


class TestInstant:
    @given(INSTANTS)
    def test_reads_what_it_writes(self, instant: datetime) -> None:
        whole = instant.replace(microsecond=0)
        assert parse_instant(format_instant(whole), "/sold_at") == whole

    @pytest.mark.parametrize(
        "text", ["", "2017-03-01", "2017-03-01T09:30:00", "yesterday", "1999-01-01T00:00:00+00:00"]
    )
    def test_refuses_times_without_an_offset(self, text: str) -> None:
        with pytest.raises(Malformed):
            parse_instant(text, "/sold_at")
