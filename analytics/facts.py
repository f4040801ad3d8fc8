"""The facts of a month: one row a seller, from one lazy query over the lake.

A seller that closed for a week, moved or shut for good sells less than before and is honest. What shows it is silence:
the days of a shop with many receipts do not stay empty by chance. So a silence too long to be chance is counted out of
`open_days`, and whatever compares the month with others compares it for the days on which the seller was open.
"""

from collections.abc import Iterable

import polars as pl

from analytics.frames import FACTS, Lake
from kernel.clock import Month
from receipts.receipt import Nature

HISTORY_MONTHS = 12
"""How many months before take part in the history."""
SILENCE_CHANCE = 0.01
"""A silence is no chance when a month of a steady shop shows one so long less often than this."""

REVENUE = (int(Nature.SALE), int(Nature.INVOICE))
_net = pl.col("revenue_mongo") - pl.col("vat_mongo") - pl.col("city_tax_mongo")


def seller_month_facts(lake: Lake) -> pl.LazyFrame:
    """Answer the facts of the lake's month, lazily: columns `FACTS`, one row a seller enrolled, sorted by seller."""
    days = trading_days(lake)
    facts = (
        lake.sellers.drop("month", strict=False)
        .join(_sums(days), on="seller", how="left")
        .join(_silences(days, lake.month), on="seller", how="left")
        .join(_claims(lake.links), on="seller", how="left")
        .join(_declared(lake), on="seller", how="left")
        .join(_declared_before(lake), on="seller", how="left")
        .join(_receipts_before(lake), on="seller", how="left")
        .with_columns(
            month=pl.lit(str(lake.month)),
            open_days=_length(lake.month) - pl.col("silent_days").fill_null(0),
            net_mongo=pl.col("gross_mongo") - pl.col("vat_mongo") - pl.col("city_tax_mongo"),
        )
    )
    return facts.select(_columns()).sort("seller")


def trading_days(lake: Lake) -> pl.LazyFrame:
    """Answer one row a seller and day of the month with a link of revenue, unsorted: `seller`, `day` and the sums of
    the facts' columns `receipts` to `corrections`. What was issued in another month and counts for this one stands on
    its last day, or its first.
    """
    count = pl.col("counts").cast(pl.Int64)
    void = pl.col("nature") == int(Nature.VOID)
    return (
        lake.parts.filter(pl.col("month") == str(lake.month))
        .group_by(pl.col("merchant").alias("seller"), pl.col("day").clip(lake.month.first_day, lake.month.end_day - 1))
        .agg(
            count.filter(pl.col("nature").is_in(REVENUE)).sum().alias("receipts"),
            pl.col("revenue_mongo").sum().alias("gross_mongo"),
            pl.col("vat_mongo").sum(),
            pl.col("city_tax_mongo").sum(),
            _net.filter(pl.col("tax_type") == 0).sum().alias("vatable_net_mongo"),
            _net.filter("business").sum().alias("b2b_net_mongo"),
            count.filter(void).sum().alias("voids"),
            -pl.col("revenue_mongo").filter(void).sum().alias("voids_mongo"),
            count.filter(pl.col("nature") == int(Nature.CORRECTION)).sum().alias("corrections"),
        )
    )


def net_by_month(parts: pl.LazyFrame) -> pl.LazyFrame:
    """Answer one row a seller and month of `parts`: `seller`, `month`, `receipts_net_mongo`, unsorted."""
    return parts.group_by(pl.col("merchant").alias("seller"), "month").agg(_net.sum().alias("receipts_net_mongo"))


def declarations_in_force(declarations: pl.LazyFrame) -> pl.LazyFrame:
    """Answer the highest version of each seller's declaration of each month; columns as given, unsorted."""
    latest = pl.col("version") == pl.col("version").max().over("seller", "month")
    return declarations.filter(latest)


