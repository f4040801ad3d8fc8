"""The canonical document: everything a receipt says, in one exact run of bytes whose digest the QR carries.

Deterministic CBOR (`receipts.cbor`); a field that is not there has no key. Amounts are within i48, seconds within u32.
docs/formats/document.md is normative.

| key | document     | form                       | key | part     | form        | key | line           | form    |
|-----|--------------|----------------------------|-----|----------|-------------|-----|----------------|---------|
| 0   | version      | 1                          | 0   | merchant | TIN, text   | 0   | name           | text    |
| 1   | sold_at      | seconds since 1970 (UTC)   | 1   | tax type | 0 to 3      | 1   | quantity       | text    |
| 2   | reference    | text                       | 2   | total    | möngö       | 2   | unit           | text    |
| 3   | buyer        | TIN, text                  | 3   | VAT      | möngö       | 3   | unit price     | möngö   |
| 4   | root id      | 33 digits, text            | 4   | city tax | möngö       | 4   | total          | möngö   |
| 5   | previous id  | 33 digits, text            | 5   | lines    | array       | 5   | city tax       | 1       |
| 6   | invoice paid | 33 digits, text            | 6   | invoice  | 33 digits   | 6   | classification | text    |
| 7   | district     | 4 digits, text             |     |          |             | 7   | tax product    | text    |
| 8   | parts        | array                      |     |          |             | 8   | barcode        | text    |
| 9   | reason       | text (voids)               |     |          |             |     |                |         |
| 10  | report month | YYYY-MM, text (B2B)        |     |          |             |     |                |         |
"""

import re
from datetime import UTC, datetime

import cbor2
from msgspec import Struct

from kernel.clock import Month
from kernel.money import MONGO_MAX
from kernel.refusal import Fault, Malformed
from receipts import cbor
from receipts.ids import ReceiptId
from receipts.receipt import TaxType

VERSION = 1
DOCUMENT_BYTES_MAX = 512 * 1024
SECONDS_MAX = 2**32 - 1
_Fields = dict[int, cbor.Value]


class Line(Struct, frozen=True, gc=False):
    """One article of a part. `quantity` is a decimal text as the till wrote it; amounts include all taxes."""

    name: str
    quantity: str
    unit: str
    total_mongo: int
    unit_price_mongo: int | None = None
    city_tax: bool = False
    classification: str | None = None
    tax_product: str | None = None
    barcode: str | None = None


class Part(Struct, frozen=True, gc=False):
    """What one merchant sold under one tax type; amounts as signed. `pays_invoice` is the invoice that this part pays,
    where the parts of a payment pay different ones.
    """

    merchant_tin: str
    tax_type: TaxType
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int
    lines: tuple[Line, ...]
    pays_invoice: ReceiptId | None = None


class Document(Struct, frozen=True, gc=False):
    """A receipt's content. A void carries no parts, only what it voids and why. `report_month` is the tax month of a
    B2B document that was issued in the first days of the month after.
    """

    parts: tuple[Part, ...] = ()
    sold_at: datetime | None = None
    reference: str | None = None
    buyer_tin: str | None = None
    root_id: ReceiptId | None = None
    previous_id: ReceiptId | None = None
    pays_invoice: ReceiptId | None = None
    district: str | None = None
    reason: str | None = None
    report_month: str | None = None


def encode_document(document: Document) -> bytes:  # noqa: C901 - one case a key of the table
    """Write the canonical bytes. Text must be NFC already (the parsers see to it)."""
    fields: dict[int, object] = {0: VERSION}
    if document.sold_at is not None:
        fields[1] = int(document.sold_at.timestamp())
    if document.reference is not None:
        fields[2] = document.reference
    if document.buyer_tin is not None:
        fields[3] = document.buyer_tin
    if document.root_id is not None:
        fields[4] = str(document.root_id)
    if document.previous_id is not None:
        fields[5] = str(document.previous_id)
    if document.pays_invoice is not None:
        fields[6] = str(document.pays_invoice)
    if document.district is not None:
        fields[7] = document.district
    if document.parts:
        fields[8] = [_part_map(part) for part in document.parts]
    if document.reason is not None:
        fields[9] = document.reason
    if document.report_month is not None:
        fields[10] = document.report_month
    return cbor2.dumps(fields)


