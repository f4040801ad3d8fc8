"""A receipt as it is stored: one row a link, the same fields in the same order as the table."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import astuple, force_setattr

from receipts.chain import Link, Unsigned
from receipts.ids import ReceiptId
from receipts.receipt import Kind

ReceiptKey = tuple[int, int, int, int]
"""seller, terminal, day, number: the primary key of a receipt."""


class PartAmounts(Struct, frozen=True, gc=False):
    """What one part adds up to: merchant (seller number), tax type, and amounts in möngö (negative in a void)."""

    merchant: int
    tax_type: int
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int


class StoredReceipt(Struct, frozen=True, gc=False):
    """A row of pos.receipts. Arrays have one entry a part; a void's amounts are negative."""

    seller: int
    terminal: int
    day: int
    number: int
    branch: int
    root_terminal: int
    root_day: int
    root_number: int
    issued_at: datetime
    received_at: datetime
    kind: int
    counter: int
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int
    turnover_mongo: int
    cose: bytes
    receipt_hash: bytes
    document: bytes
    document_hash: bytes
    reference: str | None
    payments: str | None
    computed_vat_mongo: int
    part_merchants: list[int]
    part_tax_types: list[int]
    part_totals_mongo: list[int]
    part_vats_mongo: list[int]
    part_city_taxes_mongo: list[int]

    @property
    def id(self) -> ReceiptId:
        """The receipt's id."""
        return ReceiptId(self.seller, self.branch, self.day, self.number, self.terminal)

    @property
    def key(self) -> tuple[int, int, int, int]:
        """The primary key: seller, terminal, day, number."""
        return self.seller, self.terminal, self.day, self.number

    @property
    def root_key(self) -> tuple[int, int, int, int]:
        """The primary key of the root."""
        return self.seller, self.root_terminal, self.root_day, self.root_number

    @property
    def part_ids(self) -> list[ReceiptId]:
        """The ids of the parts, in their order."""
        return [
            ReceiptId(merchant, self.branch, self.day, self.number + at, self.terminal)
            for at, merchant in enumerate(self.part_merchants, 1)
        ]

    @property
    def amounts(self) -> list[PartAmounts]:
        """What the parts add up to."""
        return [
            PartAmounts(*part)
            for part in zip(
                self.part_merchants,
                self.part_tax_types,
                self.part_totals_mongo,
                self.part_vats_mongo,
                self.part_city_taxes_mongo,
                strict=True,
            )
        ]

    @property
    def kind_of(self) -> Kind:
        """The kind as values."""
        kind = Kind.of_int(self.kind)
        assert kind is not None
        return kind


def stored_receipt(
    link: Link | Unsigned,
    amounts: Sequence[PartAmounts],
    *,
    received_at: datetime,
    computed_vat_mongo: int,
    root: StoredReceipt | None = None,
    reference: str | None = None,
    payments: str | None = None,
) -> StoredReceipt:
    """Answer the row of a new link; without `root` it is its own root. That of an unsigned one waits for `complete`."""
    at = link.id
    kind, cose, receipt_hash = (
        (link.kind_bits, b"", b"") if isinstance(link, Unsigned) else (link.kind.to_int(), link.cose, link.receipt_hash)
    )
    merchants, tax_types, totals, vats, city_taxes = _columns(amounts)
    return StoredReceipt(
        at.seller,
        at.terminal,
        at.day,
        at.number,
        at.branch,
        root.terminal if root else at.terminal,
        root.day if root else at.day,
        root.number if root else at.number,
        link.issued_at,
        received_at,
        kind,
        link.counter,
        sum(totals),
        sum(vats),
        sum(city_taxes),
        link.turnover_mongo,
        cose,
        receipt_hash,
        link.document,
        link.document_hash,
        reference,
        payments,
        computed_vat_mongo,
        merchants,
        tax_types,
        totals,
        vats,
        city_taxes,
    )


def _columns(amounts: Sequence[PartAmounts]) -> list[list[int]]:
    if len(amounts) == 1:  # as nearly always
        one = amounts[0]
        return [[one.merchant], [one.tax_type], [one.total_mongo], [one.vat_mongo], [one.city_tax_mongo]]
    return [list(column) for column in zip(*map(astuple, amounts), strict=True)] or [[], [], [], [], []]


def complete(receipt: StoredReceipt, cose: bytes, receipt_hash: bytes) -> None:
    """Put the signature into the row of a link that was unsigned. Only who made the row does so, before others see it:
    after that it never changes.
    """
    assert not receipt.cose
    force_setattr(receipt, "cose", cose)
    force_setattr(receipt, "receipt_hash", receipt_hash)
