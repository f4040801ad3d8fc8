"""What a shopkeeper is warned of before it is too late: the upload's deadline, and the end of the certificate. Pure.

The deadline is the oldest waiting receipt's `issued_at` plus the hours that the law leaves a till offline: after it the
consumers' claims of that receipt lapse (they revive when it arrives). A certificate that ends takes the till's voice.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class WarningCode(StrEnum):
    """A warning; of each kind the later one is the graver."""

    DEADLINE_24H = "deadline_24h"
    DEADLINE_6H = "deadline_6h"
    DEADLINE_PASSED = "deadline_passed"
    CERTIFICATE_30D = "certificate_expires_30d"
    CERTIFICATE_7D = "certificate_expires_7d"
    CERTIFICATE_EXPIRED = "certificate_expired"


_DEADLINE: Final = (
    (WarningCode.DEADLINE_PASSED, timedelta()),
    (WarningCode.DEADLINE_6H, timedelta(hours=6)),
    (WarningCode.DEADLINE_24H, timedelta(hours=24)),
)
_CERTIFICATE: Final = (
    (WarningCode.CERTIFICATE_EXPIRED, timedelta(seconds=-1)),  # `not_after` is the last second that is good
    (WarningCode.CERTIFICATE_7D, timedelta(days=7)),
    (WarningCode.CERTIFICATE_30D, timedelta(days=30)),
)
"""Code, and how long before the instant it holds; the gravest first."""


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning in force, and the instant it is about."""

    code: WarningCode
    at: datetime


def deadline_of(oldest_issued_at: datetime | None, *, late_issue_hours: int) -> datetime | None:
    """Answer the instant by which the oldest waiting receipt must have been uploaded; None where nothing waits."""
    return None if oldest_issued_at is None else oldest_issued_at + timedelta(hours=late_issue_hours)


def warnings_in_force(now: datetime, *, deadline: datetime | None, not_after: datetime | None) -> tuple[Warned, ...]:
    """Answer what to warn of now, at most one of each kind: the gravest."""
    found = (_gravest(now, deadline, _DEADLINE), _gravest(now, not_after, _CERTIFICATE))
    return tuple(warned for warned in found if warned is not None)


def _gravest(now: datetime, at: datetime | None, table: tuple[tuple[WarningCode, timedelta], ...]) -> Warned | None:
    if at is None:
        return None
    return next((Warned(code, at) for code, before in table if now >= at - before), None)
