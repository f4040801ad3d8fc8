"""Whether a receipt costs the same with ten thousand, a million and twenty million stored, and what a stored one takes.

    python -m benchmarks.bench_growth [--stages 10000,1000000,20000000] [--rounds 5] [--seconds 5] [--json]

For each stage a centre of its own is filled with valid chains (`grow_centre`): 2,000 terminals, a million receipts a
month, twenty months at most. Then they are served as they ship and loaded in turns, so that whatever else the machine
does falls on all: batches of 1,000, then singles over 64 connections, from terminals with a history. Centres of at most
two million receipts are loaded on a fresh copy each time, so that they stay as small as their stage says. At the end
`barimt check` walks the last copy of the smallest. Everything is removed afterwards, also from a run that fails.

Exit 1 when the medians of the rate, or of the CPU for a receipt (worker and PostgreSQL), of batches or of singles,
differ by more than a fifth between the stages, or anything is not as it should be.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.enrolled import Seat, plan_for
from benchmarks.grow_centre import FREE_BYTES_MIN, Grown, NotGrown, grow_centre
from benchmarks.load_pos import Loaded
from benchmarks.loading import SINGLES_A_SECOND_MAX, Client, void_reasons
from benchmarks.pairs import Spread, cpu_us, spread
from benchmarks.prepared import Prepared
from benchmarks.served import free_port, scratch_dir
from benchmarks.stored_bytes import Bytes, stored_bytes, verify_chains
from runtime.database import Database

STAGES = "10000,1000000,20000000"
FLAT_MAX = 1.20
TERMINALS, POSTING = 2_000, 256
BATCHES_A_SECOND_MAX = 20_000
COPIED_MAX = 2_000_000
CHECKED_MAX = 200_000
"""`barimt check` walks some 3,500 receipts a second."""
BYTES_A_RECEIPT, BYTES_A_CENTRE = 1_150, 1_200_000_000
"""What is reserved on the disk: more than measured, and for each centre its WAL and an empty database."""
BYTES_MAX = 30 * 10**9
VERIFIED_CHAINS = 5


@dataclass(frozen=True, slots=True)
class Size:
    """How long is measured, and with how many terminals."""

    rounds: int = 5
    seconds: float = 5.0
    warm_up: float = 2.0
    batch: int = 1_000
    terminals: int = TERMINALS
    posting: int = POSTING


@dataclass(slots=True)
class Centre:
    """A filled centre, and what was measured of it."""

    grown: Grown
    prepared: Prepared
    bytes: Bytes
    verified: int
    batches: list[Loaded] = field(default_factory=list)
    singles: list[Loaded] = field(default_factory=list)
    sampled: int = 0
    not_as_answered: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cost:
    """What receipts cost at a stage. Microseconds of CPU for a receipt; `cpu_us` is worker and PostgreSQL together."""

    a_second: Spread
    worker_us: Spread
    postgres_us: Spread
    cpu_us: Spread
    others_cores: Spread
    """What had no part in the run took of the machine's cores meanwhile: where it differs, rates do not compare."""

    @classmethod
    def of(cls, runs: Sequence[Loaded]) -> "Cost":
        """Answer the cost that several runs measured."""
        worker, postgres = ([cpu_us(run, group) for run in runs] for group in ("worker", "postgres"))
        both = [a + b for a, b in zip(worker, postgres, strict=True)]
        rate = spread([run.receipts_a_second for run in runs], 0)
        others = spread([run.others_cores for run in runs], 2)
        return cls(rate, spread(worker, 1), spread(postgres, 1), spread(both, 1), others)


