"""Issue one order into the queue: find what was issued before, decide, advance the chain, store. In the writer's open
transaction; nothing here commits, and nothing is written before everything that can be refused was looked at.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from kernel.clock import business_date, format_instant
from pos_gateway.till.desk import Desk
from pos_gateway.till.outcomes import Issued
from pos_gateway.till.refusals import (
    CertificateExpired,
    ClockFarAhead,
    IdempotencyKeyReused,
    QueueTampered,
    suspended,
)
from pos_gateway.till.rows import HeadRow, Row, instant, seconds
from pos_gateway.till.sealing import Purpose
from pos_gateway.till.seat import ChainAt, Seat
from pos_gateway.till.store import reading, writing
from receipts.chain import Draft, advance
from receipts.document import Document
from receipts.ids import NUMBERS_A_DAY, ReceiptId
from receipts.orders import (
    AlreadyVoid,
    ClockAhead,
    InvoiceUnknown,
    NotCorrectable,
    NotLatest,
    TerminalClosed,
    TooLate,
    UnknownReceipt,
)
from receipts.receipt import Nature, lottery_number
from receipts.rules import rules_on
from receipts.submission import Priced, Submission, document_of, payments_text

KEYS_KEPT: Final = timedelta(days=28)
DAY_WARNED_AT: Final = NUMBERS_A_DAY * 8 // 10
"""Of the day's numbers, how many are given when the shop is told that they run out."""
_FOLLOWED_BY_NOTHING: Final = frozenset({Nature.TRAINING, Nature.START, Nature.CLOSING})


class Body(Struct, frozen=True, gc=False):
    """What came: the original bytes without personal data, the keyed digest of exactly what was sent, the client's
    Idempotency-Key, and the keyed digest of what it says. Each may be missing.
    """

    request: bytes | None = None
    digest: bytes | None = None
    key: str | None = None
    content: bytes = b""


class Sale(Struct, frozen=True, gc=False):
    """A judged submission that waits to be issued by a seat. `invoice` says whether its type is an invoice's."""

    chain: ChainAt
    submission: Submission
    priced: Priced
    invoice: bool
    body: Body


class Void(Struct, frozen=True, gc=False):
    """A receipt that waits to be voided by a link of a seat's chain."""

    chain: ChainAt
    receipt: ReceiptId
    reason: str
    body: Body


class _Bundle(Struct, frozen=True, gc=False):
    """The receipt to follow, and its root where it was issued here."""

    latest: Row
    root: Row | None


def issue_sale(desk: Desk, sale: Sale) -> Issued:
    """Issue a sale, invoice, payment or correction. Raises the refusal of the rule that says no."""
    if (before := _repeated(desk, sale.body)) is not None:
        return before
    submission, priced = sale.submission, sale.priced
    seat = open_seat(desk, sale.chain)
    bundle = None if submission.corrects is None else _correctable(desk, sale, submission.corrects)
    for invoice in _invoices(submission):
        _check_invoice(desk, invoice)
    issued_at = _issued_at(desk, seat, submission.sold_at)
    document = document_of(submission, priced)
    root = bundle.root if bundle else None
    if submission.corrects is not None:
        document = replace(document, root_id=root.id if root else None, previous_id=submission.corrects)
    draft = Draft(
        submission.nature,
        submission.business,
        lottery=priced.lottery if submission.corrects is None else root is not None and root.kind_of.lottery,
        branch=seat.branch if submission.branch is None else submission.branch,
        total_mongo=priced.total_mongo,
        vat_mongo=priced.vat_mongo,
        document=document,
        part_sellers=priced.part_sellers,
    )
    row = _advance(desk, seat, draft, issued_at, _Beside.of_sale(sale))
    return issued_of(row, root if submission.corrects is not None else row)


def issue_void(desk: Desk, void: Void) -> Issued:
    """Void a receipt that was issued here. Raises the refusal of the rule that says no."""
    if (before := _repeated(desk, void.body)) is not None:
        return before
    seat = open_seat(desk, void.chain)
    bundle = _bundle(desk, void.receipt)
    if bundle is None:
        raise UnknownReceipt
    latest, root = bundle.latest, bundle.root
    draft = Draft(
        Nature.VOID,
        latest.kind_of.business,
        lottery=False,
        branch=latest.branch,
        total_mongo=-latest.total_mongo,
        vat_mongo=-latest.vat_mongo,
        document=Document(root_id=root.id if root else None, previous_id=latest.id, reason=void.reason),
    )
    row = _advance(desk, seat, draft, _issued_at(desk, seat, None), _Beside(void.body, city_tax=-latest.city_tax_mongo))
    return issued_of(row, root)


def start_chain(desk: Desk, seat: Seat) -> Issued:
    """Issue the first link of a seat's chain."""
    row = _advance(desk, seat, _bare(seat, Nature.START), seat.enrolled_at, _Beside(Body()))
    return issued_of(row, None)


