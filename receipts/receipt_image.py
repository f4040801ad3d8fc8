"""A receipt as a till prints it, in Mongolian: seller, articles, taxes, payment, lottery number and QR, on 58 or 80 mm.

The tax table needs four columns; where the amounts leave no room for them, a tax type takes two rows.
"""

from kernel.clock import ULAANBAATAR
from kernel.money import format_mnt
from receipts.lettering import HUGE, LARGE, PLAIN, SMALL, STRONG, width_of
from receipts.paper import DOTS_PER_MM, GAP, Paper, Roll
from receipts.printed import PrintedReceipt, PrintedSection, PrintedTax
from receipts.receipt import Nature, TaxType

_SIGN = " ₮"
_ONE = "1"
_INDENT = 3 * DOTS_PER_MM
_COLUMN_MIN = 15 * DOTS_PER_MM
_TAX_WORDS = {
    TaxType.VAT_ABLE: ("А", "НӨАТ тооцсон"),
    TaxType.VAT_FREE: ("Ч", "Чөлөөлөгдсөн"),
    TaxType.VAT_ZERO: ("Т", "Тэг хувь"),
    TaxType.NO_VAT: ("Х", "Хамаарахгүй"),
}
"""The letter beside an amount and the words that explain it."""
_TAX_HEADS = ("Татвар", "Дүн", "НӨАТ", "НХАТ")
_METHOD_WORDS = {
    "CASH": "Бэлэн мөнгө",
    "PAYMENT_CARD": "Төлбөрийн карт",
    "BANK_TRANSFER": "Банкны шилжүүлэг",
    "BANK_TRANSFER_QPAY": "QPay",
    "BONUS_CARD": "Урамшууллын карт",
    "EMD": "ЭМД-ын хөнгөлөлт",
}
_TITLES = {
    Nature.INVOICE: "НЭХЭМЖЛЭХ",
    Nature.PAYMENT: "НЭХЭМЖЛЭХИЙН ТӨЛБӨР",
    Nature.CORRECTION: "ЗАСВАРЛАСАН БАРИМТ",
}
_BUSINESS = "БАЙГУУЛЛАГЫН БАРИМТ"
_TEST, _TRAINING, _VOID, _VOIDED = "ТУРШИЛТЫН БАРИМТ", "СУРГАЛТЫН БАРИМТ", "БУЦААЛТЫН БАРИМТ", "ХҮЧИНГҮЙ БАРИМТ"
_NO_RECEIPT = "Татварын баримт биш"
_TEST_HINT = "TEST: сугалаа, буцаан олголтод хамаарахгүй"
_REGISTERED_HINT = "Хэрэглэгчийн бүртгэлд бүртгэгдсэн"
_CLAIM_HINT = "Баримтаа уншуулж НӨАТ-ын буцаан олголтоо авч, сугалаанд оролцоорой"


def receipt_png(receipt: PrintedReceipt, roll: Roll = Roll.MM_80, *, edges: bool = False) -> bytes:
    """Draw a receipt, as wide as the print head and as long as it must be; with `edges`, as wide as the paper.

    The same bytes for the same receipt.
    """
    return receipt_paper(receipt, roll).png(edges=edges)


def receipt_paper(receipt: PrintedReceipt, roll: Roll = Roll.MM_80) -> Paper:
    """Print a receipt on new paper."""
    paper = Paper(roll)
    print_receipt(paper, receipt)
    return paper


def print_receipt(paper: Paper, receipt: PrintedReceipt) -> None:
    """Print a receipt on paper as wide as it is."""
    paper.feed(3 * DOTS_PER_MM)
    _print_marks(paper, receipt)
    _print_head(paper, receipt)
    for section in receipt.sections:
        _print_section(paper, section, named=len(receipt.sections) > 1)
    _print_sums(paper, receipt)
    _print_foot(paper, receipt)
    paper.feed(4 * DOTS_PER_MM)


def _print_marks(paper: Paper, receipt: PrintedReceipt) -> None:
    no_receipt = receipt.test or receipt.nature is Nature.TRAINING
    marks = (
        (receipt.test, _TEST),
        (receipt.nature is Nature.TRAINING, _TRAINING),
        (receipt.nature is Nature.VOID, _VOID),
        (receipt.voided, _VOIDED),
    )
    for marked, words in marks:
        if marked:
            paper.band(words)
            paper.feed(DOTS_PER_MM)
    if no_receipt:
        paper.centre(_NO_RECEIPT, STRONG)
        paper.feed(DOTS_PER_MM)


