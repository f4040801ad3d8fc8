"""Batches: the worker's CPU for a receipt against one Ed25519 signature, and its memory over very many receipts.

    python -m benchmarks.bench_batches [--rounds 5] [--seconds 10] [--json]
    python -m benchmarks.bench_batches --receipts 1000000 [--json]

Requests hold 1,000 receipts. Signatures are timed right before and after each round, on the same machine, by the CPU
that they use; they are those of `cryptography`, as when the bar was set. With `--receipts` so many are issued in steps
of 50,000, and the worker's memory (PSS) is read after each. Exit 1 when a receipt costs more than 2.5 signatures
(median), or memory grows by more than a tenth after the first fifth of the receipts.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.load_pos import Loaded
from benchmarks.loading import LoadFailed, void_reasons
from benchmarks.pairs import Spread, cpu_spread, cpu_us, spread
from benchmarks.prepared import Prepared
from benchmarks.processes import memory_mib
from benchmarks.served import scratch_dir
from receipts import qr
from receipts.keys import Signer

SIGNATURES_MAX = 2.5
GROWTH_MAX = 1.10
BATCH, CONNECTIONS = 1000, 3
"""Three requests of 1,000 under way fit into the pool's 4,096 places."""
A_SECOND_MAX = 20_000
STEP = 50_000
SIGNATURES = 5_000
SETTLED_FROM = 0.2
"""Memory is compared from this share of the receipts on: until then caches and free lists fill."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a receipt of a batch costs. Microseconds of CPU."""

    signatures: Spread
    """The worker's CPU for a receipt, in signatures."""
    worker_us: Spread
    postgres_us: Spread
    signature_us: Spread
    own_signature_us: Spread
    """What a signature costs that the centre makes, with libsodium (docs/decisions/0041)."""
    receipts_a_second: Spread
    sampled: int
    not_as_answered: list[str]
    void: list[str]

    @property
    def good(self) -> bool:
        """Whether the bar is met by runs that count."""
        return self.signatures.median <= SIGNATURES_MAX and not self.not_as_answered and not self.void


@dataclass(frozen=True, slots=True)
class Memory:
    """How the worker's memory went. `steps` are receipts and MiB after each step."""

    receipts: int
    seconds: float
    steps: list[tuple[int, float]]
    settled_mib: float
    last_mib: float

    @property
    def good(self) -> bool:
        """Whether memory is flat."""
        return self.last_mib <= self.settled_mib * GROWTH_MAX


def measure_cost(prepared: Prepared, *, rounds: int, seconds: float, warm_up: float = 2.0, batch: int = BATCH) -> Cost:
    """Load with batches, and time signatures between."""
    options = (*_load(batch), "--seconds", str(seconds), "--warm-up", str(warm_up))
    prepare = int((seconds + warm_up) * A_SECOND_MAX)
    runs, signing, own = list[Loaded](), list[float](), list[float]()
    by_bar, by_centre = Ed25519PrivateKey.generate().sign, Signer(Ed25519PrivateKey.generate()).sign
    with prepared.served() as server:
        for _ in range(rounds):
            before = signature_us(by_bar)
            runs.append(prepared.load(server, *options, prepare=prepare))
            signing.append((before + signature_us(by_bar)) / 2)
            own.append(signature_us(by_centre))
    return Cost(
        signatures=spread([cpu_us(run, "worker") / cost for run, cost in zip(runs, signing, strict=True)], 2),
        worker_us=cpu_spread(runs, "worker"),
        postgres_us=cpu_spread(runs, "postgres"),
        signature_us=spread(signing, 2),
        own_signature_us=spread(own, 2),
        receipts_a_second=spread([run.receipts_a_second for run in runs], 0),
        sampled=prepared.sampled,
        not_as_answered=prepared.not_as_answered,
        void=void_reasons(runs),
    )


def measure_memory(
    prepared: Prepared,
    *,
    receipts: int,
    step: int = STEP,
    batch: int = BATCH,
    on_step: Callable[[], object] = lambda: None,
) -> Memory:
    """Issue very many receipts through one worker, and read its memory."""
    steps, issued, began = list[tuple[int, float]](), 0, time.perf_counter()
    with prepared.served() as server:
        while issued < receipts:
            run = prepared.load(server, *_load(batch), "--through", prepare=step)
            if run.receipts < step or set(run.statuses) != {"200"}:
                raise LoadFailed(f"not everything was issued: {run}")
            issued += run.receipts
            steps.append((issued, round(memory_mib(server.workers), 1)))
            on_step()
    settled = next(mib for count, mib in steps if count >= issued * SETTLED_FROM)
    return Memory(issued, round(time.perf_counter() - began, 1), steps, settled, steps[-1][1])


def signature_us(sign: Callable[[bytes], bytes]) -> float:
    """Answer the microseconds of CPU of one signature over what a receipt signs, in a tight loop."""
    message = qr.to_sign(bytes(8), bytes(60))
    began = time.process_time()
    for _ in range(SIGNATURES):
        sign(message)
    return (time.process_time() - began) / SIGNATURES * 1e6


def _load(batch: int) -> tuple[str, ...]:
    return "--batch", str(batch), "--connections", str(CONNECTIONS), "--sample-every", "5"


def show_cost(cost: Cost) -> None:
    """Print what a receipt costs."""
    table = Table("figure", "least", "median", "most", title="Receipts in batches")
    for name, told in (
        (f"worker CPU a receipt, in signatures (at most {SIGNATURES_MAX}, aim 1.7)", cost.signatures),
        ("worker CPU a receipt, µs", cost.worker_us),
        ("PostgreSQL CPU a receipt, µs", cost.postgres_us),
        ("one signature of cryptography, µs", cost.signature_us),
        ("one signature of libsodium, with which is signed, µs", cost.own_signature_us),
        ("receipts a second", cost.receipts_a_second),
    ):
        table.add_row(*told.row(name))
    console = Console()
    console.print(table)
    console.print(f"{cost.sampled:,} receipts compared with what is stored, {len(cost.not_as_answered)} differ")
    for reason in cost.void:
        console.print(f"VOID: {reason}")


def show_memory(memory: Memory) -> None:
    """Print how memory went."""
    table = Table("receipts", "worker's memory (PSS), MiB", title="Memory of one worker")
    for count, mib in memory.steps:
        table.add_row(f"{count:,}", f"{mib:,.1f}")
    console = Console()
    console.print(table)
    console.print(
        f"{memory.receipts:,} receipts in {memory.seconds:,.0f} s; {memory.settled_mib} MiB after the first fifth,"
        f" {memory.last_mib} MiB at the end (at most {GROWTH_MAX:.0%} of it)"
    )


def main() -> int:
    """Measure, print, and answer the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--receipts", type=int, help="issue so many and watch memory")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with scratch_dir() as folder:
        if given.receipts:
            steps = track(range(-(-given.receipts // STEP)), "Issuing", console=Console(stderr=True))
            memory = measure_memory(Prepared.make(folder), receipts=given.receipts, on_step=iter(steps).__next__)
            figures: Cost | Memory = memory
        else:
            figures = measure_cost(Prepared.make(folder), rounds=given.rounds, seconds=given.seconds)
    if given.json:
        print(json.dumps(asdict(figures)))
    elif isinstance(figures, Memory):
        show_memory(figures)
    else:
        show_cost(figures)
    return int(not figures.good)


if __name__ == "__main__":
    sys.exit(main())