@dataclass(frozen=True, slots=True)
class Stage:
    """What was measured at a stage."""

    receipts: int
    months: int
    load_s: float
    bytes: Bytes
    verified: int
    batches: Cost
    singles: Cost


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. `flatness`: the largest median over the smallest of all stages."""

    stages: list[Stage]
    flatness: dict[str, float]
    check: str
    """What `barimt check` said last of the smallest stage, with what was posted there."""
    check_holds: bool
    sampled: int
    not_as_answered: list[str]
    void: list[str]

    @property
    def good(self) -> bool:
        """Whether the bar is met by runs that count."""
        held = self.check_holds and not self.not_as_answered and not self.void
        return held and max(self.flatness.values()) <= FLAT_MAX


def require_room(folder: Path, stages: Sequence[int]) -> None:
    """Refuse to begin what would not fit. Raises `NotGrown`."""
    written = sum(stages) + sum(stage for stage in stages if stage <= COPIED_MAX)
    wanted = written * BYTES_A_RECEIPT + len(stages) * BYTES_A_CENTRE
    most = min(shutil.disk_usage(folder).free - FREE_BYTES_MIN, BYTES_MAX)
    if wanted > most:
        raise NotGrown(f"{wanted / 1e9:.1f} GB are needed, and at most {most / 1e9:.1f} GB may be used")


def measure(folder: Path, stages: Sequence[int], size: Size, progress: Progress) -> Figures:
    """Fill a centre for each stage, load them in turns, and check the smallest."""
    require_room(folder, stages)
    centres = [_filled(folder / f"{receipts}", receipts, size, progress) for receipts in sorted(stages)]
    task = progress.add_task("Loading in turns", total=size.rounds * len(centres))
    for number in range(size.rounds):
        for centre in centres if number % 2 == 0 else reversed(centres):
            _load(centre, size)
            progress.advance(task)
    check_holds, check = _check(centres[0])
    found = [_stage(centre) for centre in centres]
    return Figures(
        stages=found,
        flatness=_flatness(found),
        check=check,
        check_holds=check_holds,
        sampled=sum(centre.sampled for centre in centres),
        not_as_answered=[one for centre in centres for one in centre.not_as_answered],
        void=void_reasons([run for centre in centres for run in (*centre.batches, *centre.singles)]),
    )


def _filled(folder: Path, receipts: int, size: Size, progress: Progress) -> Centre:
    folder.mkdir()
    asked: list[tuple[Bytes, int]] = []

    def look(database: Database, seats: Sequence[Seat]) -> None:
        asked.append((stored_bytes(database), verify_chains(database, seats[:: len(seats) // VERIFIED_CHAINS or 1])))

    task = progress.add_task(f"Storing {receipts:,}", total=receipts)
    grown = grow_centre(
        folder / "data", receipts, terminals=size.terminals, look=look,
        on_written=lambda written: progress.update(task, completed=written),
    )  # fmt: skip
    ((found, verified),) = asked
    return Centre(grown, Prepared(folder, free_port(), Client(folder / "plan.json"), 0), found, verified)


def _load(centre: Centre, size: Size) -> None:
    """Load a centre with batches, then with singles; a small one is copied before, and the copy is loaded."""
    prepared = _copy(centre.prepared) if centre.grown.receipts <= COPIED_MAX else centre.prepared
    timed = ("--seconds", str(size.seconds), "--warm-up", str(size.warm_up))
    batches = ("--batch", str(size.batch), "--connections", "3", "--sample-every", "5")
    seconds = size.seconds + size.warm_up
    already = prepared.sampled, len(prepared.not_as_answered)
    with prepared.served() as server:
        # anew each time: the first tokens would not outlast the filling of the largest centre
        plan_for(centre.grown.data_dir, prepared.port, centre.grown.seats[: size.posting]).write(prepared.client.plan)
        centre.batches.append(
            prepared.load(server, *batches, *timed, prepare=int(seconds * BATCHES_A_SECOND_MAX))
        )  # fmt: skip
        centre.singles.append(prepared.load(server, *timed, prepare=int(seconds * SINGLES_A_SECOND_MAX)))
    centre.sampled += prepared.sampled - already[0]
    centre.not_as_answered += prepared.not_as_answered[already[1] :]


def _copy(prepared: Prepared) -> Prepared:
    """Copy a centre that is stopped; root's copy keeps the user whose the cluster is."""
    folder = prepared.folder / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    subprocess.run(["cp", "-a", str(prepared.data_dir), str(folder)], check=True)
    return Prepared(folder, prepared.port, prepared.client, 0)


