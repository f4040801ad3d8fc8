"""The answers of the public look-ups, in the words and types of api.ebarimt.mn: who a taxpayer is, and the code lists.

All but the classification come in the envelope {"msg", "status", "data"}. Whoever asks for a taxpayer whom nobody knows
is answered data null. The classification's lowest level, the barcodes of a code, is empty: there is no open list.
"""

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Final

import msgspec
from msgspec import Struct

from receipts.codes import CLASSIFICATION_DIGITS, classification_below, districts, tax_products
from receipts.receipt import TaxType

_FOUND, _NOT_FOUND = "Амжилттай", "Олдсонгүй"
_TAX_TYPE_CODES: Final = {TaxType.VAT_FREE: 2, TaxType.VAT_ZERO: 3, TaxType.NO_VAT: 4}
_write = msgspec.json.Encoder().encode


class Taxpayer(Struct, frozen=True, gc=False):
    """What the public may know of a seller: its number, and since when it pays VAT, where it does."""

    tin: str
    seller: int
    name: str
    vat_payer: bool
    city_tax_payer: bool
    vat_from: date | None


def tin_answer(tin: str) -> bytes:
    """Answer getTinInfo: the TIN of a register number, as a number. Where there is none, do not answer null:
    the SDK would take the word for a TIN.
    """
    return _enveloped(int(tin))


def taxpayer_answer(taxpayer: Taxpayer | None) -> bytes:
    """Answer getInfo. The seller number is ours: a till needs it to write the id of a part."""
    if taxpayer is None:
        return _enveloped(None)
    return _enveloped({
        "name": taxpayer.name,
        "freeProject": False,
        "cityPayer": taxpayer.city_tax_payer,
        "vatPayer": taxpayer.vat_payer,
        "found": True,
        "vatpayerRegisteredDate": None if taxpayer.vat_from is None else taxpayer.vat_from.isoformat(),
        "isGovernment": None,
        "seller": f"{taxpayer.seller:012d}",
    })  # fmt: skip


@cache
def branches_answer() -> bytes:
    """Answer getBranchInfo: the districts."""
    return _enveloped([
        {"branchCode": code[:2], "branchName": branch, "subBranchCode": code[2:], "subBranchName": sub_branch}
        for code, (branch, sub_branch) in districts().items()
    ])  # fmt: skip


@cache
def tax_products_answer() -> bytes:
    """Answer getProductTaxCode: the codes of what is exempt, of zero rate, or outside the law."""
    return _enveloped([
        {
            "startDate": f"{product.first} 00:00:00",
            "endDate": None if product.end is None else f"{product.end} 00:00:00",
            "taxProductCode": product.code,
            "taxProductName": product.name,
            "taxTypeCode": _TAX_TYPE_CODES[product.tax_type],
            "taxTypeName": product.tax_type.name,
        }
        for product in tax_products().values()
    ])  # fmt: skip


def classification_answer(path: Sequence[str]) -> bytes:
    """Answer barcode/v2: what is one level below a path of codes, each below the one before, as [code, name]."""
    lengths = CLASSIFICATION_DIGITS[: len(path)]
    levels = ["", *path]
    is_path = len(path) == len(lengths) and all(
        len(code) == digits and code.startswith(above)
        for above, code, digits in zip(levels, path, lengths, strict=False)
    )
    return _write(classification_below(levels[-1]) if is_path else ())


def _enveloped(content: object) -> bytes:
    return _write({"msg": _NOT_FOUND if content is None else _FOUND, "status": 200, "data": content})
