"""`barimt conformance URL`: does a till speak PosAPI 3.0 as POS software needs it? Needs the base install only."""

import json
import secrets
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from barimt.options import JsonOption, err, out
from barimt.verify_command import read_keys
from pos_gateway.conformance.catalogue import Catalogue, catalogue
from pos_gateway.conformance.meet_till import TEST_LESSEE, Asked, meet_till
from pos_gateway.conformance.run_cases import Run
from pos_gateway.conformance.send import Caller
from pos_gateway.conformance.verdict import Outcome, Result, Verdict, concluded
from runtime.clock import real_now
from runtime.unusable import Unusable

FAILS: Final = 1
TEST_CONSUMER: Final = "10038071"
"""The consumer of the vendor's own example."""
_MARKS: Final = {
    Outcome.PASSED: "[green]✓[/green]",
    Outcome.FAILED: "[bold red]✗[/bold red]",
    Outcome.FOLLOWS: "[red]→[/red]",
    Outcome.REMARK: "[yellow]![/yellow]",
    Outcome.NOT_RUN: "[dim]–[/dim]",
}


class CaseUnknown(Unusable):
    """A case was asked for that does not exist."""


def conformance_command(  # noqa: PLR0913 - one option a fact that the kit cannot know
    url: Annotated[str, typer.Argument(help="The till's address, as http://127.0.0.1:7080.")],
    tin: Annotated[str | None, typer.Option(help="The merchant to try (default: the till's first).")] = None,
    second: Annotated[str | None, typer.Option(help="Another merchant of the till, or a lessee.")] = None,
    buyer: Annotated[str, typer.Option(help="TIN of a business that buys.")] = TEST_LESSEE,
    consumer: Annotated[str, typer.Option(help="A consumer's number, of eight digits.")] = TEST_CONSUMER,
    keys: Annotated[Path | None, typer.Option(help="The centre's key file, to verify the QR's signature.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Cases to run, by the beginning of their names.")] = None,
    real: Annotated[bool, typer.Option("--real", help="Issue receipts on a till that is not for tests.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Try a PosAPI 3.0 till with good and bad requests. Exit 0 conforms, 1 fails, 2 could not run."""
    cases = catalogue()
    try:
        cases.chosen(only or ())
    except KeyError as unknown:
        raise CaseUnknown(f"No case is called {unknown}; without --only all are run and listed") from None
    verdict = _tried(url, Asked(buyer, consumer, tin, second, real), cases=cases, keys=keys, only=tuple(only or ()))
    if as_json:
        typer.echo(json.dumps(verdict.as_json(), ensure_ascii=False, indent=1))
    else:
        _tell(verdict)
        typer.echo(json.dumps(verdict.summary(), ensure_ascii=False))
    if not verdict.conforms:
        raise typer.Exit(FAILS)


def _tried(url: str, asked: Asked, *, cases: Catalogue, keys: Path | None, only: tuple[str, ...]) -> Verdict:
    keyring = None if keys is None else read_keys(keys, (), None)[0]
    caller = Caller(url, elapsed_s=time.monotonic)
    try:
        met = meet_till(caller, asked)
        has = met.has if keyring is None else met.has | {"keys"}
        label = secrets.token_hex(6)
        run = Run(caller, met.subject, catalogue=cases, has=has, now=real_now(), label=label, keyring=keyring)
        results = concluded(_results(run, cases, only), ours=met.told.ours)
    finally:
        caller.close()
    _, wanted = cases.chosen(only)
    return Verdict(met.told, tuple(result for result in results if result.name in wanted))


def _results(run: Run, cases: Catalogue, only: tuple[str, ...]) -> list[Result]:
    to_run, _ = cases.chosen(only)
    bar = Progress(
        TextColumn("Trying {task.description:<32}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    results = []
    with bar:
        task = bar.add_task("", total=len(to_run))
        for result in run.cases(to_run):
            results.append(result)
            bar.update(task, advance=1, description=result.name)
    return [*results, *run.watches(cases.watches)]


def _tell(verdict: Verdict) -> None:
    table = Table("", "case", "expected", "came", "why", show_lines=False, expand=True)
    for result in verdict.results:
        entry = result.entry
        ours = " [dim](Barimt only)[/dim]" if entry.ours else ""
        wrong = result.outcome not in {Outcome.PASSED, Outcome.NOT_RUN}
        expected = f"{entry.about}: {result.expected}" if wrong else entry.about
        table.add_row(
            _MARKS[result.outcome], f"{entry.name}{ours}", escape(expected),
            escape(result.came or "as expected"), f"{escape(entry.reason)} [dim]{entry.source}[/dim]",
        )  # fmt: skip
    out.print(table)
    for result in verdict.results:
        if result.outcome is Outcome.FAILED:
            out.print(f"[bold red]✗ {result.name}[/bold red] {escape(result.entry.about)}", highlight=False)
            out.print(f"    expected  {escape(result.expected)}", highlight=False, soft_wrap=True)
            out.print(f"    came      {escape(result.came)}", highlight=False, soft_wrap=True)
            out.print(f"    because   {escape(result.entry.reason)}", highlight=False, soft_wrap=True)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in verdict.counts().items() if count)
    word = "[bold green]Conforms.[/bold green]" if verdict.conforms else "[bold red]Does not conform.[/bold red]"
    out.print(f"{word} {len(verdict.results)} cases: {counted}.", highlight=False)
