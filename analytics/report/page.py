"""The report as one page that needs nothing else: no script, no font, no picture from anywhere."""

from importlib.resources import files
from typing import Any

import polars as pl
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from analytics.frames import Evidence
from analytics.report.plots import plots
from analytics.report.tables import seller_rows
from kernel.clock import format_instant
from kernel.money import format_mnt


def page(evidence: Evidence) -> bytes:
    """Write the page: what was found, why, on which receipts it rests, and the month in plots."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["mnt"] = format_mnt
    template = environment.from_string((files(__package__) / "page.html").read_text(encoding="utf-8"))
    return template.render(
        month=str(evidence.month),
        as_of=format_instant(evidence.as_of),
        totals=_totals(evidence.facts),
        findings=_rows(evidence, "finding"),
        notes=_rows(evidence, "note"),
        sellers=seller_rows(evidence).to_dicts(),
        plots={name: Markup(drawn) for name, drawn in plots(evidence).items()},  # noqa: S704 - our own drawing
    ).encode()


def _rows(evidence: Evidence, level: str) -> list[dict[str, Any]]:
    named = evidence.findings.filter(pl.col("level") == level).join(
        evidence.facts.select("seller", "name", "sector"), on="seller", how="left", maintain_order="left"
    )
    return named.to_dicts()


def _totals(facts: pl.DataFrame) -> dict[str, int]:
    return {
        "sellers": facts.filter((pl.col("receipts") > 0) | pl.col("declared_net_mongo").is_not_null()).height,
        "receipts": int(facts["receipts"].sum()),
        "net_mongo": int(facts["net_mongo"].sum()),
        "vat_mongo": int(facts["vat_mongo"].sum()),
        "declared_net_mongo": int(facts["declared_net_mongo"].sum()),
    }
