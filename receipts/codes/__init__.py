"""Official code lists as data: 533 districts and 66 tax products (captured answers of the public look-ups, 2025), and
the classification of goods and services (БҮНА of the National Statistics Office) in six levels down to 4,959 codes.

A code of the classification begins with the code of the level above it; in classification.csv a name that is not there
is that of the level above.
"""

import csv
from collections import defaultdict
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from receipts.receipt import TaxType

CLASSIFICATION_DIGITS: Final = (1, 2, 3, 4, 5, 7)
"""How long the codes of the levels are: sector, subsector, group, class, subclass, code."""


class TaxProduct(NamedTuple):
    """Why the law taxes goods otherwise: a code, its tax type, the days on which it is in force, its name."""

    code: str
    tax_type: TaxType
    first: date
    end: date | None
    name: str

    def in_force_on(self, day: date) -> bool:
        """Whether the code may be used on a business day."""
        return self.first <= day and (self.end is None or day < self.end)


@cache
def districts() -> dict[str, tuple[str, str]]:
    """Answer the four-digit district codes with their branch and sub-branch names in Mongolian."""
    return {row["code"]: (row["branch"], row["sub_branch"]) for row in _rows("districts.csv")}


@cache
def tax_products() -> dict[str, TaxProduct]:
    """Answer the tax products by their codes."""
    return {
        row["code"]: TaxProduct(
            row["code"],
            TaxType[row["tax_type"]],
            date.fromisoformat(row["from"]),
            date.fromisoformat(row["to"]) if row["to"] else None,
            row["name"],
        )
        for row in _rows("tax_products.csv")
    }


def tax_product_type(code: str, day: date) -> TaxType | None:
    """Answer the tax type that a tax-product code stands for on a business day; None when it has none then."""
    found = tax_products().get(code)
    return found.tax_type if found is not None and found.in_force_on(day) else None


def tax_products_in_force(tax_type: TaxType, day: date) -> list[str]:
    """Answer the codes that make a line of that tax type on a business day."""
    return [found.code for found in tax_products().values() if found.tax_type is tax_type and found.in_force_on(day)]


def classification_below(code: str) -> tuple[tuple[str, str], ...]:
    """Answer the codes one level below a code of the classification, with their names in Mongolian; below "" are the
    sectors, below a code of seven digits, or one that there is not, is nothing.
    """
    return _classification().get(code, ())


@cache
def _classification() -> dict[str, tuple[tuple[str, str], ...]]:
    names: dict[str, str] = {}
    below: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in _rows("classification.csv"):
        code = row["code"]
        above = code[: max(digits for digits in (0, *CLASSIFICATION_DIGITS) if digits < len(code))]
        names[code] = row["name"] or names[above]
        below[above].append((code, names[code]))
    return {code: tuple(found) for code, found in below.items()}


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((files(__name__) / name).read_text(encoding="utf-8").splitlines()))
