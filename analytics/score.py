"""From rules to sellers: every rule is asked, what they say is put in one order, and each seller gets one line."""

import polars as pl

from analytics.frames import FINDINGS, SCORES, Lake
from analytics.rules import RULES
from analytics.rules.judgement import ACCUSING_SCORE
from analytics.rules.own_history import CODE as OWN_HISTORY
from analytics.rules.sector_peers import CODE as SECTOR_PEERS
from kernel.canonical import Json, canonical_json

FALLS = (OWN_HISTORY, SECTOR_PEERS)
"""The rules that accuse only together."""
_ACCUSING_FIRST = pl.col("level") != "finding"
_STRONGEST_FIRST = (_ACCUSING_FIRST, -pl.col("score"), pl.col("seller"), pl.col("rule"))


def findings_of(facts: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Ask every rule: columns `FINDINGS`, accusing rows first, then by falling score, seller, rule."""
    return corroborated(pl.concat([rule(facts, lake) for rule in RULES])).sort(*_STRONGEST_FIRST)


def corroborated(findings: pl.DataFrame) -> pl.DataFrame:
    """Make notes of the findings on falling trade that one rule alone sees. Honest trade falls, too, and what a shop's
    own past does not show its peers may: only both together accuse.
    """
    fall = pl.col("rule").is_in(FALLS)
    agreeing = (fall & (pl.col("level") == "finding")).sum().over("seller") == len(FALLS)
    alone = fall & ~agreeing
    return findings.with_columns(
        level=pl.when(alone).then(pl.lit("note")).otherwise("level"),
        score=pl.when(alone).then(pl.col("score").clip(upper_bound=ACCUSING_SCORE - 1)).otherwise("score"),
    )


def scores_of(facts: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """Answer one row a seller of whom a rule speaks: columns `SCORES`, in the order of the sellers' strongest rows.

    A seller is as suspicious as the strongest single rule makes it: weak signs do not add up to an accusation, because
    the rules look at the same sales and are not independent.
    """
    first = [pl.col(name).first() for name in ("month", "tin", "level", "score", "reason_en", "reason_mn")]
    return (
        findings.sort(*_STRONGEST_FIRST)
        .group_by("seller", maintain_order=True)
        .agg(*first, pl.col("rule").alias("rules"))
        .join(facts.select("seller", "name"), on="seller", how="left", maintain_order="left")
        .select(pl.col(name).cast(kind) for name, kind in SCORES.items())
    )


def findings_json(findings: pl.DataFrame) -> bytes:
    """Write findings as canonical JSON: `{"findings": [...], "notes": [...]}`, one object a row of `FINDINGS`.

    Integers and texts only, so the same findings are the same bytes on every machine.
    """
    assert findings.schema == FINDINGS
    levels: dict[str, list[Json]] = {"finding": [], "note": []}
    for row in findings.sort(*_STRONGEST_FIRST).iter_rows(named=True):
        row["evidence"] = {figure["name"]: figure["value"] for figure in row["evidence"]}
        levels[row.pop("level")].append(row)
    return canonical_json({"findings": levels["finding"], "notes": levels["note"]})
