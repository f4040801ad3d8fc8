"""What a rule says of a seller, and how it is written down: decimal texts, two languages, receipt ids."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from analytics.frames import FINDINGS, Lake
from kernel.clock import Month
from receipts.ids import ReceiptId

RECEIPTS_MAX = 20
"""How many receipts a finding names; the others are one look-up away (`GET /v1/sellers/{tin}/receipts`)."""
ID_COLUMNS = ("seller", "branch", "day", "number", "terminal")


@dataclass(frozen=True, slots=True)
class Wording:
    """A rule's sentence in both languages, with the same placeholders."""

    en: str
    mn: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of `FINDINGS`, without month and TIN. `words` fill the wording; `evidence` are plain figures."""

    seller: int
    rule: str
    level: str
    score: int
    effect: str
    unit: str
    threshold: str
    sample: int
    evidence: Mapping[str, int | str]
    wording: Wording
    words: Mapping[str, str]
    receipts: tuple[str, ...]


def findings_frame(facts: pl.DataFrame, month: Month, findings: Iterable[Finding]) -> pl.DataFrame:
    """Write findings as a frame of columns `FINDINGS`, in the order given. `facts` knows the sellers' TINs."""
    tins = dict(facts.select("seller", "tin").iter_rows())
    rows = [
        {
            "month": str(month),
            "seller": found.seller,
            "tin": tins[found.seller],
            "rule": found.rule,
            "level": found.level,
            "score": found.score,
            "effect": found.effect,
            "unit": found.unit,
            "threshold": found.threshold,
            "sample": found.sample,
            "evidence": [{"name": name, "value": str(value)} for name, value in found.evidence.items()],
            "reason_en": found.wording.en.format_map(found.words),
            "reason_mn": found.wording.mn.format_map(found.words),
            "receipts": list(found.receipts),
        }
        for found in findings
    ]
    return pl.DataFrame(rows, schema=FINDINGS)


def largest_receipts(lake: Lake, sellers: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Answer for each of the sellers its largest receipts of the month by net amount, largest first, at most 20."""
    net = (pl.col("revenue_mongo") - pl.col("vat_mongo") - pl.col("city_tax_mongo")).sum()
    key = [pl.col(name) for name in ("merchant", *ID_COLUMNS)]
    rows = (
        lake.parts.filter((pl.col("month") == str(lake.month)) & pl.col("merchant").is_in(list(sellers)))
        .group_by(key)
        .agg(net=net)
        .sort(pl.col("net").neg(), *key)
        .group_by("merchant", maintain_order=True)
        .head(RECEIPTS_MAX)
        .select("merchant", *ID_COLUMNS)
        .collect()
    )
    return receipt_ids(rows, by="merchant")


def receipt_ids(rows: pl.DataFrame, by: str = "seller") -> dict[int, tuple[str, ...]]:
    """Answer the 33-digit ids of rows with the columns of an id, by a column of theirs, in order, at most 20 each."""
    found: dict[int, list[str]] = {}
    for owner, *parts in rows.select(pl.col(by).alias("owner"), *ID_COLUMNS).iter_rows():
        ids = found.setdefault(owner, [])
        if len(ids) < RECEIPTS_MAX:
            ids.append(str(ReceiptId(*parts)))
    return {owner: tuple(ids) for owner, ids in found.items()}


def percent(share: float) -> str:
    """Write a share as a percentage with one decimal, and never as minus zero."""
    return f"{round(share * 100, 1) + 0.0:.1f}"


def mnt(mongo: int) -> str:
    """Write an amount in MNT with two decimals and no separators, as `effect` and `threshold` state it."""
    sign = "-" if mongo < 0 else ""
    return f"{sign}{abs(mongo) // 100}.{abs(mongo) % 100:02d}"
