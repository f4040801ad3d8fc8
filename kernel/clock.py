"""Instants are aware UTC; business days and months are those of Asia/Ulaanbaatar.

A `Clock` is always an argument. Business time (rules, deadlines, month close) may be moved for development;
tokens, rate limits and time-outs stay on real time (see `runtime.clock`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo

from kernel.refusal import Fault, Malformed

Clock = Callable[[], datetime]
"""Answers the business time now, aware and in UTC, in whole seconds."""

ULAANBAATAR = ZoneInfo("Asia/Ulaanbaatar")
DAY_ZERO = date(2000, 1, 7)
"""Day 0 of the receipt id; read off real receipts (docs/formats/receipt-id.md)."""


def business_date(instant: datetime) -> date:
    """Answer the calendar day in Ulaanbaatar on which `instant` falls."""
    return _hour(int(instant.timestamp()) // 3600)[0]


@lru_cache(maxsize=1024)
def business_day(instant: datetime) -> int:
    """Answer the day number of a receipt id: days since 2000-01-07 in Ulaanbaatar."""
    return (business_date(instant) - DAY_ZERO).days


@lru_cache(maxsize=4096)
def _hour(hour: int) -> tuple[date, timezone]:
    """Answer the day and the offset that hold in Ulaanbaatar for a whole hour since 1970: its offsets were whole hours
    at all times, and changed on the hour (tz database).
    """
    local = datetime.fromtimestamp(hour * 3600, ULAANBAATAR)
    offset = local.utcoffset()
    assert offset is not None
    return local.date(), timezone(offset)


def date_of_day(day: int) -> date:
    """Answer the calendar day of a day number; the inverse of `business_day`."""
    return DAY_ZERO + timedelta(days=day)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A business month in Ulaanbaatar, the unit of declarations, draws and findings."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str, path: str = "/month") -> Self:
        """Read `2017-03`. Raises `Malformed` with `month_form`."""
        if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", text):
            raise Malformed(Fault("month_form", path, "YYYY-MM, as 2017-03"))
        return cls(int(text[:4]), int(text[5:]))

    @classmethod
    def of(cls, instant: datetime) -> Self:
        """Answer the month in which `instant` falls in Ulaanbaatar."""
        return cls.of_date(business_date(instant))

    @classmethod
    def of_date(cls, day: date) -> Self:
        """Answer the month of a calendar day."""
        return cls(day.year, day.month)

    def plus(self, months: int) -> "Month":
        """Answer the month that many later (earlier when negative)."""
        ordinal = self.year * 12 + self.number - 1 + months
        return Month(ordinal // 12, ordinal % 12 + 1)

    @property
    def first_day(self) -> int:
        """The day number of the month's first day."""
        return (date(self.year, self.number, 1) - DAY_ZERO).days

    @property
    def end_day(self) -> int:
        """The day number of the first day after the month."""
        return self.plus(1).first_day

    @property
    def starts_at(self) -> datetime:
        """The first instant of the month, in UTC."""
        return datetime(self.year, self.number, 1, tzinfo=ULAANBAATAR).astimezone(UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant after the month, in UTC."""
        return self.plus(1).starts_at

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


def parse_instant(text: str, path: str) -> datetime:
    """Read an RFC 3339 time with an offset, cut to whole seconds. Raises `Malformed` with `time_form`."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or not 2000 <= instant.year <= 2105:  # noqa: PLR2004 - u32 seconds
        raise Malformed(Fault("time_form", path, "RFC 3339 with an offset, as 2017-03-01T09:30:00+08:00"))
    return instant.astimezone(UTC).replace(microsecond=0)


@lru_cache(maxsize=1024)
def format_instant(instant: datetime) -> str:
    """Write an instant as RFC 3339 with Ulaanbaatar's offset, as a shop would read it."""
    return instant.astimezone(_hour(int(instant.timestamp()) // 3600)[1]).isoformat(timespec="seconds")
