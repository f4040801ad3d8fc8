"""Rule: a seller posts far fewer receipts than its peers do for the same past revenue."""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics.frames import Lake
from analytics.rules.expectation import expectations
from analytics.rules.finding import Finding, Wording, findings_frame, largest_receipts, percent
from analytics.rules.judgement import FALL_FAMILY_ERROR, Standard, judge

CODE = "sector_peers"
PEERS_MIN = 12
"""A sector with fewer comparable sellers is no measure; its sellers are compared with those of all sectors."""
PRIOR_RECEIPTS = 60
"""How many receipts of the sector's average size are added to a seller's own: the rule counts receipts, and lets their
size speak only where there are many."""
STANDARD = Standard(least=-math.log(0.8), scale_floor=1.0, family_error=FALL_FAMILY_ERROR)
"""As in `own_history`."""

WORDING = Wording(
    en="{receipts} receipts, while sellers of {sector} with the same revenue before post about {usual}: {effect} %. "
    "For a seller of this size a shortfall counts from {threshold} % on, and accuses where its history shows it too.",
    mn="{receipts} баримт олгосон; өмнө нь ийм борлуулалттай байсан {sector} салбарын борлуулагчид {usual} орчмыг "
    "олгодог: зөрүү {effect} %. Ийм хэмжээний борлуулагчийн хувьд {threshold} %-иас эхлэн тооцох бөгөөд өөрийнх нь "
    "өмнөх сарууд мөн батлавал зөрчил болно.",
)


def sector_peers(facts: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Find sellers that post far fewer receipts for their past revenue than the peers of their sector.

    Effect: receipts (at an average amount drawn towards the sector's, and raised where more is declared than shown)
    for each unit of past declared revenue, over the sector's median of the same, less one, in per cent. Scatter,
    threshold, error bound and the least sizes as in `own_history`, without which it accuses nobody; sectors with fewer
    than 12 comparable sellers are compared with all.

    Source: comparison with peers as auditors use it (OECD 2013, Electronic Sales Suppression; Naritomi 2019 on the
    number of receipts as what suppression changes first); Spiegelhalter 2005.
    """
    sizable = expectations(facts, lake)
    crowded = sizable.filter("enough").group_by("sector").len().filter(pl.col("len") >= PEERS_MIN)["sector"].to_list()
    average = pl.col("net_mongo").sum().over("sector") / pl.col("receipts").sum().over("sector")
    size = (pl.col("net_mongo") + PRIOR_RECEIPTS * average) / (pl.col("receipts") + PRIOR_RECEIPTS)
    undershown = (pl.col("declared_net_mongo").fill_null(0) / pl.col("net_mongo")).clip(lower_bound=1.0)
    rate = (pl.col("receipts") * size * undershown / pl.col("baseline_mongo")).log()
    sizable_median = pl.col("rate").filter("enough").median()
    tested = (
        sizable.with_columns(rate=rate)
        .with_columns(own=pl.when(pl.col("sector").is_in(crowded)).then(sizable_median.over("sector")))
        .with_columns(usual=pl.coalesce("own", sizable_median, pl.lit(0.0)))
        .with_columns(deviation=pl.col("usual") - pl.col("rate"), error=pl.col("expected").sqrt().pow(-1))
    )
    judged = judge(tested, STANDARD)
    receipts = largest_receipts(lake, judged["seller"])
    return findings_frame(facts, lake.month, (_finding(row, receipts) for row in judged.iter_rows(named=True)))


def _finding(row: Mapping[str, Any], receipts: Mapping[int, tuple[str, ...]]) -> Finding:
    usual = round(row["receipts"] * math.exp(row["deviation"]))
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
            "receipts": row["receipts"],
            "receipts_usual": usual,
            "sector": row["sector"],
            "previous_declared_net_mongo": row["previous_declared_net_mongo"],
            "open_days": row["open_days"],
        },
        wording=WORDING,
        words={
            "receipts": str(row["receipts"]),
            "usual": str(usual),
            "sector": row["sector"],
            "effect": effect,
            "threshold": threshold,
        },
        receipts=receipts.get(row["seller"], ()),
    )
