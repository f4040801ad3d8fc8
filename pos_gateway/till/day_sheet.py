"""A business day as the page and `barimt till day` show it: totals by seller, and the last receipts."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from kernel.clock import format_instant
from kernel.identity import format_terminal
from kernel.refusal import Fault, Malformed
from pos_gateway.till.installation import Installation
from pos_gateway.till.outcomes import DayTotals
from pos_gateway.till.queue_view import LISTED_MAX, Listed, QueueView
from pos_gateway.till.seat import Seat
from receipts.receipt import Nature

REST_SHARE: Final = 20
"""After a day was added up, it is not again for so many times as long as it took: a page asks every few seconds, and
sales go first."""
_DATE: Final = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")


async def day_sheet(
    installation: Installation, view: QueueView, day: date, *, most: int = LISTED_MAX
) -> dict[str, Any]:
    """Answer a day. Sellers without anything on it are left out, but the open ones."""
    sellers = [(seat, await installation.day(seat, day)) for seat in installation.seats]
    listed = await view.last_of_day(day, await installation.identical(day), most=most)
    return {
        "date": day.isoformat(),
        "sellers": [_totals_json(seat, totals) for seat, totals in sellers if seat.closed_at is None or _moved(totals)],
        "receipts": [_listed_json(one) for one in listed],
    }


@dataclass(frozen=True, slots=True)
class _Sheet:
    content: dict[str, Any]
    stands: tuple[tuple[int, int], ...]
    until_s: float


class DaySheets:
    """Answers days, and spares itself the adding up where nothing has changed, or a moment ago."""

    def __init__(
        self, installation: Installation, view: QueueView, *, elapsed_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._installation = installation
        self._view = view
        self._elapsed_s = elapsed_s
        self._known: dict[date, _Sheet] = {}

    async def of(self, day: date) -> dict[str, Any]:
        """Answer a day."""
        began_s, stands = self._elapsed_s(), self._stands()
        known = self._known.get(day)
        if known is not None and (known.stands == stands or began_s < known.until_s):
            return known.content
        content = await day_sheet(self._installation, self._view, day)
        now_s = self._elapsed_s()
        self._known = {day: _Sheet(content, stands, now_s + REST_SHARE * (now_s - began_s))}
        return content

    def _stands(self) -> tuple[tuple[int, int], ...]:
        """How far every chain is, and how much of it waits."""
        seats = self._installation.seats
        return tuple((self._view.counter(seat.chain), self._installation.backlog(seat).count) for seat in seats)


def parse_day(text: str, path: str = "/date") -> date:
    """Read a day. Raises `Malformed` with `date_form`."""
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Malformed(Fault("date_form", path, "YYYY-MM-DD, as 2026-11-27"))


def _moved(totals: DayTotals) -> bool:
    return bool(totals.receipts or totals.corrections or totals.voids or totals.invoices or totals.uploaded)


def _totals_json(seat: Seat, totals: DayTotals) -> dict[str, Any]:
    return {
        "tin": seat.tin,
        "name": seat.name,
        "terminal": format_terminal(seat.terminal),
        "receipts": totals.receipts,
        "corrections": totals.corrections,
        "voids": totals.voids,
        "invoices": totals.invoices,
        "uploaded": totals.uploaded,
        "net_mongo": totals.net_mongo,
        "by_tax_type": [
            {
                "tax_type": one.tax_type.name,
                "total_mongo": one.total_mongo,
                "vat_mongo": one.vat_mongo,
                "city_tax_mongo": one.city_tax_mongo,
            }
            for one in totals.by_tax_type
        ],
        "payments": [{"method": method, "amount_mongo": amount} for method, amount in totals.payments],
    }


def _listed_json(one: Listed) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "terminal": format_terminal(one.id.terminal),
        "at": format_instant(one.issued_at),
        "nature": one.nature.name,
        "total_mongo": one.total_mongo,
        "vat_mongo": one.vat_mongo,
        "void": one.followed_by is Nature.VOID,
        "corrected": one.followed_by is Nature.CORRECTION,
        "identical": one.identical > 1,
        "voidable": one.voidable,
        "printable": one.printable,
        "uploaded": one.uploaded,
        "fork": one.fork,
        "findings": list(one.findings),
    }
