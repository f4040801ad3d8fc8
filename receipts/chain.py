"""The chain of one terminal: the one pure step that turns a document into a signed link.

The gateway's sequencer, the till and the simulation all call `advance`; nothing else makes a receipt. Per chain:
counters have no gap, each link carries its predecessor's hash, the turnover is the running gross sum, times do not
decrease (docs/formats/chain.md).
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from kernel.clock import business_day
from kernel.refusal import Refusal
from receipts import speedups
from receipts.document import Document
from receipts.ids import NUMBERS_A_DAY, ReceiptId
from receipts.keys import Signer
from receipts.receipt import Kind, Nature, kind_to_int


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
    return Head(seller, terminal, 0, sha256(enrolment).digest(), 0, business_day(enrolled_at), 0, enrolled_at)


class Unsigned(Struct, frozen=True, gc=False):
    """A link but for its signature. `packed` is what will be signed, with zeros for the hash of the link before where
    that is not signed either.
    """

    id: ReceiptId
    part_sellers: tuple[int, ...]
    issued_at: datetime
    kind_bits: int
    counter: int
    turnover_mongo: int
    packed: bytes
    document: bytes
    document_hash: bytes


SIGNED_BEFORE = -1
"""Stands for the place of the link before, where that is not among those that are signed together."""


def advance(head: Head, draft: Draft, *, issued_at: datetime, key: ChainKey) -> tuple[Link, Head]:
    """Sign the next link of a chain and answer it with the new head.

    `issued_at` (whole seconds, UTC) is raised to the chain's last time where it lies before it. Raises
    `TerminalDayFull` when the day has no numbers left for the bundle and all its parts.
    """
    unsigned, after = plan(head, draft, issued_at=issued_at, key=key)
    [signed] = speedups.sign_links(key.signer, [unsigned.packed], [SIGNED_BEFORE])
    return _link(unsigned, signed), replace(after, previous_hash=signed[1])


def plan(head: Head, draft: Draft, *, issued_at: datetime, key: ChainKey) -> tuple[Unsigned, Head]:
    """Answer the next link of a chain, as `advance` does, but for its signature; so the new head has no hash, nor need
    have `head` where the link before is unsigned too.
    """
    assert issued_at.microsecond == 0
    issued_at = max(issued_at, head.last_issued_at)
    day = business_day(issued_at)
    number = head.next_number if day == head.day else 0
    after = number + 1 + len(draft.part_sellers)
    if after > NUMBERS_A_DAY:
        raise TerminalDayFull(terminal=f"{head.terminal:08d}")
    receipt_id = ReceiptId(head.seller, draft.branch, day, number, head.terminal)
    signer = key.signer
    kind_bits = kind_to_int(draft.nature, draft.business, signer.by_till, signer.test, draft.lottery)
    turnover = head.turnover_mongo + (draft.total_mongo if draft.nature.adds_turnover else 0)
    document = speedups.encode_document(draft.document)
    document_hash = sha256(document).digest()
    packed = speedups.pack_link(
        receipt_id, int(issued_at.timestamp()), draft.total_mongo, draft.vat_mongo, kind_bits, head.counter,
        head.previous_hash, turnover, key.turnover_key, document_hash,
    )  # fmt: skip
    unsigned = Unsigned(
        receipt_id, draft.part_sellers, issued_at, kind_bits, head.counter, turnover, packed, document, document_hash
    )
    return unsigned, Head(head.seller, head.terminal, head.counter + 1, b"", turnover, day, after, issued_at)


def _link(unsigned: Unsigned, signed: speedups.Signed) -> Link:
    at, kind = unsigned.id, Kind.of_int(unsigned.kind_bits)
    assert kind is not None
    part_ids = [
        ReceiptId(seller, at.branch, at.day, at.number + place, at.terminal)
        for place, seller in enumerate(unsigned.part_sellers, 1)
    ]
    return Link(
        at, tuple(part_ids), unsigned.issued_at, kind, unsigned.counter, unsigned.turnover_mongo, *signed,
        unsigned.document, unsigned.document_hash,
    )  # fmt: skip