def _check(centre: Centre) -> tuple[bool, str]:
    """Answer what `barimt check` says of a small centre, with what was posted there last."""
    if centre.grown.receipts > CHECKED_MAX:
        return True, "not run: no stage is small enough"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_")}
    data_dir = centre.prepared.folder / "copy" / "data"
    check = subprocess.run(
        [sys.executable, "-m", "barimt.cli", "check"], cwd=Path(__file__).parents[1], capture_output=True, text=True,
        check=False, stdin=subprocess.DEVNULL, env=kept | {"BARIMT_DATA_DIR": str(data_dir), "NO_COLOR": "1"},
    )  # fmt: skip
    return check.returncode == 0, (check.stdout + check.stderr).strip().rpartition("\n")[2]


def _stage(centre: Centre) -> Stage:
    grown = centre.grown
    return Stage(
        receipts=grown.receipts,
        months=grown.months,
        load_s=grown.load_s,
        bytes=centre.bytes,
        verified=centre.verified,
        batches=Cost.of(centre.batches),
        singles=Cost.of(centre.singles),
    )


def _flatness(stages: Sequence[Stage]) -> dict[str, float]:
    medians = {
        "batches, receipts a second": [stage.batches.a_second.median for stage in stages],
        "batches, CPU a receipt": [stage.batches.cpu_us.median for stage in stages],
        "singles, receipts a second": [stage.singles.a_second.median for stage in stages],
        "singles, CPU a receipt": [stage.singles.cpu_us.median for stage in stages],
    }
    return {name: round(max(found) / min(found), 3) for name, found in medians.items()}


def show(figures: Figures) -> None:
    """Print the figures as tables."""
    console = Console()
    console.print(_costs(figures))
    for name, factor in figures.flatness.items():
        console.print(f"{name}: largest over smallest median {factor} (at most {FLAT_MAX})", highlight=False)
    console.print(_bytes(figures))
    verified = sum(stage.verified for stage in figures.stages)
    console.print(
        f"{verified:,} generated receipts verified as texts, with documents and predecessors", highlight=False
    )
    console.print(
        f"{figures.sampled:,} posted ones compared with what is stored, {len(figures.not_as_answered)} differ"
    )
    console.print(f"barimt check of the smallest: {figures.check}", highlight=False)
    for reason in figures.void:
        console.print(f"VOID: {reason}")


def _costs(figures: Figures) -> Table:
    table = Table("figure (least, median, most)", *(f"{stage.receipts:,}" for stage in figures.stages))
    for kind in ("batches", "singles"):
        for name in ("a_second", "worker_us", "postgres_us", "cpu_us", "others_cores"):
            spreads: list[Spread] = [getattr(getattr(stage, kind), name) for stage in figures.stages]
            table.add_row(f"{kind}: {name}", *(f"{s.least:,} {s.median:,} {s.most:,}" for s in spreads))
    table.add_row("months of receipts", *(f"{stage.months}" for stage in figures.stages))
    table.add_row("seconds to store them", *(f"{stage.load_s:,.0f}" for stage in figures.stages))
    return table


def _bytes(figures: Figures) -> Table:
    table = Table("bytes", *(f"{stage.receipts:,}" for stage in figures.stages))
    sizes = [stage.bytes for stage in figures.stages]
    table.add_row("a receipt, without its key", *(f"{size.receipt:,.0f}" for size in sizes))
    for name in ("heap", "toast", "indexes", "maps"):
        table.add_row(f"  {name}", *(f"{getattr(size, name):,.1f}" for size in sizes))
    table.add_row("a row: pointer and header", *(f"{size.row_header}" for size in sizes))
    for column in sizes[0].columns:
        table.add_row(f"  {column}", *(f"{size.columns[column]:,.1f}" for size in sizes))
    table.add_row("  alignment and free space", *(f"{size.padding:,.1f}" for size in sizes))
    table.add_row("a remembered key", *(f"{size.key_heap + size.key_index:,.0f}" for size in sizes))
    table.add_row("  heap, index", *(f"{size.key_heap:,.1f}, {size.key_index:,.1f}" for size in sizes))
    table.add_row("the database", *(f"{size.database:,}" for size in sizes))
    return table


def main() -> int:
    """Measure, print, and answer the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", default=STAGES, help="receipts stored at each stage, with commas between")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load that is measured")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with scratch_dir() as folder, Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        stages = [int(stage) for stage in given.stages.split(",")]
        figures = measure(folder, stages, Size(given.rounds, given.seconds), progress)
    if given.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)
    return int(not figures.good)


if __name__ == "__main__":
    sys.exit(main())
