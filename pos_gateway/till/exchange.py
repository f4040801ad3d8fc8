"""One exchange of a seat with the centre: how it sees the terminal, and one batch of what waits. Raises what failed.

How the centre sees a terminal is compared with the chain that is here, because a data directory that was put back from
a backup, or copied, signs a second link on a predecessor that has one (a fork). What the centre has beyond the chain
here, or otherwise than here, suspends the seat; everything that waits is uploaded all the same, as evidence. What the
centre itself lost, because it was put back from a backup, is sent again as far as it is still here.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final

from pos_gateway.till.ask_centre import AskCentre, CentreAway, CentreRefused
from pos_gateway.till.centre_words import LineVerdict, Standing, signed_line
from pos_gateway.till.course import BATCH_BYTES, Course
from pos_gateway.till.installation import Installation
from pos_gateway.till.outcomes import Verdict, Waiting
from pos_gateway.till.refusals import Suspension
from pos_gateway.till.seat import Seat

ENCODED_AT_ONCE: Final = 50
"""Lines written as JSON before others get a turn: about a millisecond."""
SETTLED_AT_ONCE: Final = 125
"""Verdicts that one job of the writer settles: about 5 ms."""
KEY_REFUSED: Final = 403
Told = Callable[[Verdict], None]
"""Is told of every receipt that the centre has."""


class Exchange:
    """Does exchanges. `told` hears of every receipt that the centre took."""

    def __init__(self, installation: Installation, centre: AskCentre, told: Told) -> None:
        self._installation = installation
        self._view = installation.view
        self._centre = centre
        self._told = told
        self.late_issue_hours: int | None = None
        """What the centre said last."""

    async def look(self, course: Course, seat: Seat) -> None:
        """Ask how the centre sees the terminal, and suspend or resume by it. Raises `CentreFailure`."""
        standing = await self._centre.standing(seat)
        self.late_issue_hours = standing.late_issue_hours
        await self._installation.learn_time(standing.now.replace(microsecond=0))
        if (fork := self._fork(seat, standing)) is not None:
            await self._installation.suspend(seat, Suspension.FORK, detail=fork)
        elif standing.counter < self._view.counter(seat.chain) - self._installation.backlog(seat).count:
            await self._installation.unsettle(seat, standing.counter)
        elif standing.suspended_at is not None or standing.closed_at is not None:
            if seat.closed_at is None:
                await self._installation.suspend(seat, Suspension.BY_CENTRE, detail=standing.suspended_for or "closed")
        elif seat.suspended_for == Suspension.BY_CENTRE and not course.key_refused:
            await self._installation.resume(seat)
        course.judged = True

    async def send(self, course: Course, seat: Seat) -> int:
        """Send one batch of what waits and answer how many receipts the centre took. Raises `CentreFailure`, also when
        it took some.
        """
        lines = await self._installation.waiting(seat, lines_max=course.lines_max, bytes_max=BATCH_BYTES)
        if not lines:
            return 0
        encoded = await _encoded(lines)
        gathered: list[Verdict] = []
        read = 0
        refused: LineVerdict | None = None
        try:
            async with aclosing(self._centre.upload(seat, encoded)) as verdicts:
                async for said in verdicts:
                    if not said.stored:
                        refused = said
                        break
                    gathered.append(_verdict(lines, read, said))
                    read += 1
                    if len(gathered) >= SETTLED_AT_ONCE:
                        await self._settle(course, seat, gathered)
                        gathered = []
        finally:
            await self._settle(course, seat, gathered)
        if refused is not None:
            await self._heed_refusal(course, seat, refused)
        if not read:
            raise CentreAway("centre_strange", "an upload without verdicts")
        return read

    def _fork(self, seat: Seat, standing: Standing) -> str | None:
        """Say how the chain here and the centre's differ; None where the one continues the other."""
        here = self._view.counter(seat.chain)
        if standing.counter > here:
            return f"the centre has {standing.counter} links, this till {here}"
        own = self._view.link_hash(seat.chain, standing.counter - 1)
        if own is not None and own.hex() != standing.head_hash:
            return f"link {standing.counter - 1} is another one at the centre"
        return None

    async def _settle(self, course: Course, seat: Seat, verdicts: Sequence[Verdict]) -> None:
        """Write what the centre said. Nothing is left to settle of what another process has uploaded meanwhile."""
        if not verdicts:
            return
        course.progressed = await self._installation.settle(seat, verdicts) > 0 or course.progressed
        course.key_refused = False
        for verdict in verdicts:
            self._told(verdict)
        if any(verdict.fork for verdict in verdicts):
            await self._installation.suspend(seat, Suspension.FORK, detail="the centre has a fork of this chain")

    async def _heed_refusal(self, course: Course, seat: Seat, said: LineVerdict) -> None:
        """Raises `CentreRefused` with what the centre said of a line. A key that it refuses suspends the seat."""
        problem = said.problem
        code, detail = (problem.code, problem.detail) if problem else (f"http_{said.status}", "")
        if said.status == KEY_REFUSED:
            course.key_refused = True
            await self._installation.suspend(seat, Suspension.BY_CENTRE, detail=code)
        course.judged = False
        if problem and problem.expected is not None:
            detail = f"{detail} (expected: {problem.expected})"
        raise CentreRefused(said.status, code, detail)


def _verdict(lines: Sequence[Waiting], at: int, said: LineVerdict) -> Verdict:
    """Pair what the centre said with the line that it is about: they come in order. Raises `CentreAway`."""
    assert said.receipt is not None
    if said.line != at + 1 or at >= len(lines) or said.hash != lines[at].receipt_hash.hex():
        raise CentreAway("centre_strange", f"a verdict of line {said.line} where that of {at + 1} was due")
    stored, waiting = said.receipt, lines[at]
    return Verdict(waiting.seq, waiting.receipt_hash, said.status, stored.findings, stored.fork, stored.easy)


async def _encoded(lines: Sequence[Waiting]) -> list[bytes]:
    encoded: list[bytes] = []
    for at in range(0, len(lines), ENCODED_AT_ONCE):
        encoded += [signed_line(line.qr, line.document, line.private) for line in lines[at : at + ENCODED_AT_ONCE]]
        await asyncio.sleep(0)
    return encoded