def _print_head(paper: Paper, receipt: PrintedReceipt) -> None:
    shop = receipt.shop
    paper.centre(shop.name, LARGE)
    if shop.address:
        paper.centre(shop.address, SMALL)
    paper.centre(f"ТТД {shop.tin}", SMALL)
    paper.rule()
    title = _TITLES.get(receipt.nature, "" if receipt.buyer_tin is None else _BUSINESS)
    if title:
        paper.centre(title, STRONG)
    paper.columns("ДДТД", receipt.receipt_id, SMALL)
    issued = receipt.issued_at.astimezone(ULAANBAATAR).strftime("%Y-%m-%d %H:%M:%S")
    paper.columns(f"Огноо {issued}", f"Касс {receipt.terminal}", SMALL)
    if receipt.previous_id is not None:
        previous = "Хүчингүй болгосон ДДТД" if receipt.nature is Nature.VOID else "Засварласан ДДТД"
        paper.columns(previous, receipt.previous_id, SMALL)
    for invoice_id in receipt.invoice_ids:
        paper.columns("Төлсөн нэхэмжлэх", invoice_id, SMALL)
    if receipt.buyer_tin is not None:
        paper.columns("Худалдан авагчийн ТТД", receipt.buyer_tin, SMALL)
    if receipt.report_month is not None:
        paper.columns("Тайлант сар", receipt.report_month, SMALL)
    if receipt.reason is not None:
        paper.columns(f"Шалтгаан: {receipt.reason}", "", SMALL)
    paper.rule()


def _print_section(paper: Paper, section: PrintedSection, *, named: bool) -> None:
    if named:
        paper.columns(section.merchant_name or "Борлуулагч", f"ТТД {section.merchant_tin}", STRONG)
    for line in section.lines:
        letter = _TAX_WORDS[line.tax_type][0]
        paper.columns(line.name, f"{_amount(line.total_mongo)} {letter}", PLAIN)
        quantity = line.quantity.rstrip("0").rstrip(".") if "." in line.quantity else line.quantity
        if quantity != _ONE:
            price = "" if line.unit_price_mongo is None else f" × {_amount(line.unit_price_mongo)}"
            paper.columns(f"{quantity} {line.unit}{price}", "", SMALL, indent=_INDENT)
    paper.rule()
    _print_taxes(paper, section.taxes)
    paper.rule()


def _print_taxes(paper: Paper, taxes: tuple[PrintedTax, ...]) -> None:
    rows = [_TAX_HEADS, *map(_tax_row, taxes)]
    widths = [max(width_of(row[column], SMALL) for row in rows) + GAP for column in range(len(_TAX_HEADS))]
    amounts = [max(width, _COLUMN_MIN) for width in widths[1:]]
    if widths[0] + sum(amounts) - GAP <= paper.roll.dots:
        edges = (paper.roll.dots - sum(amounts[1:]), paper.roll.dots - amounts[2], paper.roll.dots)
        for row in rows:
            paper.cells(row, edges)
        return
    for words, total, vat, city_tax in rows[1:]:
        paper.columns(words, total, SMALL)
        paper.columns(f"НӨАТ {vat}", f"НХАТ {city_tax}", SMALL, indent=_INDENT)


def _tax_row(tax: PrintedTax) -> tuple[str, ...]:
    letter, words = _TAX_WORDS[tax.tax_type]
    return f"{letter}  {words}", _amount(tax.total_mongo), _amount(tax.vat_mongo), _amount(tax.city_tax_mongo)


def _print_sums(paper: Paper, receipt: PrintedReceipt) -> None:
    paper.columns("НИЙТ ДҮН", format_mnt(receipt.total_mongo), LARGE)
    if len(receipt.sections) != 1:
        paper.columns("НӨАТ", format_mnt(receipt.vat_mongo), STRONG)
    for payment in receipt.payments:
        paper.columns(_METHOD_WORDS.get(payment.method, payment.method), format_mnt(payment.amount_mongo), STRONG)
    paper.rule()


def _print_foot(paper: Paper, receipt: PrintedReceipt) -> None:
    lottery = None if receipt.voided else receipt.lottery
    if lottery is not None:
        paper.centre("СУГАЛААНЫ ДУГААР", SMALL)
        paper.centre(lottery, HUGE)
    paper.code(receipt.qr_text)
    if receipt.test:
        paper.centre(_TEST_HINT, SMALL)
    elif receipt.registered:
        paper.centre(_REGISTERED_HINT, SMALL)
    elif lottery is not None:
        paper.centre(_CLAIM_HINT, SMALL)


def _amount(mongo: int) -> str:
    return format_mnt(mongo).removesuffix(_SIGN)
