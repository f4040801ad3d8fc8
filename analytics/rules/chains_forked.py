"""Tills that signed two different links after one: copied, or put back from a backup.

Both branches are reported and stored, so nothing is hidden by it, and a shop whose till broke is honest. It is a note
and never more: an officer decides which of the receipts are sales, since those of the second branch are in no sum.

Source: the chain of docs/formats/chain.md, in which a link has one successor.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics.frames import Lake
from analytics.rules.finding import Finding, Wording, findings_frame, receipt_ids
from analytics.rules.judgement import graded
from kernel.money import format_mnt

FORKED = "chains_forked"
_FORKED = Wording(
    en="{count} receipts of {terminals} tills, {total} in all, came as a second branch of their chain: a till was "
    "copied, or put back from a backup. They are in no sum; this accuses nobody.",
    mn="{terminals} кассын гинжин хэлхээний хоёр дахь салаагаар {count} баримт (нийт {total}) ирсэн: касс "
    "хуулбарлагдсан эсвэл нөөцөөс сэргээгдсэн байж болзошгүй. Эдгээр нь нийлбэрт ороогүй бөгөөд зөрчилд тооцохгүй.",
)


def chains_forked(facts: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Note sellers of whose tills a second branch was reported. Effect: the number of its links in the month."""
    forks = lake.forks.collect()
    counted = forks.group_by("seller", maintain_order=True).agg(
        pl.len().cast(pl.Float64).alias("deviation"),
        pl.len().alias("count"),
        pl.col("terminal").n_unique().alias("terminals"),
        pl.col("total_mongo").filter(pl.col("total_mongo") > 0).sum().alias("total_mongo"),
    )
    noted = graded(counted.with_columns(threshold=pl.lit(1.0), enough=pl.lit(value=False)))
    receipts = receipt_ids(forks.sort("seller", "terminal", "counter"))
    rows = noted.iter_rows(named=True)
    return findings_frame(facts, lake.month, (_finding(row, receipts[row["seller"]]) for row in rows))


def _finding(row: Mapping[str, Any], receipts: tuple[str, ...]) -> Finding:
    return Finding(
        seller=row["seller"],
        rule=FORKED,
        level=row["level"],
        score=row["score"],
        effect=str(row["count"]),
        unit="receipts",
        threshold="1",
        sample=row["count"],
        evidence={name: row[name] for name in ("count", "terminals", "total_mongo")},
        wording=_FORKED,
        words={
            "count": str(row["count"]), "terminals": str(row["terminals"]), "total": format_mnt(row["total_mongo"]),
        },
        receipts=receipts,
    )  # fmt: skip
