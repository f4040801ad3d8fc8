"""The law by its days."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import ULAANBAATAR, Month
from receipts.rules import claim_deadline, draw_cutoff, draw_date, rules_on

MONTHS = st.builds(Month, st.integers(2016, 2040), st.integers(1, 12))


class TestRulesOn:
    @pytest.mark.parametrize(
        ("day", "city", "period"),
        [
            (date(2000, 1, 7), 10, 12),
            (date(2017, 3, 1), 10, 12),
            (date(2019, 12, 31), 10, 12),
            (date(2020, 1, 1), 10, 3),
            (date(2023, 12, 31), 10, 3),
            (date(2024, 1, 1), 20, 3),
            (date(2026, 2, 12), 20, 3),
        ],
    )
    def test_change_at_the_start_of_a_day(self, day: date, city: int, period: int) -> None:
        rules = rules_on(day)
        assert (rules.city_tax_per_mille, rules.claim_period_months) == (city, period)

    def test_are_the_first_ones_before_there_was_a_law(self) -> None:
        assert rules_on(date(1999, 12, 31)) == rules_on(date(2016, 1, 1))

    def test_have_a_fifth_of_ten_per_cent_for_the_consumer(self) -> None:
        rules = rules_on(date(2017, 3, 1))
        assert (rules.vat_per_mille, rules.refund_share_percent, rules.late_issue_hours) == (100, 20, 72)


class TestClaimDeadline:
    @pytest.mark.parametrize(
        ("issued", "until"),
        [
            (date(2017, 1, 1), date(2018, 1, 9)),
            (date(2017, 12, 31), date(2018, 1, 9)),
            (date(2020, 1, 1), date(2020, 4, 9)),
            (date(2020, 3, 31), date(2020, 4, 9)),
            (date(2020, 4, 1), date(2020, 7, 9)),
            (date(2020, 12, 31), date(2021, 1, 9)),
        ],
    )
    def test_is_the_end_of_the_eighth_day_after_the_period(self, issued: date, until: date) -> None:
        midnight = datetime(until.year, until.month, until.day, tzinfo=ULAANBAATAR)
        assert claim_deadline(issued) == midnight
        assert claim_deadline(issued).tzinfo is UTC

    @given(st.dates(date(2016, 1, 1), date(2040, 12, 31)))
    def test_leaves_at_least_a_week(self, issued: date) -> None:
        assert (claim_deadline(issued).astimezone(ULAANBAATAR).date() - issued).days >= 7


class TestDraw:
    def test_is_on_the_nineteenth_of_the_next_month(self) -> None:
        assert draw_date(Month(2019, 4)) == date(2019, 5, 19)
        assert draw_date(Month(2019, 12)) == date(2020, 1, 19)

    def test_takes_claims_until_the_midnight_before(self) -> None:
        assert draw_cutoff(Month(2019, 4)) == datetime(2019, 5, 18, 16, tzinfo=UTC)

    @given(MONTHS)
    def test_leaves_the_tills_their_72_hours(self, month: Month) -> None:
        assert (draw_cutoff(month) - month.ends_at).total_seconds() >= 72 * 3600

    @given(MONTHS)
    def test_is_held_on_the_day_that_the_cutoff_begins(self, month: Month) -> None:
        assert draw_cutoff(month).astimezone(ULAANBAATAR).date() == draw_date(month)
