"""Rule: a seller declares less revenue than its receipts show."""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics.frames import Lake
from analytics.rules.finding import Finding, Wording, findings_frame, largest_receipts, percent
from analytics.rules.judgement import Standard, judge
from kernel.money import format_mnt

CODE = "declared_below_receipts"
RECEIPTS_MIN = 20
STANDARD = Standard(least=-math.log(0.93), scale_floor=0.01, scale_cap=0.05)
"""Log ratio. Honest declarations scatter by about 2 %; 7 % is three and a half times that, whatever a month shows."""

WORDING = Wording(
    en="Declared {declared} of revenue, while the receipts show {shown}, both net of VAT and city tax: {effect} %. "
    "This month a difference accuses from {threshold} % on.",
    mn="Мэдүүлсэн борлуулалт {declared}, баримтаар {shown} (НӨАТ, НХАТ-гүй дүн): зөрүү {effect} %. "
    "Энэ сард {threshold} %-иас эхлэн зөрчилд тооцно.",
)


def declared_below_receipts(facts: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Find sellers whose declared net revenue is below their receipts' by more than honest noise explains.

    Effect: declared over receipts, less one, in per cent. The noise is read off the month itself: the robust scale of
    the log ratio over all sellers with at least 20 receipts, within 1 and 5 %; the threshold bounds the chance of
    accusing any of them at 2.5 % where all are honest (Bonferroni) and is never stricter than 7 %. Fewer receipts are
    at most noted. What a receipt shows was sold, so the centre is zero and not the sellers' habit.

    Source: the cross-check of third-party receipts with returns (Naritomi 2019, AER 109(9):3031; OECD 2013,
    Electronic Sales Suppression, on matching till data with returns); robust scale, Rousseeuw and Croux 1993.
    """
    tested = facts.filter(pl.col("declared_net_mongo").is_not_null() & (pl.col("net_mongo") > 0)).with_columns(
        deviation=(pl.col("net_mongo") / pl.col("declared_net_mongo").clip(lower_bound=1)).log(),
        error=pl.lit(1.0),
        enough=pl.col("receipts") >= RECEIPTS_MIN,
    )
    judged = judge(tested, STANDARD)
    receipts = largest_receipts(lake, judged["seller"])
    return findings_frame(facts, lake.month, (_finding(row, receipts) for row in judged.iter_rows(named=True)))


def _finding(row: Mapping[str, Any], receipts: Mapping[int, tuple[str, ...]]) -> Finding:
    declared, shown = row["declared_net_mongo"], row["net_mongo"]
    effect, threshold = percent(declared / shown - 1), percent(math.exp(-row["threshold"]) - 1)
    return Finding(
        seller=row["seller"],
        rule=CODE,
        level=row["level"],
        score=row["score"],
        effect=effect,
        unit="%",
        threshold=threshold,
        sample=row["receipts"],
        evidence={"declared_net_mongo": declared, "receipts_net_mongo": shown, "version": row["declared_version"]},
        wording=WORDING,
        words={"declared": format_mnt(declared), "shown": format_mnt(shown), "effect": effect, "threshold": threshold},
        receipts=receipts.get(row["seller"], ()),
    )