def _part_map(part: Part) -> dict[int, object]:
    fields: dict[int, object] = {
        0: part.merchant_tin,
        1: int(part.tax_type),
        2: part.total_mongo,
        3: part.vat_mongo,
        4: part.city_tax_mongo,
        5: [_line_map(line) for line in part.lines],
    }
    if part.pays_invoice is not None:
        fields[6] = str(part.pays_invoice)
    return fields


def _line_map(line: Line) -> dict[int, object]:
    fields: dict[int, object] = {0: line.name, 1: line.quantity, 2: line.unit}
    if line.unit_price_mongo is not None:
        fields[3] = line.unit_price_mongo
    fields[4] = line.total_mongo
    if line.city_tax:
        fields[5] = 1
    if line.classification is not None:
        fields[6] = line.classification
    if line.tax_product is not None:
        fields[7] = line.tax_product
    if line.barcode is not None:
        fields[8] = line.barcode
    return fields


def decode_document(encoded: bytes) -> Document:
    """Read canonical bytes; anything that is not exactly what `encode_document` writes raises `Malformed`."""
    try:
        document = _document_of(_map(cbor.read(encoded)))
        canonical = len(encoded) <= DOCUMENT_BYTES_MAX and encode_document(document) == encoded
    except (KeyError, TypeError, ValueError, Malformed):
        canonical = False
    if not canonical:
        raise Malformed(Fault("document_form", "", "deterministic CBOR as docs/formats/document.md says"))
    return document


def _document_of(fields: _Fields) -> Document:
    return Document(
        parts=tuple(_part_of(_map(part)) for part in _list(fields.get(8, []))),
        sold_at=None if 1 not in fields else _instant(fields[1]),
        reference=_optional_text(fields, 2),
        buyer_tin=_optional_text(fields, 3),
        root_id=_optional_id(fields, 4),
        previous_id=_optional_id(fields, 5),
        pays_invoice=_optional_id(fields, 6),
        district=None if 7 not in fields else _district(fields[7]),
        reason=_optional_text(fields, 9),
        report_month=None if 10 not in fields else str(Month.parse(_text(fields[10]))),
    )


def _part_of(fields: _Fields) -> Part:
    total, vat, city = (_amount(fields[key]) for key in (2, 3, 4))
    lines = tuple(_line_of(_map(line)) for line in _list(fields[5]))
    return Part(_text(fields[0]), TaxType(_int(fields[1])), total, vat, city, lines, _optional_id(fields, 6))


def _line_of(fields: _Fields) -> Line:
    return Line(
        name=_text(fields[0]),
        quantity=_text(fields[1]),
        unit=_text(fields[2]),
        total_mongo=_amount(fields[4]),
        unit_price_mongo=None if 3 not in fields else _amount(fields[3]),
        city_tax=5 in fields,
        classification=_optional_text(fields, 6),
        tax_product=_optional_text(fields, 7),
        barcode=_optional_text(fields, 8),
    )


def _optional_text(fields: _Fields, key: int) -> str | None:
    return None if key not in fields else _text(fields[key])


def _optional_id(fields: _Fields, key: int) -> ReceiptId | None:
    return None if key not in fields else ReceiptId.parse(_text(fields[key]))


def _text(value: cbor.Value) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _district(value: cbor.Value) -> str:
    if not re.fullmatch(r"[0-9]{4}", _text(value)):
        raise ValueError
    return _text(value)


def _int(value: cbor.Value) -> int:
    if not isinstance(value, int):
        raise TypeError
    return value


def _amount(value: cbor.Value) -> int:
    if not -MONGO_MAX <= _int(value) <= MONGO_MAX:
        raise ValueError
    return _int(value)


def _instant(value: cbor.Value) -> datetime:
    if not 0 <= _int(value) <= SECONDS_MAX:
        raise ValueError
    return datetime.fromtimestamp(_int(value), UTC)


def _list(value: cbor.Value) -> list[cbor.Value]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _map(value: cbor.Value) -> _Fields:
    if not isinstance(value, dict):
        raise TypeError
    return value
