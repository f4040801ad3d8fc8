"""The shapes of every frame in this package: columns, types, and one row per what.

Money is whole möngö (`i64`, names end in `_mongo`), instants are UTC, `month` is `YYYY-MM` and `day` the day number of
a receipt id, both of Ulaanbaatar. A lake dataset is a folder of Parquet files, `<dataset>/month=YYYY-MM/*.parquet`; the
month is the folder's and comes back as the column `month`.
"""

from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
from polars.datatypes import DataTypeClass

from kernel.clock import Month

INSTANT = pl.Datetime("us", "UTC")


def _schema(columns: dict[str, pl.DataType | DataTypeClass]) -> pl.Schema:
    return pl.Schema(columns)


PARTS = _schema(
    {
        "merchant": pl.Int64,
        "seller": pl.Int64,
        "branch": pl.Int16,
        "terminal": pl.Int32,
        "day": pl.Int32,
        "number": pl.Int32,
        "issued_at": INSTANT,
        "nature": pl.Int8,
        "business": pl.Boolean,
        "tax_type": pl.Int8,
        "counts": pl.Boolean,
        "revenue_mongo": pl.Int64,
        "vat_mongo": pl.Int64,
        "city_tax_mongo": pl.Int64,
    }
)
"""Lake: one row a link and part; of a correction also one a part of its predecessor.

The three amounts are signed as revenue is (contract of the natures): sale (0) and invoice (1) add, a void (4) takes the
voided amounts away, a correction (3) adds its own parts and takes its predecessor's away in further rows. Links that
are no revenue (payment of an invoice, training, start, closing) have no row, nor has a correction of a till's that can
follow nothing. The month is that for which the receipt counts (`receipts.tax_month`), the day that of its issue, which
may lie in another month. `merchant` is the seller number of the
part, `seller` that of the bundle; `tax_type` 0 VAT_ABLE, 1 VAT_FREE, 2 VAT_ZERO, 3 NO_VAT; `counts` is true on exactly
one row a (link, merchant), so that receipts are counted by adding it up.
"""

LINKS = _schema(
    {
        "seller": pl.Int64,
        "branch": pl.Int16,
        "terminal": pl.Int32,
        "day": pl.Int32,
        "number": pl.Int32,
        "counter": pl.Int64,
        "turnover_mongo": pl.Int64,
        "nature": pl.Int8,
        "total_mongo": pl.Int64,
        "vat_mongo": pl.Int64,
        "issued_at": INSTANT,
        "root_terminal": pl.Int32,
        "root_day": pl.Int32,
        "root_number": pl.Int32,
        "claimed_at": INSTANT,
    }
)
"""Lake: one row a link of a chain. `claimed_at` is when the *root* was claimed, null if never."""

SIGHTINGS = _schema(
    {
        "seller": pl.Int64,
        "branch": pl.Int16,
        "terminal": pl.Int32,
        "day": pl.Int32,
        "number": pl.Int32,
        "counter": pl.Int64,
        "total_mongo": pl.Int64,
        "turnover_mongo": pl.Int64,
        "issued_at": INSTANT,
        "seen_at": INSTANT,
        "stored": pl.String,
    }
)
"""Lake: one row a receipt that somebody scanned. `stored`: `same` bytes reported, `fork` where they were reported as a
second branch, `other` bytes under the id, or `none`.
"""

FORKS = _schema(
    {
        "seller": pl.Int64,
        "branch": pl.Int16,
        "terminal": pl.Int32,
        "day": pl.Int32,
        "number": pl.Int32,
        "counter": pl.Int64,
        "nature": pl.Int8,
        "total_mongo": pl.Int64,
        "issued_at": INSTANT,
    }
)
"""Lake: one row a link that a till reported as a second branch of its chain. It is not among `LINKS` and `PARTS`."""

SELLERS = _schema(
    {
        "seller": pl.Int64,
        "tin": pl.String,
        "name": pl.String,
        "sector": pl.String,
        "district": pl.String,
        "vat_payer": pl.Boolean,
        "city_tax_payer": pl.Boolean,
    }
)
"""Lake: one row a seller enrolled by the end of the month; `vat_payer` on the month's last day."""

DECLARATIONS = _schema(
    {
        "seller": pl.Int64,
        "month": pl.String,
        "version": pl.Int32,
        "net_revenue_mongo": pl.Int64,
        "vat_mongo": pl.Int64,
        "declared_at": INSTANT,
    }
)
"""Lake: one row a version of a seller's declaration of a month; the highest version holds. Net of VAT and city tax."""

