"""What a report draws of a month beside the facts: sales by day, by hour, and the history of months."""

import polars as pl

from analytics.facts import REVENUE, declarations_in_force, months_before, net_by_month, trading_days
from analytics.frames import DAILY, HISTORY, HOURLY, Lake
from kernel.clock import DAY_ZERO


def daily_sales(lake: Lake) -> pl.LazyFrame:
    """Answer the month's sales by day: columns `DAILY`, one row a seller and day, sorted by both."""
    net = pl.col("gross_mongo") - pl.col("vat_mongo") - pl.col("city_tax_mongo")
    return (
        trading_days(lake)
        .select(
            "seller",
            (pl.lit(DAY_ZERO) + pl.duration(days="day")).cast(pl.Date).alias("date"),
            net.alias("net_mongo"),
            "receipts",
        )
        .cast(DAILY)
        .sort("seller", "date")
    )


def hourly_sales(lake: Lake) -> pl.LazyFrame:
    """Answer when in the week a seller sells: columns `HOURLY`, one row a seller, weekday and hour, sorted by all."""
    local = pl.col("issued_at").dt.convert_time_zone("Asia/Ulaanbaatar")
    return (
        lake.parts.filter((pl.col("month") == str(lake.month)) & pl.col("nature").is_in(REVENUE))
        .group_by(
            pl.col("merchant").alias("seller"),
            local.dt.weekday().alias("weekday"),
            local.dt.hour().alias("hour"),
        )
        .agg(
            (pl.col("revenue_mongo") - pl.col("vat_mongo") - pl.col("city_tax_mongo")).sum().alias("net_mongo"),
            pl.col("counts").sum().alias("receipts"),
        )
        .cast(HOURLY)
        .sort("seller", "weekday", "hour")
    )


def month_history(lake: Lake) -> pl.LazyFrame:
    """Answer what each seller declared and what its receipts say, month by month: columns `HISTORY`, sorted."""
    wanted = months_before(lake.month) | (pl.col("month") == str(lake.month))
    declared = declarations_in_force(lake.declarations.filter(wanted)).select(
        "seller", "month", pl.col("net_revenue_mongo").alias("declared_net_mongo")
    )
    return (
        declared.join(net_by_month(lake.parts.filter(wanted)), on=["seller", "month"], how="full", coalesce=True)
        .select(pl.col(name).cast(kind) for name, kind in HISTORY.items())
        .sort("seller", "month")
    )
