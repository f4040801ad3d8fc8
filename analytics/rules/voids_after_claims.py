"""Rule: a seller takes back sales after the customer has claimed them, more often than others."""

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics.frames import Lake
from analytics.rules.finding import Finding, Wording, findings_frame, percent, receipt_ids
from analytics.rules.judgement import FAMILY_ERROR, graded
from analytics.surprise import binomial_tail, critical_surprise, surprise_of
from receipts.receipt import Nature

CODE = "voids_after_claims"
VOIDS_MIN, VOIDS_NOTED = 5, 3
LEAST_SHARE = 0.05
"""A share of voided claims below 5 % never accuses, however many there are."""
OTHERS_TIMES = 2
"""Shops differ in how they take goods back; nobody is compared with less than twice the rate of the others."""

WORDING = Wording(
    en="{voids} of {claims} claimed receipts were voided after the customer had claimed them: {effect} %. "
    "Elsewhere it is {others} %; with so many claims a share accuses from {threshold} % on.",
    mn="Иргэн бүртгүүлсэн {claims} баримтаас {voids}-г нь бүртгүүлснийх нь дараа хүчингүй болгосон: {effect} %. "
    "Бусад борлуулагчийнх {others} %; ийм тооны баримтын хувьд {threshold} %-иас эхлэн зөрчилд тооцно.",
)


def voids_after_claims(facts: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Find sellers that void claimed receipts strikingly often.

    Effect: receipts voided in the month after they had been claimed, over the month's claimed receipts, in per cent.
    A sale that the customer holds and the shop declares away is what a claim makes visible. Honest returns set the
    measure: twice the pooled rate of all other sellers, an exact binomial tail, and at most a chance of 2.5 % that
    any of all honest sellers with claims is accused; at least 5 such voids and 5 % (3 for a note).

    Source: void ratios as auditors use them (OECD 2013, Electronic Sales Suppression); Clopper and Pearson 1934 for
    the exact tail; Bonferroni's bound (Dunn 1961).
    """
    claimed = facts.filter(pl.col("claims") + pl.col("voids_after_claim") > 0).with_columns(
        claimed=pl.max_horizontal("claims", "voids_after_claim")
    )
    surprises = [_surprise(row, row["voids_after_claim"]) for row in _with_others(claimed).iter_rows(named=True)]
    critical = critical_surprise(len(surprises), FAMILY_ERROR)
    tested = _with_others(claimed).with_columns(
        deviation=pl.Series(surprises, dtype=pl.Float64),
        threshold=pl.lit(critical),
        share=pl.col("voids_after_claim") / pl.col("claimed"),
    )
    judged = graded(
        tested.filter(pl.col("voids_after_claim") >= VOIDS_NOTED).with_columns(
            enough=(pl.col("voids_after_claim") >= VOIDS_MIN) & (pl.col("share") >= LEAST_SHARE)
        )
    )
    receipts = receipt_ids(_voids(lake, judged["seller"]))
    return findings_frame(facts, lake.month, (_finding(row, receipts) for row in judged.iter_rows(named=True)))


def _with_others(claimed: pl.DataFrame) -> pl.DataFrame:
    """Add `others`, the rate of all other sellers; one void among a hundred claims is added, so that it is not 0."""
    voids = pl.col("voids_after_claim").sum() - pl.col("voids_after_claim") + 1
    claims = pl.col("claimed").sum() - pl.col("claimed") + 100
    return claimed.with_columns(others=voids / claims)


def _surprise(row: Mapping[str, Any], voids: int) -> float:
    rate = min(OTHERS_TIMES * row["others"], 0.5)
    return surprise_of(binomial_tail(voids, row["claimed"], rate))


def _voids(lake: Lake, sellers: pl.Series) -> pl.DataFrame:
    """Answer the voids after claims of the sellers, largest first."""
    late = (pl.col("nature") == int(Nature.VOID)) & (pl.col("issued_at") > pl.col("claimed_at"))
    return (
        lake.links.filter(late & pl.col("seller").is_in(sellers.to_list()))
        .sort("seller", "total_mongo", "day", "terminal", "number")
        .collect()
    )


def _accusing_share(row: Mapping[str, Any]) -> float:
    """Answer the smallest share that would accuse with this many claims."""
    claimed: int = row["claimed"]
    least = max(VOIDS_MIN, math.ceil(claimed * LEAST_SHARE))
    counts = range(min(least, claimed), claimed)
    return (counts.start + bisect_left(counts, row["threshold"], key=lambda voids: _surprise(row, voids))) / claimed


def _finding(row: Mapping[str, Any], receipts: Mapping[int, tuple[str, ...]]) -> Finding:
    effect, threshold = percent(row["share"]), percent(_accusing_share(row))
    return Finding(
        seller=row["seller"],
        rule=CODE,
        level=row["level"],
        score=row["score"],
        effect=effect,
        unit="%",
        threshold=threshold,
        sample=row["claimed"],
        evidence={"voids_after_claim": row["voids_after_claim"], "claims": row["claimed"]},
        wording=WORDING,
        words={
            "voids": str(row["voids_after_claim"]),
            "claims": str(row["claimed"]),
            "others": percent(row["others"]),
            "effect": effect,
            "threshold": threshold,
        },
        receipts=receipts.get(row["seller"], ()),
    )
