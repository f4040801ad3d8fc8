"""A receipt as a till prints it, in Mongolian: seller, articles, taxes, payment, lottery number and QR, as PNG.

The QR has 6 dots a module (0.75 mm), twice what a phone needs, so that it survives thermal paper and a crumpled pocket.
"""

from dataclasses import dataclass
from datetime import datetime

from kernel.clock import ULAANBAATAR
from kernel.money import format_mnt
from receipts.paper import DOTS_PER_MM, HUGE, LARGE, PLAIN, PRINTABLE, SMALL, STRONG, Paper
from receipts.qr_image import qr_picture
from receipts.receipt import TaxType

QR_MODULE_DOTS = 6
_SIGN = " ₮"
_ONE = "1"
_TAX_COLUMNS = (PRINTABLE - 240, PRINTABLE - 110, PRINTABLE)
_TAX_WORDS = {
    TaxType.VAT_ABLE: ("А", "НӨАТ тооцсон"),
    TaxType.VAT_FREE: ("Ч", "Чөлөөлөгдсөн"),
    TaxType.VAT_ZERO: ("Т", "Тэг хувь"),
    TaxType.NO_VAT: ("Х", "Хамаарахгүй"),
}
"""The letter beside an amount and the words that explain it."""
_METHOD_WORDS = {
    "CASH": "Бэлэн мөнгө",
    "PAYMENT_CARD": "Төлбөрийн карт",
    "BANK_TRANSFER": "Банкны шилжүүлэг",
    "BONUS_CARD": "Урамшууллын карт",
}


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
    """The sums of the parts of one tax type, in möngö."""

    tax_type: TaxType
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int


@dataclass(frozen=True, slots=True)
class PrintedPayment:
    """How much was paid by which method; a method that is not known is printed as it is written."""

    method: str
    amount_mongo: int


@dataclass(frozen=True, slots=True)
class PrintedReceipt:
    """What stands on the paper, whoever asks for it. `qr_text` has 220 characters; `lottery` as `AB 12345678`."""

    seller_name: str
    seller_tin: str
    address: str
    terminal: str
    receipt_id: str
    issued_at: datetime
    lines: tuple[PrintedLine, ...]
    taxes: tuple[PrintedTax, ...]
    payments: tuple[PrintedPayment, ...]
    qr_text: str
    lottery: str | None = None
    buyer_tin: str | None = None
    corrects: str | None = None
    """The id of the receipt that this one replaces."""
    test: bool = False
    void: bool = False

    @property
    def total_mongo(self) -> int:
        """The sum of the parts."""
        return sum(tax.total_mongo for tax in self.taxes)


def receipt_png(receipt: PrintedReceipt) -> bytes:
    """Draw a receipt, 640 dots wide and as long as it must be; the same bytes for the same receipt."""
    paper = Paper()
    paper.feed(3 * DOTS_PER_MM)
    _print_marks(paper, receipt)
    _print_head(paper, receipt)
    _print_lines(paper, receipt)
    _print_sums(paper, receipt)
    _print_foot(paper, receipt)
    paper.feed(4 * DOTS_PER_MM)
    return paper.png()


def _print_marks(paper: Paper, receipt: PrintedReceipt) -> None:
    for marked, words in ((receipt.test, "ТУРШИЛТЫН БАРИМТ"), (receipt.void, "ХҮЧИНГҮЙ БАРИМТ")):
        if marked:
            paper.band(words)
            paper.feed(DOTS_PER_MM)


def _print_head(paper: Paper, receipt: PrintedReceipt) -> None:
    paper.centre(receipt.seller_name, LARGE)
    paper.centre(receipt.address, SMALL)
    paper.centre(f"ТТД {receipt.seller_tin}", SMALL)
    paper.rule()
    paper.columns("ДДТД", receipt.receipt_id, SMALL)
    if receipt.corrects is not None:
        paper.columns("Засварласан ДДТД", receipt.corrects, SMALL)
    issued = receipt.issued_at.astimezone(ULAANBAATAR).strftime("%Y-%m-%d %H:%M:%S")
    paper.columns(f"Огноо {issued}", f"Касс {receipt.terminal}", SMALL)
    if receipt.buyer_tin is not None:
        paper.columns("Худалдан авагчийн ТТД", receipt.buyer_tin, SMALL)
    paper.rule()


def _print_lines(paper: Paper, receipt: PrintedReceipt) -> None:
    for line in receipt.lines:
        letter = _TAX_WORDS[line.tax_type][0]
        paper.columns(line.name, f"{_amount(line.total_mongo)} {letter}", PLAIN)
        quantity = line.quantity.rstrip("0").rstrip(".") if "." in line.quantity else line.quantity
        if quantity != _ONE:
            price = "" if line.unit_price_mongo is None else f" × {_amount(line.unit_price_mongo)}"
            paper.columns(f"{quantity} {line.unit}{price}", "", SMALL, indent=3 * DOTS_PER_MM)
    paper.rule()


def _print_sums(paper: Paper, receipt: PrintedReceipt) -> None:
    paper.cells(("Татвар", "Дүн", "НӨАТ", "НХАТ"), _TAX_COLUMNS)
    for tax in receipt.taxes:
        letter, words = _TAX_WORDS[tax.tax_type]
        amounts = (tax.total_mongo, tax.vat_mongo, tax.city_tax_mongo)
        paper.cells((f"{letter}  {words}", *map(_amount, amounts)), _TAX_COLUMNS)
    paper.rule()
    paper.columns("НИЙТ ДҮН", format_mnt(receipt.total_mongo), LARGE)
    for payment in receipt.payments:
        paper.columns(_METHOD_WORDS.get(payment.method, payment.method), format_mnt(payment.amount_mongo), STRONG)
    paper.rule()


def _print_foot(paper: Paper, receipt: PrintedReceipt) -> None:
    if receipt.lottery is not None:
        paper.centre("СУГАЛААНЫ ДУГААР", SMALL)
        paper.centre(receipt.lottery, HUGE)
    paper.picture(qr_picture(receipt.qr_text, module_px=QR_MODULE_DOTS))
    if receipt.lottery is not None:
        paper.centre("Баримтаа уншуулж НӨАТ-ын буцаан олголтоо авч,", SMALL)
        paper.centre("сугалаанд оролцоорой", SMALL)


def _amount(mongo: int) -> str:
    return format_mnt(mongo).removesuffix(_SIGN)
