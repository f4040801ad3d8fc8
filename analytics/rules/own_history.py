"""Rule: a seller's month falls far behind its own history."""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics.frames import Lake
from analytics.rules.expectation import expectations
from analytics.rules.finding import Finding, Wording, findings_frame, largest_receipts, percent
from analytics.rules.judgement import FALL_FAMILY_ERROR, Standard, judge
from kernel.money import format_mnt

CODE = "own_history"
STANDARD = Standard(least=-math.log(0.8), scale_floor=1.0, family_error=FALL_FAMILY_ERROR)
"""A fall by less than 20 % never accuses, however large the seller. Scale 1 is the scatter of pure chance."""

WORDING = Wording(
    en="Revenue of {acknowledged}, while {baseline} was to be expected from {months} earlier months, the days open and "
    "the development of all sellers: {effect} %. For a seller of this size a fall counts from {threshold} % on, and it "
    "accuses where the peers of the sector show it too.",
    mn="Борлуулалт {acknowledged}; өмнөх {months} сар, ажилласан өдөр, бүх борлуулагчийн өөрчлөлтөөр {baseline} байх "
    "ёстой байв: зөрүү {effect} %. Ийм хэмжээний борлуулагчийн хувьд {threshold} %-иас эхлэн тооцох бөгөөд салбарын "
    "харьцуулалт мөн батлавал зөрчил болно.",
)


def own_history(facts: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Find sellers that sell far less than they did, more than chance and closed days explain.

    Effect: the month's revenue (the larger of declared and shown by receipts) over what the seller's median month
    before stands for, on the days open, after the median development of all sellers; less one, in per cent. Its
    standard error falls with the root of the receipts expected, and is multiplied by the scatter that the sellers of
    this month really show (robust, at least 1), so honest volatility sets the threshold; the chance of reaching it is
    at most 10 % over all honest sellers together; never stricter than 20 %. Sellers with fewer than 20 receipts or 40
    expected ones are at most noted, those with fewer than two declared months not judged. A fall is a question, not a
    proof, for a good competitor does the same: it accuses only where `sector_peers` agrees (`analytics.score`).

    Source: funnel plots with over-dispersion (Spiegelhalter 2005, Stat. Med. 24:1185 and Qual. Saf. Health Care
    14:347); Bonferroni's bound (Dunn 1961, JASA 56:52).
    """
    acknowledged = pl.max_horizontal("net_mongo", pl.col("declared_net_mongo").fill_null(0))
    growth = (pl.col("acknowledged") / pl.col("baseline_mongo")).log()
    usual = growth.filter("enough").median().fill_null(0.0)
    tested = (
        expectations(facts, lake)
        .with_columns(acknowledged=acknowledged)
        .with_columns(usual=usual, deviation=usual - growth, error=pl.col("expected").sqrt().pow(-1))
    )
    judged = judge(tested, STANDARD)
    receipts = largest_receipts(lake, judged["seller"])
    return findings_frame(facts, lake.month, (_finding(row, receipts) for row in judged.iter_rows(named=True)))


def _finding(row: Mapping[str, Any], receipts: Mapping[int, tuple[str, ...]]) -> Finding:
    baseline = round(row["baseline_mongo"] * math.exp(row["usual"]))
    effect, threshold = percent(math.exp(-row["deviation"]) - 1), percent(math.exp(-row["threshold"]) - 1)
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
            "acknowledged_net_mongo": row["acknowledged"],
            "expected_net_mongo": baseline,
            "previous_declared_net_mongo": row["previous_declared_net_mongo"],
            "previous_months": row["previous_months"],
            "open_days": row["open_days"],
            "receipts": row["receipts"],
            "receipts_expected": round(row["expected"]),
        },
        wording=WORDING,
        words={
            "acknowledged": format_mnt(row["acknowledged"]),
            "baseline": format_mnt(baseline),
            "months": str(row["previous_months"]),
            "effect": effect,
            "threshold": threshold,
        },
        receipts=receipts.get(row["seller"], ()),
    )
