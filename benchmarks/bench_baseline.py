"""The centre, without its access log, against what a team would write first (`baseline_orm.py`): singles, and bulk.

    python -m benchmarks.bench_baseline [--pairs 5] [--seconds 10] [--json]

First the baseline alone looks for its best: of 5, 10, 20 and 40 connections for singles, of objects (`add_all`) and
rows (bulk insert) for requests of 1,000 receipts. Then both run in turns over one data directory, and the baseline
once more with a profile, whose first ten functions are printed. Exit 1 when a median ratio of the rates misses its
bar: 5 for singles, 2 for bulk.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.load_pos import Loaded
from benchmarks.loading import SINGLES_A_SECOND_MAX, void_reasons
from benchmarks.pairs import Spread, cpu_spread, in_turns, rate_ratio, spread
from benchmarks.prepared import Prepared
from benchmarks.served import module_served, scratch_dir

POOLS = (5, 10, 20, 40)
FORMS = ("orm", "core")
BULK_POOL = 10
SINGLES_MIN, BULK_MIN = 5.0, 2.0
BATCH, BATCH_CONNECTIONS = 1000, 3
"""Requests of 1,000 under way at a time fit into the pool's 4,096 places."""
BATCHED_A_SECOND_MAX = 20_000
TOP = 10


@dataclass(frozen=True, slots=True)
class Kind:
    """What is measured of singles, or of bulk. Microseconds of CPU a receipt."""

    best: str
    tried: dict[str, float]
    """Receipts a second by what was tried."""
    ratio: Spread
    ours_a_second: Spread
    baseline_a_second: Spread
    ours_worker_us: Spread
    baseline_worker_us: Spread
    ours_postgres_us: Spread
    baseline_postgres_us: Spread
    void: list[str]
    top: list[tuple[str, float]]
    """The functions in which the baseline's worker spends its CPU, with their shares."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    singles: Kind
    bulk: Kind
    sampled: int
    not_as_answered: list[str]

    @property
    def good(self) -> bool:
        """Whether the bars are met by runs that count."""
        bars = self.singles.ratio.median >= SINGLES_MIN and self.bulk.ratio.median >= BULK_MIN
        return bars and not self.not_as_answered and not (self.singles.void or self.bulk.void)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    pairs: int = 5
    seconds: float = 10.0
    warm_up: float = 2.0
    pools: Sequence[int] = POOLS
    forms: Sequence[str] = FORMS
    batch: int = BATCH


@dataclass(frozen=True, slots=True)
class Bench:
    """The measuring of both over one centre."""

    prepared: Prepared
    size: Size

    def singles(self) -> Kind:
        """Measure singles."""
        return self._kind(
            {f"{size} connections": ["--pool", str(size)] for size in self.size.pools}, (), SINGLES_A_SECOND_MAX
        )  # fmt: skip

    def bulk(self) -> Kind:
        """Measure requests of many receipts."""
        load = ("--batch", str(self.size.batch), "--connections", str(BATCH_CONNECTIONS), "--sample-every", "3")
        options = {form: ["--bulk", form, "--pool", str(BULK_POOL)] for form in self.size.forms}
        return self._kind(options, load, BATCHED_A_SECOND_MAX)

    def _kind(self, options: dict[str, list[str]], load: tuple[str, ...], a_second: int) -> Kind:
        size = self.size
        prepare = int((size.seconds + size.warm_up) * a_second)
        timed = ("--seconds", str(size.seconds), "--warm-up", str(size.warm_up), *load)

        def baseline(*given: str) -> Loaded:
            return self._baseline([*given], timed, prepare)

        tried = {name: baseline(*given).receipts_a_second for name, given in options.items()}
        best = max(tried, key=lambda name: tried[name])
        ours, theirs = in_turns(
            lambda: self.prepared.run(*timed, prepare=prepare), lambda: baseline(*options[best]), size.pairs
        )
        profile = self.prepared.folder / "profile.json"
        baseline(*options[best], "--profile", str(profile))
        return Kind(
            best=best,
            tried={name: round(rate) for name, rate in tried.items()},
            ratio=rate_ratio(ours, theirs),
            ours_a_second=spread([run.receipts_a_second for run in ours], 0),
            baseline_a_second=spread([run.receipts_a_second for run in theirs], 0),
            ours_worker_us=cpu_spread(ours, "worker"),
            baseline_worker_us=cpu_spread(theirs, "worker"),
            ours_postgres_us=cpu_spread(ours, "postgres"),
            baseline_postgres_us=cpu_spread(theirs, "postgres"),
            void=void_reasons(ours + theirs),
            top=[(row["function"], row["share"]) for row in json.loads(profile.read_bytes())[:TOP]],
        )

    def _baseline(self, options: list[str], load: tuple[str, ...], prepare: int) -> Loaded:
        of = self.prepared
        given = ["--data-dir", str(of.data_dir), *options]
        with module_served("benchmarks.baseline_orm", given, of.port, of.folder / "baseline.log") as server:
            return of.load(server, *load, prepare=prepare)


def measure(prepared: Prepared, size: Size) -> Figures:
    """Measure singles and bulk over a prepared centre."""
    bench = Bench(prepared, size)
    singles, bulk = bench.singles(), bench.bulk()
    return Figures(singles, bulk, bench.prepared.sampled, bench.prepared.not_as_answered)


def show(figures: Figures) -> None:
    """Print the figures as tables."""
    console = Console()
    for name, kind, bar in (("Singles", figures.singles, SINGLES_MIN), ("Bulk", figures.bulk, BULK_MIN)):
        tried = ", ".join(f"{what}: {rate:,.0f}" for what, rate in kind.tried.items())
        table = Table("figure", "least", "median", "most", title=f"{name} against the ORM baseline with {kind.best}")
        for said, told in (
            (f"ratio of the rates (at least {bar:g}, aim twice that)", kind.ratio),
            ("ours, receipts a second", kind.ours_a_second),
            ("baseline, receipts a second", kind.baseline_a_second),
            ("ours, worker CPU a receipt, µs", kind.ours_worker_us),
            ("baseline, worker CPU a receipt, µs", kind.baseline_worker_us),
            ("ours, PostgreSQL CPU a receipt, µs", kind.ours_postgres_us),
            ("baseline, PostgreSQL CPU a receipt, µs", kind.baseline_postgres_us),
        ):
            table.add_row(*told.row(said))
        console.print(table)
        console.print(f"baseline tried, receipts a second: {tried}")
        top = Table("share", "function", title="Where the baseline's worker spends its CPU")
        for function, share in kind.top:
            top.add_row(f"{share:.1%}", function)
        console.print(top)
        for reason in kind.void:
            console.print(f"VOID: {reason}")
    console.print(f"{figures.sampled:,} answers compared with what is stored, {len(figures.not_as_answered)} differ")


def main() -> int:
    """Measure, print, and answer the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with scratch_dir() as folder:
        figures = measure(Prepared.make(folder), Size(given.pairs, given.seconds))
    if given.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)
    return int(not figures.good)


if __name__ == "__main__":
    sys.exit(main())
