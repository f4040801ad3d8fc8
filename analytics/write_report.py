"""Write a judged month into a folder: the page, the workbook, the table, the JSON."""

from pathlib import Path

from analytics.report.page import page
from analytics.report.tables import findings_csv
from analytics.report.workbook import workbook
from analytics.run_plausibility import Judged


def write_report(judged: Judged, folder: Path) -> Path:
    """Write `index.html`, `report.xlsx`, `findings.csv` and `findings.json`, and answer the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "findings.json": judged.findings_json + b"\n",
        "findings.csv": findings_csv(judged.evidence),
        "report.xlsx": workbook(judged.evidence),
        "index.html": page(judged.evidence),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder / "index.html"