FACTS = _schema(
    {
        "seller": pl.Int64,
        "tin": pl.String,
        "name": pl.String,
        "sector": pl.String,
        "district": pl.String,
        "vat_payer": pl.Boolean,
        "city_tax_payer": pl.Boolean,
        "month": pl.String,
        "receipts": pl.Int64,
        "open_days": pl.Int64,
        "gross_mongo": pl.Int64,
        "vat_mongo": pl.Int64,
        "city_tax_mongo": pl.Int64,
        "net_mongo": pl.Int64,
        "vatable_net_mongo": pl.Int64,
        "b2b_net_mongo": pl.Int64,
        "voids": pl.Int64,
        "voids_mongo": pl.Int64,
        "corrections": pl.Int64,
        "claims": pl.Int64,
        "voids_after_claim": pl.Int64,
        "declared_net_mongo": pl.Int64,
        "declared_vat_mongo": pl.Int64,
        "declared_version": pl.Int32,
        "previous_months": pl.Int64,
        "previous_declared_net_mongo": pl.Int64,
        "previous_declared_vat_mongo": pl.Int64,
        "previous_receipts_net_mongo": pl.Int64,
    }
)
"""One row a seller enrolled by the month's end, sorted by seller; sellers without receipts have zeros.

`receipts`: sales and invoices in which the seller has a part. `open_days`: days of the month less the silences too long
to be chance (`analytics.facts`), as of a closure. `gross`, `vat`, `city_tax`, `net` (gross less both), `vatable_net`
(of VAT_ABLE parts) and `b2b_net` (to businesses): after voids and corrections of the month. `voids_mongo`: gross taken
away by voids, positive. `claims`: receipts of the month that were claimed, by the bundle's seller, as are
`voids_after_claim`. `declared_*`: the highest version, null without a declaration. `previous_*`: over up to 12 months
before; `previous_months` counts those declared, the amounts are medians of a month rounded down, null without any.
"""

DAILY = _schema({"seller": pl.Int64, "date": pl.Date, "net_mongo": pl.Int64, "receipts": pl.Int64})
"""One row a seller and business day of the month that has a link with revenue, sorted by both."""

HOURLY = _schema({"seller": pl.Int64, "weekday": pl.Int8, "hour": pl.Int8, "net_mongo": pl.Int64, "receipts": pl.Int64})
"""One row a seller, weekday (1 Monday to 7 Sunday) and hour (0 to 23, Ulaanbaatar) with any, sorted by all three."""

HISTORY = _schema(
    {"seller": pl.Int64, "month": pl.String, "declared_net_mongo": pl.Int64, "receipts_net_mongo": pl.Int64}
)
"""One row a seller and month (the 12 before and the month itself) with either figure, by both; null if absent."""

FINDINGS = _schema(
    {
        "month": pl.String,
        "seller": pl.Int64,
        "tin": pl.String,
        "rule": pl.String,
        "level": pl.String,
        "score": pl.Int64,
        "effect": pl.String,
        "unit": pl.String,
        "threshold": pl.String,
        "sample": pl.Int64,
        "evidence": pl.List(pl.Struct({"name": pl.String, "value": pl.String})),
        "reason_en": pl.String,
        "reason_mn": pl.String,
        "receipts": pl.List(pl.String),
    }
)
"""One row a seller and rule that speaks, sorted by level, falling score, seller, rule.

`level` is `finding` (accuses; `score` >= 100) or `note` (a weaker sign, or one that rests on too little; `score` 70 to
99; accuses nobody). `effect` and `threshold` are decimal texts in `unit`; `score` is the strength of the evidence in
hundredths of what accuses; `sample` is the number of receipts (or sightings) it rests on; `evidence` holds further
figures in a fixed order; `receipts` up to 20 ids of 33 digits.
"""

SCORES = _schema(
    {
        "month": pl.String,
        "seller": pl.Int64,
        "tin": pl.String,
        "name": pl.String,
        "level": pl.String,
        "score": pl.Int64,
        "rules": pl.List(pl.String),
        "reason_en": pl.String,
        "reason_mn": pl.String,
    }
)
"""One row a seller of whom any rule speaks: the strongest row's level, score and reason, all rules by strength."""


@dataclass(frozen=True, slots=True)
class Lake:
    """The lake as it stands for one month: lazy datasets with the column `month`, none of them collected.

    `parts` reaches 12 months back for the history; `links`, `sightings`, `forks` and `sellers` are of the month alone.
    `declarations` holds all months up to this one. `as_of` is the instant of the export, aware and UTC.
    """

    month: Month
    as_of: datetime
    parts: pl.LazyFrame
    links: pl.LazyFrame
    sightings: pl.LazyFrame
    sellers: pl.LazyFrame
    declarations: pl.LazyFrame
    forks: pl.LazyFrame = field(default_factory=lambda: pl.LazyFrame(schema=FORKS))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the report shows of one month, collected: the frames of the same names above."""

    month: Month
    as_of: datetime
    facts: pl.DataFrame
    daily: pl.DataFrame
    hourly: pl.DataFrame
    history: pl.DataFrame
    findings: pl.DataFrame
    scores: pl.DataFrame
