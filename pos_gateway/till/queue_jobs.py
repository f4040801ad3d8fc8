"""Jobs of the queue's writer beside issuing: seats, what the centre said, pruning, look-ups. Each in the writer's open
transaction.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace as replace_seat
from datetime import timedelta
from typing import Final

import apsw
from msgspec.structs import replace

from pos_gateway.till.desk import Desk, place_of
from pos_gateway.till.issue_offline import KEYS_KEPT, start_chain
from pos_gateway.till.outcomes import Backlog, Issued, QueueFault, Verdict
from pos_gateway.till.refusals import QueueTampered, Suspension
from pos_gateway.till.rows import UploadRow, first_head_row, instant, seat_of, seconds
from pos_gateway.till.sealing import Purpose
from pos_gateway.till.seat import ChainAt, Seat
from pos_gateway.till.store import reading, writing
from receipts.receipt import Nature

PRUNED_MAX: Final = 500
"""Links that one job drops: about 10 ms."""
NOTICES_KEPT: Final = timedelta(days=180)
_SETTLING: Final = frozenset({200, 201})


def add_seat(desk: Desk, seat: Seat) -> None:
    """Write a new seat, its chain and its start link. A seat that is there stays as it is; one of the same seller whose
    row was edited makes room.
    """
    if reading.read_seat(desk.connection, seat.chain) is not None:
        return
    for columns, seal in reading.read_seats(desk.connection):
        edited = seat_of(columns)
        if edited.tin == seat.tin and not desk.sealer.holds(Purpose.SEAT, seal, columns):
            abandon_seat(desk, edited.chain)
    desk.put_seat(seat)
    desk.put_head(first_head_row(seat))
    start_chain(desk, seat)


def close_seat(desk: Desk, issued: Issued) -> Issued:
    """Write that a seat's chain has ended with this link."""
    assert issued.nature is Nature.CLOSING
    desk.put_seat(replace_seat(desk.seat((issued.id.seller, issued.id.terminal)), closed_at=issued.link.issued_at))
    return issued


def abandon_seat(desk: Desk, chain: ChainAt) -> None:
    """Write that a seat is over without a closing link, because its chain or its own row was tampered with."""
    found = reading.read_seat(desk.connection, chain)
    if found is not None:
        seat, now = seat_of(found[0]), desk.now()
        desk.put_seat(replace_seat(seat, suspended_at=now, suspended_for=Suspension.TAMPERED, closed_at=now))
        desk.note(chain, "chain_abandoned", place_of(chain), once=True)


def suspend(desk: Desk, chain: ChainAt, reason: str, detail: str) -> None:
    """Write that a seat issues nothing, and give a notice; the first reason stays. A seat whose own row was edited is
    not believed anyway.
    """
    try:
        seat = desk.seat(chain)
    except QueueTampered as tampered:
        desk.note(chain, Suspension.TAMPERED, tampered.place, once=True)
        return
    if seat.suspended_for is None:
        desk.put_seat(replace_seat(seat, suspended_at=desk.now(), suspended_for=reason))
    desk.note(chain, reason, detail or place_of(chain), once=True)


def resume(desk: Desk, chain: ChainAt) -> None:
    """Write that a seat issues again."""
    seat = desk.seat(chain)
    if seat.suspended_for != Suspension.TAMPERED:
        desk.put_seat(replace_seat(seat, suspended_at=None, suspended_for=None))


def suspend_for_faults(desk: Desk, faults: Sequence[QueueFault], droppable: Collection[str]) -> None:
    """Suspend every chain of which a fault was found, all of them for one that has no chain, and note each fault."""
    every = [(columns[0], columns[1]) for columns, _ in reading.read_seats(desk.connection)]
    for fault in faults:
        named = None if fault.seller is None or fault.terminal is None else (fault.seller, fault.terminal)
        if fault.code in droppable:
            desk.note(named, "queue_entry_dropped", f"{fault.code}: {fault.place}", once=True)
            continue
        for chain in every if named is None else [named]:
            if chain in every:
                suspend(desk, chain, Suspension.TAMPERED, f"{fault.code}: {fault.place}")
            else:
                desk.note(chain, Suspension.TAMPERED, f"{fault.code}: {fault.place}", once=True)


