"""The words of an issued receipt on the wire: declared once, for the answers and for their documentation."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, NotRequired

import msgspec
from pydantic import Field
from typing_extensions import TypedDict

from kernel.clock import format_instant
from pos_gateway.speedups import compiled
from receipts import qr
from receipts.document import Part, decode_document
from receipts.ids import NUMBERS_A_DAY, ReceiptId
from receipts.orders import Issued
from receipts.receipt import Nature, TaxType, lottery_number
from receipts.stored import StoredReceipt

WARNING_CODES: Final = ("terminal_day_nearly_full",)
WARNED_FROM = NUMBERS_A_DAY * 8 // 10
"""Receipt numbers of a day that a terminal may use up before its till is warned with each answer."""

Id = Annotated[str, Field(pattern="^[0-9]{33}$", description="33 digits: seller, branch, day, number, terminal")]
Instant = Annotated[str, Field(description="RFC 3339, in the time of Ulaanbaatar")]
NatureName = Annotated[str, Field(json_schema_extra={"enum": [nature.name for nature in Nature]})]


class PartAnswer(TypedDict):
    """What one merchant sold under one tax type; amounts in möngö."""

    id: Id
    seller_tin: str
    tax_type: Annotated[str, Field(json_schema_extra={"enum": [kind.name for kind in TaxType]})]
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int


class WarningAnswer(TypedDict):
    """What a till should know although its sale was issued."""

    code: Literal["terminal_day_nearly_full"]
    numbers_left: Annotated[int, Field(description="receipt numbers that the terminal still has today")]


class ReceiptAnswer(TypedDict):
    """An issued receipt; amounts in möngö. Print `qr` as a QR code, and `lottery` beside it."""

    id: Id
    issued_at: Instant
    lottery: Annotated[str | None, Field(description="as `AB 12345678`; null where there is nothing to win")]
    qr: Annotated[str, Field(min_length=220, max_length=220, description="always 220 characters (docs/formats/qr-v1)")]
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the signed bytes in the QR")]
    parts: list[PartAnswer]
    warnings: NotRequired[list[WarningAnswer]]


class LineAnswer(TypedDict):
    """An article of a stored receipt; `part` counts from 0."""

    part: int
    name: str
    quantity: str
    unit: str
    total_mongo: int


class StoredAnswer(ReceiptAnswer):
    """A stored receipt with everything that it says."""

    nature: NatureName
    business: bool
    test: bool
    counter: Annotated[int, Field(description="place in the terminal's chain, without gap")]
    reference: str | None
    root_id: Annotated[Id | None, Field(description="the receipt that this one corrects or voids, at the first")]
    previous_id: Annotated[Id | None, Field(description="the receipt that this one corrects or voids, at the last")]
    reason: str | None
    lines: list[LineAnswer]


class TotalAnswer(TypedDict):
    """What a terminal issued on a day, of one nature."""

    nature: NatureName
    receipts: int
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int


class ReceiptsAnswer(TypedDict):
    """Receipts that were looked up. The day of a terminal comes with its totals by nature; `next_after` asks for the
    receipts that follow.
    """

    receipts: list[StoredAnswer]
    date: NotRequired[str]
    terminal: NotRequired[str]
    totals: NotRequired[list[TotalAnswer]]
    next_after: NotRequired[int | None]


def receipt_answer(issued: Issued, parts: Sequence[Part] | None = None) -> ReceiptAnswer:
    """Answer the body of 201 and 200 for a receipt; `parts` spares reading them out of the stored document.

    Everything follows from what is stored, the warning too, so that a retry is answered the same bytes.
    """
    receipt = issued.receipt
    if parts is None:
        parts = decode_document(receipt.document).parts
    answer: ReceiptAnswer = {
        "id": str(receipt.id),
        "issued_at": format_instant(receipt.issued_at),
        "lottery": str(lottery_number(issued.root_hash)) if receipt.kind_of.lottery else None,
        "qr": qr.encode_text(receipt.cose),
        "total_mongo": receipt.total_mongo,
        "vat_mongo": receipt.vat_mongo,
        "city_tax_mongo": receipt.city_tax_mongo,
        "hash": receipt.receipt_hash.hex(),
        "parts": [_part_answer(receipt, at, part) for at, part in enumerate(parts)],
    }
    used = receipt.number + 1 + len(parts)
    if used > WARNED_FROM:
        answer["warnings"] = [{"code": WARNING_CODES[0], "numbers_left": NUMBERS_A_DAY - used}]
    return answer


_encode = msgspec.json.Encoder().encode


def receipt_json(issued: Issued, parts: Sequence[Part] | None = None) -> bytes:
    """Answer `receipt_answer` in JSON."""
    receipt = issued.receipt
    if compiled is None or parts is None or receipt.number + 1 + len(parts) > WARNED_FROM:
        return _encode(receipt_answer(issued, parts))
    written: bytes = compiled.receipt_json(receipt, issued.root_hash, parts, _TAX_TYPES)
    return written


def _part_answer(receipt: StoredReceipt, at: int, part: Part) -> PartAnswer:
    part_id = ReceiptId(
        receipt.part_merchants[at], receipt.branch, receipt.day, receipt.number + 1 + at, receipt.terminal
    )
    return {
        "id": str(part_id),
        "seller_tin": part.merchant_tin,
        "tax_type": _TAX_TYPES[part.tax_type],
        "total_mongo": part.total_mongo,
        "vat_mongo": part.vat_mongo,
        "city_tax_mongo": part.city_tax_mongo,
    }


_TAX_TYPES = tuple([tax_type.name for tax_type in TaxType])  # by their numbers


def stored_answer(receipt: StoredReceipt, root_hash: bytes) -> StoredAnswer:
    """Answer a stored receipt with everything it says: what `GET /v1/receipts/{id}` shows."""
    document = decode_document(receipt.document)
    kind = receipt.kind_of
    return {
        **receipt_answer(Issued(receipt, root_hash, repeated=True), document.parts),
        "nature": kind.nature.name,
        "business": kind.business,
        "test": kind.test,
        "counter": receipt.counter,
        "reference": receipt.reference,
        "root_id": None if document.root_id is None else str(document.root_id),
        "previous_id": None if document.previous_id is None else str(document.previous_id),
        "reason": document.reason,
        "lines": [
            {
                "part": at,
                "name": line.name,
                "quantity": line.quantity,
                "unit": line.unit,
                "total_mongo": line.total_mongo,
            }
            for at, part in enumerate(document.parts)
            for line in part.lines
        ],
    }
