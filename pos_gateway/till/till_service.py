"""The running till: an installation, the uploader that keeps it in touch with the centre, and what is looked after now
and then: warnings, old receipts, names of sellers. One for a process, in one event loop.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import structlog

from kernel.clock import Clock, business_date
from kernel.refusal import Refusal
from pos_gateway.till.ask_centre import AskCentre, open_http
from pos_gateway.till.centre_file import CentreFile
from pos_gateway.till.day_sheet import DaySheets
from pos_gateway.till.installation import Installation
from pos_gateway.till.link import Link
from pos_gateway.till.look_up import account_ids, refresh_sellers
from pos_gateway.till.outcomes import Issued
from pos_gateway.till.overview import Overview, view_of
from pos_gateway.till.queue_view import QueueView
from pos_gateway.till.upload_receipts import Uploader, kept_link
from pos_gateway.till.warn_in_time import warn_in_time
from receipts.rules import rules_on
from runtime.clock import real_now

TENDED_S: Final = 30.0
"""How often it is looked whether something is to be warned of, and whether another process added a seat."""


class CentreUnset(Refusal):
    """Nobody has said yet where the centre is."""

    code = "centre_unset"


@dataclass(slots=True)
class TillService:
    """A till at work. `form_token` is what a page of ours knows and a page of somebody else does not."""

    installation: Installation
    clock: Clock
    version: str
    view: QueueView
    sheets: DaySheets
    centre_file: CentreFile
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    centre: AskCentre | None = None
    uploader: Uploader | None = None
    _refreshed: date | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack, repr=False)

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, installation: Installation, clock: Clock, *, version: str, url: str | None = None
    ) -> AsyncIterator["TillService"]:
        """Begin to work and end at the end. `url` names the centre where the installation does not know it yet, or
        where it has moved.
        """
        view, known = installation.view, CentreFile.of(installation.dir)
        service = cls(installation, clock, version, view, DaySheets(installation, view), known)
        async with service._stack:
            if url is not None or known.url is not None:
                await service.join(url or str(known.url))
            await service._stack.enter_async_context(_running(service._tend_for_ever(), "tend"))
            yield service

    async def join(self, url: str) -> AskCentre:
        """Answer who asks the centre, beginning to upload at an address where nobody uploads yet."""
        if self.centre is None:
            http = await self._stack.enter_async_context(open_http(url))
            self.centre = AskCentre(http, self.installation.dir.client_key, real_clock=real_now)
            self.uploader = Uploader(self.installation, self.centre, clock=self.clock)
            await self._stack.enter_async_context(_running(self.uploader.keep_uploading(), "upload"))
        return self.centre

    def issued(self, issued: Issued) -> None:
        """Note that a receipt waits."""
        if self.uploader is not None:
            self.uploader.issued(issued)

    async def easy(self, issued: Issued) -> bool:
        """Upload a receipt at once and answer, soon, whether its consumer has the claim now."""
        return self.uploader is not None and await self.uploader.easy(issued)

    def bank_account_ids(self, tin: str) -> dict[str, int]:
        """Answer the ids of a seller's bank accounts by their number, as they were asked for last."""
        return account_ids(self.installation, tin)

    def refresh_soon(self) -> None:
        """Let sellers' names, taxes and bank accounts be asked for again."""
        self._refreshed = None

    def overview(self) -> Overview:
        """Answer how the till stands."""
        if self.centre_file.root_kid is None:
            self.centre_file = CentreFile.of(self.installation.dir)
        return look_over(self.installation, self.uploader, self.centre_file, self.clock, self.version)

    def today(self) -> date:
        """Answer the business day."""
        return business_date(self.clock())

    async def tend(self) -> None:
        """Warn of what is to be warned of, and follow what another process did."""
        self.installation.reload()
        if self.centre is None and (url := CentreFile.of(self.installation.dir).url) is not None:
            await self.join(url)
        await warn_in_time(self.installation, self.overview())
        if self.centre is not None and self._refreshed != self.today():
            self._refreshed = self.today()
            await refresh_sellers(self.installation, self.centre)

    async def _tend_for_ever(self) -> None:
        pruned: date | None = None
        while True:
            try:
                await self.tend()
                if pruned != self.today():
                    await self.installation.prune()
                    pruned = self.today()
            except Exception as failure:  # noqa: BLE001 - the rim of a task that nobody awaits
                structlog.get_logger().error("incident", exc_info=failure)
            await asyncio.sleep(TENDED_S)


def look_over(
    installation: Installation, uploader: Uploader | None, centre: CentreFile, clock: Clock, version: str
) -> Overview:
    """Answer how an installation stands; without an uploader by what the last one kept."""
    now = clock()
    hours = uploader.late_issue_hours if uploader else rules_on(business_date(now)).late_issue_hours
    views = []
    places: dict[int, int] = {}
    for seat in installation.seats:
        places.setdefault(seat.seller, len(places))
    for seat in sorted(installation.seats, key=lambda seat: places[seat.seller]):  # a new terminal in its old place
        backlog = installation.backlog(seat)
        if seat.closed_at is None or backlog.count:
            link: Link = uploader.link_of(seat) if uploader else kept_link(installation, seat, now)
            views.append(view_of(seat, link, backlog, now=now, late_issue_hours=hours))
    root = None if centre.root_kid is None else centre.root_kid.hex()
    return Overview(now, tuple(views), centre.url, root, version)


@asynccontextmanager
async def _running(for_ever: Coroutine[None, None, None], name: str) -> AsyncIterator[None]:
    running = asyncio.create_task(for_ever, name=name)
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
