"""Who plays: stores become sellers with terminals, households become consumers. Every rule is in docs/demo.md.

Nothing depends on the seed: the same store is the same seller in every run. Names and TINs are invented.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from barimt.demo.retail import Basket, in_month, read_products, scan_sales
from kernel.clock import Month
from kernel.identity import format_terminal
from kernel.money import MONGO_PER_TUGRIK

VAT_THRESHOLD_MONGO = 50_000_000 * MONGO_PER_TUGRIK
"""Sales of a year from which a seller must register for VAT (VAT law of 2015)."""
VAT_REGISTERED_FROM = "2016-01-01"
FOOD_MOSTLY_PER_MILLE = 700
FUEL_MOSTLY_PER_MILLE = 500
BASKETS_PER_TERMINAL, TERMINALS_MAX = 120, 3
BRANCH = "001"

_FOOD = (
    "GROCERY", "FROZEN GROCERY", "NUTRITION", "PRODUCE", "MEAT", "MEAT-PCKGD", "SEAFOOD", "SEAFOOD-PCKGD", "DELI",
    "PASTRY", "SALAD BAR", "CHEF SHOPPE", "SPIRITS",
)  # fmt: skip
_FIRST_WORDS = (
    "Алтан", "Мөнгөн", "Цагаан", "Хөх", "Ногоон", "Шинэ", "Их", "Баян", "Өндөр", "Өргөн", "Тунгалаг", "Наран", "Сарны",
    "Эрдэнэ", "Мөнх", "Түмэн", "Буян", "Хангай", "Говийн", "Талын", "Үүрийн", "Сүмбэр", "Жавхлант",
)  # fmt: skip
_SECOND_WORDS = (
    "гол", "уул", "булаг", "хад", "гүүр", "зам", "дөл", "цэцэг", "хайрхан", "дэлгэр", "нуур", "салхи", "өглөө",
    "шонхор", "гэгээ", "жим", "сувд", "өргөө", "ундарга",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shop stands: the 4-digit district code (branch and sub-branch), its name, whether in the capital."""

    district: str
    name: str
    capital: bool


PLACES = (
    Place("2501", "Улаанбаатар, Сүхбаатар дүүрэг, 1-р хороо", capital=True),
    Place("2506", "Улаанбаатар, Сүхбаатар дүүрэг, 6-р хороо", capital=True),
    Place("2402", "Улаанбаатар, Баянзүрх дүүрэг, 2-р хороо", capital=True),
    Place("1905", "Дархан-Уул аймаг, аймгийн төв", capital=False),
    Place("2405", "Улаанбаатар, Баянзүрх дүүрэг, 5-р хороо", capital=True),
    Place("2418", "Улаанбаатар, Баянзүрх дүүрэг, 18-р хороо", capital=True),
    Place("2601", "Улаанбаатар, Баянгол дүүрэг, 1-р хороо", capital=True),
    Place("1724", "Хөвсгөл аймаг, Мөрөн", capital=False),
    Place("2607", "Улаанбаатар, Баянгол дүүрэг, 7-р хороо", capital=True),
    Place("2301", "Улаанбаатар, Хан-Уул дүүрэг, 1-р хороо", capital=True),
    Place("2315", "Улаанбаатар, Хан-Уул дүүрэг, 15-р хороо", capital=True),
    Place("1019", "Өвөрхангай аймаг, Арвайхээр", capital=False),
    Place("3402", "Улаанбаатар, Сонгинохайрхан дүүрэг, 2-р хороо", capital=True),
    Place("3415", "Улаанбаатар, Сонгинохайрхан дүүрэг, 15-р хороо", capital=True),
    Place("3501", "Улаанбаатар, Чингэлтэй дүүрэг, 1-р хороо", capital=True),
    Place("1617", "Ховд аймаг, Жаргалант", capital=False),
)


@dataclass(frozen=True, slots=True)
class Seller:
    """A store as the tax office knows it. `sector` is an ISIC Rev. 4 class; `states_vat`: its tills send the tax."""

    store_id: int
    tin: str
    name: str
    sector: str
    place: Place
    vat_payer: bool
    city_tax_payer: bool
    states_vat: bool
    terminals: tuple[int, ...]

    def terminal_of(self, basket_id: int) -> int:
        """Answer the till at which a basket was paid: spread evenly by the basket's number."""
        return self.terminals[basket_id % len(self.terminals)]


