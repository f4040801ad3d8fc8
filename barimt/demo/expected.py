"""What must come out, worked out a second time: by Polars from the data set, in whole möngö, never from a receipt."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from barimt.demo.cast import Seller
from barimt.demo.plan import Plan
from barimt.demo.submissions import CITY_TAX_PER_MILLE, VAT_PER_MILLE
from receipts.receipt import TaxType

REVENUE = pl.Schema(
    {
        "store_id": pl.Int64(),
        "baskets": pl.Int64(),
        "gross_mongo": pl.Int64(),
        "vat_mongo": pl.Int64(),
        "city_tax_mongo": pl.Int64(),
        "net_mongo": pl.Int64(),
    }
)
"""One row a store that sold, by `store_id`: gross with all taxes, the two taxes, and net of both."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The sums of a demo. `net_…`: after voids and corrections; the others count sales as first posted."""

    baskets: int
    total_mongo: int
    kept_back: int
    kept_back_mongo: int
    issued: int
    issued_total_mongo: int
    issued_vat_mongo: int
    issued_city_tax_mongo: int
    net_total_mongo: int
    net_vat_mongo: int


def expect(lines: pl.DataFrame, sellers: Sequence[Seller], plan: Plan, hidden: Collection[int]) -> Expected:
    """Add up a month's lines (shape `retail.LINES`): all of them, those posted, and those that stood in the end."""
    posted = without_baskets(with_taxes(lines, sellers), hidden)
    stands = standing(posted, plan)
    return Expected(
        baskets=lines["basket_id"].n_unique(),
        total_mongo=_sum(lines, "total_mongo"),
        kept_back=lines["basket_id"].n_unique() - posted["basket_id"].n_unique(),
        kept_back_mongo=_sum(lines, "total_mongo") - _sum(posted, "total_mongo"),
        issued=posted["basket_id"].n_unique(),
        issued_total_mongo=_sum(posted, "total_mongo"),
        issued_vat_mongo=_sum(posted, "vat_mongo"),
        issued_city_tax_mongo=_sum(posted, "city_tax_mongo"),
        net_total_mongo=_sum(stands, "total_mongo"),
        net_vat_mongo=_sum(stands, "vat_mongo"),
    )


def _sum(lines: pl.DataFrame, column: str) -> int:
    return int(lines[column].sum())


def with_taxes(lines: pl.DataFrame, sellers: Sequence[Seller]) -> pl.DataFrame:
    """Add `vat_mongo` and `city_tax_mongo` to each line: tax = total x rate / (1 + rates), half up to a möngö."""
    statuses = pl.DataFrame(
        {
            "store_id": [seller.store_id for seller in sellers],
            "vat_payer": [seller.vat_payer for seller in sellers],
            "city_tax_payer": [seller.city_tax_payer for seller in sellers],
        },
        schema={"store_id": pl.Int64, "vat_payer": pl.Boolean, "city_tax_payer": pl.Boolean},
    )
    vat = pl.when(pl.col("vat_payer") & (pl.col("tax_type") == int(TaxType.VAT_ABLE))).then(VAT_PER_MILLE).otherwise(0)
    city = pl.when(pl.col("city_tax_payer") & pl.col("city_tax")).then(CITY_TAX_PER_MILLE).otherwise(0)
    taxed = lines.join(statuses, on="store_id", how="inner").with_columns(
        vat_rate=vat.cast(pl.Int64), city_rate=city.cast(pl.Int64)
    )
    assert taxed.height == lines.height
    return (
        taxed.with_columns(vat_mongo=_inside("vat_rate"), city_tax_mongo=_inside("city_rate"))
        .drop("vat_payer", "city_tax_payer", "vat_rate", "city_rate")
        .sort("sold_at", "basket_id", "line")
    )


def _inside(rate: str) -> pl.Expr:
    divisor = 1000 + pl.col("vat_rate") + pl.col("city_rate")
    return (2 * pl.col("total_mongo") * pl.col(rate) + divisor) // (2 * divisor)


def without_baskets(lines: pl.DataFrame, baskets: Collection[int]) -> pl.DataFrame:
    """Leave the lines of these baskets out."""
    left_out = pl.DataFrame({"basket_id": sorted(baskets)}, schema={"basket_id": pl.Int64})
    return lines.join(left_out, on="basket_id", how="anti")


def standing(posted: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Leave out what was voided and what was brought back."""
    returned = pl.DataFrame(sorted(plan.returned_lines), schema={"basket_id": pl.Int64, "line": pl.Int64}, orient="row")
    return without_baskets(posted, plan.voided_baskets).join(returned, on=["basket_id", "line"], how="anti")


def revenue_of(taxed: pl.DataFrame) -> pl.DataFrame:
    """Add taxed lines up by store, in the shape `REVENUE`."""
    return (
        taxed.group_by("store_id")
        .agg(
            pl.col("basket_id").n_unique().alias("baskets"),
            pl.col("total_mongo").sum().alias("gross_mongo"),
            pl.col("vat_mongo").sum(),
            pl.col("city_tax_mongo").sum(),
        )
        .with_columns(net_mongo=pl.col("gross_mongo") - pl.col("vat_mongo") - pl.col("city_tax_mongo"))
        .select(pl.col(name).cast(kind) for name, kind in REVENUE.items())
        .sort("store_id")
    )
