"""`barimt lake export` and `barimt plausibility run`: the tax officer's job."""

import json
from pathlib import Path
from typing import Annotated

import typer

from analytics.export_lake import export_lake
from analytics.purpose import Purpose
from analytics.run_plausibility import Judged, run_plausibility
from analytics.write_report import write_report
from barimt.commands import working
from barimt.options import DataDirOption, JsonOption, out
from kernel.clock import Month

lake_app = typer.Typer(no_args_is_help=True, help="The Parquet lake on which the plausibility job runs.")
plausibility_app = typer.Typer(no_args_is_help=True, help="Are declared revenues plausible?")


@lake_app.callback()
def lake() -> None:
    """The Parquet lake on which the plausibility job runs."""


@plausibility_app.callback()
def plausibility() -> None:
    """Are declared revenues plausible?"""


@lake_app.command("export")
def lake_export(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Bring the lake up to date with the database, day by day."""
    with working(data_dir) as (connection, on):
        exported = export_lake(connection, folder=on.data_dir.lake)
    if as_json:
        typer.echo(json.dumps({"months": exported.months, "days_written": exported.days_written,
                               "days_unchanged": exported.days_unchanged}))  # fmt: skip
    else:
        out.print(
            f"{exported.days_written:,} days written, {exported.days_unchanged:,} unchanged, in {on.data_dir.lake}."
        )


@plausibility_app.command("run")
def plausibility_run(
    month: Annotated[str, typer.Option(help="As 2017-03.")],
    purpose: Annotated[str, typer.Option(help="Why; recorded.")],
    case: Annotated[str, typer.Option(help="The case's number; recorded.")],
    officer: Annotated[str, typer.Option(help="Who asks; recorded.")] = "operator",
    report: Annotated[
        Path | None, typer.Option("--out", help="Folder of the report (default: out/report-MONTH).")
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a month and write the report: index.html, report.xlsx, findings.csv, findings.json."""
    of = Month.parse(month)
    reason = Purpose.parse(officer=officer, purpose=purpose, case=case)
    with working(data_dir) as (connection, on):
        judged = run_plausibility(connection, on.clock, lake_folder=on.data_dir.lake, month=of, purpose=reason)
        folder = report or on.data_dir.out / f"report-{of}"
    page = write_report(judged, folder)
    _tell(judged, page, as_json=as_json)


def _tell(judged: Judged, page: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"run": judged.run, "accused": list(judged.accused), "report": str(page)}))
        return
    for row in judged.evidence.scores.iter_rows(named=True):
        if row["level"] == "finding":
            out.print(f"[bold red]{row['tin']}[/bold red] {row['name']}: {row['reason_en']}", highlight=False)
    out.print(f"{len(judged.accused)} sellers with findings. Report: {page}", highlight=False, soft_wrap=True)
