"""What waits for upload, checked before it goes. Reads, and writes nothing."""

import json
from typing import Final

import apsw
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from kernel.canonical import sha256
from pos_gateway.till.desk import place_of
from pos_gateway.till.outcomes import QueueFault, Waiting
from pos_gateway.till.rows import HeadRow, Row, instant
from pos_gateway.till.sealing import Purpose, Sealer
from pos_gateway.till.seat import Seat
from pos_gateway.till.store import reading
from receipts import qr

LINE_BYTES: Final = 350
"""A line of JSON without its document: the QR text, the names, the quotes."""


def take_waiting(
    connection: apsw.Connection,
    sealer: Sealer,
    key: Ed25519PublicKey,
    seat: Seat,
    *,
    lines_max: int,
    bytes_max: int,
) -> tuple[list[Waiting], list[QueueFault]]:
    """Answer what waits on a seat's chain, in order, and the faults that were found in it."""
    chain = seat.chain
    found = reading.read_head(connection, chain)
    if found is None or not sealer.holds(Purpose.HEAD, found[1], found[0].columns()):
        return [], [QueueFault("head_seal", *chain, place_of(chain))]
    head = found[0]
    lines: list[Waiting] = []
    faults: list[QueueFault] = []
    before, size = _seal_before(connection, head), 0
    expected = head.settled
    for row in reading.read_rows(connection, chain, counter_from=head.settled):
        if row.counter != expected or row.counter >= head.counter:
            faults.append(_fault("row_missing" if row.counter < head.counter else "row_too_many", row, expected))
            return lines, faults
        if not sealer.holds(Purpose.ROW, row.seal, (before, *row.columns())):
            faults.append(_fault("row_seal", row, row.counter))
            if not _is_genuine(row, key):
                return lines, faults
        size += LINE_BYTES + len(row.document) * 4 // 3
        if lines and size > bytes_max:
            return lines, faults
        if not _consumer_holds(sealer, row):
            faults.append(_fault("consumer_seal", row, row.counter))
            row = replace(row, consumer_no=None)  # noqa: PLW2901 - nobody is credited on a stranger's word
        lines.append(_line(row))
        if len(lines) == lines_max:
            return lines, faults
        before, expected = row.seal, row.counter + 1
    if expected < head.counter:
        faults.append(QueueFault("row_missing", *chain, place_of(chain, expected)))
    return lines, faults


def _seal_before(connection: apsw.Connection, head: HeadRow) -> bytes:
    if head.settled == head.kept_from:
        return head.anchor
    row = reading.read_row(connection, head.chain, head.settled - 1)
    return b"" if row is None else row.seal


def _is_genuine(row: Row, key: Ed25519PublicKey) -> bool:
    """Whether an edited row's link is nevertheless the one that was signed: then the centre is to have it."""
    pieces = qr.take_apart(row.cose)
    if pieces is None or qr.receipt_hash(row.cose) != row.receipt_hash:
        return False
    kid, packed, signature = pieces
    payload = qr.unpack(packed)
    try:
        key.verify(signature, qr.to_sign(kid, packed))
    except InvalidSignature:
        return False
    return payload.counter == row.counter and sha256(row.document)[:8] == payload.document


def _consumer_holds(sealer: Sealer, row: Row) -> bool:
    if row.consumer_seal is None:
        return row.consumer_no is None
    return sealer.holds(Purpose.CONSUMER, row.consumer_seal, (row.receipt_hash, row.consumer_no))


def _line(row: Row) -> Waiting:
    issued_at, private = instant(row.issued_at), _private(row)
    return Waiting(row.seq, row.counter, row.receipt_hash, issued_at, row.total_mongo, row.qr, row.document, private)


def _private(row: Row) -> bytes | None:
    """Write what only the centre is told: CONTRACT 10."""
    private: dict[str, object] = {}
    if row.consumer_no is not None:
        private["consumer_no"] = f"{row.consumer_no:08d}"
    if row.payments:
        paid = [payment.rpartition(" ") for payment in row.payments.split(";")]
        private["payments"] = [{"method": method, "amount_mongo": int(amount)} for method, _, amount in paid]
    return json.dumps(private, ensure_ascii=False, separators=(",", ":")).encode() if private else None


def _fault(code: str, row: Row, counter: int) -> QueueFault:
    return QueueFault(code, row.seller, row.terminal, place_of(row.chain, counter))
