"""How fast a till is, alone and while it uploads a backlog; and how fast the backlog goes.

    python -m benchmarks.bench_till [--backlog 100000] [--seconds 20] [--json]

A centre and a till, each as it ships: own processes, own disks' fsync (SQLite with synchronous=FULL). The till serves
several sellers, because a terminal has 100,000 numbers a day and a receipt takes two. First the till is alone (the
centre is stopped): sales one after another over 1 and over 8 connections, then paced as in a busy shop. Then a backlog
is issued, the centre comes back, and the paced sales go on while it is uploaded. At the end everything is at the
centre, and both sides' `check` must hold. Exit 1 when the p99 of paced sales passes the budget three times over, a
sale fails, anything is left over, or a check fails.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

from benchmarks.bare_fsyncs import fsyncs
from benchmarks.latencies import Latencies
from benchmarks.posapi_client import Posted, sale_body
from benchmarks.served import centre_served, free_port, process_served, scratch_dir
from kernel.clock import business_date
from pos_gateway.posapi.request import read_request
from pos_gateway.till.installation import Installation, SentBody, open_installation
from pos_gateway.till.seat import Seat
from runtime.clock import business_clock

ROOT = Path(__file__).parents[1]
SELLERS = 4
PACED_A_SECOND = 20.0
P99_BUDGET_MS, TIMES_MAX = 20.0, 3.0
BACKLOG_FIRST = 10_000_000
GROUP = 256
"""Sales issued at once while the backlog is made; the writer commits them in groups."""
DRAIN_S_MAX = 1_800.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; milliseconds, and a second's worth."""

    one: Posted
    eight: Posted
    paced: Posted
    backlog: int
    uploading: Posted
    uploaded: int
    upload_a_second: float
    fsync: Latencies
    left: int
    centre_check: int
    till_check: int

    @property
    def good(self) -> bool:
        """Whether nothing failed and the budget is not passed three times over."""
        runs = (self.one, self.eight, self.paced, self.uploading)
        whole = self.left == self.centre_check == self.till_check == 0
        slowest = max(self.paced.latency.p99_ms, self.uploading.latency.p99_ms)
        return whole and not any(run.failed for run in runs) and slowest <= TIMES_MAX * P99_BUDGET_MS


class CommandFailed(Exception):  # noqa: N818 - what happened, not what is wrong
    """A command of ours ended with an error; the text is what it said."""


def barimt(*words: str, ok: tuple[int, ...] = (0,)) -> "subprocess.CompletedProcess[str]":
    """Run a command as its user would. Raises `CommandFailed`."""
    done = subprocess.run([sys.executable, "-m", "barimt.cli", *words], cwd=ROOT, capture_output=True, text=True,
                          check=False)  # fmt: skip
    if done.returncode not in ok:
        raise CommandFailed(f"barimt {' '.join(words)}: {done.stdout}{done.stderr}")
    return done


@dataclass(frozen=True, slots=True)
class Stage:
    """A centre and a till with seats there, in a folder."""

    folder: Path
    centre_port: int
    till_port: int
    tins: tuple[str, ...]

    @property
    def centre_dir(self) -> Path:
        """The centre's data directory."""
        return self.folder / "centre"

    @property
    def till_dir(self) -> Path:
        """The till's data directory."""
        return self.folder / "till"

    @property
    def url(self) -> str:
        """Where the centre is."""
        return f"http://127.0.0.1:{self.centre_port}"

    @contextlib.contextmanager
    def till_served(self) -> Iterator[None]:
        """Serve the till as it ships."""
        command = ["-m", "barimt.cli", "till", "--port", str(self.till_port), "--data-dir", str(self.till_dir)]
        with process_served(command, self.till_port, self.folder / "till.log", dict(os.environ), "/rest/info"):
            yield

    def post(self, *options: str) -> Posted:
        """Let a shop post in a process of its own."""
        command = [sys.executable, "-m", "benchmarks.posapi_client", "--port", str(self.till_port), "--tins",
                   ",".join(self.tins), *options]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CommandFailed(done.stderr[-4000:])
        told: dict[str, Any] = json.loads(done.stdout)
        return Posted(**told | {"latency": Latencies(**told["latency"])})


def staged(folder: Path, *, sellers: int = SELLERS) -> Stage:
    """Make a centre and activate a till for every seller with the commands that a shop uses."""
    tins = tuple(f"{37_900_000_000 + at}" for at in range(sellers))
    stage = Stage(folder, free_port(), free_port(), tins)
    with centre_served(stage.centre_dir, stage.centre_port):
        at = ("--data-dir", str(stage.centre_dir), "--json")
        codes = []
        for tin in tins:
            barimt("admin", "seller", "add", "--tin", tin, "--name", f"Дэлгүүр {tin[-3:]}", "--sector", "4711",
                   "--district", "2501", "--vat-from", "2016-01-01", *at)  # fmt: skip
            codes.append(json.loads(barimt("admin", "terminal", "code", "--seller", tin, *at).stdout)["code"])
        barimt("till", "activate", *codes, "--centre", stage.url, "--data-dir", str(stage.till_dir))
    return stage


