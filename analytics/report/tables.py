"""The report's tables: the same rows for the page, the workbook and the CSV. Values as people write them."""

import csv
import io
from typing import Any

import polars as pl

from analytics.frames import Evidence
from analytics.report.harmless import harmless

FINDING_COLUMNS = tuple(
    "level score tin name rule effect unit threshold sample reason_en reason_mn receipts".split()  # noqa: SIM905 - shorter
)


def finding_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Answer one row a finding or note, the strongest first, with the seller's name; texts made harmless."""
    named = evidence.findings.join(
        evidence.facts.select("seller", "name"), on="seller", how="left", maintain_order="left"
    )
    return [
        {
            **{column: row[column] for column in FINDING_COLUMNS},
            "name": harmless(row["name"]),
            "reason_en": harmless(row["reason_en"]),
            "reason_mn": harmless(row["reason_mn"]),
            "receipts": " ".join(row["receipts"]),
        }
        for row in named.iter_rows(named=True)
    ]


def findings_csv(evidence: Evidence) -> bytes:
    """Write findings and notes as CSV in UTF-8 with a byte order mark, which spreadsheets need for Cyrillic."""
    written = io.StringIO()
    table = csv.DictWriter(written, FINDING_COLUMNS, lineterminator="\r\n")
    table.writeheader()
    table.writerows(finding_rows(evidence))
    return written.getvalue().encode("utf-8-sig")


def seller_rows(evidence: Evidence) -> pl.DataFrame:
    """Answer one row a seller of the month: facts with the level and score of the strongest rule."""
    return (
        evidence.facts.join(
            evidence.scores.select("seller", "level", "score"), on="seller", how="left", maintain_order="left"
        )
        .filter((pl.col("receipts") > 0) | pl.col("declared_net_mongo").is_not_null())
        .select(
            "tin", "name", "sector", "district", "vat_payer", "receipts", "open_days", "gross_mongo", "vat_mongo",
            "net_mongo", "declared_net_mongo", "declared_vat_mongo", "previous_declared_net_mongo", "voids", "claims",
            "voids_after_claim", "level", "score",
        )
        .sort("tin")
    )  # fmt: skip
