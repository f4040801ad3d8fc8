"""The vectors of single values: ids, Base45, taxes, lottery numbers, sealed turnovers, documents."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import cbor2

from receipts import base45, qr
from receipts.document import Document, Line, Part, encode_document
from receipts.ids import ReceiptId
from receipts.keys import turnover_key
from receipts.receipt import TaxType, lottery_number
from receipts.tax import split_line
from tests.vectors.actors import MASTER, SELLER, TERMINAL

SOLD_AT = datetime(2017, 3, 1, 4, 30, tzinfo=UTC)
BREAD = Line("Талх", "2.000", "ш", 560000, unit_price_mongo=280000, city_tax=True, classification="2349010",
             barcode="19059010880001")  # fmt: skip
MILK = Line("Сүү", "1.5", "л", 330000, tax_product="447")
BASKET = Document(
    parts=(
        Part("37900846788", TaxType.VAT_ABLE, 560000, 50450, 5045, (BREAD,)),
        Part("61200064714", TaxType.VAT_FREE, 330000, 0, 0, (MILK,)),
    ),
    sold_at=SOLD_AT,
    reference="basket 31198508931",
    district="2501",
)
EDGE = Document(
    parts=(Part("1", TaxType.NO_VAT, 2**47 - 1, -(2**47) + 1, 0, (Line("", "", "", 23), Line("é", "0", "x", 24))),),
    sold_at=datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC),
)
VOID = Document(
    root_id=ReceiptId(SELLER, 1, 6263, 1, TERMINAL), previous_id=ReceiptId(SELLER, 1, 6263, 9, TERMINAL), reason="алдаа"
)
INVOICES = Document(
    parts=(
        Part("37900846788", TaxType.VAT_ABLE, 560000, 50450, 5045, (BREAD,), ReceiptId(SELLER, 1, 6260, 7, TERMINAL)),
        Part("61200064714", TaxType.VAT_FREE, 330000, 0, 0, (MILK,), ReceiptId(SELLER, 1, 6261, 0, TERMINAL)),
    ),
    buyer_tin="61200064714",
    report_month="2017-02",
)
DOCUMENT_FIELDS = ("version", "sold_at", "reference", "buyer", "root_id", "previous_id", "invoice_paid", "district",
                   "parts", "reason", "report_month")  # fmt: skip
PART_FIELDS = ("merchant", "tax_type", "total", "vat", "city_tax", "lines", "invoice_paid")
LINE_FIELDS = ("name", "quantity", "unit", "unit_price", "total", "city_tax", "classification", "tax_product",
               "barcode")  # fmt: skip


def id_vectors() -> dict[str, Any]:
    """The file ids.json."""
    ids = [
        ReceiptId(SELLER, 1, 9533, 0, TERMINAL),
        ReceiptId(0, 0, 0, 0, 0),
        ReceiptId(10**12 - 1, 999, 99_999, 99_999, 99_999_999),
        ReceiptId(990000000001, 0, 6263, 12345, 1),
    ]
    invalid = ["", "0" * 32, "0" * 34, "03790084678800109533000001001261x", " " + "0" * 32, "٠" * 33]
    return {
        "valid": [
            {"id": str(one), "bytes": one.to_int().to_bytes(14).hex(), "seller": one.seller, "branch": one.branch,
             "day": one.day, "number": one.number, "terminal": one.terminal}
            for one in ids
        ],
        "invalid": invalid,
    }  # fmt: skip


def base45_vectors() -> dict[str, Any]:
    """The file base45.json."""
    octets = [b"", b"\0", b"\xff", b"AB", b"\0\0", b"\xff\xff", b"Hello!!", bytes(range(16))]
    return {
        "valid": [{"bytes": one.hex(), "text": base45.encode(one)} for one in octets],
        "invalid": ["0", "GGW", ":::", "U6", "::", "bb8", "BB_", "BB8\n", "é00"],
    }


def tax_vectors() -> list[dict[str, int]]:
    """The file taxes.json."""
    totals = [0, 1, 5, 6, 11, 55, 99, 100, 112, 110000, 112000, 280000, 560000, 123456789, 2**47 - 1, -560000]
    rates = [(100, 0), (100, 10), (100, 20), (0, 10), (0, 20), (0, 0)]
    rows = []
    for total in totals:
        for vat, city in rates:
            split = split_line(total, vat_per_mille=vat, city_tax_per_mille=city)
            rows.append({
                "total_mongo": total, "vat_per_mille": vat, "city_tax_per_mille": city,
                "vat_mongo": split.vat_mongo, "city_tax_mongo": split.city_tax_mongo,
            })  # fmt: skip
    return rows


def lottery_vectors() -> list[dict[str, str]]:
    """The file lottery.json; the last root hash has a number with leading zeros."""
    hashes = [bytes(32), bytes(range(32)), b"\xff" * 32, hashlib.sha256(b"root").digest(), (19).to_bytes(32)]
    zeros = next(seed.to_bytes(32) for seed in range(9999) if lottery_number(seed.to_bytes(32)).digits < "00099999")
    return [
        {"root_hash": one.hex(), "h": hashlib.sha256(b"lottery" + one).hexdigest(), "lottery": str(lottery_number(one))}
        for one in [*hashes, zeros]
    ]


def turnover_vectors() -> list[dict[str, Any]]:
    """The file turnovers.json."""
    rows = []
    for at, turnover in enumerate((0, 1, 560000, 2**47 - 1, 2**63 - 1)):
        receipt_id = ReceiptId(SELLER, 1, 6263, at, TERMINAL)
        key = turnover_key(MASTER, seller=SELLER, terminal=TERMINAL, epoch=at + 1)
        sealed = qr.seal_turnover(turnover, turnover_key=key, id=receipt_id)
        rows.append({
            "master": MASTER.hex(), "seller": SELLER, "terminal": TERMINAL, "epoch": at + 1, "key": key.hex(),
            "id": str(receipt_id), "pad": (int.from_bytes(sealed) ^ turnover).to_bytes(8).hex(),
            "turnover_mongo": turnover, "sealed": sealed.hex(),
        })  # fmt: skip
    return rows


def document_vectors() -> dict[str, Any]:
    """The file documents.json: contents by the names of docs/formats/document.md, and bytes that are no document."""
    documents = {"empty": Document(), "a basket of two merchants": BASKET, "edges": EDGE, "a void": VOID,
                 "two invoices paid in the month after": INVOICES}  # fmt: skip
    return {
        "valid": [
            {"name": name, "content": content_of(encode_document(one)), "cbor": encode_document(one).hex(),
             "sha256": hashlib.sha256(encode_document(one)).hexdigest()}
            for name, one in documents.items()
        ],
        "invalid": [{"name": name, "cbor": octets.replace(" ", "")} for name, octets in _INVALID_DOCUMENTS.items()],
    }  # fmt: skip


def content_of(encoded: bytes) -> dict[str, Any]:
    """A document as JSON, its keys by their names."""
    content = _named(cbor2.loads(encoded), DOCUMENT_FIELDS)
    for part in content.get("parts", []):
        part["lines"] = [_named(line, LINE_FIELDS) for line in part["lines"]]
    return content


def _named(fields: dict[int, Any], names: tuple[str, ...]) -> dict[str, Any]:
    named = {names[key]: value for key, value in fields.items()}
    if names is DOCUMENT_FIELDS and "parts" in named:
        named["parts"] = [_named(part, PART_FIELDS) for part in named["parts"]]
    return named


_INVALID_DOCUMENTS = {
    "nothing": "",
    "no version": "a0",
    "version 2": "a1 00 02",
    "an integer": "01",
    "an array": "81 a1 00 01",
    "an unknown key": "a2 00 01 0b 01",
    "a report month that is a number": "a2 00 01 0a 01",
    "a report month of one digit": "a2 00 01 0a 66 323031372d33",
    "a report month with a day": "a2 00 01 0a 6a 323031372d30332d3031",
    "a month 13": "a2 00 01 0a 67 323031372d3133",
    "a part that pays an invoice of one digit": "a2 00 01 08 81 a7 00 61 31 01 00 02 00 03 00 04 00 05 80 06 61 31",
    "a version in two bytes": "a1 00 18 01",
    "a key in two bytes": "a1 18 00 01",
    "keys in descending order": "a2 02 61 72 00 01",
    "a key twice": "a2 00 01 00 01",
    "an indefinite map": "bf 00 01 ff",
    "bytes after the document": "a1 00 01 00",
    "bytes missing": "a2 00 01 02 62 72",
    "a tag": "d9 d9f7 a1 00 01",
    "true": "a1 00 f5",
    "a float": "a1 00 f9 3c00",
    "a byte string": "a2 00 01 02 41 72",
    "a reference that is a number": "a2 00 01 02 01",
    "a time that is text": "a2 00 01 01 61 31",
    "a time before 1970": "a2 00 01 01 20",
    "a time beyond 32 bits": "a2 00 01 01 1b 0000000100000000",
    "text that is not NFC": "a2 00 01 02 63 65cc81",
    "text with U+0000": "a2 00 01 02 61 00",
    "text that is not UTF-8": "a2 00 01 02 61 ff",
    "a root id of one digit": "a2 00 01 04 61 31",
    "no parts, said so": "a2 00 01 08 80",
    "a part that is an integer": "a2 00 01 08 81 01",
    "a part without its lines": "a2 00 01 08 81 a5 00 61 31 01 00 02 00 03 00 04 00",
    "a tax type of 4": "a2 00 01 08 81 a6 00 61 31 01 04 02 00 03 00 04 00 05 80",
    "a total beyond 48 bits": "a2 00 01 08 81 a6 00 61 31 01 00 02 1b 0000800000000000 03 00 04 00 05 80",
    "a line without its total": "a2 00 01 08 81 a6 00 61 31 01 00 02 00 03 00 04 00 05 81 a3 00 60 01 60 02 60",
    "a city tax of 0": "a2 00 01 08 81 a6 00 61 31 01 00 02 00 03 00 04 00 05 81 a5 00 60 01 60 02 60 04 00 05 00",
}