def read_stores(folder: Path, month: Month) -> pl.DataFrame:
    """Answer one row a store that sold in `month`, by `store_id`: its year's sales and what they were made of.

    Columns: `store_id`, `year_mongo`, `food_mongo`, `fuel_mongo` (whole year, möngö), `baskets` (of the month).
    """
    fuel = pl.col("product").str.contains("GASOLINE").fill_null(value=False)
    food = pl.col("department").is_in(_FOOD).fill_null(value=False)
    return (
        scan_sales(folder)
        .join(read_products(folder).lazy(), on="product_id", how="left")
        .group_by("store_id")
        .agg(
            pl.col("total_mongo").sum().alias("year_mongo"),
            pl.col("total_mongo").filter(food).sum().alias("food_mongo"),
            pl.col("total_mongo").filter(fuel).sum().alias("fuel_mongo"),
            pl.col("basket_id").filter(in_month(month)).n_unique().alias("baskets"),
        )
        .filter(pl.col("baskets") > 0)
        .sort("store_id")
        .collect()
    )


def cast_sellers(stores: pl.DataFrame) -> tuple[Seller, ...]:
    """Make a seller of each row of `read_stores`."""
    return tuple(_seller(**row) for row in stores.iter_rows(named=True))


def _seller(*, store_id: int, year_mongo: int, food_mongo: int, fuel_mongo: int, baskets: int) -> Seller:
    place = PLACES[store_id % len(PLACES)]
    vat_payer = year_mongo >= VAT_THRESHOLD_MONGO
    terminals = min(TERMINALS_MAX, 1 + (baskets - 1) // BASKETS_PER_TERMINAL)
    return Seller(
        store_id=store_id,
        tin=f"900{store_id:08d}",
        name=name_of(store_id),
        sector=sector_of(year_mongo=year_mongo, food_mongo=food_mongo, fuel_mongo=fuel_mongo),
        place=place,
        vat_payer=vat_payer,
        city_tax_payer=vat_payer and place.capital,
        states_vat=vat_payer and store_id % 3 == 0,
        terminals=tuple(10_000_000 + store_id * 10 + number for number in range(1, terminals + 1)),
    )


def name_of(store_id: int) -> str:
    """Answer an invented name; the store's number in it keeps it apart from any real firm."""
    return f"{_FIRST_WORDS[store_id % len(_FIRST_WORDS)]} {_SECOND_WORDS[store_id % len(_SECOND_WORDS)]} №{store_id}"


def sector_of(*, year_mongo: int, food_mongo: int, fuel_mongo: int) -> str:
    """Answer the ISIC class by what the year's sales were made of: fuel, food mostly, or mixed goods."""
    if fuel_mongo * 1000 >= year_mongo * FUEL_MOSTLY_PER_MILLE:
        return "4730"
    return "4711" if food_mongo * 1000 >= year_mongo * FOOD_MOSTLY_PER_MILLE else "4719"


def households_of(baskets: Iterable[Basket]) -> tuple[int, ...]:
    """Answer the households that bought, in order of their number: one consumer each."""
    return tuple(sorted({basket.household_id for basket in baskets}))


def seller_rows(sellers: Sequence[Seller]) -> list[dict[str, str]]:
    """Answer the rows of the file that `barimt admin seller import` takes."""
    return [
        {
            "tin": seller.tin,
            "name": seller.name,
            "sector": seller.sector,
            "district": seller.place.district,
            "city_tax_payer": "true" if seller.city_tax_payer else "false",
            "vat_registered_from": VAT_REGISTERED_FROM if seller.vat_payer else "",
        }
        for seller in sellers
    ]


def terminal_rows(sellers: Sequence[Seller]) -> list[dict[str, str]]:
    """Answer the rows of the file that `barimt admin terminal import` takes."""
    return [
        {
            "seller_tin": seller.tin,
            "number": format_terminal(terminal),
            "mode": "gateway",
            "branch": BRANCH,
            "district": seller.place.district,
        }
        for seller in sellers
        for terminal in seller.terminals
    ]


def csv_text(rows: Sequence[dict[str, str]]) -> str:
    """Write rows of one shape, at least one, as CSV with a header line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
