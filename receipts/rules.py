"""What the law says from which day on, as data. Code asks `rules_on(day)` and never knows a rate by itself.

Sources: VAT law of 2015-07-09, in force 2016-01-01 (rate, refund of 20 % of the VAT); the PosAPI 3.0.1 manual of 2023
(capital city tax 1 %) and the PosAPI text of 2025-03-31 (2 %; the day of the change is not in either and is set to
2024-01-01 here); quarterly refunds and the 8th of the month after the quarter since 2020 (press of the tax office),
yearly before; the draw of 2019-05-19 for April took registrations to 05-18 (mta.mn).
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from kernel.clock import ULAANBAATAR, Month


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in force on a business day. Rates are per mille of the net price, shares in per cent."""

    vat_per_mille: int
    city_tax_per_mille: int
    refund_share_percent: int
    late_issue_hours: int
    """How old a sale may be when it reaches the centre: the three days that a till may be offline."""
    clock_ahead_seconds: int
    upload_ahead_seconds: int
    """How far ahead of the centre a till's clock may have been; beyond it the month of receipt is the tax month."""
    claim_period_months: int
    """Receipts are claimed by the quarter (3) or the year (12)."""
    claim_deadline_day: int
    """Last day of the month after the period on which its receipts can still be claimed."""
    draw_day: int
    """Day of the following month on which a month is drawn; claims count until the midnight before."""
    draw_minimum_mongo: int
    held_claims_max: int
    """How many receipts of one terminal that are not yet reported one consumer may hold."""
    till_key_days: int
    """For how many days a till's key is certified: a cash register's seal was renewed every two years."""


_2016 = Rules(
    vat_per_mille=100,
    city_tax_per_mille=10,
    refund_share_percent=20,
    late_issue_hours=72,
    clock_ahead_seconds=60,
    upload_ahead_seconds=600,
    claim_period_months=12,
    claim_deadline_day=8,
    draw_day=19,
    draw_minimum_mongo=1,
    held_claims_max=10,
    till_key_days=730,
)
_2020 = replace(_2016, claim_period_months=3)
_2024 = replace(_2020, city_tax_per_mille=20)
_IN_FORCE = ((date.min, _2016), (date(2020, 1, 1), _2020), (date(2024, 1, 1), _2024))
_STARTS = [start for start, _ in _IN_FORCE]


def rules_on(day: date) -> Rules:
    """Answer the rules in force on a business day; days before 2016 are held to the first law."""
    return _IN_FORCE[bisect_right(_STARTS, day) - 1][1]


def claim_deadline(issued: date) -> datetime:
    """Answer the instant (exclusive) until which a receipt of that business day can be claimed."""
    rules = rules_on(issued)
    period = rules.claim_period_months
    next_period = Month(issued.year, (issued.month - 1) // period * period + 1).plus(period)
    return _midnight_after(next_period, rules.claim_deadline_day)


def draw_date(month: Month) -> date:
    """Answer the business day on which the receipts of `month` are drawn."""
    following = month.plus(1)
    return date(following.year, following.number, rules_on(date(month.year, month.number, 1)).draw_day)


def draw_cutoff(month: Month) -> datetime:
    """Answer the instant (exclusive) until which a claim takes part in the draw of `month`: K(month)."""
    return _midnight_after(month.plus(1), draw_date(month).day - 1)


def _midnight_after(month: Month, day: int) -> datetime:
    midnight = datetime(month.year, month.number, day, tzinfo=ULAANBAATAR) + timedelta(days=1)
    return midnight.astimezone(UTC)
