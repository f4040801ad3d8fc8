"""`barimt draw close|run|verify`: the monthly draw, step by step."""

import json
import secrets
from pathlib import Path
from typing import Annotated

import httpx2
import typer

from barimt.commands import opened
from barimt.options import DataDirOption, JsonOption, err, out
from kernel.clock import Month, format_instant
from kernel.money import format_mnt
from lottery.beacon import QUICKNET, Mode
from lottery.close_month import close_month
from lottery.commitment import SECRET_BYTES
from lottery.entries import Status
from lottery.fetch_round import DRAND_URL, round_for
from lottery.run_draw import Drawn, UnknownDraw, run_draw
from lottery.store import reading
from lottery.transcript import verify_transcript
from lottery.verify_draw import Verdict
from refunds.post_prizes import Prize, post_prizes
from runtime.clock import real_now
from runtime.data_dir import DataDir
from runtime.database import Role
from runtime.settings import load_settings
from runtime.unusable import Unusable

TRANSCRIPT_BYTES_MAX = 1024**3
draw_app = typer.Typer(no_args_is_help=True, help="The monthly draw: close, run, verify.")
MonthArgument = Annotated[str, typer.Argument(help="As 2017-03.")]
Rehearsal = Annotated[
    bool, typer.Option("--rehearsal", help="Use a recorded beacon round: proves the arithmetic only.")
]


class TranscriptUnusable(Unusable):
    """There is no such transcript, or the file cannot be read."""


@draw_app.command("close")
def draw_close(
    month: MonthArgument, rehearsal: Rehearsal = False, data_dir: DataDirOption = None, as_json: JsonOption = False
) -> None:
    """Derive the entries of a month and publish the commitment to them."""
    mode = Mode.REHEARSAL if rehearsal else Mode.LIVE
    with opened(data_dir) as on, on.database.engine(Role.JOBS).connect() as connection:
        snapshot = connection.execution_options(isolation_level="REPEATABLE READ")
        with snapshot.begin():
            commitment = close_month(
                snapshot, on.clock, month=Month.parse(month), mode=mode,
                secret=secrets.token_bytes(SECRET_BYTES), real_clock=real_now,
            )  # fmt: skip
    entries = commitment.counts[Status.ELIGIBLE]
    drawn_from = format_instant(QUICKNET.time_of(commitment.round))
    if as_json:
        printed = {"commitment_hash": commitment.hash().hex(), "entries": entries, "round": commitment.round}
        typer.echo(json.dumps(printed | {"round_at": drawn_from}))
        return
    left_out = sum(commitment.counts.values()) - entries
    out.print(f"{month}: {entries:,} entries committed to, {left_out:,} claims left out.")
    out.print(f"Commitment {commitment.hash().hex()}; drawn with drand round {commitment.round:,} of {drawn_from}.")


@draw_app.command("run")
def draw_run(
    month: MonthArgument,
    beacon: Annotated[str, typer.Option(help="Address of a drand HTTP API.")] = DRAND_URL,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a closed month with the round that its commitment names, and credit the prizes."""
    of = Month.parse(month)
    with opened(data_dir) as on:
        with on.database.transaction(Role.JOBS) as connection:
            stored = reading.find_draw(connection, of)
        if stored is None:
            raise UnknownDraw(month=month)
        with httpx2.Client(base_url=beacon) as client:
            chosen = round_for(client, stored.commitment)
        with on.database.transaction(Role.JOBS) as connection:
            drawn = run_draw(connection, on.clock, month=of, beacon=chosen)
            prizes = [Prize(prize.claim, prize.tier, prize.amount_mongo) for prize in drawn.prizes]
            post_prizes(connection, on.clock, prizes=prizes)
        path = on.data_dir.folder("draws") / f"{month}.json"
        path.write_bytes(drawn.transcript)
    _tell(drawn, path, as_json=as_json)


def _tell(drawn: Drawn, path: Path, *, as_json: bool) -> None:
    total = sum(prize.amount_mongo for prize in drawn.prizes)
    entries = drawn.commitment.counts[Status.ELIGIBLE]
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "main": drawn.numbers.main,
                    "super": drawn.numbers.super,
                    "entries": entries,
                    "winners": len({prize.claim for prize in drawn.prizes}),
                    "prizes_mongo": total,
                    "transcript": str(path),
                }
            )
        )
        return
    out.print(f"Number [bold]{drawn.numbers.main}[/bold], super number [bold]{drawn.numbers.super}[/bold].")
    winners = len({prize.claim for prize in drawn.prizes})
    out.print(f"{winners:,} of {entries:,} entries won {format_mnt(total)}. Transcript: {path}")


@draw_app.command("verify")
def draw_verify(
    month: Annotated[str, typer.Argument(help="A month as 2017-03, or a transcript's file.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a transcript completely, the beacon's BLS signature too. Exit 0 holds, 1 not, 2 unusable."""
    steps = verify_transcript(_transcript(month, data_dir))
    if as_json:
        said = [{"step": step.number, "title": step.title, "verdict": step.verdict.value, "detail": step.detail}
                for step in steps]  # fmt: skip
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        for step in steps:
            out.print(
                f"({step.number}) {step.verdict.value}: {step.title}: {step.detail}", highlight=False, soft_wrap=True
            )
    if any(step.verdict is Verdict.BROKEN for step in steps):
        err.print("The transcript does not hold.")
        raise typer.Exit(1)


def _transcript(month: str, data_dir: Path | None) -> bytes:
    path = Path(month)
    if not path.is_file():
        path = DataDir.make(load_settings(data_dir=data_dir).data_dir).folder("draws") / f"{Month.parse(month)}.json"
    try:
        if path.stat().st_size > TRANSCRIPT_BYTES_MAX:
            raise TranscriptUnusable(f"{path} is larger than {TRANSCRIPT_BYTES_MAX} bytes")
        return path.read_bytes()
    except OSError as error:
        raise TranscriptUnusable(f"{path}: {error.strerror}") from error
