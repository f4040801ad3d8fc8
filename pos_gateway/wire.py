"""The words of `POST /v1/receipts` (CONTRACT: HTTP) and their translation into submissions. Wire spellings live here.

A body is decoded by msgspec in one pass; when that fails, `faults_in` walks the same declarations over the parsed JSON
and names every fault at once, so the fast path and the explanation can never disagree on what is well formed.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from kernel.canonical import canonical_text, is_canonical
from kernel.clock import parse_instant
from kernel.money import MONGO_MAX
from kernel.refusal import Fault, Malformed
from pos_gateway.explain import faults_in, form, late_form
from pos_gateway.speedups import compiled as speedups
from receipts.document import DOCUMENT_BYTES_MAX, Line
from receipts.ids import ReceiptId
from receipts.receipt import Nature, TaxType
from receipts.submission import LINES_MAX, PARTS_MAX, Payment, StatedPart, Submission

NDJSON = "application/x-ndjson"
RECEIPT_BYTES_MAX = 256 * 1024
BATCH_BYTES_MAX = 8 * 1024 * 1024
BATCH_LINES_MAX = 1000
DOCUMENT_TEXT_MAX = (DOCUMENT_BYTES_MAX + 2) // 3 * 4
PAYMENTS_MAX = 32
KEY_MAX = 128
NAME_MAX, UNIT_MAX, REFERENCE_MAX, REASON_MAX = 255, 32, 64, 255
"""Characters, before and after Unicode's canonical form NFC is taken."""

