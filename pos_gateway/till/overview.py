"""What a shopkeeper should know of the till, as one value: states, what waits, the deadline, errors, warnings. Pure.

`GET /rest/info`, the page and `barimt till status` all show this one thing. Times are written with the offset of
Ulaanbaatar.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kernel.clock import business_date, format_instant
from kernel.identity import format_terminal
from pos_gateway.till.deadlines import Warned, WarningCode, deadline_of, warnings_in_force
from pos_gateway.till.link import LastError, Link
from pos_gateway.till.outcomes import Backlog, Notice
from pos_gateway.till.seat import Seat
from pos_gateway.till.states import TillState, gravest
from runtime.messages import CATALOGUE, Language, text

FAILURE_CODES: Final = (
    "centre_unreachable", "centre_silent", "centre_busy", "centre_broken", "centre_strange", "centre_unset",
    "till_disk", "till_broken",
)  # fmt: skip
"""Why the centre could not be met, beyond the codes of the centre's own problems."""
FAILURE_OTHERWISE_CODES: Final = ("centre_refused",)
WARNING_CODES: Final = (
    "deadline_24h", "deadline_6h", "deadline_passed",
    "certificate_expires_30d", "certificate_expires_7d", "certificate_expired",
)  # fmt: skip
_GRAVE: Final = frozenset({WarningCode.DEADLINE_PASSED, WarningCode.CERTIFICATE_7D, WarningCode.CERTIFICATE_EXPIRED})


