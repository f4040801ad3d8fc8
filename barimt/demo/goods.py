"""What is sold and how it is taxed: the table goods.csv, from department and category to codes.

One row a (department, category); the category `*` is the rest of its department, the department `*` the rest of all.
The codes are rows of the national product classification (7 digits) and of the list of tax-product codes, which a part
that is VAT_FREE or VAT_ZERO must name.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from receipts.receipt import TaxType

REST = "*"
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Good:
    """A kind of article. `city_tax`: the capital city tax is on it where the seller pays that tax."""

    classification: str
    tax_type: TaxType
    tax_product: str | None
    city_tax: bool
    word: str


@cache
def goods() -> Mapping[Key, Good]:
    """Read the table; it is the same for the life of the process."""
    with (resources.files("barimt.demo") / "goods.csv").open(encoding="utf-8") as file:
        return {
            (row["department"], row["category"]): Good(
                classification=row["classification"],
                tax_type=TaxType[row["tax_type"]],
                tax_product=row["tax_product"] or None,
                city_tax=row["city_tax"] == "1",
                word=row["word"],
            )
            for row in csv.DictReader(file)
        }


def good_of(department: str, category: str) -> Good:
    """Answer the most exact row: category in its department, else its department, else the last resort."""
    table = goods()
    return table.get((department, category)) or table.get((department, REST)) or table[REST, REST]
