"""`barimt till`: PosAPI 3.0 on this machine for a shop: the service, and what a shopkeeper asks of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx2
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from barimt.options import JsonOption, err, out
from barimt.till_tables import show_activation, show_day, show_faults, show_notices, show_standing
from kernel.clock import Clock, business_date, format_instant
from pos_gateway.posapi.answer import VERSION
from pos_gateway.till.activate_till import Activation, activate_till, replace_till
from pos_gateway.till.ask_centre import AskCentre, CentreFailure, open_http, parse_centre_url
from pos_gateway.till.centre_file import CentreFile
from pos_gateway.till.day_sheet import day_sheet, parse_day
from pos_gateway.till.installation import Installation, open_installation
from pos_gateway.till.overview import failure_words, notices_json, overview_json, said
from pos_gateway.till.page_routes import TOKEN_HEADER, parse_root
from pos_gateway.till.serve_till import Running, is_loopback, serving_till
from pos_gateway.till.till_dir import DEFAULT_DIR, TillDir
from pos_gateway.till.till_service import CentreUnset, look_over
from pos_gateway.till.upload_receipts import Uploader
from runtime.clock import business_clock, real_now
from runtime.settings import TILL_DIR
from runtime.unusable import Unusable

PORT = 7080
UPLOAD_S = 3_600.0
"""How long a command uploads before it leaves the rest to the service."""
NOTICES_SHOWN = 5
ASKED_S = 2.0
"""How long a command waits for the service beside it."""
ACTIVATION_CODES = ("activation_code_unknown", "public_key_taken", "root_key_away")
T = TypeVar("T")
till_app = typer.Typer(invoke_without_command=True, help="PosAPI 3.0 on this machine, offline too.")
TillDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar=TILL_DIR, help="The till's data directory (.barimt/till)."),
]
ClockFileOption = Annotated[Path | None, typer.Option(help="Moves business time; for development.", hidden=True)]


class NoTill(Unusable):
    """There is no till in the data directory that was named."""


class CentreNotMet(Unusable):
    """The centre did not answer a command as hoped; the text says why in both languages."""


@till_app.callback()
def till(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = PORT,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets the shop's network in.")] = "127.0.0.1",
    data_dir: TillDirOption = None,
    centre: Annotated[str | None, typer.Option(help="Where the centre is, if it has moved.")] = None,
    clock_file: ClockFileOption = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="For makers of POS software: a test centre of its own beside the till.")
    ] = False,
) -> None:
    """Serve POS software until stopped: PosAPI 3.0, the page at /web/, and the upload to the centre."""
    if context.invoked_subcommand is not None:
        context.obj = data_dir
        return
    if clock_file is not None and not is_loopback(host):
        raise Unusable("--clock-file moves business time and is for development: listen on 127.0.0.1 only")
    if sandbox:
        _run_sandbox(context, data_dir, host=host, port=port, clock_file=clock_file)
        return
    url = None if centre is None else parse_centre_url(centre, "--centre")
    clock = business_clock(clock_file)
    with open_installation(data_dir or DEFAULT_DIR, clock) as installation:
        if installation.faults:
            show_faults(installation.faults, err)
        asyncio.run(_serve(installation, clock, host=host, port=port, url=url))
    out.print("Stopped cleanly.")


@till_app.command()
def activate(
    context: typer.Context,
    codes: Annotated[list[str], typer.Argument(help="One-time codes of the tax office, one a seller.")],
    centre: Annotated[str | None, typer.Option(help="Where the centre is, as https://centre.example.")] = None,
    root: Annotated[str | None, typer.Option(help="The kid of the centre's root key, if you know it.")] = None,
    data_dir: TillDirOption = None,
    clock_file: ClockFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Activate this till with one-time codes. May be repeated whatever became of the last time."""
    root_kid = None if root is None else parse_root(root, "--root")

    async def work(asked: "_Asked") -> list[Activation]:
        done = [
            await activate_till(asked.installation, asked.centre, code=code, clock=asked.clock, root_kid=root_kid)
            for code in codes
        ]
        await _upload(asked, shown=False)
        return done

    for activation in _with_centre(context, data_dir, centre, clock_file, work, make=True):
        show_activation(activation, waiting=0, as_json=as_json)


