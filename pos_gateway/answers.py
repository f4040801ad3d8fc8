"""The words of an issued receipt on the wire."""

from collections.abc import Sequence
from typing import Any

from kernel.clock import format_instant
from receipts import qr
from receipts.document import Part, decode_document
from receipts.ids import NUMBERS_A_DAY, ReceiptId
from receipts.orders import Issued
from receipts.receipt import lottery_number
from receipts.stored import StoredReceipt

WARNING_CODES = ("terminal_day_nearly_full",)
WARNED_FROM = NUMBERS_A_DAY * 8 // 10
"""Receipt numbers of a day that a terminal may use up before its till is warned with each answer."""


def receipt_answer(issued: Issued, parts: Sequence[Part] | None = None) -> dict[str, Any]:
    """Answer the body of 201 and 200 for a receipt; `parts` spares reading them out of the stored document.

    Everything follows from what is stored, the warning too, so that a retry is answered the same bytes.
    """
    receipt = issued.receipt
    if parts is None:
        parts = decode_document(receipt.document).parts
    answer = {
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


def _part_answer(receipt: StoredReceipt, at: int, part: Part) -> dict[str, Any]:
    part_id = ReceiptId(
        receipt.part_merchants[at], receipt.branch, receipt.day, receipt.number + 1 + at, receipt.terminal
    )
    return {
        "id": str(part_id),
        "seller_tin": part.merchant_tin,
        "tax_type": part.tax_type.name,
        "total_mongo": part.total_mongo,
        "vat_mongo": part.vat_mongo,
        "city_tax_mongo": part.city_tax_mongo,
    }


def stored_answer(receipt: StoredReceipt, root_hash: bytes) -> dict[str, Any]:
    """Answer a stored receipt with everything it says: what `GET /v1/receipts/{id}` shows."""
    document = decode_document(receipt.document)
    kind = receipt.kind_of
    return receipt_answer(Issued(receipt, root_hash, repeated=True), document.parts) | {
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
