"""What comes out of the queue: issued receipts, what waits for upload, what the centre said, totals, notices."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from msgspec import Struct

from receipts import qr
from receipts.chain import Link
from receipts.document import decode_document
from receipts.ids import ReceiptId
from receipts.receipt import Nature, TaxType

NOTICE_CODES: Final = ("centre_behind", "chain_abandoned", "day_numbers_run_out", "queue_entry_dropped")
"""Notices that the queue gives by itself, beside the reasons of a suspension (`refusals.Suspension`)."""


class IssuedPart(Struct, frozen=True, gc=False):
    """A part of an issued receipt with its id; amounts in möngö, as signed."""

    id: ReceiptId
    merchant_tin: str
    tax_type: TaxType
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int


class Issued(Struct, frozen=True, gc=False):
    """A link that is durable in the queue. `lottery` (as printed) is of the root where it takes part and the root is
    here; `root_hash` is None where the root was not issued here. `easy` is what the centre said of the consumer number,
    None as long as it has not. `repeated` when the same order had been issued before.
    """

    seq: int
    link: Link
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int
    lottery: str | None
    root_hash: bytes | None
    easy: bool | None = None
    repeated: bool = False

    @property
    def id(self) -> ReceiptId:
        """The receipt's id."""
        return self.link.id

    @property
    def seller(self) -> int:
        """The seller number of the header seller."""
        return self.link.id.seller

    @property
    def terminal(self) -> int:
        """The terminal that issued it."""
        return self.link.id.terminal

    @property
    def receipt_hash(self) -> bytes:
        """The link's own name."""
        return self.link.receipt_hash

    @property
    def nature(self) -> Nature:
        """What the link records."""
        return self.link.kind.nature

    @property
    def qr(self) -> str:
        """The 220 characters."""
        return qr.encode_text(self.link.cose)

    @property
    def parts(self) -> tuple[IssuedPart, ...]:
        """The parts, read off the document."""
        parts = zip(self.link.part_ids, decode_document(self.link.document).parts, strict=True)
        return tuple(
            IssuedPart(part_id, part.merchant_tin, part.tax_type, part.total_mongo, part.vat_mongo, part.city_tax_mongo)
            for part_id, part in parts
        )


class Waiting(Struct, frozen=True, gc=False):
    """A link that the centre does not have yet: a line of `POST /v1/receipts/signed`. `private` is JSON or None."""

    seq: int
    counter: int
    receipt_hash: bytes
    issued_at: datetime
    total_mongo: int
    qr: str
    document: bytes
    private: bytes | None


class Verdict(Struct, frozen=True, gc=False):
    """What the centre said of a link. `status` is the line's (200 and 201 settle it), `findings` codes."""

    seq: int
    receipt_hash: bytes
    status: int
    findings: tuple[str, ...] = ()
    fork: bool = False
    easy: bool | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for upload: links, the sum of their totals (a void's is negative), and when the oldest was issued."""

    count: int
    total_mongo: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """What was sold under one tax type, in möngö, after corrections and voids of the day."""

    tax_type: TaxType
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int


@dataclass(frozen=True, slots=True)
class DayTotals:
    """A seat's business day: how many of what, and totals in möngö.

    `net_mongo` is revenue: sales and invoices, plus corrections less what they correct, less voids. A payment of an
    invoice is no revenue; `payments` has what was paid by method, voids taken back.
    """

    date: date
    receipts: int
    corrections: int
    voids: int
    invoices: int
    net_mongo: int
    by_tax_type: tuple[TaxTotal, ...]
    payments: tuple[tuple[str, int], ...]
    uploaded: int


@dataclass(frozen=True, slots=True)
class SameBodies:
    """Receipts of one body within ten minutes, in the order in which they were issued: the shop may void one."""

    seller: int
    terminal: int
    receipts: tuple[ReceiptId, ...]
    issued_at: tuple[datetime, ...]
    total_mongo: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the shop should read. `code` is in the catalogue; `detail` fills its `{detail}`."""

    id: int
    seller: int | None
    terminal: int | None
    code: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class QueueFault:
    """Where the queue is not as the till left it: `code` says what is wrong, `place` where."""

    code: str
    seller: int | None
    terminal: int | None
    place: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """A look-up that was answered before, and when."""

    body: bytes
    at: datetime
