"""The report as an officer opens it: every name harmless, every picture there, the same input the same bytes."""

import csv
import io
import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from analytics.assessment import assess
from analytics.frames import Evidence
from analytics.report.harmless import harmless
from analytics.report.page import page
from analytics.report.plots import plots
from analytics.report.tables import findings_csv
from analytics.report.workbook import workbook
from analytics.run_plausibility import Judged
from analytics.score import findings_json
from analytics.write_report import write_report
from barimt.demo.retail import data_folder
from barimt.demo.world import make_world
from benchmarks.bench_plausibility import lake_of

EVIL = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    " =1+1",
    "<script>alert(1)</script>",
    "a\x00b\x01\x1f\u202e\ud7ff\U0001f600",
    '"quoted",comma\nnewline',
    "{{ 7 * 7 }}",
)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """The demo's month, judged."""
    return assess(lake_of(make_world(data_folder())))


@pytest.fixture(scope="module")
def hostile(evidence: Evidence) -> Evidence:
    """The same month with shops whose names mean harm."""
    names = pl.Series("name", [EVIL[at % len(EVIL)] for at in range(evidence.facts.height)])
    facts = evidence.facts.with_columns(names)
    scores = evidence.scores.drop("name").join(facts.select("seller", "name"), on="seller", maintain_order="left")
    return replace(evidence, facts=facts, scores=scores.select(evidence.scores.columns))


class TestHarmless:
    @pytest.mark.parametrize("text", EVIL[:6])
    def test_marks_what_would_run(self, text: str) -> None:
        assert harmless(text).startswith("'")

    @pytest.mark.parametrize("text", ["Талх", "5 = 5", "a-b", "№7", ""])
    def test_leaves_other_text_alone(self, text: str) -> None:
        assert harmless(text) == text


class TestPlots:
    def test_draws_at_least_four_pictures_with_marks_in_them(self, evidence: Evidence) -> None:
        drawn = plots(evidence)
        assert len(drawn) >= 4
        for name, picture in drawn.items():
            marks = [node for node in ET.fromstring(picture).iter() if node.get("aria-roledescription") or
                     "mark-" in node.get("class", "")]  # fmt: skip
            assert marks, name

    def test_draws_a_month_in_which_nobody_is_accused(self, evidence: Evidence) -> None:
        quiet = replace(evidence, findings=evidence.findings.clear(), scores=evidence.scores.clear())
        assert "accused" not in plots(quiet)
        assert b"No finding" in page(quiet)


class TestTables:
    def test_csv_holds_every_finding_and_no_formula(self, hostile: Evidence) -> None:
        rows = list(csv.DictReader(io.StringIO(findings_csv(hostile).decode("utf-8-sig"))))
        assert len(rows) == hostile.findings.height
        for row in rows:
            for column in ("name", "reason_en", "reason_mn", "rule", "receipts", "tin"):
                assert not row[column].startswith(("=", "+", "-", "@", "\t", "\r"))

    def test_workbook_holds_every_seller_and_no_formula(self, hostile: Evidence) -> None:
        book = openpyxl.load_workbook(io.BytesIO(workbook(hostile)))
        assert book.sheetnames == ["findings", "sellers", "days"]
        assert book["findings"].max_row == hostile.findings.height + 1
        cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
        assert all(cell.data_type != "f" for cell in cells)

    def test_workbook_adds_up(self, evidence: Evidence) -> None:
        sheet = openpyxl.load_workbook(io.BytesIO(workbook(evidence)))["sellers"]
        head = [cell.value for cell in sheet[1]]
        net = [row[head.index("net_mnt")].value for row in sheet.iter_rows(min_row=2)]
        assert round(sum(net) * 100) == evidence.facts["net_mongo"].sum()


class TestPage:
    def test_names_every_finding_in_both_languages(self, evidence: Evidence) -> None:
        text = page(evidence).decode()
        accusing = evidence.findings.filter(pl.col("level") == "finding")
        for row in accusing.iter_rows(named=True):
            assert row["tin"] in text
            assert row["receipts"][0] in text
        assert text.count('lang="mn"') == evidence.findings.height

    def test_runs_nothing_that_a_shop_wrote(self, hostile: Evidence) -> None:
        text = page(hostile).decode()
        assert "<script" not in text
        assert "49" not in [line.strip() for line in text.splitlines()]
        assert "{{ 7 * 7 }}" in text

    def test_asks_nothing_of_anybody(self, evidence: Evidence) -> None:
        text = page(evidence).decode()
        assert "http://" not in text.replace("http://www.w3.org/", "")
        assert "https://" not in text

    @pytest.mark.needs("chromium")
    def test_opens_in_a_real_browser(self, evidence: Evidence, tmp_path: Path) -> None:
        browser = shutil.which("chromium")
        assert browser is not None
        judged = Judged(1, evidence, findings_json(evidence.findings))
        shown = write_report(judged, tmp_path / "report")
        done = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", shown.as_uri()],
            capture_output=True, text=True, timeout=120, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.stdout.count("<figure") == len(plots(evidence))
        assert done.stdout.count("<svg") == len(plots(evidence))


class TestWriteReport:
    def test_writes_the_four_files(self, evidence: Evidence, tmp_path: Path) -> None:
        judged = Judged(1, evidence, findings_json(evidence.findings))
        write_report(judged, tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {
            "index.html", "report.xlsx", "findings.csv", "findings.json",
        }  # fmt: skip
        assert json.loads((tmp_path / "findings.json").read_bytes())["findings"]

    def test_the_same_month_is_judged_in_the_same_bytes(self, evidence: Evidence) -> None:
        again = assess(lake_of(make_world(data_folder())))
        assert findings_json(again.findings) == findings_json(evidence.findings)
        assert findings_csv(again) == findings_csv(evidence)
