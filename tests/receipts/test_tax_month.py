"""For which month a receipt counts."""

from datetime import UTC, datetime, timedelta

import pytest

from kernel.clock import Month
from receipts.tax_month import is_clock_ahead, is_late, other_month, tax_month

MARCH = Month(2017, 3)
MIDNIGHT = MARCH.ends_at
"""The first instant of April in Ulaanbaatar: 16:00 of the day before in UTC."""
SECOND = timedelta(seconds=1)


class TestTaxMonth:
    def test_is_the_month_of_issue_in_ulaanbaatar(self) -> None:
        for issued_at, month in ((MIDNIGHT - SECOND, MARCH), (MIDNIGHT, MARCH.plus(1))):
            assert tax_month(issued_at, received_at=issued_at) == month
            assert other_month(issued_at, received_at=issued_at) is None

    @pytest.mark.parametrize(
        ("stated", "month", "other"),
        [
            ("2017-03", MARCH, MARCH),
            ("2017-04", Month(2017, 4), None),
            ("2017-02", Month(2017, 4), None),
            ("2017-05", Month(2017, 4), None),
            ("2016-04", Month(2017, 4), None),
        ],
    )
    def test_may_be_stated_as_the_one_before_and_no_other(self, stated: str, month: Month, other: Month | None) -> None:
        assert tax_month(MIDNIGHT, received_at=MIDNIGHT, report_month=stated) == month
        assert other_month(MIDNIGHT, received_at=MIDNIGHT, report_month=stated) == other

    def test_may_be_stated_across_a_year(self) -> None:
        january = datetime(2018, 1, 5, tzinfo=UTC)
        assert other_month(january, received_at=january, report_month="2017-12") == Month(2017, 12)

    def test_is_that_of_the_receipt_beyond_ten_minutes_ahead(self) -> None:
        received_at = MIDNIGHT - timedelta(minutes=5)
        assert other_month(received_at + timedelta(minutes=10), received_at=received_at) is None
        assert other_month(received_at + timedelta(minutes=10) + SECOND, received_at=received_at) == MARCH

    def test_is_that_of_issue_however_late_it_comes(self) -> None:
        assert other_month(MIDNIGHT - SECOND, received_at=MIDNIGHT + timedelta(days=300)) is None


class TestClocks:
    def test_are_ahead_from_ten_minutes_and_a_second_on(self) -> None:
        assert not is_clock_ahead(MIDNIGHT, MIDNIGHT)
        assert not is_clock_ahead(MIDNIGHT + timedelta(minutes=10), MIDNIGHT)
        assert is_clock_ahead(MIDNIGHT + timedelta(minutes=10) + SECOND, MIDNIGHT)

    def test_are_late_after_three_days_and_a_second(self) -> None:
        assert not is_late(MIDNIGHT, MIDNIGHT + timedelta(hours=72))
        assert is_late(MIDNIGHT, MIDNIGHT + timedelta(hours=72) + SECOND)
