"""Torture: tills post and ask again while the gateway, its PostgreSQL, or both are killed with -9, again and again.

    python -m tests.crash.torture [--kills 100] [--seed 1] [--workers 1] [--seconds 0] [--json]

`make torture` runs it with at least a hundred kills. Every kill has at least one request in flight. Whoever is killed
and was started by us is started again by us at once, as a supervisor does; PostgreSQL is the gateway's own business.
`--seconds` is the least time that it runs, so that `--kills 0 --seconds 60` is a long random run without kills.

Exit 0: every acknowledged receipt is there byte for byte, each key made one receipt, no answer was a false one, no
deadlock happened, `barimt check` holds. Exit 1: a promise was broken; what was left is kept and named.
"""

import argparse
import contextlib
import itertools
import json
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.crash.judge import judge, postgres_log
from tests.crash.killer import Kill, victims_of
from tests.crash.serve_process import ServeProcess
from tests.crash.siege import Ordered, Siege, besieged
from tests.crash.tills import RETRIES, SLOTS, answers_in

SECONDS_A_KILL_MAX = 30.0


@dataclass(slots=True)
class Summary:
    """What a run did and found."""

    ordered: Ordered
    kills: dict[str, int]
    kills_of_postmaster: int
    in_flight_least: int
    in_flight_median: float
    receipts: int
    answers_kept: int
    retries: int
    attempts: dict[str, int]
    ended_by_itself: int
    outage_s: dict[str, dict[str, float]]
    longest_silence_s: float
    seconds: float
    faults: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return not self.faults


def torture(folder: Path, ordered: Ordered, progress: Callable[[int], None] = lambda _done: None) -> Summary:
    """Run the torture in an empty folder that every user may pass through, and answer what was found."""
    began = time.monotonic()
    serve = ServeProcess(folder / "data", "--workers", str(ordered.workers))
    serve.start()
    with besieged(serve, ordered, folder) as siege:
        for at, victim in enumerate(victims_of(ordered.kills, workers=ordered.workers, random=siege.random), 1):
            siege.kill(victim)
            progress(at)
            if time.monotonic() - began > SECONDS_A_KILL_MAX * (ordered.kills + 2):
                break
        siege.linger(max(0.0, ordered.seconds - (time.monotonic() - began)))
        siege.settle()
        return _summary(siege, began)


def _summary(siege: Siege, began: float) -> Summary:
    judgement = judge(siege.serve.data_dir, siege.folder)
    attempts: Counter[str] = Counter()
    for path in siege.folder.glob("statuses-*.json"):
        attempts.update(json.loads(path.read_bytes()))
    silences = _silences(siege.folder)
    return Summary(
        ordered=siege.ordered,
        kills=dict(Counter(str(kill.victim) for kill in siege.kills)),
        kills_of_postmaster=sum(kill.victim.is_postgres for kill in siege.kills),
        in_flight_least=min((kill.in_flight[0] for kill in siege.kills), default=0),
        in_flight_median=median([kill.in_flight[0] for kill in siege.kills] or [0]),
        receipts=judgement.keys,
        answers_kept=judgement.acknowledged,
        retries=sum(siege.shared[RETRIES::SLOTS]),
        attempts=dict(sorted(attempts.items())),
        ended_by_itself=siege.ended_by_itself,
        outage_s=_outages(siege.kills, silences),
        longest_silence_s=round(max(ends - begins for begins, ends in silences) / 1e9, 2),
        seconds=round(time.monotonic() - began, 1),
        faults=judgement.faults + _further_faults(siege),
    )


def _further_faults(siege: Siege) -> list[str]:
    faults = []
    if len(siege.kills) < siege.ordered.kills:
        faults.append(f"only {len(siege.kills)} of {siege.ordered.kills} kills in the time allowed")
    if deadlocks := postgres_log(siege.serve).count("deadlock detected"):
        faults.append(f"{deadlocks} deadlocks")
    checked = json.loads(siege.serve.command("check", "--json"))
    if not checked["holds"]:
        faults.append(f"barimt check: {checked}")
    return faults


def _silences(folder: Path) -> list[tuple[int, int]]:
    """Answer the times (ns) between one acknowledgement and the next of all tills together."""
    return list(itertools.pairwise(sorted(record["at_ns"] for record in answers_in(folder))))


def _outages(kills: Sequence[Kill], silences: Sequence[tuple[int, int]]) -> dict[str, dict[str, float]]:
    """Answer for each victim how long nobody was acknowledged: a kill's longest silence, up to the next kill."""
    outages: dict[str, list[float]] = defaultdict(list)
    ends = [kill.at_ns for kill in kills[1:]] + [time.monotonic_ns()] * bool(kills)
    for kill, end in zip(kills, ends, strict=True):
        touching = [min(until, end) - since for since, until in silences if until > kill.at_ns and since < end]
        outages[str(kill.victim)].append(max(touching, default=0) / 1e9)
    return {
        victim: {"median": round(median(found), 2), "longest": round(max(found), 2)}
        for victim, found in sorted(outages.items())
    }


@contextlib.contextmanager
def _bar(console: Console, kills: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("kills"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("kills", total=kills)
        yield lambda done: bar.update(task, completed=done)


def _show(console: Console, summary: Summary) -> None:
    for name, found in asdict(summary).items():
        if name not in {"ordered", "faults"}:
            console.print(f"[bold]{name.replace('_', ' '):20}[/bold] {found}", highlight=False, soft_wrap=True)
    for fault in summary.faults:
        console.print(f"[red]broken:[/red] {fault}", highlight=False, soft_wrap=True)


def main() -> int:
    """Run what the command line orders, and answer the exit code."""
    parser = argparse.ArgumentParser(description="Kill the gateway and its PostgreSQL under posting tills.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    console = Console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="barimt-torture-", dir="/tmp"))
    folder.chmod(0o711)
    ordered = Ordered(given.kills, given.seed, given.workers, seconds=given.seconds)
    try:
        with _bar(console, given.kills) as progress:
            summary = torture(folder, ordered, progress)
    except AssertionError:
        console.print_exception()
        console.print(f"What was left is in {folder}")
        return 1
    if given.json:
        sys.stdout.write(json.dumps(asdict(summary)) + "\n")
    else:
        _show(Console(), summary)
    if summary.holds:
        shutil.rmtree(folder)
    else:
        console.print(f"What was left is in {folder}")
    return 0 if summary.holds else 1


if __name__ == "__main__":
    sys.exit(main())
