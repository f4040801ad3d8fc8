"""Rows of the queue as values, each with the columns that its seal is over, in their order."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from kernel.canonical import sha256
from pos_gateway.till.sealing import NOTHING_BEFORE, Sealed
from pos_gateway.till.seat import ChainAt, Seat
from receipts import qr
from receipts.chain import Head, Link, first_head
from receipts.ids import ReceiptId
from receipts.receipt import Kind


class HeadRow(Struct, frozen=True, gc=False):
    """Where a chain stands in the queue. `settled` is the counter of the first link that waits for upload, `kept_from`
    that of the first row kept, `anchor` the seal of the row before it, `last_seal` that of the last row.
    """

    seller: int
    terminal: int
    counter: int
    previous_hash: bytes
    turnover_mongo: int
    day: int
    next_number: int
    last_issued_at: int
    last_seal: bytes
    settled: int
    waiting_total_mongo: int
    kept_from: int
    anchor: bytes

    @property
    def chain(self) -> ChainAt:
        """The chain's name."""
        return self.seller, self.terminal

    @property
    def head(self) -> Head:
        """What the next link builds on."""
        return Head(self.seller, self.terminal, self.counter, self.previous_hash, self.turnover_mongo, self.day,
                    self.next_number, instant(self.last_issued_at))  # fmt: skip

    def columns(self) -> tuple[Sealed, ...]:
        """What its seal is over."""
        return astuple(self)


class Row(Struct, frozen=True, gc=False):
    """A link in the queue. `part_sellers` are the parts' seller numbers with a space between; `consumer_no` is there
    until the link is settled.
    """

    seq: int
    seller: int
    terminal: int
    counter: int
    day: int
    number: int
    branch: int
    issued_at: int
    kind: int
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int
    turnover_mongo: int
    root_id: str | None
    previous_id: str | None
    cose: bytes
    receipt_hash: bytes
    document: bytes
    part_sellers: str
    payments: str | None
    request: bytes | None
    body_digest: bytes | None
    consumer_seal: bytes | None
    seal: bytes
    consumer_no: int | None

    @property
    def chain(self) -> ChainAt:
        """The chain's name."""
        return self.seller, self.terminal

    @property
    def id(self) -> ReceiptId:
        """The receipt's id."""
        return ReceiptId(self.seller, self.branch, self.day, self.number, self.terminal)

    @property
    def kind_of(self) -> Kind:
        """The kind as values."""
        kind = Kind.of_int(self.kind)
        assert kind is not None
        return kind

    @property
    def qr(self) -> str:
        """The 220 characters."""
        return qr.encode_text(self.cose)

    @property
    def link(self) -> Link:
        """The link as it was signed."""
        part_ids = [
            ReceiptId(int(seller), self.branch, self.day, self.number + at, self.terminal)
            for at, seller in enumerate(self.part_sellers.split(), 1)
        ]
        return Link(
            self.id, tuple(part_ids), instant(self.issued_at), self.kind_of, self.counter, self.turnover_mongo,
            self.cose, self.receipt_hash, self.document, sha256(self.document),
        )  # fmt: skip

    def columns(self) -> tuple[Sealed, ...]:
        """What its seal is over, after the seal of the row before it."""
        return astuple(self)[: len(ROW_COLUMNS) - 2]


ROW_COLUMNS = Row.__struct_fields__


class UploadRow(Struct, frozen=True, gc=False):
    """What the centre said of a link. `findings` are codes with a space between; `easy` is null where nobody asked."""

    seq: int
    status: int
    findings: str
    fork: int
    easy: int | None
    at: int

    def columns(self) -> tuple[Sealed, ...]:
        """What its seal is over, after the link's hash."""
        return astuple(self)


def seat_columns(seat: Seat) -> tuple[Sealed, ...]:
    """Answer the columns of a seat in the table's order: what its seal is over."""
    return (
        seat.seller, seat.terminal, seat.tin, seat.name, seat.branch, seat.district, seat.epoch, seat.client_id,
        seat.token_url, seat.enrolment, seconds(seat.enrolled_at), seconds(seat.not_before), seconds(seat.not_after),
        int(seat.test), int(seat.vat_payer), int(seat.city_tax_payer), _optional_seconds(seat.suspended_at),
        seat.suspended_for, _optional_seconds(seat.closed_at),
    )  # fmt: skip


def seat_of(columns: Sequence[Any]) -> Seat:
    """Answer the seat of columns; the inverse of `seat_columns`."""
    named: dict[str, Any] = dict(zip(Seat.__dataclass_fields__, columns, strict=True))
    for name in ("enrolled_at", "not_before", "not_after"):
        named[name] = instant(int(named[name]))
    for name in ("suspended_at", "closed_at"):
        named[name] = None if named[name] is None else instant(int(named[name]))
    for name in ("test", "vat_payer", "city_tax_payer"):
        named[name] = bool(named[name])
    return Seat(**named)


def first_head_row(seat: Seat) -> HeadRow:
    """Answer the head of a seat's chain before its start link."""
    seller, terminal = seat.chain
    head = first_head(seller=seller, terminal=terminal, enrolment=seat.enrolment, enrolled_at=seat.enrolled_at)
    return HeadRow(seller, terminal, 0, head.previous_hash, 0, head.day, 0, seconds(head.last_issued_at),
                   NOTHING_BEFORE, 0, 0, 0, NOTHING_BEFORE)  # fmt: skip


def seconds(at: datetime) -> int:
    """Answer the whole seconds since 1970."""
    return int(at.timestamp())


def instant(at: int) -> datetime:
    """Answer the instant of seconds since 1970."""
    return datetime.fromtimestamp(at, UTC)


def _optional_seconds(at: datetime | None) -> int | None:
    return None if at is None else seconds(at)
