"""Whether clients that are slow, silent or deaf hold honest tills up.

    python -m benchmarks.bench_bad_clients [--seconds 10] [--json]

Honest tills post at half of the most that the centre does, in an open loop over 64 connections. Their p99 is measured
alone, and then beside 200 connections of each bad kind (`bad_clients`), before and after which they are alone again.
Exit 1 when a kind more than doubles the worse of the p99 before and after it (with at least 20 ms allowed), an honest
receipt is not issued, or the worker's memory grows by more than 256 MiB beside it.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.bad_clients import KINDS, Seen
from benchmarks.latencies import Latencies
from benchmarks.load_pos import Loaded
from benchmarks.loading import SINGLES_A_SECOND_MAX, LoadFailed, void_reasons
from benchmarks.prepared import Prepared
from benchmarks.processes import memory_mib
from benchmarks.served import scratch_dir

SHARE = 0.5
BAD = 200
TIMES_MAX, ALLOWED_MS = 2.0, 20.0
SETTLE_S = 3.0
"""Bad clients have done what they do when the honest ones are measured beside them."""
GROWTH_MAX_MIB = 256.0
"""200 deaf clients, for each of which one answer of 500 receipts (some 0.5 MB) waits, and as much in copies."""


@dataclass(frozen=True, slots=True)
class Case:
    """What honest tills felt of one kind of bad client."""

    kind: str
    before: Latencies
    beside: Latencies
    after: Latencies
    statuses: dict[str, int]
    seen: Seen
    memory_grown_mib: float

    @property
    def good(self) -> bool:
        """Whether nobody was held up."""
        alone = max(self.before.p99_ms, self.after.p99_ms)
        held_up = self.beside.p99_ms > max(alone * TIMES_MAX, ALLOWED_MS)
        return not held_up and set(self.statuses) == {"201"} and self.memory_grown_mib <= GROWTH_MAX_MIB


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    most_a_second: float
    offered_a_second: float
    cases: list[Case]
    void: list[str]

    @property
    def good(self) -> bool:
        """Whether no kind held anybody up, in runs that count."""
        return all(case.good for case in self.cases) and not self.void


def measure(
    prepared: Prepared, *, seconds: float, bad: int = BAD, kinds: Sequence[str] = tuple(KINDS)
) -> Figures:  # fmt: skip
    """Measure over a prepared centre."""
    prepare = int((seconds + 2) * SINGLES_A_SECOND_MAX)
    cases, runs = list[Case](), list[Loaded]()
    with prepared.served() as server:
        timed = ("--seconds", str(seconds), "--warm-up", "1")
        most = prepared.load(server, *timed, prepare=prepare)
        rate = most.receipts_a_second * SHARE

        def honest() -> Loaded:
            runs.append(prepared.load(server, *timed, "--rate", str(rate), prepare=int(prepare * SHARE)))
            return runs[-1]

        before = honest()
        for kind in kinds:
            memory = memory_mib(server.workers)
            behaving = _behave(prepared, kind, bad, seconds + 2 * SETTLE_S)
            time.sleep(SETTLE_S)
            beside = honest()
            grown = memory_mib(server.workers) - memory
            seen = _seen(behaving)
            after = honest()
            cases.append(
                Case(kind, before.issued, beside.issued, after.issued, beside.statuses, seen, round(grown, 1))
            )  # fmt: skip
            before = after
    return Figures(round(most.receipts_a_second), round(rate), cases, void_reasons(runs))


def _behave(prepared: Prepared, kind: str, bad: int, seconds: float) -> "subprocess.Popen[str]":
    options = [str(prepared.client.plan), kind, "--connections", str(bad), "--seconds", str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bad_clients", *options], cwd=Path(__file__).parents[1], text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _seen(behaving: "subprocess.Popen[str]") -> Seen:
    said, complained = behaving.communicate()
    if not said:
        raise LoadFailed(complained[-4000:])
    return Seen(**json.loads(said))


def show(figures: Figures) -> None:
    """Print the figures as a table."""
    table = Table(
        "bad clients", "p99 before, ms", "beside them", "after", "memory grown, MiB", "hung up on", "first after, s",
        title=f"Honest tills at {figures.offered_a_second:,.0f} a second, beside bad clients",
    )  # fmt: skip
    for case in figures.cases:
        seen = case.seen
        table.add_row(
            f"{seen.connections} {case.kind}" + ("" if case.good else "  !"),
            *(f"{told.p99_ms:.1f}" for told in (case.before, case.beside, case.after)),
            f"{case.memory_grown_mib}",
            f"{seen.closed}",
            "never" if seen.first_closed_s is None else f"{seen.first_closed_s}",
        )
    console = Console()
    console.print(table)
    for reason in figures.void:
        console.print(f"VOID: {reason}")


def main() -> int:
    """Measure, print, and answer the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with scratch_dir() as folder:
        figures = measure(Prepared.make(folder), seconds=given.seconds)
    if given.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)
    return int(not figures.good)


if __name__ == "__main__":
    sys.exit(main())
