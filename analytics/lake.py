"""How the lake lies on disk, and how it is opened.

| path                                          | what                                                             |
|-----------------------------------------------|------------------------------------------------------------------|
| `parts/month=2017-03/06263.parquet`           | the parts of a day (day number of the receipt id)                |
| `parts/month=2017-03/06296.parquet`           | those of a day of another month that count for this one          |
| `links/…`, `sightings/…`, `forks/…`           | of the days of the month                                         |
| `sellers/month=2017-03/month.parquet`         | every seller, with the tax status on the month's last day        |
| `declarations/month=2017-03/month.parquet`    | every version of every declaration of the month                  |
| `exported/2017-03.json`                       | `{"6263": [counts]}`: what the days held when they were exported |

Every file is written whole or not at all; the note of what was exported comes last.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

from analytics.facts import HISTORY_MONTHS
from analytics.frames import DECLARATIONS, FORKS, LINKS, PARTS, SELLERS, SIGHTINGS, Lake
from kernel.clock import Month

BY_DAY: Mapping[str, pl.Schema] = {"parts": PARTS, "links": LINKS, "sightings": SIGHTINGS, "forks": FORKS}
BY_MONTH: Mapping[str, pl.Schema] = {
    "sellers": SELLERS,
    "declarations": pl.Schema({name: kind for name, kind in DECLARATIONS.items() if name != "month"}),
}
"""The columns as they lie in the files; the month is the folder's."""


def day_file(folder: Path, dataset: str, month: Month, day: int) -> Path:
    """Answer where a day of a dataset lies."""
    return folder / dataset / f"month={month}" / f"{day:05d}.parquet"


def month_file(folder: Path, dataset: str, month: Month) -> Path:
    """Answer where a month of a dataset lies."""
    return folder / dataset / f"month={month}" / "month.parquet"


def exported_days(folder: Path, month: Month) -> dict[int, list[int]]:
    """Answer what the days of a month held when they were exported; empty before the first time."""
    path = _note(folder, month)
    return {int(day): counts for day, counts in json.loads(path.read_bytes()).items()} if path.exists() else {}


def note_export(folder: Path, month: Month, days: Mapping[int, list[int]]) -> None:
    """Note what the days of a month held."""
    path = _note(folder, month)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({str(day): days[day] for day in sorted(days)}))
    draft.replace(path)


def keep(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    frame.write_parquet(draft, compression="zstd", statistics=True)
    draft.replace(path)


def open_lake(folder: Path, month: Month, *, as_of: datetime) -> Lake:
    """Open the lake for a month, lazily. What was never exported is empty."""
    months = [month.plus(-back) for back in range(HISTORY_MONTHS, -1, -1)]
    return Lake(
        month=month,
        as_of=as_of,
        parts=_scan(folder, "parts", months, PARTS),
        links=_scan(folder, "links", [month], LINKS),
        sightings=_scan(folder, "sightings", [month], SIGHTINGS),
        sellers=_scan(folder, "sellers", [month], SELLERS),
        declarations=_scan(folder, "declarations", months, BY_MONTH["declarations"]),
        forks=_scan(folder, "forks", [month], FORKS),
    )


def _scan(folder: Path, dataset: str, months: list[Month], schema: pl.Schema) -> pl.LazyFrame:
    hive = pl.Schema({"month": pl.String()})
    files = [file for month in months for file in sorted((folder / dataset / f"month={month}").glob("*.parquet"))]
    if not files:
        return pl.LazyFrame(schema=pl.Schema([*schema.items(), *hive.items()]))
    return pl.scan_parquet(files, hive_partitioning=True, hive_schema=hive)


def _note(folder: Path, month: Month) -> Path:
    return folder / "exported" / f"{month}.json"