def issue_backlog(stage: Stage, receipts: int) -> None:
    """Issue receipts into the queue of a till that is not served, spread over its sellers."""

    async def issue(till: Installation) -> None:
        seats = till.seats
        for first in range(0, receipts, GROUP):
            numbers = range(first, min(first + GROUP, receipts))
            await asyncio.gather(*[_issue_one(till, seats[number % len(seats)], number) for number in numbers])

    with open_installation(stage.till_dir, business_clock(None), verify=False) as till:
        asyncio.run(issue(till))


async def _issue_one(till: Installation, seat: Seat, number: int) -> None:
    body = sale_body(seat.tin, BACKLOG_FIRST + number)
    bill = read_request(body, seller_of=till.merchant_of, day=business_date(till.clock()))
    sent = SentBody(till.body_digest(body), body)
    issued = await till.issue(seat, bill.submission, bill.priced, invoice=bill.invoice, body=sent)
    till.answer_was_read(issued)  # as a shop would have read it


def measure(stage: Stage, *, backlog: int, seconds: float) -> Figures:
    """Measure over a staged centre and till."""
    timed = ("--seconds", str(seconds))
    paced = (*timed, "--rate", str(PACED_A_SECOND))
    with stage.till_served():
        one = stage.post(*timed, "--connections", "1", "--first", "0")
        eight = stage.post(*timed, "--connections", "8", "--first", "1000000")
        alone = stage.post(*paced, "--first", "2000000")
    bare = fsyncs(stage.folder / "fsyncs", seconds=min(seconds, 5.0))
    issue_backlog(stage, backlog)
    with centre_served(stage.centre_dir, stage.centre_port), stage.till_served():
        waited, began = left_to_upload(stage), time.monotonic()
        uploading = stage.post(*paced, "--first", "3000000")
        left = _drain(stage)
        took = time.monotonic() - began
    uploaded = waited + uploading.receipts - left
    return Figures(
        one, eight, alone, waited, uploading, uploaded, round(uploaded / took, 1), bare, left,
        barimt("check", "--data-dir", str(stage.centre_dir), ok=(0, 1, 2)).returncode,
        barimt("till", "check", "--data-dir", str(stage.till_dir), ok=(0, 1, 2)).returncode,
    )  # fmt: skip


def left_to_upload(stage: Stage) -> int:
    """Ask the till how many receipts wait."""
    told = httpx2.get(f"http://127.0.0.1:{stage.till_port}/web/standing", timeout=60)
    return int(told.raise_for_status().json()["waiting"]["receipts"])


def _drain(stage: Stage) -> int:
    """Wait until nothing waits, as long as it goes on, and answer what is left."""
    ends = time.monotonic() + DRAIN_S_MAX
    while (left := left_to_upload(stage)) and time.monotonic() < ends:
        time.sleep(0.5)
    return left


def show(figures: Figures) -> None:
    """Print the figures as a table."""
    table = Table("sales at the till", "a second", "p50 ms", "p99 ms", "p99.9 ms", "worst ms", "count", "failed")
    for name, run in (
        ("one connection, one after another", figures.one),
        ("eight connections", figures.eight),
        (f"paced, {PACED_A_SECOND:g} a second", figures.paced),
        (f"paced, while {figures.backlog:,} upload", figures.uploading),
    ):
        told = run.latency
        table.add_row(name, f"{run.a_second:,.1f}", f"{told.p50_ms:.2f}", f"{told.p99_ms:.2f}", f"{told.p999_ms:.2f}",
                      f"{told.worst_ms:.2f}", f"{run.receipts:,}", str(run.failed))  # fmt: skip
    bare = figures.fsync
    table.add_row("a bare write and fsync", "", f"{bare.p50_ms:.2f}", f"{bare.p99_ms:.2f}", f"{bare.p999_ms:.2f}",
                  f"{bare.worst_ms:.2f}", f"{bare.count:,}", "")  # fmt: skip
    console = Console(width=120)
    console.print(table)
    console.print(f"uploaded {figures.uploaded:,}, {figures.upload_a_second:,.0f} a second; {figures.left} left over")
    console.print(f"check at the centre: exit {figures.centre_check}; at the till: exit {figures.till_check}")


def main() -> int:
    """Measure, print, and answer the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backlog", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with scratch_dir() as folder:
        figures = measure(staged(folder), backlog=given.backlog, seconds=given.seconds)
    if given.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)
    return int(not figures.good)


if __name__ == "__main__":
    sys.exit(main())
