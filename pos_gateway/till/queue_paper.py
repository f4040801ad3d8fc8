"""The paper of a receipt that is in the queue: everything on it stands in the link, its document and its seat."""

from collections.abc import Sequence
from dataclasses import replace

from kernel.canonical import sha256
from pos_gateway.till.desk import Desk, place_of
from pos_gateway.till.issue_offline import repeat
from pos_gateway.till.refusals import QueueTampered
from pos_gateway.till.rows import Row
from pos_gateway.till.seat import Seat
from pos_gateway.till.store import reading
from receipts.document import decode_document
from receipts.ids import ReceiptId
from receipts.orders import UnknownReceipt
from receipts.printed import PrintedReceipt, Shop, address_of, payments_of, printed_receipt
from receipts.qr import take_apart, unpack
from receipts.receipt import Nature

_ON_NO_PAPER = frozenset({Nature.START, Nature.CLOSING})


def printed(desk: Desk, seats: Sequence[Seat], receipt: ReceiptId) -> PrintedReceipt:
    """Answer the paper of a receipt. Raises `UnknownReceipt` where it is not here, or is no receipt, and
    `QueueTampered` where the document is not the one that was signed.
    """
    row = reading.read_row_of_id(desk.connection, receipt)
    if row is None or row.kind_of.nature in _ON_NO_PAPER:
        raise UnknownReceipt
    if sha256(row.document)[:8] != _signed_digest(row.cose):
        raise QueueTampered(place_of(row.chain, row.counter))
    issued, document = repeat(desk, row), decode_document(row.document)
    paper = printed_receipt(
        row.cose,
        document,
        root_hash=issued.root_hash,
        shop=_shop(row, seats, said=document.district is not None),
        payments=payments_of(row.payments),
    )
    return replace(paper, voided=_is_taken_back(desk, row), registered=bool(issued.easy))


def _signed_digest(cose: bytes) -> bytes:
    taken = take_apart(cose)
    assert taken is not None
    return unpack(taken[1]).document


def _shop(row: Row, seats: Sequence[Seat], *, said: bool) -> Shop:
    """Answer the seat's shop, with the seat's district unless the document says the place of sale."""
    [seat] = [seat for seat in seats if seat.chain == row.chain]
    names = {seat.tin: seat.name for seat in seats}
    return Shop(seat.tin, seat.name, "" if said else address_of(seat.district), names)


def _is_taken_back(desk: Desk, row: Row) -> bool:
    """Whether the last that followed a receipt is a void."""
    latest = row
    while (successor := reading.read_successor(desk.connection, str(latest.id))) is not None:
        latest = successor
    return latest is not row and latest.kind_of.nature is Nature.VOID