@till_app.command()
def replace(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="The one-time code of the new terminal.")],
    data_dir: TillDirOption = None,
    clock_file: ClockFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace a terminal: end its chain with the closing link, upload, go on with the new one. May be repeated."""

    async def work(asked: "_Asked") -> tuple[Activation, int]:
        done = await replace_till(
            asked.installation, asked.centre, code=code, clock=asked.clock,
            upload=lambda: _upload(asked, shown=not as_json),
        )  # fmt: skip
        await _upload(asked, shown=False)
        return done

    activation, waiting = _with_centre(context, data_dir, None, clock_file, work)
    show_activation(activation, waiting=waiting, as_json=as_json)


@till_app.command()
def status(
    context: typer.Context,
    data_dir: TillDirOption = None,
    clock_file: ClockFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how the till stands: online or since when not, what waits, until when, what went wrong, warnings."""
    with _beside(context, data_dir, clock_file) as (installation, clock):
        notices = notices_json(installation.notices(most=NOTICES_SHOWN))
        standing = _ask_service(installation.dir, "/web/standing")
        running = standing is not None
        if standing is None:
            centre = CentreFile.of(installation.dir)
            standing = overview_json(look_over(installation, None, centre, clock, VERSION))
    if as_json:
        typer.echo(json.dumps(standing | {"running": running, "notices": notices}, ensure_ascii=False))
        return
    show_standing(standing, out)
    show_notices(notices, out)
    if not running:
        out.print("[yellow]![/] The service is not running: barimt till")


