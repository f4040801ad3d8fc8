"""PosAPI's spelling: the words of its lists, and where our paths stand in its bodies."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from kernel.refusal import Fault
from receipts.codes import tax_products_in_force
from receipts.receipt import TaxType

TYPES: Final = {
    "B2C_RECEIPT": (False, False),
    "B2B_RECEIPT": (True, False),
    "B2C_INVOICE": (False, True),
    "B2B_INVOICE": (True, True),
}
"""type -> whether a business buys, whether it is an invoice."""
TAX_TYPES: Final = {tax_type.name: tax_type for tax_type in TaxType} | {"NOT_VAT": TaxType.NO_VAT}
"""The vendor's own example of NO_VAT says NOT_VAT, and so do many clients."""
PAID_STATUSES: Final = {"PAID": True, "PAY": True, "REVERSED": False, "ERROR": False}
"""status of a payment -> whether its amount counts. PAY waits for the payment service that the vendor's till calls and
this one does not have: the client has to see to it that it is paid.
"""
_WORDS: Final = {
    "parts": "receipts",
    "lines": "items",
    "type": "type",
    "seller_tin": "merchantTin",
    "buyer_tin": "customerTin",
    "consumer_no": "consumerNo",
    "tax_type": "taxType",
    "total_mongo": "totalAmount",
    "vat_mongo": "totalVAT",
    "city_tax_mongo": "totalCityTax",
    "city_tax": "totalCityTax",
    "tax_product": "taxProductCode",
    "district": "districtCode",
    "branch": "branchNo",
    "corrects": "inactiveId",
    "pays_invoice": "invoiceId",
    "report_month": "reportMonth",
    "payments": "payments",
}
_MNT_EXPECTED: Final = frozenset({"city_tax_mismatch", "lines_mismatch", "payments_mismatch", "vat_mismatch"})
"""Faults that expect an amount."""
_CODE_EXPECTED: Final = frozenset({"tax_product_missing", "tax_product_unknown"})
"""Faults that expect a code of the list of tax products."""
_NOTHING: Final = "null"


def in_posapi_words(fault: Fault, parts: Sequence[tuple[str, TaxType]], day: date) -> Fault:
    """Answer a fault of a submission as a fault of the body that it was read from. `parts` are where the submission's
    parts stand in it, and their tax types. What was expected is told without words: amounts in tugriks, codes, months.
    """
    found = re.match(r"/parts/([0-9]+)", fault.path)
    place, tax_type = parts[int(found[1])] if found else ("", None)
    steps = fault.path[found.end() if found else 0 :].split("/")[1:]
    spelled = "".join(f"[{step}]" if step.isdigit() else f".{_WORDS[step]}" for step in steps)
    return replace(fault, path=(place + spelled).removeprefix("."), expected=_expected(fault, tax_type, day))


def _expected(fault: Fault, tax_type: TaxType | None, day: date) -> str | None:
    if fault.code in _MNT_EXPECTED:
        return tugriks(int(fault.expected or 0))
    if fault.code in _CODE_EXPECTED:
        return ", ".join(tax_products_in_force(tax_type, day)) or _NOTHING if tax_type is not None else None
    if fault.code == "city_tax_not_due":
        return "0"
    if fault.code == "report_month_not_due":
        return fault.expected if re.fullmatch(r"[0-9]{4}-[0-9]{2}", fault.expected or "") else _NOTHING
    return fault.expected


def tugriks(mongo: int) -> str:
    """Write an amount as a client states it: 1120, 254.5 or 0.05."""
    whole, rest = divmod(mongo, 100)
    return f"{whole}.{rest:02d}".rstrip("0") if rest else str(whole)
