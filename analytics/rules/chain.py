"""Rules on sightings: what customers scanned, held against what the seller reported.

A sighting is a receipt with a valid signature of the seller's own till, so these rules need no statistics: what they
find cannot happen to an honest seller whose tills have uploaded. Only sightings older than the time that a till may be
offline count, and a single receipt that never arrived is noted, because a till may die before it could upload it.

Source: two honest customers unmask a till by its gross turnover counter (turnover counters of the Austrian RKSV, with
consumers' scans added); OECD 2013, Electronic Sales Suppression, on test purchases that are looked for in the records.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from analytics.frames import Lake
from analytics.rules.finding import Finding, Wording, findings_frame, mnt, receipt_ids
from analytics.rules.judgement import NOTE_SCORE, graded
from kernel.clock import date_of_day
from kernel.money import MONGO_PER_TUGRIK, format_mnt
from receipts.receipt import Nature
from receipts.rules import rules_on

UNREPORTED, ALTERED, TURNOVER_GAP = "sightings_unreported", "sightings_altered", "turnover_gap"
UNREPORTED_MIN = 3
GAP_MIN_MONGO = MONGO_PER_TUGRIK

_UNREPORTED = Wording(
    en="{count} receipts that customers scanned were never reported, {total} in all; from {threshold} on this accuses.",
    mn="Иргэдийн уншуулсан {count} баримтыг (нийт {total}) огт илгээгээгүй; {threshold}-аас эхлэн зөрчилд тооцно.",
)
_ALTERED = Wording(
    en="{count} receipts that customers hold were reported with another content under the same number.",
    mn="Иргэдийн гарт буй {count} баримтыг ижил дугаартай, өөр агуулгаар илгээсэн байна.",
)
_GAP = Wording(
    en="Between receipts that customers scanned the tills' counters rose by {passed}, of which {stored} was reported "
    "and {seen} seen by customers: {hidden} is missing.",
    mn="Иргэдийн уншуулсан баримтуудын хооронд кассын тоолуур {passed}-өөр өссөнөөс {stored} илгээгдэж, {seen} иргэдэд "
    "харагдсан: {hidden} дутуу байна.",
)


def sightings_unreported(facts: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Find sellers of whose scanned receipts at least 3 were never reported; 1 and 2 are noted.

    Effect: the number of such receipts.
    """
    missing = _settled(lake).filter(pl.col("stored") == "none").collect()
    least = UNREPORTED_MIN * NOTE_SCORE / 100
    judged = _judged(missing, deviation=pl.max_horizontal(pl.len(), least), threshold=UNREPORTED_MIN)
    return _findings(facts, lake, judged, missing, _unreported)


