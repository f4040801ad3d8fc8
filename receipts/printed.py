"""What stands on a printed receipt, whoever prints it: a till after the answer came, or anybody from what is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby

from receipts.codes import districts
from receipts.document import Document, Line, Part
from receipts.qr import encode_text, take_apart, unpack
from receipts.receipt import Nature, TaxType, lottery_number


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """One article: `quantity` as the till wrote it, `total_mongo` with all taxes."""

    name: str
    quantity: str
    unit: str
    total_mongo: int
    tax_type: TaxType
    unit_price_mongo: int | None = None


@dataclass(frozen=True, slots=True)
class PrintedTax:
    """The sums of a merchant's parts of one tax type, in möngö."""

    tax_type: TaxType
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int


@dataclass(frozen=True, slots=True)
class PrintedSection:
    """What one merchant sold. Its name is printed only where there are several; it may be unknown."""

    lines: tuple[PrintedLine, ...]
    taxes: tuple[PrintedTax, ...]
    merchant_tin: str = ""
    merchant_name: str = ""


@dataclass(frozen=True, slots=True)
class PrintedPayment:
    """How much was paid by which method; a method that is not known is printed as it is written."""

    method: str
    amount_mongo: int


@dataclass(frozen=True, slots=True)
class Shop:
    """Whose receipt it is. `names` has the names of other merchants by TIN, as far as they are known."""

    tin: str
    name: str
    address: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PrintedReceipt:
    """Everything on the paper. `qr_text` has 220 characters, `lottery` reads `AB 12345678`; a void's total is negative.

    `previous_id` is what a correction or a void takes the place of, `invoice_ids` what a payment pays, `report_month`
    (YYYY-MM) where the receipt counts in an earlier month. `voided`: it was taken back since. `registered`: a consumer
    has it already, so that nobody need scan it.
    """

    shop: Shop
    terminal: str
    receipt_id: str
    issued_at: datetime
    total_mongo: int
    vat_mongo: int
    sections: tuple[PrintedSection, ...]
    payments: tuple[PrintedPayment, ...]
    qr_text: str
    nature: Nature = Nature.SALE
    lottery: str | None = None
    buyer_tin: str | None = None
    previous_id: str | None = None
    invoice_ids: tuple[str, ...] = ()
    report_month: str | None = None
    reason: str | None = None
    test: bool = False
    voided: bool = False
    registered: bool = False


def printed_receipt(
    cose: bytes,
    document: Document,
    *,
    root_hash: bytes | None,
    shop: Shop,
    payments: tuple[PrintedPayment, ...] = (),
) -> PrintedReceipt:
    """Answer the paper of a stored link from its 144 signed bytes and its document; the lottery number is its root's.

    Where the root is not known there is no number; it stands on the root's own paper. The district of the document
    stands for the address where the shop has none. What came after the link, `voided` and `registered`, is for the
    caller to add.
    """
    taken = take_apart(cose)
    assert taken is not None
    payload = unpack(taken[1])
    kind = payload.kind
    return PrintedReceipt(
        shop=Shop(shop.tin, shop.name, shop.address or address_of(document.district), shop.names),
        terminal=f"{payload.id.terminal:08d}",
        receipt_id=str(payload.id),
        issued_at=datetime.fromtimestamp(payload.issued_at, UTC),
        total_mongo=payload.total_mongo,
        vat_mongo=payload.vat_mongo,
        sections=_sections(document, shop),
        payments=payments,
        qr_text=encode_text(cose),
        nature=kind.nature,
        lottery=None if root_hash is None or not kind.lottery else str(lottery_number(root_hash)),
        buyer_tin=document.buyer_tin,
        previous_id=None if document.previous_id is None else str(document.previous_id),
        invoice_ids=_invoice_ids(document),
        report_month=document.report_month,
        reason=document.reason,
        test=kind.test,
    )


def payments_of(stored: str | None) -> tuple[PrintedPayment, ...]:
    """Answer the payments of the text in which they are stored: `CASH 560000;BANK_TRANSFER 1`."""
    payments = (payment.rpartition(" ") for payment in (stored or "").split(";") if payment)
    return tuple(PrintedPayment(method, int(amount)) for method, _, amount in payments)


def address_of(district: str | None) -> str:
    """Answer the words of a district code: branch and sub-branch; nothing for an unknown one."""
    return ", ".join(districts().get(district or "", ()))


def _invoice_ids(document: Document) -> tuple[str, ...]:
    """Answer what a payment pays: one invoice with everything, or one with each part."""
    paid = [document.pays_invoice, *(part.pays_invoice for part in document.parts)]
    return tuple(dict.fromkeys(str(invoice) for invoice in paid if invoice is not None))


def _sections(document: Document, shop: Shop) -> tuple[PrintedSection, ...]:
    """Answer one section a merchant, in the order of the document."""
    merchants = {part.merchant_tin: None for part in document.parts}
    return tuple(
        _section([part for part in document.parts if part.merchant_tin == tin], tin, shop) for tin in merchants
    )


def _section(parts: list[Part], tin: str, shop: Shop) -> PrintedSection:
    name = shop.name if tin == shop.tin else shop.names.get(tin, "")
    lines = tuple(_line(line, part.tax_type) for part in parts for line in part.lines)
    ordered = sorted(parts, key=_tax_type)
    return PrintedSection(
        lines, tuple(_tax(kind, list(alike)) for kind, alike in groupby(ordered, _tax_type)), tin, name
    )


def _tax_type(part: Part) -> TaxType:
    return part.tax_type


def _tax(tax_type: TaxType, parts: list[Part]) -> PrintedTax:
    return PrintedTax(
        tax_type,
        sum(part.total_mongo for part in parts),
        sum(part.vat_mongo for part in parts),
        sum(part.city_tax_mongo for part in parts),
    )


def _line(line: Line, tax_type: TaxType) -> PrintedLine:
    return PrintedLine(line.name, line.quantity, line.unit, line.total_mongo, tax_type, line.unit_price_mongo)
