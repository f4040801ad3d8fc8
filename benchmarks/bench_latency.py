"""How long a till waits: at 70 % of the most that the centre does, beside a bare commit; and alone, on an idle centre.

    python -m benchmarks.bench_latency [--seconds 30] [--json]

First the most is measured (64 connections, closed loop). Then receipts arrive at random at 70 % of it, and after that,
at the same rate on the same cluster, single rows are committed by a program that does nothing else. Last a receipt
arrives every 20 ms on an otherwise idle centre: what it waits is set against the CPU of worker and PostgreSQL for it
and a lone bare commit, so that a timer on its way would show. Exit 1 when the p99 is more than ten times that of a bare
commit, or a lone receipt waits 2 ms longer than what is accounted for.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.bare_commits import Committed
from benchmarks.latencies import Latencies
from benchmarks.load_pos import Loaded
from benchmarks.loading import SINGLES_A_SECOND_MAX, LoadFailed, void_reasons
from benchmarks.pairs import cpu_us
from benchmarks.prepared import Prepared
from benchmarks.served import scratch_dir
from runtime.database import Role, join_database
from runtime.settings import load_settings

SHARE = 0.70
P99_RATIO_MAX = 10.0
UNACCOUNTED_MAX_MS = 2.0
LONE_A_SECOND = 50


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. Milliseconds."""

    most_a_second: float
    offered_a_second: float
    receipts: Latencies
    commits: Latencies
    commits_cores: float
    p99_ratio: float
    lone: Latencies
    lone_commit: Latencies
    lone_worker_ms: float
    lone_postgres_ms: float
    unaccounted_ms: float
    """What a lone receipt waits for beyond CPU and commit, in the middle."""
    others_cores: float
    sampled: int
    not_as_answered: list[str]
    void: list[str]

    @property
    def good(self) -> bool:
        """Whether the bars are met by runs that count."""
        bars = self.p99_ratio <= P99_RATIO_MAX and self.unaccounted_ms <= UNACCOUNTED_MAX_MS
        return bars and not self.void and not self.not_as_answered


def measure(prepared: Prepared, *, seconds: float, warm_up: float = 2.0) -> Figures:
    """Measure over a prepared centre."""
    timed = ("--seconds", str(seconds), "--warm-up", str(warm_up))
    with prepared.served() as server:
        lasting = int((seconds + warm_up) * SINGLES_A_SECOND_MAX)
        most = prepared.load(server, *timed, prepare=lasting)
        rate = most.receipts_a_second * SHARE
        loaded = prepared.load(server, *timed, "--rate", str(rate), prepare=int(lasting * SHARE))
        committed = _commits(prepared, *timed, "--rate", str(rate))
        alone = ("--rate", str(LONE_A_SECOND), "--even")
        lone = prepared.load(server, *timed, *alone, "--connections", "1", prepare=int(lasting))
        lone_commit = _commits(prepared, *timed, *alone)
    return _figures(prepared, (most, loaded, lone), rate, committed, lone_commit)


def _figures(
    prepared: Prepared, runs: tuple[Loaded, Loaded, Loaded], rate: float, committed: Committed, lone_commit: Committed
) -> Figures:
    most, loaded, lone = runs
    worker_ms, postgres_ms = cpu_us(lone, "worker") / 1000, cpu_us(lone, "postgres") / 1000
    accounted_ms = worker_ms + postgres_ms + lone_commit.latency.p50_ms
    return Figures(
        most_a_second=round(most.receipts_a_second),
        offered_a_second=round(rate),
        receipts=loaded.issued,
        commits=committed.latency,
        commits_cores=round(committed.cores, 2),
        p99_ratio=round(loaded.issued.p99_ms / committed.latency.p99_ms, 2),
        lone=lone.issued,
        lone_commit=lone_commit.latency,
        lone_worker_ms=round(worker_ms, 3),
        lone_postgres_ms=round(postgres_ms, 3),
        unaccounted_ms=round(lone.issued.p50_ms - accounted_ms, 3),
        others_cores=round(loaded.others_cores, 2),
        sampled=prepared.sampled,
        not_as_answered=prepared.not_as_answered,
        void=void_reasons(runs),
    )


def _commits(prepared: Prepared, *options: str) -> Committed:
    with join_database(load_settings(data_dir=prepared.data_dir)) as database:
        url = database.url(Role.OWNER)
    command = [sys.executable, "-m", "benchmarks.bare_commits", "--url", url, *options]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadFailed(done.stderr[-4000:])
    told: dict[str, Any] = json.loads(done.stdout)
    return Committed(told["commits_a_second"], Latencies(**told["latency"]), told["cores"])


def show(figures: Figures) -> None:
    """Print the figures as a table."""
    table = Table("milliseconds", "p50", "p99", "p99.9", "worst", "count", title="How long a till waits")
    for name, told in (
        (f"receipts at {figures.offered_a_second:,.0f}/s, of {figures.most_a_second:,.0f}/s at most", figures.receipts),
        ("bare commits at the same rate", figures.commits),
        ("lone receipts", figures.lone),
        ("lone bare commits", figures.lone_commit),
    ):
        table.add_row(
            name, f"{told.p50_ms:.2f}", f"{told.p99_ms:.2f}", f"{told.p999_ms:.2f}", f"{told.worst_ms:.2f}",
            f"{told.count:,}",
        )  # fmt: skip
    console = Console()
    console.print(table)
    console.print(f"p99 against a bare commit's: {figures.p99_ratio} (at most {P99_RATIO_MAX:g})")
    console.print(
        f"a lone receipt uses {figures.lone_worker_ms} ms of the worker, {figures.lone_postgres_ms} ms of PostgreSQL;"
        f" unaccounted for: {figures.unaccounted_ms} ms (at most {UNACCOUNTED_MAX_MS:g})"
    )
    console.print(f"the bare commits' program used {figures.commits_cores} cores, others {figures.others_cores}")
    for reason in figures.void:
        console.print(f"VOID: {reason}")


def main() -> int:
    """Measure, print, and answer the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
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
