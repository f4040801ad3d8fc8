"""Rule: a seller declares less VAT than its declared revenue carries."""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics.frames import Lake
from analytics.rules.finding import Finding, Wording, findings_frame, largest_receipts, percent
from analytics.rules.judgement import Standard, judge
from kernel.money import format_mnt

CODE = "vat_against_turnover"
RECEIPTS_MIN = 20
STANDARD = Standard(least=-math.log(0.93), scale_floor=0.01, scale_cap=0.05)
"""Log ratio of two rates; the bounds are those of the declared revenue itself."""

WORDING = Wording(
    en="Declared {vat} of VAT on {declared}, a rate of {rate} %; by the receipts it is {usual} %: {effect} %. "
    "This month a difference accuses from {threshold} % on.",
    mn="Мэдүүлсэн {declared} борлуулалтад {vat} НӨАТ буюу {rate} % ногдож байна; баримтаар {usual} %: "
    "зөрүү {effect} %. Энэ сард {threshold} %-иас эхлэн зөрчилд тооцно.",
)


def vat_against_turnover(facts: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Find sellers whose declared VAT is too small for their declared revenue.

    Effect: the declared rate (VAT over net revenue) over that of the seller's own receipts, less one, in per cent. So
    the seller's own mix of taxed, exempt and zero-rated goods is what it is measured by, and whoever declares too
    little of both is left to `declared_below_receipts`. Sellers registered for VAT, with at least 20 receipts that
    carry some; scale, threshold and error bound as in `declared_below_receipts`.

    Source: effective-rate checks of VAT returns against turnover (OECD 2013, Electronic Sales Suppression, on ratio
    analysis).
    """
    declared = pl.col("declared_vat_mongo").clip(lower_bound=1) / pl.col("declared_net_mongo")
    comparable = "vat_payer", pl.col("declared_net_mongo") > 0, pl.col("net_mongo") > 0, pl.col("vat_mongo") > 0
    tested = facts.filter(*comparable).with_columns(
        deviation=(pl.col("vat_mongo") / pl.col("net_mongo") / declared).log(),
        error=pl.lit(1.0),
        enough=pl.col("receipts") >= RECEIPTS_MIN,
    )
    judged = judge(tested, STANDARD)
    receipts = largest_receipts(lake, judged["seller"])
    return findings_frame(facts, lake.month, (_finding(row, receipts) for row in judged.iter_rows(named=True)))


def _finding(row: Mapping[str, Any], receipts: Mapping[int, tuple[str, ...]]) -> Finding:
    declared, vat = row["declared_net_mongo"], row["declared_vat_mongo"]
    rate, usual = vat / declared, row["vat_mongo"] / row["net_mongo"]
    effect, threshold = percent(rate / usual - 1), percent(math.exp(-row["threshold"]) - 1)
    return Finding(
        seller=row["seller"],
        rule=CODE,
        level=row["level"],
        score=row["score"],
        effect=effect,
        unit="%",
        threshold=threshold,
        sample=row["receipts"],
        evidence={
            "declared_net_mongo": declared,
            "declared_vat_mongo": vat,
            "receipts_net_mongo": row["net_mongo"],
            "receipts_vat_mongo": row["vat_mongo"],
        },
        wording=WORDING,
        words={
            "vat": format_mnt(vat),
            "declared": format_mnt(declared),
            "rate": percent(rate),
            "usual": percent(usual),
            "effect": effect,
            "threshold": threshold,
        },
        receipts=receipts.get(row["seller"], ()),
    )