def sightings_altered(facts: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Find sellers that reported, under the id of a scanned receipt, other bytes than the customer holds, and never
    those bytes: a till that was put back from a backup reports both, and is another matter (`chains_forked`).

    Effect: the number of such receipts; one is enough, since the seller's key has signed both.
    """
    altered = _settled(lake).filter(pl.col("stored") == "other").collect()
    judged = _judged(altered, deviation=pl.len(), threshold=1)
    return _findings(facts, lake, judged, altered, _altered)


def turnover_gap(facts: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Find sellers whose tills counted more money between two scanned receipts than was reported and seen.

    Effect: the money missing, in MNT: over consecutive sightings of each chain, the rise of the gross counter less the
    gross of the links stored between them less the later receipt itself where it was not reported. Exact arithmetic;
    the threshold is one tugrik.
    """
    pairs = _pairs(lake).collect()
    gaps = pairs.filter(pl.col("hidden_mongo") > 0)
    judged = _judged(gaps, deviation=pl.col("hidden_mongo").sum(), threshold=GAP_MIN_MONGO)
    return _findings(facts, lake, judged, gaps, _gap)


def _settled(lake: Lake) -> pl.LazyFrame:
    """Answer the sightings that have had the time to be reported."""
    hours = rules_on(date_of_day(lake.month.first_day)).late_issue_hours
    return lake.sightings.filter(pl.col("seen_at") <= pl.lit(lake.as_of - timedelta(hours=hours)))


def _before_forks(sightings: pl.LazyFrame, lake: Lake) -> pl.LazyFrame:
    """Answer the sightings of chains as far as these have one branch: the counters of two cannot be compared."""
    chain = ["seller", "terminal"]
    first = lake.forks.group_by(chain).agg(pl.col("counter").min().alias("forked_at"))
    forked = pl.col("forked_at").is_null() | (pl.col("counter") < pl.col("forked_at"))
    return sightings.join(first, on=chain, how="left").filter(forked).drop("forked_at")


def _pairs(lake: Lake) -> pl.LazyFrame:
    """Answer one row a settled sighting with an earlier one of its chain: its columns, `passed_mongo` by the counter,
    `stored_mongo` between the two, `seen_mongo` of itself where it is not stored, and `hidden_mongo`, what is left.
    """
    chain = ["seller", "terminal"]
    adds = pl.col("nature").is_in([int(nature) for nature in Nature if nature.adds_turnover])
    stored = lake.links.sort(*chain, "counter").select(
        *chain, "counter", pl.when(adds).then("total_mongo").otherwise(0).cum_sum().over(chain).alias("stored_mongo")
    )
    seen = pl.when(pl.col("stored") == "none").then(pl.col("total_mongo").clip(lower_bound=0)).otherwise(0)
    return (
        _before_forks(_settled(lake), lake)
        .sort("counter", "number")
        .join_asof(stored.sort("counter"), on="counter", by=chain, strategy="backward", check_sortedness=False)
        .sort(*chain, "counter", "number")
        .with_columns(pl.col("stored_mongo").fill_null(0))
        .with_columns(
            passed_mongo=pl.col("turnover_mongo").diff().over(chain),
            stored_mongo=pl.col("stored_mongo").diff().over(chain),
            seen_mongo=seen,
        )
        .with_columns(hidden_mongo=pl.col("passed_mongo") - pl.col("stored_mongo") - pl.col("seen_mongo"))
    )


def _judged(rows: pl.DataFrame, *, deviation: pl.Expr, threshold: int) -> pl.DataFrame:
    """Answer one row a seller of `rows`, graded: proofs need no minimum beside their threshold."""
    return graded(
        rows.group_by("seller", maintain_order=True)
        .agg(deviation.cast(pl.Float64).alias("deviation"), pl.len().alias("count"), *_sums(rows))
        .with_columns(threshold=pl.lit(float(threshold)), enough=pl.lit(value=True))
    )


def _sums(rows: pl.DataFrame) -> list[pl.Expr]:
    return [pl.col(name).sum() for name in rows.columns if name.endswith("_mongo")]


def _findings(
    facts: pl.DataFrame,
    lake: Lake,
    judged: pl.DataFrame,
    behind: pl.DataFrame,
    finding: Callable[[Mapping[str, Any], tuple[str, ...]], Finding],
) -> pl.DataFrame:
    receipts = receipt_ids(behind.sort("seller", "day", "terminal", "number"))
    rows = judged.iter_rows(named=True)
    return findings_frame(facts, lake.month, (finding(row, receipts[row["seller"]]) for row in rows))


def _unreported(row: Mapping[str, Any], receipts: tuple[str, ...]) -> Finding:
    words = {"count": str(row["count"]), "total": format_mnt(row["total_mongo"]), "threshold": str(UNREPORTED_MIN)}
    return Finding(
        seller=row["seller"],
        rule=UNREPORTED,
        level=row["level"],
        score=row["score"],
        effect=str(row["count"]),
        unit="receipts",
        threshold=str(UNREPORTED_MIN),
        sample=row["count"],
        evidence={"unreported": row["count"], "unreported_total_mongo": row["total_mongo"]},
        wording=_UNREPORTED,
        words=words,
        receipts=receipts,
    )


def _altered(row: Mapping[str, Any], receipts: tuple[str, ...]) -> Finding:
    return Finding(
        seller=row["seller"],
        rule=ALTERED,
        level=row["level"],
        score=row["score"],
        effect=str(row["count"]),
        unit="receipts",
        threshold="1",
        sample=row["count"],
        evidence={"altered": row["count"], "altered_total_mongo": row["total_mongo"]},
        wording=_ALTERED,
        words={"count": str(row["count"])},
        receipts=receipts,
    )


def _gap(row: Mapping[str, Any], receipts: tuple[str, ...]) -> Finding:
    amounts = {name: row[f"{name}_mongo"] for name in ("passed", "stored", "seen", "hidden")}
    return Finding(
        seller=row["seller"],
        rule=TURNOVER_GAP,
        level=row["level"],
        score=row["score"],
        effect=mnt(amounts["hidden"]),
        unit="MNT",
        threshold=mnt(GAP_MIN_MONGO),
        sample=row["count"] + 1,
        evidence={f"{name}_mongo": amount for name, amount in amounts.items()},
        wording=_GAP,
        words={name: format_mnt(amount) for name, amount in amounts.items()},
        receipts=receipts,
    )
