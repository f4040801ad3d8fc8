"""Uploads what waits, chain by chain in order, a bounded step at a time; may be interrupted anywhere and repeated.

`step` does one exchange for the seat whose turn it is. What got no verdict is sent again: the centre answers 200 for
bytes that it has. Issuing never waits for an upload but for a sale with a consumer number, and that `EASY_S` at most.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from kernel.clock import Clock, business_date, format_instant
from kernel.refusal import Unavailable
from pos_gateway.till.ask_centre import AskCentre, CentreAway, CentreBusy, CentreFailure, CentreRefused
from pos_gateway.till.backoff import wait_s
from pos_gateway.till.course import Course
from pos_gateway.till.exchange import Exchange
from pos_gateway.till.installation import Installation
from pos_gateway.till.link import LastError, Link
from pos_gateway.till.outcomes import Issued, Verdict
from pos_gateway.till.refusals import Suspension
from pos_gateway.till.seat import ChainAt, Seat
from pos_gateway.till.states import TillState
from pos_gateway.till.write_groups import OutcomeUnknown
from receipts.rules import rules_on
from runtime.unusable import Unusable

POLL_MAX_S: Final = 3_600.0
LINGER_S: Final = 1.0
"""How long a sale may wait for others to go with it: a busy till uploads once a second instead of at every sale."""
POLL_S: Final = 300.0
"""How often a till that has nothing to send asks how it stands. Ten thousand of them ask 33 times a second."""
EASY_S: Final = 3.0
"""How long a sale with a consumer number waits for the centre's word; a client gives up after eight seconds."""
REST_SHARE: Final = 0.5
"""How long the uploader rests between two exchanges of a backlog, as a share of what the last one took: the writer and
the machine's processor are for sales first."""
KEPT_S: Final = 600.0
"""How often the link is kept although its state is the same: the last contact survives a restart about so exactly."""
OUTAGE: Final = timedelta(minutes=10)
"""How long the centre was away before it is worth a notice: lines flicker."""
OUTAGE_CODES: Final = ("till_outage",)
UNAUTHENTICATED: Final = 401
_system_jitter: Final = secrets.SystemRandom().random


