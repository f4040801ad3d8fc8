"""An installation: everything that a till is on one machine, for all its header sellers. The way in.

    with open_installation(data_dir, clock) as installation:
        seat = installation.seat_of("37900846788")
        issued = await installation.issue(seat, submission, priced)      # durable when it returns

Issuing needs nothing from the centre. Whatever writes is `async` and durable when it returns; it raises `Malformed`, a
refusal of `receipts.orders` or `pos_gateway.till.refusals`, `Unavailable` (not written), or `OutcomeUnknown`. Several
processes may have one installation open (`barimt till status` beside the service): SQLite lets one write at a time.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from kernel.clock import DAY_ZERO, Clock
from kernel.refusal import Unavailable
from pos_gateway.till import look_into_queue, queue_jobs
from pos_gateway.till.check_queue import DROPPABLE, check_queue
from pos_gateway.till.desk import Desk
from pos_gateway.till.issue_offline import Sale, Void, close_chain, issue_sale, issue_void, repeat
from pos_gateway.till.known_time import KnownTime
from pos_gateway.till.merchants import merchant_of
from pos_gateway.till.outcomes import (
    Backlog,
    DayTotals,
    Issued,
    Notice,
    QueueFault,
    Remembered,
    SameBodies,
    Verdict,
    Waiting,
)
from pos_gateway.till.queue_paper import printed
from pos_gateway.till.queue_view import QueueView
from pos_gateway.till.read_queue import Reader, time_known, trusted_seats
from pos_gateway.till.refusals import QueueTampered, Suspension
from pos_gateway.till.rows import instant, seconds
from pos_gateway.till.sealing import Purpose, Sealer
from pos_gateway.till.seat import Activated, ChainAt, Seat
from pos_gateway.till.sent_body import NO_BODY, SentBody, kept_of
from pos_gateway.till.store import reading
from pos_gateway.till.store.connecting import connect_reader, connect_writer, readable, snapshot
from pos_gateway.till.tend_queue import Tender
from pos_gateway.till.till_dir import TillDir
from pos_gateway.till.waiting_links import take_waiting
from pos_gateway.till.write_groups import OWED_S, GroupWriter, Job
from receipts.chain import ChainKey
from receipts.ids import ReceiptId
from receipts.orders import UnknownReceipt
from receipts.printed import PrintedReceipt
from receipts.submission import Merchant, Priced, Submission

KEPT: Final = timedelta(days=62)
"""How long an uploaded link stays in the queue: two months, so that last month's day can be looked at."""
NOTICES_MAX: Final = 200
T = TypeVar("T")


@contextlib.contextmanager
def open_installation(
    data_dir: Path,
    clock: Clock,
    *,
    elapsed_s: Callable[[], float] = time.monotonic,
    verify: bool = True,
    vfs: str | None = None,
) -> Iterator["Installation"]:
    """Open an installation, made where it is missing, and close it at the end. Raises `Unusable`.

    Everything in the queue is looked at (about 15 µs a row); a chain that is not as the till left it is suspended
    (`Installation.faults`). `verify=False` leaves that out, for a look from beside a running service. `elapsed_s` is a
    clock that nobody sets, in seconds; `vfs` is SQLite's, for tests of failing disks.
    """
    installation = Installation(TillDir.make(data_dir), clock, elapsed_s=elapsed_s, vfs=vfs)
    try:
        if verify:
            installation.suspend_for_faults(installation.check())
        yield installation
    finally:
        installation.close()