@dataclass(frozen=True, slots=True)
class SeatView:
    """A seat with its link, what waits, and by when it must be uploaded."""

    seat: Seat
    link: Link
    backlog: Backlog
    deadline: datetime | None
    warnings: tuple[Warned, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole till. `open` are the seats that have not ended; a closed one counts as long as receipts wait."""

    now: datetime
    views: tuple[SeatView, ...]
    centre: str | None
    root_kid: str | None
    version: str

    @property
    def open(self) -> tuple[SeatView, ...]:
        """The views of seats that have not ended."""
        return tuple(view for view in self.views if view.seat.closed_at is None)

    @property
    def state(self) -> TillState:
        """The gravest state of the open seats."""
        return gravest(view.link.state for view in self.open)

    @property
    def since(self) -> datetime | None:
        """Since when the gravest state holds."""
        return min((view.link.since for view in self.open if view.link.state is self.state), default=None)

    @property
    def waiting(self) -> int:
        """Receipts that the centre does not have yet."""
        return sum(view.backlog.count for view in self.views)

    @property
    def waiting_mongo(self) -> int:
        """Their totals."""
        return sum(view.backlog.total_mongo for view in self.views)

    @property
    def deadline(self) -> datetime | None:
        """The earliest deadline."""
        return min((view.deadline for view in self.views if view.deadline is not None), default=None)

    @property
    def contact_at(self) -> datetime | None:
        """When the centre answered last."""
        return max((view.link.contact_at for view in self.views if view.link.contact_at is not None), default=None)

    @property
    def sent_at(self) -> datetime | None:
        """When the centre took a receipt last."""
        return max((view.link.sent_at for view in self.views if view.link.sent_at is not None), default=None)

    @property
    def error(self) -> LastError | None:
        """The latest error that nothing has made good."""
        errors = [view.link.error for view in self.views if view.link.error is not None]
        return max(errors, key=lambda error: error.at, default=None)

    @property
    def certificate_until(self) -> datetime | None:
        """When the first of the certificates in use ends."""
        return min((view.seat.not_after for view in self.open), default=None)


def view_of(seat: Seat, link: Link, backlog: Backlog, *, now: datetime, late_issue_hours: int) -> SeatView:
    """Put together what is known of a seat. A closed one is warned of what waits, and of no certificate."""
    deadline = deadline_of(backlog.oldest, late_issue_hours=late_issue_hours)
    not_after = seat.not_after if seat.closed_at is None else None
    return SeatView(seat, link, backlog, deadline, warnings_in_force(now, deadline=deadline, not_after=not_after))


def overview_json(overview: Overview) -> dict[str, Any]:
    """Answer the overview as `/web/standing` and `barimt till status --json` give it."""
    return {
        "state": overview.state.value,
        "since": _time(overview.since),
        "now": format_instant(overview.now),
        "today": business_date(overview.now).isoformat(),
        "waiting": {"receipts": overview.waiting, "total_mongo": overview.waiting_mongo},
        "deadline": _time(overview.deadline),
        "contact_at": _time(overview.contact_at),
        "sent_at": _time(overview.sent_at),
        "last_error": None if overview.error is None else error_json(overview.error),
        "certificate_until": _time(overview.certificate_until),
        "warnings": warnings_json(overview),
        "centre": overview.centre,
        "root": overview.root_kid,
        "version": overview.version,
        "sellers": [_seller_json(view) for view in overview.views],
    }


def warnings_json(overview: Overview) -> list[dict[str, Any]]:
    """Answer what to warn of, the gravest first: code, instant, terminal, both languages. A suspension comes first."""
    barred = [
        _warning(view.seat.suspended_for, view.seat.suspended_at, view.seat, grave=True)
        for view in overview.open
        if view.seat.suspended_for is not None
    ]
    warned = [
        _warning(warned.code, warned.at, view.seat, grave=warned.code in _GRAVE)
        for view in overview.views
        for warned in view.warnings
    ]
    return barred + sorted(warned, key=lambda one: not one["grave"])


def notices_json(notices: Iterable[Notice]) -> list[dict[str, Any]]:
    """Answer notices as they are shown, in both languages: what was warned of, suspended, or went wrong."""
    return [
        {
            "code": one.code,
            "at": format_instant(one.at),
            "terminal": None if one.terminal is None else format_terminal(one.terminal),
        }
        | said(one.code, detail=one.detail, place=one.detail, at=_minute(one.detail), until=_minute(one.detail),
               terminal=format_terminal(one.terminal or 0))
        for one in notices
    ]  # fmt: skip


def error_json(error: LastError) -> dict[str, Any]:
    """Answer an error as it is shown: its code, when, the words in both languages, the detail for who mends it."""
    shown = {"code": error.code, "at": format_instant(error.at), "detail": error.detail}
    return shown | failure_words(error.code, error.detail)


def failure_words(code: str, detail: str) -> dict[str, str]:
    """Answer in both languages what went wrong with the centre: our words, else the code that it gave and its own."""
    if code in FAILURE_CODES:
        return said(code)
    return {name: f"{words} {detail}".strip() for name, words in said(FAILURE_OTHERWISE_CODES[0], reason=code).items()}


def said(code: str, **values: str) -> dict[str, str]:
    """Answer the catalogue's text of a code in both languages; of an unknown code the code itself."""
    return {language.value: text(code, language, **values) if code in CATALOGUE else code for language in Language}


def words_of(overview: Overview, language: Sequence[Language] = tuple(Language)) -> list[str]:
    """Answer the warnings as sentences, in the languages named."""
    return [" / ".join(one[name.value] for name in language) for one in warnings_json(overview)]


def _warning(code: str, at: datetime | None, seat: Seat, *, grave: bool) -> dict[str, Any]:
    terminal, when = format_terminal(seat.terminal), _time(at)
    return {"code": code, "at": when, "terminal": terminal, "grave": grave} | said(
        code, at=_minute(when), until=_minute(when), terminal=terminal
    )


def _seller_json(view: SeatView) -> dict[str, Any]:
    seat, link = view.seat, view.link
    return {
        "tin": seat.tin,
        "name": seat.name,
        "terminal": format_terminal(seat.terminal),
        "state": link.state.value,
        "since": format_instant(link.since),
        "suspended_for": seat.suspended_for,
        "waiting": {"receipts": view.backlog.count, "total_mongo": view.backlog.total_mongo},
        "deadline": _time(view.deadline),
        "certificate_until": format_instant(seat.not_after),
        "closed_at": _time(seat.closed_at),
        "vat_payer": seat.vat_payer,
        "test": seat.test,
    }


def _minute(when: str | None) -> str:
    return (when or "")[:16].replace("T", " ")


def _time(at: datetime | None) -> str | None:
    return None if at is None else format_instant(at)