class Uploader:
    """Keeps an installation's seats in touch with the centre. Belongs to one event loop.

    Args:
        installation: whose receipts wait.
        centre: asked.
        clock: business time, for what is shown.
        elapsed_s: measures time, for what is waited for.
        jitter: draws from 0 to below 1.
    """

    def __init__(
        self,
        installation: Installation,
        centre: AskCentre,
        *,
        clock: Clock,
        elapsed_s: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = _system_jitter,
    ) -> None:
        self._installation = installation
        self._clock = clock
        self._elapsed_s = elapsed_s
        self._jitter = jitter
        self._exchange = Exchange(installation, centre, self._tell)
        self._courses: dict[ChainAt, Course] = {}
        self._kept_s: dict[ChainAt, float] = {}
        self._eager: dict[bytes, tuple[ChainAt, asyncio.Future[bool]]] = {}
        self._at_work = asyncio.Lock()
        self._news = asyncio.Event()
        self._follow_seats()

    @property
    def late_issue_hours(self) -> int:
        """How many hours a receipt may wait: the centre's last word, or the law of the day."""
        return self._exchange.late_issue_hours or rules_on(business_date(self._clock())).late_issue_hours

    def link_of(self, seat: Seat) -> Link:
        """Answer how a seat stands with the centre."""
        self._follow_seats()
        course = self._courses.get(seat.chain)
        if course is None:
            return kept_link(self._installation, seat, self._clock())
        course.link = _reconciled(course.link, seat, self._clock())
        return course.link

    def issued(self, issued: Issued) -> None:
        """Note that a receipt waits; it goes within a second, with whatever else has come by then."""
        self._hasten((issued.seller, issued.terminal), self._elapsed_s() + LINGER_S)

    async def easy(self, issued: Issued, *, within_s: float = EASY_S) -> bool:
        """Upload a receipt with a consumer number at once and answer whether that consumer has the claim now. False
        where the centre was not met in time, as well: then it has, or has not, when the receipt arrives.
        """
        chain = (issued.seller, issued.terminal)
        course, seat = self._courses.get(chain), self._seat(chain)
        if course is None or seat is None or course.link.failures:
            return False
        if self._installation.backlog(seat).count > course.lines_max:
            return False
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._eager[issued.receipt_hash] = chain, told
        self._hasten(chain, self._elapsed_s())
        try:
            return await asyncio.wait_for(told, within_s)
        except TimeoutError:
            return False
        finally:
            self._eager.pop(issued.receipt_hash, None)

    async def step(self) -> float:
        """Do one exchange for the seat whose turn it is, if one is due, and answer the seconds until the next is."""
        async with self._at_work:
            self._follow_seats()
            if not self._courses:
                return POLL_S
            course = min(self._courses.values(), key=lambda course: course.due_s)
            if course.due_s <= self._elapsed_s():
                await self._serve(course)
            return max(0.0, min(course.due_s for course in self._courses.values()) - self._elapsed_s())

    async def keep_uploading(self) -> None:
        """Do step after step until cancelled, each when it is due or when something is to be sent."""
        while True:
            self._news.clear()
            wait = await self.step()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), wait)

    async def send_now(self, *, within_s: float, seen: Callable[[int], None] = lambda _: None) -> int:
        """Ask the centre for every seat now, whatever was to be waited for, and upload until nothing waits, something
        fails, or the time is over. Answers how many receipts wait then; `seen` is told while it lasts.
        """
        ends_s = self._elapsed_s() + within_s
        self._follow_seats()
        left = set(self._courses)
        for course in self._courses.values():
            course.due_s, course.judged = self._elapsed_s(), False
        while left and self._elapsed_s() < ends_s:
            async with self._at_work:
                course = self._courses[min(left, key=lambda chain: self._courses[chain].due_s)]
                await self._serve(course)
            seat = self._seat(course.chain)
            if not course.progressed or seat is None or not self._installation.backlog(seat).count:
                left.discard(course.chain)
            seen(self._waiting())
        self._news.set()
        return self._waiting()

    # -- one exchange

    async def _serve(self, course: Course) -> None:
        """Do one exchange, and note what came of it. Foreseen failures end in the link; what nobody foresaw does too,
        and is logged, for an uploader that ended would be noticed days later.
        """
        began_s = self._elapsed_s()
        course.progressed = False
        seat = self._seat(course.chain)
        if seat is None:
            self._courses.pop(course.chain)
            return
        try:
            await self._meet(course, seat)
        except CentreFailure as failure:
            await self._failed(course, failure)
        except (Unavailable, OutcomeUnknown, Unusable) as failure:
            await self._failed(course, CentreFailure("till_disk", f"{type(failure).__name__}: {failure}"))
        except Exception as failure:  # noqa: BLE001 - the rim of a task that nobody awaits
            structlog.get_logger().error("incident", exc_info=failure)
            await self._failed(course, CentreFailure("till_broken", type(failure).__name__))
        else:
            took_s = self._elapsed_s() - began_s
            goes_on = course.progressed and self._installation.backlog(seat).count  # what came meanwhile, too
            course.due_s = self._elapsed_s() + (REST_SHARE * took_s if goes_on else self._poll_s())

    async def _meet(self, course: Course, seat: Seat) -> None:
        if not course.judged or not self._installation.backlog(seat).count:
            await self._exchange.look(course, seat)
        waits = self._installation.backlog(seat).count  # a look may find that the centre lost some
        taken = await self._exchange.send(course, seat) if waits else 0
        was_away = course.link.failures > 0
        left = self._installation.backlog(seat).count
        course.progressed, waits = course.progressed or left < waits, left  # another process may upload, too
        link = _reconciled(course.link, self._seat(course.chain) or seat, self._clock())
        await self._move(course, link.met(self._clock(), waiting=waits, sent=taken > 0))
        if was_away:
            self._bring_back()

    async def _failed(self, course: Course, failure: CentreFailure) -> None:
        answered = isinstance(failure, CentreBusy | CentreRefused)
        seat = self._seat(course.chain)
        if isinstance(failure, CentreRefused) and failure.status == UNAUTHENTICATED and seat is not None:
            await self._suspend(seat, failure)
        error = LastError(failure.code, failure.detail, self._clock())
        waits = self._installation.backlog(seat).count if seat is not None else 0
        link = replace(course.link, failures=0) if course.progressed else course.link
        await self._move(course, link.failed(error, answered=answered, waiting=waits))
        asked = failure.retry_after_s if isinstance(failure, CentreBusy) else None
        course.due_s = self._elapsed_s() + wait_s(course.link.failures, self._jitter(), retry_after_s=asked)
        if isinstance(failure, CentreAway):
            await self._lose_all(course, error)
        for chain, told in self._eager.values():
            if not told.done() and (chain == course.chain or not answered):
                told.set_result(False)

    async def _suspend(self, seat: Seat, failure: CentreRefused) -> None:
        """Stop issuing: a client that the centre does not believe any more was revoked, so its receipts are not taken
        either. The next time that the centre believes it ends this.
        """
        with contextlib.suppress(Unavailable, OutcomeUnknown):
            await self._installation.suspend(seat, Suspension.BY_CENTRE, detail=failure.code)

    async def _lose_all(self, course: Course, error: LastError) -> None:
        """What is away is the centre: no other seat asks before this one does."""
        course.judged = False
        for other in self._courses.values():
            if other is not course:
                other.judged = False
                await self._move(other, other.link.failed(error, answered=False))
                other.due_s = max(other.due_s, course.due_s)

    def _bring_back(self) -> None:
        """The centre is there again: let every seat that it was away for ask at once."""
        for other in self._courses.values():
            if other.link.failures:
                other.due_s = min(other.due_s, self._elapsed_s())

    # -- what is known

    async def _move(self, course: Course, link: Link) -> None:
        """Take a link's next value; keep it where its state changed, or was kept long ago."""
        seat = self._seat(course.chain)
        before, now = course.link, self._clock()
        course.link = link
        if seat is not None:
            course.link = _reconciled(course.link, seat, now)
            await self._tell_outage(seat, before, course.link)
        moved = course.link.state is not before.state
        if moved or self._elapsed_s() - self._kept_s.get(course.chain, -KEPT_S) >= KEPT_S:
            self._kept_s[course.chain] = self._elapsed_s()
            with contextlib.suppress(Unavailable, OutcomeUnknown):  # it is for show, and there is a next time
                await self._installation.remember(_name(course.chain), course.link.to_json())

    async def _tell_outage(self, seat: Seat, before: Link, after: Link) -> None:
        """Give a notice of an outage that has ended, where it was long enough for somebody to ask about it."""
        ended = before.state is TillState.OFFLINE and after.state is not TillState.OFFLINE and before.contact_at
        if ended and after.since - before.since >= OUTAGE:
            detail = f"{format_instant(before.since)[:16]} - {format_instant(after.since)[:16]}".replace("T", " ")
            with contextlib.suppress(Unavailable, OutcomeUnknown):
                await self._installation.notice(seat, OUTAGE_CODES[0], detail)

    def _follow_seats(self) -> None:
        """Begin a course for every seat that is new, and end those of closed ones that have nothing to send."""
        for seat in self._installation.seats:
            known = seat.chain in self._courses
            if seat.closed_at is not None and not self._installation.backlog(seat).count:
                self._courses.pop(seat.chain, None)
            elif not known:
                link = kept_link(self._installation, seat, self._clock())
                self._courses[seat.chain] = Course(seat.chain, link, due_s=self._elapsed_s())

    def _tell(self, verdict: Verdict) -> None:
        _, told = self._eager.get(verdict.receipt_hash, (None, None))
        if told is not None and not told.done():
            told.set_result(verdict.easy is True)

    def _hasten(self, chain: ChainAt, at_s: float) -> None:
        if (course := self._courses.get(chain)) is not None:
            course.hasten(at_s)
        self._news.set()

    def _seat(self, chain: ChainAt) -> Seat | None:
        return next((seat for seat in self._installation.seats if seat.chain == chain), None)

    def _waiting(self) -> int:
        return sum(self._installation.backlog(seat).count for seat in self._installation.seats)

    def _poll_s(self) -> float:
        """With many seats each asks less often: what is away is away for all."""
        return min(POLL_S * max(1, len(self._courses)), POLL_MAX_S)


def kept_link(installation: Installation, seat: Seat, now: datetime) -> Link:
    """Answer how a seat stands before the centre was asked, by what was kept last."""
    kept = installation.remembered(_name(seat.chain))
    link = (Link.of_json(kept.body) if kept else None) or Link.unknown(now, suspended=False)
    return _reconciled(link.restarted(), seat, now)


def _reconciled(link: Link, seat: Seat, now: datetime) -> Link:
    """Let a link say SUSPENDED exactly where the seat may issue nothing."""
    if seat.suspended_for is not None or seat.closed_at is not None or now > seat.not_after:
        return link.barred(now)
    return link.reinstated(now) if link.state is TillState.SUSPENDED else link


def _name(chain: ChainAt) -> str:
    return f"link {chain[0]:012d}-{chain[1]:08d}"
