"""Official code lists as data: 533 districts, 66 tax products (captured answers of the public look-ups, 2025)."""

import csv
from datetime import date
from functools import cache
from importlib.resources import files

from receipts.receipt import TaxType


@cache
def districts() -> dict[str, tuple[str, str]]:
    """Answer the four-digit district codes with their branch and sub-branch names in Mongolian."""
    return {row["code"]: (row["branch"], row["sub_branch"]) for row in _rows("districts.csv")}


@cache
def _tax_products() -> dict[str, tuple[TaxType, date, date]]:
    return {
        row["code"]: (
            TaxType[row["tax_type"]],
            date.fromisoformat(row["from"]),
            date.fromisoformat(row["to"]) if row["to"] else date.max,
        )
        for row in _rows("tax_products.csv")
    }


def tax_product_type(code: str, day: date) -> TaxType | None:
    """Answer the tax type that a tax-product code stands for on a business day; None when it has none then."""
    tax_type, first, end = _tax_products().get(code, (None, date.max, date.max))
    return tax_type if first <= day < end else None


def tax_products_in_force(tax_type: TaxType, day: date) -> list[str]:
    """Answer the codes that make a line of that tax type on a business day."""
    return [code for code, (kind, first, end) in _tax_products().items() if kind is tax_type and first <= day < end]


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((files(__name__) / name).read_text(encoding="utf-8").splitlines()))
