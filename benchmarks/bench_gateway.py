"""Single receipts: the centre as it ships against an empty FastAPI endpoint that only validates the same body.

    python -m benchmarks.bench_gateway [--pairs 5] [--seconds 10] [--json]

64 terminals on 64 keep-alive connections post bodies of five lines in a closed loop. Only one of the two servers runs
at a time, in turns, the first of a pair changing. Afterwards a sample of the answers is compared with what is stored.
Exit 1 when the median ratio of the rates is below 1.0, a receipt is not stored as it was answered, or a run is void
(the client used more than 40 % of a core).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.enrolled import enrol, post_one
from benchmarks.load_pos import Loaded
from benchmarks.loading import SINGLES_A_SECOND_MAX, Client, void_reasons
from benchmarks.served import Server, centre_served, free_port, module_served, scratch_dir
from benchmarks.stored_sample import verify_sample
from benchmarks.till_requests import LoadPlan

RATIO_MIN = 1.0
WARM_UP_S = 2.0


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the middle and the most of several runs."""

    least: float
    median: float
    most: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured over the pairs. Microseconds of CPU a request."""

    ratio: Spread
    cpu_ratio: Spread
    """The empty endpoint's worker CPU a request over ours."""
    ours_a_second: Spread
    empty_a_second: Spread
    ours_worker_us: Spread
    ours_postgres_us: Spread
    empty_worker_us: Spread
    ours_worker_cores: Spread
    client_share: Spread
    others_cores: Spread
    sampled: int
    not_as_answered: list[str]
    void: list[str]
    ours: list[Loaded]
    empty: list[Loaded]

    @property
    def good(self) -> bool:
        """Whether the bar is met by a run that counts."""
        return self.ratio.median >= RATIO_MIN and not self.void and not self.not_as_answered and self.sampled > 0


def spread(values: Sequence[float], digits: int = 3) -> Spread:
    """Answer how values spread."""
    return Spread(round(min(values), digits), round(median(values), digits), round(max(values), digits))


def cpu_us(run: Loaded, group: str) -> float:
    """Answer the microseconds of CPU that a group of processes used for a receipt."""
    return run.cpu_s[group] / max(1, run.receipts) * 1e6


class Pairs:
    """The two servers over one folder, run in turns."""

    def __init__(self, folder: Path, seconds: float, warm_up: float) -> None:
        self._folder = folder
        self._timed = ("--seconds", str(seconds), "--warm-up", str(warm_up))
        self._prepare = int((seconds + warm_up) * SINGLES_A_SECOND_MAX)
        self._port = free_port()
        self._client = Client(folder / "plan.json")
        self._answer_bytes = 0
        self.samples: list[Path] = []
        self.sampled, self.wrong = 0, list[str]()

    def enrol(self, tills: int) -> LoadPlan:
        """Enrol the tills, and learn how many bytes an answer has."""
        with self._centre():
            plan = enrol(self._folder / "data", self._port, tills)
            plan.write(self._folder / "plan.json")
            self._answer_bytes = len(post_one(plan))
        return plan

    def ours(self) -> Loaded:
        """Load the centre, and compare a sample with what it stored."""
        sample = self._folder / "sample"
        with self._centre() as server:
            run = self._client.load(server, *self._timed, prepare=self._prepare, sample=sample)
            looked_at, wrong = verify_sample(sample, self._folder / "data")
        self.sampled += looked_at
        self.wrong += wrong
        return run

    def empty(self) -> Loaded:
        """Load the empty endpoint."""
        options = ["--answer-bytes", str(self._answer_bytes)]
        with module_served("benchmarks.empty_endpoint", options, self._port, self._folder / "empty.log") as server:
            return self._client.load(server, *self._timed, prepare=self._prepare)

    def _centre(self) -> AbstractContextManager[Server]:
        return centre_served(self._folder / "data", self._port)


def measure(
    folder: Path, *, pairs: int, seconds: float, warm_up: float = WARM_UP_S, tills: int = 64
) -> Figures:  # fmt: skip
    """Run the pairs over a scratch folder."""
    turns = Pairs(folder, seconds, warm_up)
    turns.enrol(tills)
    ours, empty = list[Loaded](), list[Loaded]()
    for pair in range(pairs):
        if pair % 2 == 0:
            ours.append(turns.ours())
            empty.append(turns.empty())
        else:
            empty.append(turns.empty())
            ours.append(turns.ours())
    both = list(zip(ours, empty, strict=True))
    return Figures(
        ratio=spread([a.requests_a_second / b.requests_a_second for a, b in both]),
        cpu_ratio=spread([cpu_us(b, "worker") / cpu_us(a, "worker") for a, b in both]),
        ours_a_second=spread([run.receipts_a_second for run in ours], 0),
        empty_a_second=spread([run.receipts_a_second for run in empty], 0),
        ours_worker_us=spread([cpu_us(run, "worker") for run in ours], 1),
        ours_postgres_us=spread([cpu_us(run, "postgres") for run in ours], 1),
        empty_worker_us=spread([cpu_us(run, "worker") for run in empty], 1),
        ours_worker_cores=spread([run.cpu_s["worker"] / run.seconds for run in ours], 2),
        client_share=spread([run.client_cores for run in ours + empty]),
        others_cores=spread([run.others_cores for run in ours + empty], 2),
        sampled=turns.sampled,
        not_as_answered=turns.wrong,
        void=void_reasons(ours + empty),
        ours=ours,
        empty=empty,
    )


def show(figures: Figures) -> None:
    """Print the figures as a table."""
    table = Table("figure", "least", "median", "most", title="Single receipts against an empty endpoint")
    for name, told in (
        (f"ratio of the rates (at least {RATIO_MIN}, aim 1.5)", figures.ratio),
        ("ratio by worker CPU a request", figures.cpu_ratio),
        ("ours, receipts a second", figures.ours_a_second),
        ("empty, requests a second", figures.empty_a_second),
        ("ours, worker CPU a request, µs", figures.ours_worker_us),
        ("ours, PostgreSQL CPU a request, µs", figures.ours_postgres_us),
        ("empty, worker CPU a request, µs", figures.empty_worker_us),
        ("ours, cores of the worker", figures.ours_worker_cores),
        ("client, share of a core (at most 0.40)", figures.client_share),
        ("others on the machine, cores", figures.others_cores),
    ):
        table.add_row(name, f"{told.least:,}", f"{told.median:,}", f"{told.most:,}")
    console = Console()
    console.print(table)
    console.print(f"{figures.sampled:,} answers compared with what is stored, {len(figures.not_as_answered)} differ")
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
        figures = measure(folder, pairs=given.pairs, seconds=given.seconds)
    if given.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)
    return int(not figures.good)


if __name__ == "__main__":
    sys.exit(main())
