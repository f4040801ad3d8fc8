"""What happens when three times as much is offered as the centre can do.

    python -m benchmarks.bench_overload [--seconds 60] [--connections 6000] [--json]

First the most is measured: the better of 64 connections and 512 in a closed loop. Then three times of it arrive at
random, over up to 6,000 connections: more than the pool has places, so that it fills. A receipt that is refused is
posted again later with the same key, as a till does. Meanwhile, and for some seconds after, a probe posts 20 receipts a
second over connections of its own. Every acknowledged receipt is then looked for in the database. Exit 1 when the rate
under overload leaves a fifth around the most, an answer is neither 201 nor 503 with `Retry-After`, memory keeps growing
in the second half, the probe waits longer than before 2 s after the end, or an acknowledged receipt is missing.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from subprocess import Popen

from rich.console import Console
from rich.table import Table

from benchmarks.latencies import Latencies
from benchmarks.load_pos import Loaded
from benchmarks.loading import SINGLES_A_SECOND_MAX, finished
from benchmarks.pairs import cpu_us
from benchmarks.prepared import Prepared
from benchmarks.processes import Group, memory_mib
from benchmarks.served import scratch_dir
from benchmarks.stored_sample import verify_sample

TIMES = 3.0
KEPT_MIN, KEPT_MAX = 0.8, 1.2
RECOVERED_MAX_S = 2.0
CALM_MS = 100.0
"""A probe that is answered within this time is not waiting for what came before it."""
GROWTH_MAX = 1.10
CONNECTIONS = 6000
"""More than the pool's 4,096 places."""
MOST_CONNECTIONS = (64, 512)
"""With more at a time a commit is shared by more, so that a receipt costs less."""
PROBES_A_SECOND = 20
QUIET_S = 6.0
"""How long the probe goes on alone, after the overload."""
PROBING_MAX_S = 600


@dataclass(frozen=True, slots=True)
class Size:
    """How much is offered."""

    seconds: float = 60.0
    most_seconds: float = 10.0
    connections: int = CONNECTIONS


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    most_a_second: float
    offered_a_second: float
    issued_a_second: float
    kept: float
    """The rate under overload over the most."""
    statuses: dict[str, int]
    without_retry_after: int
    broken: int
    unsent: int
    issued: Latencies
    refused: Latencies
    refused_share: float
    worker_us: float
    """The worker's CPU for an answer, issued or refused, in microseconds."""
    most_worker_us: float
    """The same when it does the most."""
    memory_before_mib: float
    memory_first_half_mib: float
    memory_second_half_mib: float
    recovered_s: float
    """How long after the end of the overload the last probe still waited for more than `CALM_MS`, or was refused."""
    probe_after_ms: float
    acknowledged: int
    missing: list[str]
    client_cores: float
    others_cores: float

    @property
    def good(self) -> bool:
        """Whether the bars are met."""
        return not self.broken_bars

    @property
    def broken_bars(self) -> list[str]:
        """Answer what is not as it should be."""
        bars = {
            "throughput": KEPT_MIN <= self.kept <= KEPT_MAX,
            "refusals": set(self.statuses) <= {"201", "503"} and not self.without_retry_after and not self.broken,
            "overloaded at all": self.statuses.get("503", 0) > 0,
            "memory": self.memory_second_half_mib <= self.memory_first_half_mib * GROWTH_MAX,
            "recovery": self.recovered_s <= RECOVERED_MAX_S,
            "nothing lost": self.acknowledged > 0 and not self.missing,
        }
        return [name for name, held in bars.items() if not held]


def measure(prepared: Prepared, size: Size) -> Figures:
    """Measure over a prepared centre."""
    client, folder = prepared.client, prepared.folder
    log, sample = folder / "probes", folder / "acknowledged"
    with prepared.served() as server:
        timed = ("--seconds", str(size.most_seconds))
        tried = [
            prepared.load(
                server, *timed, "--connections", str(many), prepare=int((size.most_seconds + 2) * SINGLES_A_SECOND_MAX)
            )
            for many in MOST_CONNECTIONS
        ]
        most = max(tried, key=lambda loaded: loaded.receipts_a_second)
        before_mib, rate = memory_mib(server.workers), most.receipts_a_second
        overload = client.start(
            server,
            *("--rate", str(rate * TIMES), "--seconds", str(size.seconds), "--warm-up", "1"),
            *("--connections", str(size.connections), "--waiting-max", "1000", "--sample-every", "1"),
            prepare=int(rate * (size.seconds + 1) * 1.5) + size.connections * 2,
            sample=sample,
        )
        probe = client.start(
            server,
            *("--rate", str(PROBES_A_SECOND), "--even", "--connections", "64", "--warm-up", "0"),
            *("--seconds", str(PROBING_MAX_S), "--log-file", str(log)),
            prepare=PROBING_MAX_S * PROBES_A_SECOND * 2,
        )
        memory = _watch_memory(server.workers, overload)
        loaded = finished(overload)
        time.sleep(QUIET_S)
        probe.terminate()
        probe.communicate()
        acknowledged, missing = verify_sample(sample, prepared.data_dir)
    ended_at = loaded.opened_at + loaded.seconds
    probes = [(float(at), float(took), status) for at, took, status in map(str.split, log.read_text().splitlines())]
    return _figures(most, loaded, (before_mib, memory), _recovery(probes, ended_at), (acknowledged, missing))


