"""What a till states about a sale, and what the law makes of it: amounts, taxes, lottery, or every fault at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from msgspec import Struct

from kernel.clock import Month
from kernel.money import MONGO_MAX
from kernel.refusal import Fault, Malformed
from receipts.codes import districts, tax_product_type
from receipts.document import Document, Line, Part
from receipts.ids import ReceiptId
from receipts.receipt import Nature, TaxType
from receipts.rules import Rules
from receipts.tax import Split, split_line, split_plain, vat_rate

LINES_MAX = 500
PARTS_MAX = 100
REPORT_MONTH_DAY_MAX = 7
"""The last day of a month on which a B2B document may still count for the month before (PosAPI text of 2025-03-31)."""
_CODED = frozenset({TaxType.VAT_FREE, TaxType.VAT_ZERO})
"""Tax types whose lines need the code of the law that frees them."""
_WITH_LOTTERY = frozenset({Nature.SALE, Nature.PAYMENT})
NO_TAXES = Split(0, 0)


class StatedPart(Struct, frozen=True, gc=False, omit_defaults=True):
    """A part as the till states it; the taxes may be left for us to compute. Amounts in möngö, taxes included.
    `pays_invoice` is the invoice that this part pays, where the parts of a payment pay different ones.
    """

    seller_tin: str
    tax_type: TaxType
    total_mongo: int
    vat_mongo: int | None
    city_tax_mongo: int | None
    lines: tuple[Line, ...]
    pays_invoice: ReceiptId | None = None


class Payment(Struct, frozen=True, gc=False):
    """How much was paid by which means; nothing of a payment card is kept."""

    method: str
    amount_mongo: int


class Submission(Struct, frozen=True, gc=False, omit_defaults=True):
    """A sale, invoice, payment of an invoice or correction as a till posts it; well formed, not yet judged. A payment
    names its invoice here, or one in every part.
    """

    nature: Nature
    business: bool
    seller_tin: str
    parts: tuple[StatedPart, ...]
    payments: tuple[Payment, ...] = ()
    terminal: int | None = None
    branch: int | None = None
    district: str | None = None
    sold_at: datetime | None = None
    reference: str | None = None
    buyer_tin: str | None = None
    consumer_no: int | None = None
    corrects: ReceiptId | None = None
    pays_invoice: ReceiptId | None = None
    report_month: str | None = None


@dataclass(frozen=True, slots=True)
class Merchant:
    """A seller with its tax status on the business day of the receipt."""

    seller: int
    tin: str
    vat_payer: bool
    city_tax_payer: bool


class Priced(Struct, frozen=True, gc=False):
    """A judged submission. `computed_vat_mongo` is ours, `vat_mongo` what is signed (the till's, within tolerance)."""

    parts: tuple[Part, ...]
    part_sellers: tuple[int, ...]
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int
    computed_vat_mongo: int
    lottery: bool


def price(submission: Submission, merchants: Mapping[str, Merchant], *, rules: Rules, day: date) -> Priced:
    """Judge a submission under the rules of its business day and compute its taxes.

    `merchants` holds every known merchant of the parts by TIN. Raises `Malformed` with all faults.
    """
    faults, computed = assess(submission, merchants, rules=rules, day=day)
    if faults:
        raise Malformed(*faults)
    return _priced(submission, merchants, computed)


def assess(
    submission: Submission, merchants: Mapping[str, Merchant], *, rules: Rules, day: date
) -> tuple[list[Fault], list[Split]]:
    """Answer every fault that the law finds in a submission of at least one part, and the taxes that it computes for
    each part; none for a merchant that is not known.
    """
    faults = _header_faults(submission)
    if submission.report_month is not None:
        faults += _report_month_faults(submission, day)
    computed = []
    for at, part in enumerate(submission.parts):
        merchant = merchants.get(part.seller_tin)
        if merchant is None:
            faults.append(Fault("merchant_unknown", f"/parts/{at}/seller_tin", "an enrolled seller"))
            computed.append(NO_TAXES)
            continue
        totals, special = [], False
        for line in part.lines:
            totals.append(line.total_mongo)
            special = special or line.city_tax or line.tax_product is not None
        split = _split(part, totals, merchant, rules, may_carry_city_tax=special)
        computed.append(split)
        faults += _sum_faults(at, part, sum(totals), split)
        if special or part.tax_type in _CODED:
            for line_at, line in enumerate(part.lines):
                faults += _line_faults(f"/parts/{at}/lines/{line_at}", line, part.tax_type, merchant, day)
    return faults, computed


def _header_faults(submission: Submission) -> list[Fault]:
    faults = []
    if submission.business and submission.buyer_tin is None:
        faults.append(Fault("buyer_missing", "/buyer_tin", "the buyer's TIN on every B2B document"))
    if submission.consumer_no is not None and (submission.business or submission.nature is Nature.INVOICE):
        faults.append(Fault("consumer_on_business", "/consumer_no", "no consumer number on B2B documents and invoices"))
    if submission.corrects is not None or submission.nature is Nature.PAYMENT:
        faults += _invoice_faults(submission)
    if submission.district is not None and submission.district not in districts():
        faults.append(Fault("district_unknown", "/district", "a code of the district list, as 2501"))
    if len(submission.parts) > 1 or len(submission.parts[0].lines) > LINES_MAX:
        faults += _together_faults(submission)
    total = 0
    for part in submission.parts:
        total += part.total_mongo
    if total > MONGO_MAX:
        faults.append(Fault("out_of_range", "/parts", f"a receipt's total of at most {MONGO_MAX}"))
    if submission.payments and submission.nature is not Nature.INVOICE:
        paid = sum([payment.amount_mongo for payment in submission.payments])
        if paid != total:
            faults.append(Fault("payments_mismatch", "/payments", str(total)))
    return faults


def _invoice_faults(submission: Submission) -> Iterator[Fault]:
    paid = [part.pays_invoice is not None for part in submission.parts]
    if submission.corrects is not None and (submission.pays_invoice is not None or any(paid)):
        yield Fault("corrects_and_pays", "/pays_invoice", "either corrects or pays_invoice")
    elif any(paid) and (submission.pays_invoice is not None or not all(paid)):
        yield Fault("invoices_incomplete", "/parts", "an invoice in every part, or one for all of them in the header")


def _report_month_faults(submission: Submission, day: date) -> Iterator[Fault]:
    if not submission.business:
        yield Fault("report_month_not_due", "/report_month", "no report month on B2C documents")
    elif day.day > REPORT_MONTH_DAY_MAX:
        yield Fault("report_month_not_due", "/report_month", f"no report month after day {REPORT_MONTH_DAY_MAX}")
    elif submission.report_month != (before := str(Month(day.year, day.month).plus(-1))):
        yield Fault("report_month_not_due", "/report_month", before)


def _together_faults(submission: Submission) -> Iterator[Fault]:
    """What can be wrong with several parts that are right by themselves."""
    seen: set[tuple[str, TaxType, ReceiptId | None]] = set()
    for at, part in enumerate(submission.parts):
        group = part.seller_tin, part.tax_type, part.pays_invoice
        if group in seen:
            yield Fault("part_repeated", f"/parts/{at}", "one part for each merchant and tax type")
        seen.add(group)
    if sum(len(part.lines) for part in submission.parts) > LINES_MAX:
        yield Fault("too_many_lines", "/parts", f"at most {LINES_MAX} lines a receipt")


def _split(
    part: StatedPart, totals_mongo: list[int], merchant: Merchant, rules: Rules, *, may_carry_city_tax: bool
) -> Split:
    """Answer the sum of the lines' taxes."""
    vat = vat_rate(part.tax_type, vat_payer=merchant.vat_payer, rules=rules)
    if not may_carry_city_tax or not merchant.city_tax_payer:
        return Split(split_plain(totals_mongo, vat_per_mille=vat), 0)
    city = rules.city_tax_per_mille
    splits = [
        split_line(line.total_mongo, vat_per_mille=vat, city_tax_per_mille=city if line.city_tax else 0)
        for line in part.lines
    ]
    return Split(sum([split.vat_mongo for split in splits]), sum([split.city_tax_mongo for split in splits]))


def _sum_faults(at: int, part: StatedPart, total: int, split: Split) -> list[Fault]:
    faults = []
    if part.total_mongo != total:
        faults.append(Fault("lines_mismatch", f"/parts/{at}/total_mongo", str(total)))
    tolerance = len(part.lines)
    vat, city = part.vat_mongo, part.city_tax_mongo
    if vat is not None and (abs(vat - split.vat_mongo) > tolerance or vat > part.total_mongo):
        faults.append(Fault("vat_mismatch", f"/parts/{at}/vat_mongo", str(split.vat_mongo)))
    if city is not None and abs(city - split.city_tax_mongo) > tolerance:
        faults.append(Fault("city_tax_mismatch", f"/parts/{at}/city_tax_mongo", str(split.city_tax_mongo)))
    return faults


def _line_faults(path: str, line: Line, tax_type: TaxType, merchant: Merchant, day: date) -> Iterator[Fault]:
    if line.city_tax and not merchant.city_tax_payer:
        yield Fault("city_tax_not_due", f"{path}/city_tax", "false: this seller is no payer of the capital city tax")
    if line.tax_product is not None:
        if tax_product_type(line.tax_product, day) is not tax_type:
            yield Fault("tax_product_unknown", f"{path}/tax_product", f"a code in force for {tax_type.name}")
    elif tax_type in _CODED:
        yield Fault("tax_product_missing", f"{path}/tax_product", f"the code that makes the line {tax_type.name}")


def _priced(submission: Submission, merchants: Mapping[str, Merchant], computed: list[Split]) -> Priced:
    parts, sellers = [], []
    total = vat = city = computed_vat = 0
    taxed = False
    for stated, split in zip(submission.parts, computed, strict=True):
        part_vat = split.vat_mongo if stated.vat_mongo is None else stated.vat_mongo
        part_city = split.city_tax_mongo if stated.city_tax_mongo is None else stated.city_tax_mongo
        total_mongo, lines, invoice = stated.total_mongo, stated.lines, stated.pays_invoice
        parts.append(Part(stated.seller_tin, stated.tax_type, total_mongo, part_vat, part_city, lines, invoice))
        sellers.append(merchants[stated.seller_tin].seller)
        total += stated.total_mongo
        vat += part_vat
        city += part_city
        computed_vat += split.vat_mongo
        taxed = taxed or stated.tax_type is not TaxType.NO_VAT
    lottery = taxed and not submission.business and submission.nature in _WITH_LOTTERY
    return Priced(tuple(parts), tuple(sellers), total, vat, city, computed_vat, lottery)


def document_of(submission: Submission, priced: Priced) -> Document:
    """Answer the canonical document of a judged submission; a correction's root and predecessor are added later."""
    return Document(
        parts=priced.parts,
        sold_at=submission.sold_at,
        reference=submission.reference,
        buyer_tin=submission.buyer_tin,
        pays_invoice=submission.pays_invoice,
        district=submission.district,
        report_month=submission.report_month,
    )


def payments_text(payments: tuple[Payment, ...]) -> str | None:
    """Write payments for storage: `CASH 5600;PAYMENT_CARD 100`, or nothing."""
    return ";".join([f"{payment.method} {payment.amount_mongo}" for payment in payments]) or None