def months_before(month: Month) -> pl.Expr:
    """Answer the filter for the months of the history."""
    return pl.col("month").is_in([str(month.plus(-back)) for back in range(1, HISTORY_MONTHS + 1)])


def _length(month: Month) -> int:
    return month.end_day - month.first_day


def _sums(days: pl.LazyFrame) -> pl.LazyFrame:
    return days.group_by("seller").agg(pl.exclude("day").sum())


def _silences(days: pl.LazyFrame, month: Month) -> pl.LazyFrame:
    """Answer `seller`, `silent_days`: the days in silences that are no chance.

    A shop that sells n receipts in the D - r days outside a silence of r days has, as a Poisson process, a silence of
    that length at a given place with chance exp(-n r / (D - r)); there are at most D places.
    """
    length = _length(month)
    open_before = pl.col("day").shift(1).over("seller", order_by="day").fill_null(month.first_day - 1)
    closing = pl.lit(month.end_day, dtype=pl.Int32)
    ends = days.select("seller").unique().with_columns(day=closing, receipts=pl.lit(0, dtype=pl.Int64))
    silence = pl.col("day") - open_before - 1
    total = pl.col("receipts").sum().over("seller")
    chance = length * (-(total * pl.col("silence")) / (length - pl.col("silence"))).exp()
    return (
        pl.concat(
            [days.filter(pl.col("receipts") > 0).select("seller", "day", "receipts"), ends], how="vertical_relaxed"
        )
        .with_columns(silence=silence.cast(pl.Int64))
        .with_columns(no_chance=(pl.col("silence") > 0) & (chance < SILENCE_CHANCE))
        .group_by("seller")
        .agg(pl.col("silence").filter("no_chance").sum().alias("silent_days"))
    )


def _claims(links: pl.LazyFrame) -> pl.LazyFrame:
    root = pl.all_horizontal(pl.col(name) == pl.col(f"root_{name}") for name in ("terminal", "day", "number"))
    late = (pl.col("nature") == int(Nature.VOID)) & (pl.col("issued_at") > pl.col("claimed_at"))
    return links.group_by("seller").agg(
        (root & pl.col("claimed_at").is_not_null()).sum().cast(pl.Int64).alias("claims"),
        late.sum().cast(pl.Int64).alias("voids_after_claim"),
    )


def _declared(lake: Lake) -> pl.LazyFrame:
    return declarations_in_force(lake.declarations.filter(pl.col("month") == str(lake.month))).select(
        "seller",
        pl.col("net_revenue_mongo").alias("declared_net_mongo"),
        pl.col("vat_mongo").alias("declared_vat_mongo"),
        pl.col("version").alias("declared_version"),
    )


def _declared_before(lake: Lake) -> pl.LazyFrame:
    return (
        declarations_in_force(lake.declarations.filter(months_before(lake.month)))
        .group_by("seller")
        .agg(
            pl.len().cast(pl.Int64).alias("previous_months"),
            _median(pl.col("net_revenue_mongo")).alias("previous_declared_net_mongo"),
            _median(pl.col("vat_mongo")).alias("previous_declared_vat_mongo"),
        )
    )


def _receipts_before(lake: Lake) -> pl.LazyFrame:
    return (
        net_by_month(lake.parts.filter(months_before(lake.month)))
        .group_by("seller")
        .agg(_median(pl.col("receipts_net_mongo")).alias("previous_receipts_net_mongo"))
    )


def _median(amount: pl.Expr) -> pl.Expr:
    """Answer the median in whole möngö, rounded down. Amounts are below 2^53, so the detour is exact."""
    return amount.median().floor().cast(pl.Int64)


def _columns() -> Iterable[pl.Expr]:
    """Answer the columns of `FACTS`; what a seller without receipts or history does not have is 0."""
    null = {name for name in FACTS if name.startswith(("declared_", "previous_"))} - {"previous_months"}
    for name, kind in FACTS.items():
        column = pl.col(name).cast(kind)
        yield column.fill_null(0) if kind == pl.Int64 and name not in null else column