def settle(desk: Desk, chain: ChainAt, verdicts: Sequence[Verdict]) -> int:
    """Write what the centre said of a chain's links, in their order, and answer how many are settled by it."""
    head = desk.head(chain)
    settled, waiting = head.settled, head.waiting_total_mongo
    for verdict in verdicts:
        row = reading.read_row_of_seq(desk.connection, verdict.seq)
        if row is None or row.chain != chain or row.receipt_hash != verdict.receipt_hash:
            break
        if row.counter < settled:
            continue
        if row.counter > settled or verdict.status not in _SETTLING:
            break
        easy = None if verdict.easy is None else int(verdict.easy)
        findings, at = " ".join(verdict.findings), seconds(desk.now())
        upload = UploadRow(row.seq, verdict.status, findings, int(verdict.fork), easy, at)
        seal = desk.sealer.seal(Purpose.UPLOAD, row.receipt_hash, *upload.columns())
        writing.add_upload(desk.connection, upload, seal)
        settled, waiting = settled + 1, waiting - row.total_mongo
    if settled != head.settled:
        desk.put_head(replace(head, settled=settled, waiting_total_mongo=waiting))
    return settled - head.settled


def unsettle(desk: Desk, chain: ChainAt, counter: int) -> int:
    """Write that the centre has a chain's links below a counter only, and answer how many wait again by it."""
    head = desk.head(chain)
    settled = max(counter, head.kept_from)
    if settled >= head.settled:
        return 0
    again = reading.read_total(desk.connection, chain, counter_from=settled, counter_below=head.settled)
    writing.drop_uploads(desk.connection, chain, counter_from=settled)
    desk.put_head(replace(head, settled=settled, waiting_total_mongo=head.waiting_total_mongo + again))
    desk.note(chain, "centre_behind", str(head.settled - settled))
    return head.settled - settled


def backlog(connection: apsw.Connection, chain: ChainAt) -> Backlog:
    """Answer what waits for upload, by the chain's head."""
    found = reading.read_head(connection, chain)
    if found is None:
        return Backlog(0, 0, None)
    head = found[0]
    oldest = reading.read_row(connection, chain, head.settled)
    return Backlog(
        head.counter - head.settled, head.waiting_total_mongo, None if oldest is None else instant(oldest.issued_at)
    )


def prune(desk: Desk, chain: ChainAt, kept: timedelta) -> int:
    """Drop a chain's oldest uploaded links and answer how many. The seal of the last one dropped stays as the anchor of
    those that are kept; the chain's last link is always kept.
    """
    head, limit = desk.head(chain), seconds(desk.now() - kept)
    kept_from, anchor = head.kept_from, head.anchor
    for row in reading.read_rows(desk.connection, chain, counter_from=head.kept_from):
        last = row.counter >= min(head.settled, head.counter - 1)
        if last or row.issued_at >= limit or row.counter != kept_from or kept_from - head.kept_from >= PRUNED_MAX:
            break
        kept_from, anchor = row.counter + 1, row.seal
    if kept_from > head.kept_from:
        writing.drop_rows(desk.connection, chain, counter_below=kept_from)
        desk.put_head(replace(head, kept_from=kept_from, anchor=anchor))
    return kept_from - head.kept_from


def forget_old(desk: Desk) -> None:
    """Forget Idempotency-Keys and notices that are out of date."""
    writing.forget_keys(desk.connection, before=seconds(desk.now() - KEYS_KEPT), most=10_000)
    writing.forget_notices(desk.connection, before=seconds(desk.now() - NOTICES_KEPT))


def remember(desk: Desk, name: str, body: bytes) -> None:
    """Write a look-up's answer."""
    columns = (name, body, seconds(desk.now()))
    writing.put_remembered(desk.connection, columns, desk.sealer.seal(Purpose.REMEMBERED, *columns))


def keep_time(desk: Desk) -> None:
    """Write the time that the till knows, which runs while it does."""
    desk.put_mark("time", str(seconds(desk.known_time.now())))
