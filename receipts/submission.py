"""What a till states about a sale, and what the law makes of it: amounts, taxes, lottery, or every fault at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from kernel.money import MONGO_MAX
from kernel.refusal import Fault, Malformed
from receipts.codes import districts, tax_product_type
from receipts.document import Document, Line, Part
from receipts.ids import ReceiptId
from receipts.receipt import Nature, TaxType
from receipts.rules import Rules
from receipts.tax import Split, split_line, vat_rate

LINES_MAX = 500
PARTS_MAX = 100


@dataclass(frozen=True, slots=True)
class StatedPart:
    """A part as the till states it; the taxes may be left for us to compute. Amounts in möngö, taxes included."""

    seller_tin: str
    tax_type: TaxType
    total_mongo: int
    vat_mongo: int | None
    city_tax_mongo: int | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Payment:
    """How much was paid by which means; nothing of a payment card is kept."""

    method: str
    amount_mongo: int


@dataclass(frozen=True, slots=True)
class Submission:
    """A sale, invoice, payment of an invoice or correction as a till posts it; well formed, not yet judged."""

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


@dataclass(frozen=True, slots=True)
class Merchant:
    """A seller with its tax status on the business day of the receipt."""

    seller: int
    tin: str
    vat_payer: bool
    city_tax_payer: bool


@dataclass(frozen=True, slots=True)
class Priced:
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
    faults = list(_header_faults(submission))
    computed = []
    for at, part in enumerate(submission.parts):
        merchant = merchants.get(part.seller_tin)
        if merchant is None:
            faults.append(Fault("merchant_unknown", f"/parts/{at}/seller_tin", "an enrolled seller"))
            continue
        splits = _splits(part, merchant, rules)
        computed.append(splits)
        faults += _part_faults(f"/parts/{at}", part, merchant, splits, day)
    if faults:
        raise Malformed(*faults)
    return _priced(submission, merchants, computed)


def _header_faults(submission: Submission) -> Iterator[Fault]:
    if submission.business and submission.buyer_tin is None:
        yield Fault("buyer_missing", "/buyer_tin", "the buyer's TIN on every B2B document")
    if submission.consumer_no is not None and (submission.business or submission.nature is Nature.INVOICE):
        yield Fault("consumer_on_business", "/consumer_no", "no consumer number on B2B documents and invoices")
    if submission.corrects is not None and submission.pays_invoice is not None:
        yield Fault("corrects_and_pays", "/pays_invoice", "either corrects or pays_invoice")
    if submission.district is not None and submission.district not in districts():
        yield Fault("district_unknown", "/district", "a code of the district list, as 2501")
    seen: set[tuple[str, TaxType]] = set()
    for at, part in enumerate(submission.parts):
        if (part.seller_tin, part.tax_type) in seen:
            yield Fault("part_repeated", f"/parts/{at}", "one part for each merchant and tax type")
        seen.add((part.seller_tin, part.tax_type))
    if sum(len(part.lines) for part in submission.parts) > LINES_MAX:
        yield Fault("too_many_lines", "/parts", f"at most {LINES_MAX} lines a receipt")
    yield from _total_faults(submission)


def _total_faults(submission: Submission) -> Iterator[Fault]:
    total = sum(part.total_mongo for part in submission.parts)
    if total > MONGO_MAX:
        yield Fault("out_of_range", "/parts", f"a receipt's total of at most {MONGO_MAX}")
    paid = sum(payment.amount_mongo for payment in submission.payments)
    if submission.payments and submission.nature is not Nature.INVOICE and paid != total:
        yield Fault("payments_mismatch", "/payments", str(total))


def _splits(part: StatedPart, merchant: Merchant, rules: Rules) -> tuple[Split, ...]:
    vat = vat_rate(part.tax_type, vat_payer=merchant.vat_payer, rules=rules)
    city = rules.city_tax_per_mille if merchant.city_tax_payer else 0
    return tuple(
        split_line(line.total_mongo, vat_per_mille=vat, city_tax_per_mille=city if line.city_tax else 0)
        for line in part.lines
    )


def _part_faults(
    path: str, part: StatedPart, merchant: Merchant, splits: tuple[Split, ...], day: date
) -> Iterator[Fault]:
    total = sum(line.total_mongo for line in part.lines)
    if part.total_mongo != total:
        yield Fault("lines_mismatch", f"{path}/total_mongo", str(total))
    tolerance = len(part.lines)
    vat, city = _sums(splits)
    stated = part.vat_mongo
    if stated is not None and (abs(stated - vat) > tolerance or stated > part.total_mongo):
        yield Fault("vat_mismatch", f"{path}/vat_mongo", str(vat))
    if part.city_tax_mongo is not None and abs(part.city_tax_mongo - city) > tolerance:
        yield Fault("city_tax_mismatch", f"{path}/city_tax_mongo", str(city))
    for at, line in enumerate(part.lines):
        yield from _line_faults(f"{path}/lines/{at}", line, part.tax_type, merchant, day)


def _line_faults(path: str, line: Line, tax_type: TaxType, merchant: Merchant, day: date) -> Iterator[Fault]:
    if line.city_tax and not merchant.city_tax_payer:
        yield Fault("city_tax_not_due", f"{path}/city_tax", "false: this seller is no payer of the capital city tax")
    if line.tax_product is not None:
        if tax_product_type(line.tax_product, day) is not tax_type:
            yield Fault("tax_product_unknown", f"{path}/tax_product", f"a code in force for {tax_type.name}")
    elif tax_type in {TaxType.VAT_FREE, TaxType.VAT_ZERO}:
        yield Fault("tax_product_missing", f"{path}/tax_product", f"the code that makes the line {tax_type.name}")


def _sums(splits: tuple[Split, ...]) -> tuple[int, int]:
    return sum(split.vat_mongo for split in splits), sum(split.city_tax_mongo for split in splits)


def _priced(submission: Submission, merchants: Mapping[str, Merchant], computed: list[tuple[Split, ...]]) -> Priced:
    parts = []
    for part, splits in zip(submission.parts, computed, strict=True):
        vat, city = _sums(splits)
        signed_vat = vat if part.vat_mongo is None else part.vat_mongo
        signed_city = city if part.city_tax_mongo is None else part.city_tax_mongo
        parts.append(Part(part.seller_tin, part.tax_type, part.total_mongo, signed_vat, signed_city, part.lines))
    return Priced(
        parts=tuple(parts),
        part_sellers=tuple(merchants[part.merchant_tin].seller for part in parts),
        total_mongo=sum(part.total_mongo for part in parts),
        vat_mongo=sum(part.vat_mongo for part in parts),
        city_tax_mongo=sum(part.city_tax_mongo for part in parts),
        computed_vat_mongo=sum(_sums(splits)[0] for splits in computed),
        lottery=not submission.business
        and submission.nature in {Nature.SALE, Nature.PAYMENT}
        and any(part.tax_type is not TaxType.NO_VAT for part in parts),
    )


def document_of(submission: Submission, priced: Priced) -> Document:
    """Answer the canonical document of a judged submission; a correction's root and predecessor are added later."""
    return Document(
        parts=priced.parts,
        sold_at=submission.sold_at,
        reference=submission.reference,
        buyer_tin=submission.buyer_tin,
        pays_invoice=submission.pays_invoice,
        district=submission.district,
    )


def payments_text(payments: tuple[Payment, ...]) -> str | None:
    """Write payments for storage: `CASH 5600;PAYMENT_CARD 100`, or nothing."""
    return ";".join(f"{payment.method} {payment.amount_mongo}" for payment in payments) or None