class Installation:
    """A till's seats, keys and queue. Made by `open_installation`."""

    def __init__(
        self, till_dir: TillDir, clock: Clock, *, elapsed_s: Callable[[], float], vfs: str | None = None
    ) -> None:
        self.dir = till_dir
        self.clock = clock
        self.faults: tuple[QueueFault, ...] = ()
        """What was found on opening."""
        self._sealer = Sealer(till_dir.queue_secret())
        self._chain_keys: dict[ChainAt, ChainKey] = {}
        connection = connect_writer(till_dir.queue, vfs=vfs)
        self._near, self._far = (Reader(connect_reader(till_dir.queue, vfs=vfs)) for _ in range(2))
        self.view = QueueView(self._near, self._far)
        with readable(till_dir.queue):
            self._seats = trusted_seats(connection, self._sealer)
            self.known_time = KnownTime(time_known(connection, self._sealer, self._seats), elapsed_s)
        self._tender = Tender(connect_writer(till_dir.queue, vfs=vfs), self._sealer, till_dir.witness)
        desk = Desk(connection, self._sealer, clock, self.known_time, self._chain_key)
        self._writer = GroupWriter(desk, committed=self._tender.committed)

    # -- seats

    @property
    def seats(self) -> tuple[Seat, ...]:
        """Every seat, closed ones too, the oldest first."""
        return tuple(self._seats.values())

    def seat_of(self, tin: str) -> Seat | None:
        """Answer the open seat of a header seller; a suspended one too."""
        return next((seat for seat in self._seats.values() if seat.tin == tin and seat.closed_at is None), None)

    def add_seat(self, activated: Activated) -> Seat:
        """Take a seat: keep its keys, begin its chain with the start link. The same activation again changes nothing.
        Blocks for a commit. Raises `Malformed`, or OSError where the disk is full.
        """
        seat = activated.seat()
        if seat.chain not in self._seats:
            self.dir.keep_activation(seat, activated)
            self._writer.write_now(lambda desk: queue_jobs.add_seat(desk, seat))
            self._tender.witness()
            self.known_time.issued(seat.enrolled_at)
            self.reload()
        return self._seats[seat.chain]

    async def update_seat(self, seat: Seat, **changes: Any) -> Seat:
        """Write what the centre says of a seat: `name`, `vat_payer`, `city_tax_payer`, `branch`, `district`."""
        return await self._change_seat(seat, lambda known: replace(known, **changes))

    async def suspend(self, seat: Seat, reason: str, *, detail: str = "") -> None:
        """Let a seat issue nothing any more, for a reason of `Suspension`; what waits is uploaded all the same."""
        await self._writer.write(lambda desk: queue_jobs.suspend(desk, seat.chain, reason, detail))
        self.reload()

    async def resume(self, seat: Seat) -> None:
        """Let a seat issue again, because the centre says so. One whose queue was tampered with stays as it is."""
        await self._writer.write(lambda desk: queue_jobs.resume(desk, seat.chain))
        self.reload()

    async def close_chain(self, seat: Seat) -> Issued | None:
        """End a seat's chain with the closing link (nature 7), which is uploaded like every other. None where the chain
        was tampered with so that nothing can follow: it ends as it is, and the centre is to be told of the loss.
        """
        issued: Issued | None = None
        try:
            issued = await self._writer.write(lambda desk: queue_jobs.close_seat(desk, close_chain(desk, seat.chain)))
        except QueueTampered:
            await self._writer.write(lambda desk: queue_jobs.abandon_seat(desk, seat.chain))
        self.reload()
        return issued

    def reload(self) -> None:
        """Read the seats again: another process may have added one (`barimt till activate`)."""
        self._seats = self._near.read(lambda connection: trusted_seats(connection, self._sealer))

    # -- issuing

    async def issue(
        self,
        seat: Seat,
        submission: Submission,
        priced: Priced,
        *,
        invoice: bool = False,
        body: SentBody = NO_BODY,
    ) -> Issued:
        """Issue a judged sale, invoice, payment or correction, and answer it when it is durable. `invoice` says whether
        its type is an invoice's: a correction must be of its root's type.
        """
        told = kept_of(body, self._sealer, seat.seller, invoice, submission)  # the terminal may have been replaced
        sale = Sale(seat.chain, submission, priced, invoice, told)
        return await self._issue(lambda desk: issue_sale(desk, sale), seat)

    def merchant_of(self, tin: str) -> Merchant | None:
        """Answer a merchant with its tax status: a seat's, or one of whom the centre was heard to tell; else None."""
        return merchant_of(tin, self._seats.values(), self.remembered)

    async def void(self, receipt: ReceiptId, *, reason: str, body: SentBody = NO_BODY) -> Issued:
        """Void a receipt that was issued here, by a link of its own chain, or where that is closed of its seller's open
        one. Raises `UnknownReceipt`, `AlreadyVoid`, `NotLatest` or `NotCorrectable`.
        """
        seat = self._seats.get((receipt.seller, receipt.terminal))
        if seat is None or seat.closed_at is not None:
            seat = next((one for one in self.seats if one.seller == receipt.seller and one.closed_at is None), None)
        if seat is None:
            raise UnknownReceipt
        chain = seat.chain
        void = Void(chain, receipt, reason, kept_of(body, self._sealer, str(receipt), reason))
        return await self._issue(lambda desk: issue_void(desk, void), seat)

    def body_digest(self, sent: bytes) -> bytes:
        """Answer the keyed digest by which equal bodies are known. What was sent cannot be guessed from it."""
        return self._sealer.digest(Purpose.BODY, sent)

    def answer_was_read(self, issued: Issued) -> None:
        """Note that the client has the answer, so that it is not given again to an equal body after a crash."""
        self._writer.answer_was_read([issued.seq])

    def owed(self, *, most: int) -> dict[bytes, tuple[Issued, int]]:
        """Answer by body digest the latest of what was issued in the last two minutes and may not have been read, with
        how many seconds ago: what is left after a crash. Blocks; about 60 µs each.
        """
        now = seconds(self.clock())
        return self._near.read(
            lambda connection: {
                digest: (repeat(self._reading_desk(connection), row), max(now - at, 0))
                for digest, at, row in look_into_queue.owed(connection, self._sealer, since=now - OWED_S, most=most)
            }
        )

    # -- uploading

    async def waiting(self, seat: Seat, *, lines_max: int, bytes_max: int) -> list[Waiting]:
        """Answer what waits for upload, in the order of the chain: at most so many lines, and about so many bytes as
        lines of `POST /v1/receipts/signed` (at least one). The rows are checked first: a chain that was tampered with
        is suspended, and goes on only as far as its links are genuine and without a gap.
        """
        key = self._chain_key(seat).signer.private_key.public_key()

        def read(connection: apsw.Connection) -> tuple[list[Waiting], list[QueueFault]]:
            with snapshot(connection):
                return take_waiting(connection, self._sealer, key, seat, lines_max=lines_max, bytes_max=bytes_max)

        lines, faults = await self._far.read_aside(read)
        if faults:
            await asyncio.to_thread(self.suspend_for_faults, faults)
        return lines

    async def settle(self, seat: Seat, verdicts: Sequence[Verdict]) -> int:
        """Write what the centre said, and answer how many links are settled by it. Only 200 and 201 settle, and only in
        the order of the chain: the first other verdict, or a gap, ends it.
        """
        return await self._writer.write(lambda desk: queue_jobs.settle(desk, seat.chain, verdicts))

    async def unsettle(self, seat: Seat, counter: int) -> int:
        """Let links wait again from a counter on, because the centre, put back from a backup, lost them; answer how
        many. What was dropped from the queue since cannot be sent again.
        """
        return await self._writer.write(lambda desk: queue_jobs.unsettle(desk, seat.chain, counter))

    def backlog(self, seat: Seat) -> Backlog:
        """Answer what waits for upload; quick however much it is."""
        return self._near.read(lambda connection: queue_jobs.backlog(connection, seat.chain))

    async def prune(self, *, kept: timedelta = KEPT) -> int:
        """Drop uploaded links older than that, and what else is out of date; answer how many links went. What is kept
        can still be checked. Once a day is enough.
        """
        dropped = 0
        for seat in self.seats:
            with contextlib.suppress(QueueTampered):  # evidence stays
                while went := await self._writer.write(lambda desk, at=seat.chain: queue_jobs.prune(desk, at, kept)):  # type: ignore[misc]
                    dropped += went
        await self._writer.write(queue_jobs.forget_old)
        await self.keep_time()
        return dropped

    # -- looking

    def find(self, receipt: ReceiptId) -> Issued | None:
        """Answer a receipt that is in the queue."""

        def read(connection: apsw.Connection) -> Issued | None:
            row = reading.read_row_of_id(connection, receipt)
            return None if row is None else repeat(self._reading_desk(connection), row)

        return self._near.read(read)

    def printed(self, receipt: ReceiptId) -> PrintedReceipt:
        """Answer what stands on the paper of a receipt that is in the queue. Raises `UnknownReceipt`."""
        return self._near.read(lambda connection: printed(self._reading_desk(connection), self.seats, receipt))

    def request_of(self, issued: Issued) -> bytes | None:
        """Answer the original bytes without personal data."""
        row = self._near.read(lambda connection: reading.read_row_of_seq(connection, issued.seq))
        return None if row is None else row.request

    async def day(self, seat: Seat, day: date) -> DayTotals:
        """Answer what a business day of a seat came to."""
        number = (day - DAY_ZERO).days
        return await self._far.read_aside(lambda connection: look_into_queue.day(connection, seat.chain, number))

    async def identical(self, day: date) -> list[SameBodies]:
        """Answer the receipts of a day whose bodies were equal within ten minutes, none of them void."""
        number = (day - DAY_ZERO).days
        return await self._far.read_aside(lambda connection: look_into_queue.identical(connection, number))

    def check(self) -> list[QueueFault]:
        """Look at everything in the queue and answer every fault. Blocks; about 15 µs a row."""
        return self._far.read(lambda connection: check_queue(connection, self._sealer, self.dir.witness))

    # -- small things

    async def remember(self, name: str, body: bytes) -> None:
        """Keep a look-up, or a list of the centre's, for when there is no network. A name's last body counts."""
        await self._writer.write(lambda desk: queue_jobs.remember(desk, name, body))

    def remembered(self, name: str) -> Remembered | None:
        """Answer a look-up that is kept; None where there is none, or where it was tampered with."""
        found = self._near.read(lambda connection: reading.read_remembered(connection, name))
        if found is None or not self._sealer.holds(Purpose.REMEMBERED, found[1], found[0]):
            return None
        return Remembered(found[0][1], instant(found[0][2]))

    async def notice(self, seat: Seat | None, code: str, detail: str = "", *, once: bool = False) -> bool:
        """Give a notice (`code` is in the catalogue), with `once` only where the same was not given before; answer
        whether it was given.
        """
        chain = seat.chain if seat else None
        return await self._writer.write(lambda desk: desk.note(chain, code, detail, once=once))

    def notices(self, *, after: int = 0, most: int = NOTICES_MAX) -> list[Notice]:
        """Answer the latest notices above an id, newest first."""
        rows = self._near.read(lambda connection: reading.read_notices(connection, after=after, most=most))
        return [Notice(*row[:5], instant(row[5])) for row in rows]

    async def learn_time(self, now: datetime) -> None:
        """Take the centre's, or the shopkeeper's, word for what time it is: the till issues up to a day after it."""
        self.known_time.told(now)
        await self._writer.write(lambda desk: desk.put_mark("time", str(seconds(now))))

    def doubts_clock(self) -> bool:
        """Whether the clock is more than a day ahead of the time known, so that nothing is issued."""
        return self.known_time.is_far_ahead(self.clock())

    async def keep_time(self) -> None:
        """Keep the time known for when the till is started again. Once an hour is enough."""
        await self._writer.write(queue_jobs.keep_time)

    def suspend_for_faults(self, faults: Sequence[QueueFault]) -> None:
        """Suspend what faults were found of, and note each that is new. Blocks for a commit."""
        faults = [fault for fault in faults if fault not in self.faults]
        self.faults = (*self.faults, *faults)
        if not faults:
            return
        with readable(self.dir.queue):
            self._writer.write_now(lambda desk: queue_jobs.suspend_for_faults(desk, faults, DROPPABLE))
            self.reload()

    def close(self) -> None:
        """Write what was asked for, the witness and the log, and end."""
        with contextlib.suppress(Unavailable):  # a full disk keeps no till from being closed
            if self._seats:
                self._writer.write_now(queue_jobs.keep_time)
        self._writer.close()
        for reader in (self._near, self._far):
            reader.close()
        self._tender.close()  # the last connection empties the log, so it must be one that may write

    # -- inside

    async def _issue(self, job: Job[Issued], seat: Seat) -> Issued:
        try:
            issued = await self._writer.write(job)
        except QueueTampered as tampered:
            await self.suspend(seat, Suspension.TAMPERED, detail=tampered.place)
            raise
        self.known_time.issued(issued.link.issued_at)
        return issued

    async def _change_seat(self, seat: Seat, change: Callable[[Seat], Seat]) -> Seat:
        def job(desk: Desk) -> None:
            desk.put_seat(change(desk.seat(seat.chain)))

        await self._writer.write(job)
        self.reload()
        return self._seats[seat.chain]

    def _chain_key(self, seat: Seat) -> ChainKey:
        key = self._chain_keys.get(seat.chain)
        if key is None:
            key = self._chain_keys[seat.chain] = self.dir.chain_key(seat)
        return key

    def _reading_desk(self, connection: apsw.Connection) -> Desk:
        return Desk(connection, self._sealer, self.clock, self.known_time, self._chain_key)