def close_chain(desk: Desk, chain: ChainAt) -> Issued:
    """End a seat's chain with its closing link; the seat issues nothing any more. A clock that is not to be believed is
    no hindrance: a poisoned chain ends this way, at its last time.
    """
    seat = desk.seat(chain)
    if seat.closed_at is not None:
        raise TerminalClosed(terminal=f"{seat.terminal:08d}")
    last = instant(desk.head(chain).last_issued_at)
    now = desk.now()
    issued_at = last if desk.known_time.is_far_ahead(now) else max(now, last)
    row = _advance(desk, seat, _bare(seat, Nature.CLOSING), min(issued_at, max(seat.not_after, last)), _Beside(Body()))
    return issued_of(row, None)


def open_seat(desk: Desk, chain: ChainAt) -> Seat:
    """Answer a seat that may issue. Raises the refusal that says why it may not."""
    seat = desk.seat(chain)
    if seat.closed_at is not None:
        raise TerminalClosed(terminal=f"{seat.terminal:08d}")
    if seat.suspended_for is not None:
        raise suspended(seat.suspended_for, seat.terminal)
    return seat


def issued_of(row: Row, root: Row | None, *, easy: bool | None = None, repeated: bool = False) -> Issued:
    """Answer a row as it is told outside; `root` is the bundle's, or None where it was not issued here."""
    lottery = str(lottery_number(root.receipt_hash)) if root is not None and row.kind_of.lottery else None
    root_hash = root.receipt_hash if root else None
    return Issued(
        row.seq, row.link, row.total_mongo, row.vat_mongo, row.city_tax_mongo, lottery, root_hash, easy, repeated
    )


class _Beside(Struct, frozen=True, gc=False):
    """What is stored beside a link."""

    body: Body
    city_tax: int = 0
    part_sellers: tuple[int, ...] = ()
    payments: str | None = None
    consumer_no: int | None = None

    @classmethod
    def of_sale(cls, sale: Sale) -> "_Beside":
        submission, priced = sale.submission, sale.priced
        paid = payments_text(submission.payments)
        return cls(sale.body, priced.city_tax_mongo, priced.part_sellers, paid, submission.consumer_no)


def _advance(desk: Desk, seat: Seat, draft: Draft, issued_at: datetime, beside: _Beside) -> Row:
    """Sign the next link, and write it with all that hangs on it."""
    before = desk.head(seat.chain)
    link, after = advance(before.head, draft, issued_at=issued_at, key=desk.chain_key(seat))
    body, consumer = beside.body, beside.consumer_no
    row = Row(
        writing.next_seq(desk.connection), seat.seller, seat.terminal, link.counter, link.id.day, link.id.number,
        link.id.branch, seconds(link.issued_at), link.kind.to_int(), draft.total_mongo, draft.vat_mongo,
        beside.city_tax, link.turnover_mongo, _written(draft.document.root_id), _written(draft.document.previous_id),
        link.cose, link.receipt_hash, link.document, " ".join(map(str, draft.part_sellers)), beside.payments,
        body.request, body.digest,
        None if consumer is None else desk.sealer.seal(Purpose.CONSUMER, link.receipt_hash, consumer),
        b"", consumer,
    )  # fmt: skip
    row = replace(row, seal=desk.row_seal(row, before.last_seal))
    writing.add_row(desk.connection, row)
    desk.put_head(
        replace(
            before,
            counter=after.counter, previous_hash=after.previous_hash, turnover_mongo=after.turnover_mongo,
            day=after.day, next_number=after.next_number, last_issued_at=seconds(after.last_issued_at),
            last_seal=row.seal, waiting_total_mongo=before.waiting_total_mongo + row.total_mongo,
        )
    )  # fmt: skip
    _hang(desk, row, body)
    _warn(desk, before, row, after.next_number)
    return row


def _hang(desk: Desk, row: Row, body: Body) -> None:
    """Write by what a repeated request is known."""
    if body.key is not None:
        columns = (body.key, body.content, row.seq, row.issued_at)
        writing.put_key(desk.connection, columns, desk.sealer.seal(Purpose.KEY, *columns))
    elif body.digest is not None:
        owed = (row.seq, body.digest, seconds(desk.now()))
        writing.add_owed(desk.connection, owed, desk.sealer.seal(Purpose.OWED, *owed))


