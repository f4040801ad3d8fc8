"""The report as a workbook: findings, sellers, days. Nothing in it is ever a formula."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import xlsxwriter

from analytics.frames import Evidence
from analytics.report.harmless import harmless
from analytics.report.tables import FINDING_COLUMNS, finding_rows, seller_rows

CELL_MAX = 32_000
_OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def workbook(evidence: Evidence) -> bytes:
    """Write the workbook; amounts in MNT as numbers, TINs and ids as text."""
    written = io.BytesIO()
    with xlsxwriter.Workbook(written, _OPTIONS) as book:
        book.set_properties({"title": f"Plausibility {evidence.month}", "created": evidence.as_of.replace(tzinfo=None)})
        findings = finding_rows(evidence)
        _sheet(book, "findings", FINDING_COLUMNS, (tuple(row.values()) for row in findings))
        sellers = _in_mnt(seller_rows(evidence))
        _sheet(book, "sellers", sellers.columns, sellers.iter_rows())
        days = _in_mnt(
            evidence.daily.join(evidence.facts.select("seller", "tin"), on="seller", maintain_order="left").select(
                "tin", pl.col("date").cast(pl.String), "net_mongo", "receipts"
            )
        )
        _sheet(book, "days", days.columns, days.iter_rows())
    return written.getvalue()


def _in_mnt(rows: pl.DataFrame) -> pl.DataFrame:
    amounts = [name for name in rows.columns if name.endswith("_mongo")]
    return rows.with_columns((pl.col(name) / 100).alias(name) for name in amounts).rename(
        {name: name.removesuffix("_mongo") + "_mnt" for name in amounts}
    )


def _sheet(book: Any, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    sheet = book.add_worksheet(name)
    head = book.add_format({"bold": True, "bg_color": "#dfe6ee"})
    money = book.add_format({"num_format": "#,##0.00"})
    for at, column in enumerate(columns):
        sheet.write_string(0, at, column, head)
    last = 0
    for last, row in enumerate(rows, 1):
        for at, value in enumerate(row):
            if isinstance(value, str):
                sheet.write_string(last, at, harmless(value)[:CELL_MAX])
            elif isinstance(value, bool):
                sheet.write_boolean(last, at, value)
            elif value is not None:
                sheet.write_number(last, at, value, money if columns[at].endswith("_mnt") else None)
    sheet.autofilter(0, 0, last, len(columns) - 1)
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(columns) - 1, 18)
