"""The chain of one terminal: the one pure step that turns a document into a signed link.

The gateway's sequencer, the till and the simulation all call `advance`; nothing else makes a receipt. Per chain:
counters have no gap, each link carries its predecessor's hash, the turnover is the running gross sum, times do not
decrease (docs/formats/chain.md).
"""

from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct

from kernel.canonical import sha256
from kernel.clock import business_day
from kernel.refusal import Refusal
from receipts import qr
from receipts.document import Document, encode_document
from receipts.ids import NUMBERS_A_DAY, ReceiptId
from receipts.keys import Signer
from receipts.receipt import Kind, Nature


class TerminalDayFull(Refusal):
    """The terminal has no number left for this business day; use another terminal or wait for midnight."""

    code = "terminal_day_full"


class Head(Struct, frozen=True, gc=False):
    """Where a chain stands: what the next link builds on. `counter` is the next link's."""

    seller: int
    terminal: int
    counter: int
    previous_hash: bytes
    turnover_mongo: int
    day: int
    next_number: int
    last_issued_at: datetime


class Draft(Struct, frozen=True, gc=False):
    """A document with what the QR says about it: amounts with their sign (a void's are negative)."""

    nature: Nature
    business: bool
    lottery: bool
    branch: int
    total_mongo: int
    vat_mongo: int
    document: Document
    part_sellers: tuple[int, ...] = ()


class Link(Struct, frozen=True, gc=False):
    """A signed receipt: what is stored for ever. `part_ids` are in the order of the document's parts."""

    id: ReceiptId
    part_ids: tuple[ReceiptId, ...]
    issued_at: datetime
    kind: Kind
    counter: int
    turnover_mongo: int
    cose: bytes
    receipt_hash: bytes
    document: bytes
    document_hash: bytes


@dataclass(frozen=True, slots=True)
class ChainKey:
    """What signs and seals on one terminal: the signer and the terminal's own K."""

    signer: Signer
    turnover_key: bytes


def first_head(*, seller: int, terminal: int, enrolment: bytes, enrolled_at: datetime) -> Head:
    """Answer the head of a chain without a link: its start link's previous is the enrolment record."""
    return Head(seller, terminal, 0, sha256(enrolment), 0, business_day(enrolled_at), 0, enrolled_at)


def advance(head: Head, draft: Draft, *, issued_at: datetime, key: ChainKey) -> tuple[Link, Head]:
    """Sign the next link of a chain and answer it with the new head.

    `issued_at` (whole seconds, UTC) is raised to the chain's last time where it lies before it. Raises
    `TerminalDayFull` when the day has no numbers left for the bundle and all its parts.
    """
    assert issued_at.microsecond == 0
    issued_at = max(issued_at, head.last_issued_at)
    day = business_day(issued_at)
    number = head.next_number if day == head.day else 0
    after = number + 1 + len(draft.part_sellers)
    if after > NUMBERS_A_DAY:
        raise TerminalDayFull(terminal=f"{head.terminal:08d}")
    link = _sign(head, draft, issued_at, ReceiptId(head.seller, draft.branch, day, number, head.terminal), key)
    return link, Head(
        seller=head.seller,
        terminal=head.terminal,
        counter=head.counter + 1,
        previous_hash=link.receipt_hash,
        turnover_mongo=link.turnover_mongo,
        day=day,
        next_number=after,
        last_issued_at=issued_at,
    )


def _sign(head: Head, draft: Draft, issued_at: datetime, receipt_id: ReceiptId, key: ChainKey) -> Link:
    signer = key.signer
    kind = Kind(draft.nature, draft.business, signer.by_till, signer.test, draft.lottery)
    turnover = head.turnover_mongo + (draft.total_mongo if draft.nature.adds_turnover else 0)
    document = encode_document(draft.document)
    document_hash = sha256(document)
    packed = qr.pack(
        qr.Payload(
            receipt_id,
            int(issued_at.timestamp()),
            draft.total_mongo,
            draft.vat_mongo,
            kind.to_int(),
            head.counter,
            head.previous_hash[:8],
            qr.seal_turnover(turnover, turnover_key=key.turnover_key, id=receipt_id),
            document_hash[:8],
        )
    )
    cose = qr.assemble(signer.kid, packed, signer.sign(qr.to_sign(signer.kid, packed)))
    part_ids = tuple(
        [
            ReceiptId(seller, receipt_id.branch, receipt_id.day, receipt_id.number + at, receipt_id.terminal)
            for at, seller in enumerate(draft.part_sellers, 1)
        ]
    )
    return Link(
        receipt_id, part_ids, issued_at, kind, head.counter, turnover, cose,
        qr.receipt_hash(cose), document, document_hash,
    )  # fmt: skip