_TIN = (r"\A(?!99[0-9]{10}\Z)[0-9]{11,14}\Z", "tin_form", "11 to 14 digits")
Tin = Annotated[str, form(*_TIN)]
SellerTin = Annotated[str, late_form(*_TIN, (11, 14))]
Amount = Annotated[int, Meta(ge=0, le=MONGO_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
Unit = Annotated[str, Meta(min_length=1, max_length=UNIT_MAX)]
Reference = Annotated[str, form(r"\A[^\x00-\x1f\x7f]{1,64}\Z", "reference_form", "1 to 64 characters, no control ones")]
Terminal = Annotated[str, late_form(r"\A[0-9]{8}\Z", "terminal_form", "8 digits, as 10012619", (8, 8))]
Branch = Annotated[str, form(r"\A[0-9]{3}\Z", "branch_form", "3 digits, as 001")]
District = Annotated[str, form(r"\A[0-9]{4}\Z", "district_form", "4 digits, as 2501")]
ConsumerNo = Annotated[str, form(r"\A[0-9]{8}\Z", "consumer_no_form", "8 digits")]
Id = Annotated[str, form(r"\A[0-9]{33}\Z", "receipt_id_form", "33 digits")]
Quantity = Annotated[
    str,
    late_form(
        r"\A[0-9]{1,9}(\.[0-9]{1,6})?\Z", "quantity_form", "a decimal of at most 9 and 6 digits, as 1.000", (1, 16)
    ),
]
Classification = Annotated[str, late_form(r"\A[0-9]{7}\Z", "classification_form", "7 digits", (7, 7))]
TaxProduct = Annotated[str, late_form(r"\A[0-9]{3,10}\Z", "tax_product_form", "3 to 10 digits", (3, 10))]
Barcode = Annotated[str, late_form(r"\A[\x21-\x7e]{1,32}\Z", "barcode_form", "1 to 32 printable characters", (1, 32))]
Method = Annotated[str, form(r"\A[A-Z][A-Z0-9_]{0,31}\Z", "method_form", "as CASH, PAYMENT_CARD, BANK_TRANSFER")]
Key = Annotated[
    str, late_form(r"\A[\x21-\x7e]{1,128}\Z", "key_form", "1 to 128 printable ASCII characters", (1, KEY_MAX))
]
ReportMonth = Annotated[str, form(r"\A20[0-9]{2}-(0[1-9]|1[0-2])\Z", "month_form", "YYYY-MM, as 2017-03")]
PUBLIC_KEY = "base64url of the 32 octets of an Ed25519 public key"
PublicKey = Annotated[str, form(r"\A[A-Za-z0-9_-]{43}\Z", "ed25519_key_form", PUBLIC_KEY)]
Instant = Annotated[str, Meta(max_length=40)]


class LineIn(Line, frozen=True, gc=False, forbid_unknown_fields=True):
    """One article: the line of the document itself, with what the wire allows of each of its fields."""

    name: Name
    quantity: Quantity
    unit: Unit
    total_mongo: Amount
    unit_price_mongo: Amount | None = None
    city_tax: Annotated[bool, Meta(description="whether the capital city tax is in the total")] = False
    classification: Annotated[Classification | None, Meta(description="of goods and services")] = None
    tax_product: Annotated[TaxProduct | None, Meta(description="why VAT_FREE or VAT_ZERO: a code of the list")] = None
    barcode: Barcode | None = None


class PartIn(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What one merchant sold under one tax type; the merchant is the seller when none is named."""

    tax_type: Literal["VAT_ABLE", "VAT_FREE", "VAT_ZERO", "NO_VAT"]
    total_mongo: Amount
    lines: Annotated[tuple[LineIn, ...], Meta(min_length=1, max_length=LINES_MAX)]
    seller_tin: Annotated[Tin | None, Meta(description="the merchant, where it is not the seller")] = None
    vat_mongo: Annotated[Amount | None, Meta(description="computed where not stated; a möngö a line may differ")] = None
    city_tax_mongo: Annotated[Amount | None, Meta(description="as vat_mongo")] = None


class PaymentIn(Payment, frozen=True, gc=False, forbid_unknown_fields=True):
    """How much was paid by which means."""

    method: Method
    amount_mongo: Amount


class ReceiptIn(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The body of `POST /v1/receipts`."""

    type: Literal["B2C_RECEIPT", "B2B_RECEIPT", "B2C_INVOICE", "B2B_INVOICE"]
    seller_tin: SellerTin
    parts: Annotated[tuple[PartIn, ...], Meta(min_length=1, max_length=PARTS_MAX)]
    payments: Annotated[tuple[PaymentIn, ...], Meta(max_length=PAYMENTS_MAX)] = ()
    terminal: Annotated[Terminal | None, Meta(description="one of yours; picked for you where not stated")] = None
    branch: Annotated[Branch | None, Meta(description="the terminal's where not stated")] = None
    district: Annotated[District | None, Meta(description="the terminal's where not stated")] = None
    sold_at: Annotated[Instant | None, Meta(description="RFC 3339, at most 72 h ago; now where not stated")] = None
    reference: Annotated[Reference | None, Meta(description="your own number of the sale, to look it up by")] = None
    buyer_tin: Annotated[Tin | None, Meta(description="the business that buys, on B2B documents")] = None
    consumer_no: Annotated[ConsumerNo | None, Meta(description="the buyer's login_no: claims at once")] = None
    corrects: Annotated[Id | None, Meta(description="the receipt that this one replaces")] = None
    pays_invoice: Annotated[Id | None, Meta(description="the invoice that is paid")] = None
    report_month: Annotated[ReportMonth | None, Meta(description="B2B: the month before, on days 1 to 7")] = None


class BatchLineIn(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One line of `POST /v1/receipts/batch`."""

    key: Key
    receipt: ReceiptIn


class VoidIn(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The body of `POST /v1/receipts/{id}/void`."""

    reason: Annotated[str, form(r"\A[^\x00-\x1f\x7f]{1,255}\Z", "reason_form", "1 to 255 characters")]


class PrivateIn(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What belongs to a signed link and is not signed: it is in no document, and nobody can verify it."""

    consumer_no: Annotated[ConsumerNo | None, Meta(description="the buyer's login_no: claims at once")] = None
    payments: Annotated[tuple[PaymentIn, ...], Meta(max_length=PAYMENTS_MAX)] = ()


class SignedLineIn(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One line of `POST /v1/receipts/signed`: a link of a till's chain."""

    qr: Annotated[str, form(r"\AMB1:[0-9A-Z $%*+./:-]{216}\Z", "qr_form", "220 characters that begin with MB1:")]
    document: Annotated[
        str, form(rf"\A[A-Za-z0-9_-]{{1,{DOCUMENT_TEXT_MAX}}}\Z", "document_form", "base64url of the document's bytes")
    ]
    private: PrivateIn | None = None


class ActivationIn(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The body of `POST /v1/terminals/activate`."""

    code: Annotated[str, Meta(min_length=16, max_length=64, description="as it was copied: hyphens may be left out")]
    public_key: Annotated[PublicKey, Meta(description="signs receipts")]
    client_key: Annotated[PublicKey, Meta(description="asks for tokens (`private_key_jwt`)")]


T = TypeVar("T")


def _reader(kind: type[T], late_forms_hold: Callable[[T], bool] | None = None) -> Callable[[bytes], T]:
    decode = msgspec.json.Decoder(kind).decode

    def read(body: bytes) -> T:
        try:
            value = decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Malformed(*faults_in(body, kind)) from None
        if late_forms_hold is not None and not late_forms_hold(value):
            raise Malformed(*faults_in(body, kind))
        return value

    return read


_RESERVED_DIGITS = 12
"""Digits of a number that is no TIN, where it begins with 99."""
_QUANTITIES = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,6})?\n)+")


def well_formed(receipt: ReceiptIn) -> bool:
    """Whether the texts of a receipt have their late forms, whose lengths the decoder has seen to."""
    tin, terminal = receipt.seller_tin, receipt.terminal
    numbers = tin if terminal is None else tin + terminal
    if not (numbers.isascii() and numbers.isdigit()) or (tin.startswith("99") and len(tin) == _RESERVED_DIGITS):
        return False
    for part in receipt.parts:
        lines = part.lines
        quantities = "\n".join([line.quantity for line in lines]) + "\n"
        digits = "".join([(line.classification or "") + (line.tax_product or "") for line in lines])
        barcodes = "".join([line.barcode or "" for line in lines])
        if (
            _QUANTITIES.fullmatch(quantities) is None
            or quantities.count("\n") != len(lines)
            or (digits and not (digits.isascii() and digits.isdigit()))
            or (barcodes and not (barcodes.isascii() and barcodes.isprintable() and " " not in barcodes))
        ):
            return False
    return True


is_well_formed = well_formed if speedups is None else speedups.well_formed


def _line_is_well_formed(line: BatchLineIn) -> bool:
    key = line.key
    return key.isascii() and key.isprintable() and " " not in key and is_well_formed(line.receipt)


read_receipt: Callable[[bytes], ReceiptIn] = _reader(ReceiptIn, is_well_formed)
"""Read a single receipt's body. Raises `Malformed` with every fault."""
read_batch_line: Callable[[bytes], BatchLineIn] = _reader(BatchLineIn, _line_is_well_formed)
"""Read one line of a batch. Raises `Malformed` with every fault."""
read_void: Callable[[bytes], VoidIn] = _reader(VoidIn)
"""Read the body of a void. Raises `Malformed` with every fault."""

read_signed_line: Callable[[bytes], SignedLineIn] = _reader(SignedLineIn)
"""Read one line of signed links. Raises `Malformed` with every fault."""
read_activation: Callable[[bytes], ActivationIn] = _reader(ActivationIn)
"""Read the body of an activation. Raises `Malformed` with every fault."""


def submission_of(body: ReceiptIn) -> Submission:
    """Translate a well-formed body. Raises `Malformed` with what its declaration cannot say: a time that does not
    exist, text with U+0000 or that its canonical form makes longer than allowed, a correction by an invoice.
    """
    faults: list[Fault] = []
    sold_at = None
    try:
        sold_at = None if body.sold_at is None else parse_instant(body.sold_at, "/sold_at")
    except Malformed as malformed:
        faults += malformed.faults
    reference = None if body.reference is None else canonical_text(body.reference)
    parts = tuple([_part(at, part, body.seller_tin, faults) for at, part in enumerate(body.parts)])
    if body.corrects is not None or reference is not None:
        faults += _header_faults(body, reference)
    if faults:
        raise Malformed(*faults)
    return Submission(
        nature=_nature(body),
        business=body.type.startswith("B2B"),
        seller_tin=body.seller_tin,
        parts=parts,
        payments=body.payments,
        terminal=None if body.terminal is None else int(body.terminal),
        branch=None if body.branch is None else int(body.branch),
        district=body.district,
        sold_at=sold_at,
        reference=reference,
        buyer_tin=body.buyer_tin,
        consumer_no=None if body.consumer_no is None else int(body.consumer_no),
        corrects=None if body.corrects is None else ReceiptId.parse(body.corrects),
        pays_invoice=None if body.pays_invoice is None else ReceiptId.parse(body.pays_invoice),
        report_month=body.report_month,
    )


def _header_faults(body: ReceiptIn, reference: str | None) -> Iterator[Fault]:
    if body.corrects is not None and body.type.endswith("_INVOICE"):
        yield Fault("corrects_invoice_type", "/type", "B2C_RECEIPT or B2B_RECEIPT for a correction")
    if reference is not None and len(reference) > REFERENCE_MAX:
        yield Fault("too_long", "/reference", f"at most {REFERENCE_MAX}")


def _line_faults(path: str, line: Line) -> Iterator[Fault]:
    if len(line.name) > NAME_MAX or "\0" in line.name:
        yield _text_fault(f"{path}/name", line.name, NAME_MAX)
    if len(line.unit) > UNIT_MAX or "\0" in line.unit:
        yield _text_fault(f"{path}/unit", line.unit, UNIT_MAX)


def _text_fault(path: str, text: str, most: int) -> Fault:
    if "\0" in text:
        return Fault("wrong_form", path, "text without U+0000")
    return Fault("too_long", path, f"at most {most}, in Unicode's form NFC")


def reason_of(body: VoidIn) -> str:
    """Answer the canonical text of a void's reason. Raises `Malformed` where that is too long."""
    reason = canonical_text(body.reason)
    if len(reason) > REASON_MAX:
        raise Malformed(Fault("too_long", "/reason", f"at most {REASON_MAX}"))
    return reason


def _nature(body: ReceiptIn) -> Nature:
    if body.corrects is not None:
        return Nature.CORRECTION
    if body.type.endswith("_INVOICE"):
        return Nature.INVOICE
    return Nature.SALE if body.pays_invoice is None else Nature.PAYMENT


def _part(at: int, part: PartIn, seller_tin: str, faults: list[Fault]) -> StatedPart:
    lines: tuple[Line, ...] = part.lines
    if not are_canonical(lines):
        lines = tuple([_canonical(line) for line in lines])
        for line_at, line in enumerate(lines):
            faults += _line_faults(f"/parts/{at}/lines/{line_at}", line)
    return StatedPart(
        part.seller_tin or seller_tin,
        _TAX_TYPES[part.tax_type],
        part.total_mongo,
        part.vat_mongo,
        part.city_tax_mongo,
        lines,
    )


def _are_canonical(lines: Sequence[Line]) -> bool:
    """Whether the names and units of lines are in Unicode's form NFC, and have no U+0000."""
    texts = "\n".join([f"{line.name}\n{line.unit}" for line in lines])
    return "\0" not in texts and is_canonical(texts)


def are_canonical(lines: Sequence[Line]) -> bool:
    """As `_are_canonical`; of nearly all receipts it can be told in C."""
    return (speedups is not None and speedups.surely_canonical(lines)) or _are_canonical(lines)


_TAX_TYPES = {tax_type.name: tax_type for tax_type in TaxType}


def _canonical(line: Line) -> Line:
    return replace(line, name=canonical_text(line.name), unit=canonical_text(line.unit))
