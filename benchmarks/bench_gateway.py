"""Single receipts: the centre, without its access log, against an empty FastAPI endpoint that only validates.

    python -m benchmarks.bench_gateway [--pairs 5] [--seconds 10] [--json]

64 terminals on 64 keep-alive connections post bodies of five lines in a closed loop. Only one of the two servers runs
at a time, in turns, the first of a pair changing. Afterwards a sample of the answers is compared with what is stored.
Exit 1 when the median ratio of the rates is below 1.0, a receipt is not stored as it was answered, or a run is void
(the client used more than 40 % of a core).
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.load_pos import Loaded
from benchmarks.loading import SINGLES_A_SECOND_MAX, void_reasons
from benchmarks.pairs import Spread, cpu_spread, cpu_us, in_turns, rate_ratio, spread
from benchmarks.prepared import Prepared
from benchmarks.served import module_served, scratch_dir

RATIO_MIN = 1.0
WARM_UP_S = 2.0


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


def measure(
    prepared: Prepared, *, pairs: int, seconds: float, warm_up: float = WARM_UP_S
) -> Figures:  # fmt: skip
    """Run the pairs over a prepared centre."""
    timed = ("--seconds", str(seconds), "--warm-up", str(warm_up))
    prepare = int((seconds + warm_up) * SINGLES_A_SECOND_MAX)

    def ours() -> Loaded:
        return prepared.run(*timed, prepare=prepare)

    def empty() -> Loaded:
        options = ["--answer-bytes", str(prepared.answer_bytes)]
        with module_served(
            "benchmarks.empty_endpoint", options, prepared.port, prepared.folder / "empty.log"
        ) as server:
            return prepared.client.load(server, *timed, prepare=prepare)

    return _figures(prepared, *in_turns(ours, empty, pairs))


def _figures(prepared: Prepared, ours: list[Loaded], empty: list[Loaded]) -> Figures:
    both = list(zip(ours, empty, strict=True))
    return Figures(
        ratio=rate_ratio(ours, empty),
        cpu_ratio=spread([cpu_us(b, "worker") / cpu_us(a, "worker") for a, b in both]),
        ours_a_second=spread([run.receipts_a_second for run in ours], 0),
        empty_a_second=spread([run.receipts_a_second for run in empty], 0),
        ours_worker_us=cpu_spread(ours, "worker"),
        ours_postgres_us=cpu_spread(ours, "postgres"),
        empty_worker_us=cpu_spread(empty, "worker"),
        ours_worker_cores=spread([run.cpu_s["worker"] / run.seconds for run in ours], 2),
        client_share=spread([run.client_cores for run in ours + empty]),
        others_cores=spread([run.others_cores for run in ours + empty], 2),
        sampled=prepared.sampled,
        not_as_answered=prepared.not_as_answered,
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
        table.add_row(*told.row(name))
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
        figures = measure(Prepared.make(folder), pairs=given.pairs, seconds=given.seconds)
    if given.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)
    return int(not figures.good)


if __name__ == "__main__":
    sys.exit(main())