def _warn(desk: Desk, before: HeadRow, row: Row, next_number: int) -> None:
    first = before.next_number if row.day == before.day else 0
    if first < DAY_WARNED_AT <= next_number:
        desk.note(row.chain, "day_numbers_run_out", str(next_number * 100 // NUMBERS_A_DAY))


def _bare(seat: Seat, nature: Nature) -> Draft:
    return Draft(nature, business=False, lottery=False, branch=seat.branch, total_mongo=0, vat_mongo=0,
                 document=Document(district=seat.district))  # fmt: skip


def _repeated(desk: Desk, body: Body) -> Issued | None:
    """Answer the receipt that was issued under this Idempotency-Key before, if one was."""
    if body.key is None or (found := reading.read_key(desk.connection, body.key)) is None:
        return None
    columns, seal = found
    _, content, seq, at = columns
    if not desk.sealer.holds(Purpose.KEY, seal, columns):
        raise QueueTampered(f"idempotency key of seq {seq}")
    row = reading.read_row_of_seq(desk.connection, seq)
    if row is None or instant(at) < desk.now() - KEYS_KEPT:
        return None
    if content != body.content:
        raise IdempotencyKeyReused
    return repeat(desk, row)


def repeat(desk: Desk, row: Row) -> Issued:
    """Answer a link that was issued before."""
    root = row if row.previous_id is None else _root(desk, row)
    upload = reading.read_upload(desk.connection, row.seq)
    easy = None if upload is None or upload[0].easy is None else bool(upload[0].easy)
    return issued_of(row, root, easy=easy, repeated=True)


def _issued_at(desk: Desk, seat: Seat, sold_at: datetime | None) -> datetime:
    """Answer when a link is issued; raises what the clock or the certificate says against it."""
    now = desk.now()
    if desk.known_time.is_far_ahead(now):
        raise ClockFarAhead(known=format_instant(desk.known_time.now()))
    issued_at = now
    if sold_at is not None:
        rules = rules_on(business_date(now))
        if sold_at > now + timedelta(seconds=rules.clock_ahead_seconds):
            raise ClockAhead(seconds=str(rules.clock_ahead_seconds))
        if sold_at < now - timedelta(hours=rules.late_issue_hours):
            raise TooLate(hours=str(rules.late_issue_hours))
        issued_at = sold_at
    last = instant(desk.head(seat.chain).last_issued_at)
    if max(issued_at, last) > seat.not_after:
        raise CertificateExpired(until=format_instant(seat.not_after))
    return issued_at


def _correctable(desk: Desk, sale: Sale, named: ReceiptId) -> _Bundle | None:
    """Answer the bundle that a correction follows; it must be of the same type as its root."""
    bundle = _bundle(desk, named)
    if bundle is not None:
        if bundle.latest.kind_of.business is not sale.submission.business:
            raise NotCorrectable
        if bundle.root is not None and (bundle.root.kind_of.nature is Nature.INVOICE) is not sale.invoice:
            raise NotCorrectable
    return bundle


def _bundle(desk: Desk, named: ReceiptId) -> _Bundle | None:
    """Answer the bundle of a receipt that is to be followed; None where it is not here, which the centre may judge."""
    row = reading.read_row_of_id(desk.connection, named)
    if row is None:
        _refuse_what_was_never_issued(desk, named)
        return None
    latest = row
    while (successor := reading.read_successor(desk.connection, str(latest.id))) is not None:
        latest = successor
    if latest.kind_of.nature is Nature.VOID:
        raise AlreadyVoid
    if latest is not row:
        raise NotLatest(latest=str(latest.id))
    if row.kind_of.nature in _FOLLOWED_BY_NOTHING:
        raise NotCorrectable
    return _Bundle(row, row if row.previous_id is None else _root(desk, row))


def _refuse_what_was_never_issued(desk: Desk, named: ReceiptId) -> None:
    """A chain of ours knows its own receipts, as far back as they are kept."""
    chain = named.seller, named.terminal
    if reading.read_head(desk.connection, chain) is None:
        return
    kept_from = reading.read_row(desk.connection, chain, desk.head(chain).kept_from)
    if kept_from is not None and named.day >= kept_from.day:
        raise UnknownReceipt


def _root(desk: Desk, row: Row) -> Row | None:
    return None if row.root_id is None else reading.read_row_of_id(desk.connection, ReceiptId.parse(row.root_id))


def _invoices(submission: Submission) -> set[ReceiptId]:
    named = {submission.pays_invoice, *[part.pays_invoice for part in submission.parts]}
    return {invoice for invoice in named if invoice is not None}


def _check_invoice(desk: Desk, named: ReceiptId) -> None:
    """An invoice that was issued here is one, and is not void; of others the centre judges."""
    row = reading.read_row_of_id(desk.connection, named)
    if row is None:
        return
    if row.kind_of.nature is not Nature.INVOICE:
        raise InvoiceUnknown
    successor = reading.read_successor(desk.connection, str(named))
    if successor is not None and successor.kind_of.nature is Nature.VOID:
        raise AlreadyVoid


def _written(named: ReceiptId | None) -> str | None:
    return None if named is None else str(named)
