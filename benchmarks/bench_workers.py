"""What a second worker costs: CPU for a receipt with two workers against one, and unbroken chains through both.

    python -m benchmarks.bench_workers [--pairs 5] [--seconds 10] [--json]

128 connections of 64 terminals, so that each terminal mostly posts through both workers. One worker and two run in
turns over one data directory; at the end `barimt check` looks at every chain. Exit 1 when the median ratio of the
workers' CPU for a receipt is above 1.15, or the check finds anything.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.loading import SINGLES_A_SECOND_MAX, void_reasons
from benchmarks.pairs import Spread, cpu_spread, cpu_us, in_turns, rate_ratio, spread
from benchmarks.prepared import Prepared
from benchmarks.served import scratch_dir

CPU_RATIO_MAX = 1.15
CONNECTIONS = 128


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. Microseconds of CPU for a receipt, of all workers together."""

    cpu_ratio: Spread
    rate_ratio: Spread
    one_us: Spread
    two_us: Spread
    one_postgres_us: Spread
    two_postgres_us: Spread
    one_a_second: Spread
    two_a_second: Spread
    check: str
    """What `barimt check` said last."""
    check_holds: bool
    not_as_answered: list[str]
    void: list[str]

    @property
    def good(self) -> bool:
        """Whether the bar is met by runs that count."""
        held = self.check_holds and not self.not_as_answered
        return held and self.cpu_ratio.median <= CPU_RATIO_MAX and not self.void


def measure(prepared: Prepared, *, pairs: int, seconds: float, warm_up: float = 2.0) -> Figures:
    """Run one worker and two in turns over a prepared centre."""
    timed = ("--seconds", str(seconds), "--warm-up", str(warm_up), "--connections", str(CONNECTIONS))
    prepare = int((seconds + warm_up) * SINGLES_A_SECOND_MAX)
    two, one = in_turns(
        lambda: prepared.run(*timed, prepare=prepare, workers=2),
        lambda: prepared.run(*timed, prepare=prepare, workers=1),
        pairs,
    )
    check = _check(prepared)
    return Figures(
        cpu_ratio=spread([cpu_us(a, "worker") / cpu_us(b, "worker") for a, b in zip(two, one, strict=True)]),
        rate_ratio=rate_ratio(two, one),
        one_us=cpu_spread(one, "worker"),
        two_us=cpu_spread(two, "worker"),
        one_postgres_us=cpu_spread(one, "postgres"),
        two_postgres_us=cpu_spread(two, "postgres"),
        one_a_second=spread([run.receipts_a_second for run in one], 0),
        two_a_second=spread([run.receipts_a_second for run in two], 0),
        check=(check.stdout + check.stderr).strip().rpartition("\n")[2],
        check_holds=check.returncode == 0,
        not_as_answered=prepared.not_as_answered,
        void=void_reasons(one + two),
    )


def _check(prepared: Prepared) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_")}
    return subprocess.run(
        [sys.executable, "-m", "barimt.cli", "check"], cwd=Path(__file__).parents[1], capture_output=True, text=True,
        check=False, stdin=subprocess.DEVNULL, env=kept | {"BARIMT_DATA_DIR": str(prepared.data_dir), "NO_COLOR": "1"},
    )  # fmt: skip


def show(figures: Figures) -> None:
    """Print the figures as a table."""
    table = Table("figure", "least", "median", "most", title="Two workers against one")
    for name, told in (
        (f"workers' CPU a receipt, two against one (at most {CPU_RATIO_MAX})", figures.cpu_ratio),
        ("rate, two against one", figures.rate_ratio),
        ("one worker, CPU a receipt, µs", figures.one_us),
        ("two workers, CPU a receipt, µs", figures.two_us),
        ("one worker, PostgreSQL's, µs", figures.one_postgres_us),
        ("two workers, PostgreSQL's, µs", figures.two_postgres_us),
        ("one worker, receipts a second", figures.one_a_second),
        ("two workers, receipts a second", figures.two_a_second),
    ):
        table.add_row(*told.row(name))
    console = Console()
    console.print(table)
    console.print(f"barimt check: {figures.check}", highlight=False)
    for reason in figures.void:
        console.print(f"VOID: {reason}")


def main() -> int:
    """Measure, print, and answer the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with scratch_dir() as folder:
        figures = measure(Prepared.make(folder), pairs=given.pairs, seconds=given.seconds)
    if given.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)
    return int(not figures.good)


if __name__ == "__main__":
    sys.exit(main())
