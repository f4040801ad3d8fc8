"""For which month a receipt counts: mostly that of its issue.

Two exceptions. A B2B document may say that it counts for the month before (`report_month`). And what a till signed with
a clock far ahead of the centre's counts when it was received, so that nobody moves a sale to a month of his choice.
"""

from datetime import datetime, timedelta

from kernel.clock import Month, business_date
from receipts.rules import rules_on


def tax_month(issued_at: datetime, *, received_at: datetime, report_month: str | None = None) -> Month:
    """Answer the month for which a receipt counts. `report_month` (YYYY-MM) is that of a B2B document, None of any
    other; it counts where it is the month of the issue or the one before, whatever the day: that it came too late in
    its month is another matter (`report_month_not_due`).
    """
    issued = Month.of(issued_at)
    if report_month is not None:
        stated = Month.parse(report_month)
        return stated if stated in {issued, issued.plus(-1)} else issued
    return Month.of(received_at) if is_clock_ahead(issued_at, received_at) else issued


def other_month(issued_at: datetime, *, received_at: datetime, report_month: str | None = None) -> Month | None:
    """Answer the month for which a receipt counts where that is not the month of its issue, None for nearly all."""
    if report_month is None and issued_at <= received_at:
        return None
    month = tax_month(issued_at, received_at=received_at, report_month=report_month)
    return None if month == Month.of(issued_at) else month


def is_clock_ahead(issued_at: datetime, received_at: datetime) -> bool:
    """Whether a link states a time too far after the one at which it was received."""
    if issued_at <= received_at:
        return False
    ahead = rules_on(business_date(received_at)).upload_ahead_seconds
    return issued_at > received_at + timedelta(seconds=ahead)


def is_late(issued_at: datetime, received_at: datetime) -> bool:
    """Whether a till's link was received after the time in which the law wants it reported."""
    hours = rules_on(business_date(issued_at)).late_issue_hours
    return received_at - issued_at > timedelta(hours=hours)