@till_app.command()
def clock(
    context: typer.Context,
    right: Annotated[bool, typer.Option("--right", help="Say that this machine's clock is right.")] = False,
    data_dir: TillDirOption = None,
    clock_file: ClockFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the till's clock, or say that it is right: off and without network for more than a day, a till asks that."""
    with _beside(context, data_dir, clock_file) as (installation, clock):
        if right and _ask_service(installation.dir, "/web/clock", post=True) is None:
            asyncio.run(installation.learn_time(clock().replace(microsecond=0)))
        standing = _ask_service(installation.dir, "/web/standing")
        doubted = bool(standing["clock_doubted"]) if standing else installation.doubts_clock()
        now = format_instant(clock())
    if as_json:
        typer.echo(json.dumps({"now": now, "doubted": doubted}))
    else:
        out.print(now + (" - doubted: is it right? barimt till clock --right" if doubted else ""))


@till_app.command()
def day(
    context: typer.Context,
    date: Annotated[str | None, typer.Option(help="Business day in Ulaanbaatar, as 2026-11-27; today.")] = None,
    data_dir: TillDirOption = None,
    clock_file: ClockFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close the day: count, totals by tax type and payment, corrections, voids, and identical receipts."""
    with _beside(context, data_dir, clock_file) as (installation, clock):
        wanted = business_date(clock()) if date is None else parse_day(date, "--date")
        sheet = asyncio.run(day_sheet(installation, installation.view, wanted))
    if as_json:
        typer.echo(json.dumps(sheet, ensure_ascii=False))
    else:
        show_day(sheet, out)


@till_app.command()
def check(
    context: typer.Context,
    data_dir: TillDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at everything in the queue. Exit 0: it is whole; 1: it was edited, or the disk fails; 2: could not look."""
    with _beside(context, data_dir, None) as (installation, _):
        faults = installation.check()
    if as_json:
        found = [{"code": fault.code, "place": fault.place} for fault in faults]
        typer.echo(json.dumps({"whole": not faults, "faults": found}))
    else:
        show_faults(faults, out)
    raise typer.Exit(1 if faults else 0)


def _run_sandbox(context: typer.Context, data_dir: Path | None, **given: Any) -> None:
    """Run a test centre and its till. A till's own directory that the environment names is not the sandbox's."""
    source = context.get_parameter_source("data_dir")
    asked = source is not None and source.name == "COMMANDLINE"
    try:
        sandbox = import_module("barimt.sandbox")  # a till alone has no centre
    except ModuleNotFoundError as missing:
        raise Unusable(
            f"barimt till --sandbox needs {missing.name}, which is not installed: pip install 'barimt[till,server]'"
        ) from missing
    sandbox.run_sandbox(folder=data_dir if asked else None, **given)


async def _serve(installation: Installation, clock: Clock, *, host: str, port: int, url: str | None) -> None:
    async with serving_till(installation, clock, host=host, port=port, url=url) as served:
        _say_where(installation, served.address)
        await served.run()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a command that asks the centre works with."""

    installation: Installation
    centre: AskCentre
    clock: Clock


def _with_centre(
    context: typer.Context,
    data_dir: Path | None,
    url: str | None,
    clock_file: Path | None,
    work: Callable[[_Asked], Awaitable[T]],
    *,
    make: bool = False,
) -> T:
    """Do what asks the centre, and tell the service that runs beside. Raises `CentreNotMet`, or `NoTill`."""

    async def ask(installation: Installation, clock: Clock) -> T:
        known = CentreFile.of(installation.dir).url
        if url is None and known is None:
            raise CentreUnset
        async with open_http(parse_centre_url(url or str(known), "--centre")) as http:
            centre = AskCentre(http, installation.dir.client_key, real_clock=real_now)
            return await work(_Asked(installation, centre, clock))

    with _beside(context, data_dir, clock_file, make=make) as (installation, clock):
        try:
            done = asyncio.run(ask(installation, clock))
        except CentreFailure as failure:
            raise CentreNotMet(_words_of(failure)) from failure
        _ask_service(installation.dir, "/web/reload", post=True)
        return done


def _words_of(failure: CentreFailure) -> str:
    """Say in both languages why the centre did not do as asked: what it refuses a code for has words of ours."""
    if failure.code in ACTIVATION_CODES:
        return "\n".join(said(failure.code).values())
    return "\n".join([*failure_words(failure.code, failure.detail).values(), failure.detail])


async def _upload(asked: _Asked, *, shown: bool) -> int:
    """Upload what waits, with a bar where that takes a while, and answer how many receipts are left."""
    uploader = Uploader(asked.installation, asked.centre, clock=asked.clock)
    waits = sum(asked.installation.backlog(seat).count for seat in asked.installation.seats)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not shown) as progress:
        bar = progress.add_task("uploading", total=waits)
        return await uploader.send_now(
            within_s=UPLOAD_S, seen=lambda left: progress.update(bar, completed=max(0, waits - left))
        )


@contextmanager
def _beside(
    context: typer.Context, data_dir: Path | None, clock_file: Path | None, *, make: bool = False
) -> Iterator[tuple[Installation, Clock]]:
    """Open the installation for a look, or for what may be done beside a running service. Raises `NoTill` where none
    is, unless one is to be made.
    """
    clock = business_clock(clock_file)
    root: Path = (data_dir or context.obj or DEFAULT_DIR).expanduser()
    if not make and not TillDir(root).queue.exists():
        raise NoTill(f"There is no till in {root}. Activate one: barimt till activate CODE --centre URL --data-dir DIR")
    with open_installation(root, clock, verify=False) as installation:
        yield installation, clock


def _ask_service(till_dir: TillDir, path: str, *, post: bool = False) -> dict[str, Any] | None:
    """Ask the service that runs on this data directory; None where none answers."""
    running = Running.of(till_dir.root)
    if running is None:
        return None
    headers = {TOKEN_HEADER: running.form_token}
    try:
        with httpx2.Client(base_url=running.address, timeout=ASKED_S, headers=headers) as http:
            answer = http.post(path, json={}) if post else http.get(path)
            found = answer.raise_for_status().json()
    except (httpx2.HTTPError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _say_where(installation: Installation, address: str) -> None:
    out.print(
        f"\n[bold]Barimt till[/bold] listens on {address} (page: {address}/web/)\n"
        f"  data and keys   {installation.dir.root}\n"
        f"  how it stands   barimt till status\n"
        f"  the day         barimt till day\n"
        "  stop            Ctrl-C\n",
        highlight=False,
        soft_wrap=True,
    )
    if not any(seat.closed_at is None for seat in installation.seats):
        out.print("Not activated yet: barimt till activate CODE --centre URL", highlight=False)