def _watch_memory(workers: Group, client: "Popen[str]") -> list[float]:
    memory = []
    while client.poll() is None:
        memory.append(memory_mib(workers))
        time.sleep(0.5)
    return memory


def _recovery(probes: Sequence[tuple[float, float, str]], ended_at: float) -> tuple[float, float]:
    """Answer how long after the end probes still waited, and how long they wait when they do not (milliseconds)."""
    after = [(at - ended_at, took * 1000, status) for at, took, status in probes if at >= ended_at]
    late = [since for since, ms, status in after if status != "201" or ms > CALM_MS]
    calm = [ms for since, ms, status in after if since >= RECOVERED_MAX_S and status == "201"]
    if not calm:
        return float("inf"), float("inf")
    return max(late, default=0.0), median(calm)


def _figures(
    most: Loaded,
    loaded: Loaded,
    memory: tuple[float, Sequence[float]],
    recovery: tuple[float, float],
    found: tuple[int, list[str]],
) -> Figures:
    answered = sum(loaded.statuses.values())
    before, during = memory
    half = len(during) // 2
    return Figures(
        most_a_second=round(most.receipts_a_second),
        offered_a_second=round((answered + loaded.unsent) / loaded.seconds),
        issued_a_second=round(loaded.receipts_a_second),
        kept=round(loaded.receipts_a_second / most.receipts_a_second, 3),
        statuses=loaded.statuses,
        without_retry_after=loaded.without_retry_after,
        broken=loaded.broken,
        unsent=loaded.unsent,
        issued=loaded.issued,
        refused=loaded.refused,
        refused_share=round(loaded.statuses.get("503", 0) / max(1, answered), 3),
        worker_us=round(loaded.cpu_s["worker"] / max(1, answered) * 1e6, 1),
        most_worker_us=round(cpu_us(most, "worker"), 1),
        memory_before_mib=round(before, 1),
        memory_first_half_mib=round(max(during[: half + 1]), 1),
        memory_second_half_mib=round(max(during[half:]), 1),
        recovered_s=round(recovery[0], 2),
        probe_after_ms=round(recovery[1], 2),
        acknowledged=found[0],
        missing=found[1],
        client_cores=round(loaded.client_cores, 2),
        others_cores=round(loaded.others_cores, 2),
    )


def show(figures: Figures) -> None:
    """Print the figures as a table."""
    table = Table("figure", "measured", "bar", title="Three times as much as can be done")
    refused, issued = figures.refused, figures.issued
    for name, told, bar in (
        ("most, receipts a second", f"{figures.most_a_second:,}", ""),
        ("offered", f"{figures.offered_a_second:,}", ""),
        ("issued", f"{figures.issued_a_second:,}", ""),
        ("issued, of the most", f"{figures.kept:.0%}", f"{KEPT_MIN:.0%} to {KEPT_MAX:.0%}"),
        ("answers by status", str(figures.statuses), "201, 503"),
        ("503 without Retry-After", str(figures.without_retry_after), "0"),
        ("connections broken", str(figures.broken), "0"),
        ("arrivals that found no connection", f"{figures.unsent:,}", ""),
        ("refused, p50 and p99, ms", f"{refused.p50_ms:,.0f}, {refused.p99_ms:,.0f}", "at once"),
        ("issued, p50 and p99, ms", f"{issued.p50_ms:,.0f}, {issued.p99_ms:,.0f}", ""),
        ("worker CPU an answer, µs", f"{figures.worker_us}, doing the most: {figures.most_worker_us}", ""),
        ("memory before, MiB", f"{figures.memory_before_mib:,}", ""),
        ("memory, first half", f"{figures.memory_first_half_mib:,}", ""),
        ("memory, second half", f"{figures.memory_second_half_mib:,}", f"at most {GROWTH_MAX:.0%} of it"),
        ("recovered after, s", f"{figures.recovered_s}", f"{RECOVERED_MAX_S:g}"),
        ("a probe then waits, ms", f"{figures.probe_after_ms}", ""),
        ("acknowledged, all looked for", f"{figures.acknowledged:,}", ""),
        ("of which missing", f"{len(figures.missing)}", "0"),
        ("client, others, cores", f"{figures.client_cores}, {figures.others_cores}", ""),
    ):
        table.add_row(name, told, bar)
    console = Console()
    console.print(table)
    console.print(f"not as it should be: {', '.join(figures.broken_bars) or 'nothing'}")


def main() -> int:
    """Measure, print, and answer the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with scratch_dir() as folder:
        figures = measure(Prepared.make(folder), Size(given.seconds, connections=given.connections))
    if given.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)
    return int(not figures.good)


if __name__ == "__main__":
    sys.exit(main())
