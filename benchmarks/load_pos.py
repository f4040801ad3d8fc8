"""Tills that post as fast as they are answered (closed loop) or as sales arrive (open loop), in their own process.

    python -m benchmarks.load_pos PLAN.json --seconds 10 [--connections 64] [--rate 3000] [--batch 1000] …

PLAN.json says where to post and as whom (`till_requests.LoadPlan`). Requests
are prepared before the first is sent. Printed is one JSON object (`Loaded`). Exit 1 when the run is void: the client
used more than 40 % of a core, or its prepared requests did not last.
"""

import argparse
import gc
import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

from benchmarks.latencies import Latencies, latencies
from benchmarks.processes import CpuReading, Group, read_cpu, spent
from benchmarks.till_connections import Exhausted, Load, Requests, Tally, Window
from benchmarks.till_requests import LoadPlan, batch_request, single_requests

CLIENT_SHARE_MAX = 0.40
"""Of a core. A busier client would be part of what it measures."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one run of the client measured within its window. Cores by group of the processes that were watched."""

    opened_at: float
    """When the window opened, in `time.perf_counter()` seconds, which all processes of a machine share."""
    seconds: float
    receipts: int
    receipts_a_second: float
    requests_a_second: float
    statuses: dict[str, int]
    issued: Latencies
    refused: Latencies
    without_retry_after: int
    broken: int
    unsent: int
    receipts_ever: int
    answer_bytes: float
    """Bytes of an answer, head and body, on average."""
    client_cores: float
    cpu_s: dict[str, float]
    others_cores: float
    """What processes that have no part in the run took of the machine."""
    by_second: list[int]
    exhausted: bool

    @property
    def void(self) -> bool:
        """Whether the client was too busy to judge by."""
        return self.exhausted or self.client_cores > CLIENT_SHARE_MAX


def main() -> int:
    """Prepare, load, and print what came back."""
    given = _arguments()
    plan = LoadPlan.read(given.plan)
    queues = _prepared(plan, given)
    gc.collect()
    gc.freeze()  # a hundred thousand prepared requests are not looked through again while measuring
    with ExitStack() as files:
        sample = files.enter_context(given.sample_file.open("wb")) if given.sample_file else None
        log = files.enter_context(given.log_file.open("w", 1, encoding="ascii")) if given.log_file else None
        load = Load(
            (plan.host, plan.port), queues, given.connections,
            sample=sample, sample_every=given.sample_every, log=log,
        )  # fmt: skip
        loaded = _run(load, given)
        load.close()
    print(json.dumps(asdict(loaded) | {"void": loaded.void}))
    return int(loaded.void)


def _run(load: Load, given: argparse.Namespace) -> Loaded:
    watched = dict(_group(text) for text in given.watch)
    readings: list[tuple[CpuReading, float]] = []

    def at_edge() -> None:
        readings.append((read_cpu(watched), time.process_time()))

    began = time.perf_counter()
    window = Window(began, began + given.warm_up, began + given.warm_up + given.seconds)
    exhausted = False
    try:
        if given.through:
            at_edge()
            load.run_through()
        elif given.rate is None:
            load.run_closed(window, at_edge)
        else:
            random = None if given.even else Random(given.seed)
            times = arrivals(given.rate, given.warm_up + given.seconds, random)
            load.run_open(window, times, at_edge, waiting_max=given.waiting_max)
    except Exhausted:
        exhausted = True
    while len(readings) < 2:
        at_edge()
    return _loaded(load.tally, readings, exhausted=exhausted)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="of the window that is measured")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds of load before the window")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, help="arrivals a second (open loop); without it the loop is closed")
    parser.add_argument("--even", action="store_true", help="arrivals at equal distances, not at random ones")
    parser.add_argument("--through", action="store_true", help="end when everything prepared is answered")
    parser.add_argument("--waiting-max", type=int, default=100_000, help="arrivals that wait for a connection")
    parser.add_argument("--batch", type=int, default=0, help="receipts a request; 0 posts singles")
    parser.add_argument("--prepare", type=int, default=100_000, help="receipts prepared, of all connections together")
    parser.add_argument("--first", type=int, default=0, help="number of the first body; no two numbers have the same")
    parser.add_argument("--run", default=f"{time.time_ns():x}", help="keeps the idempotency keys of runs apart")
    parser.add_argument("--seed", type=int, default=1, help="of the arrivals")
    parser.add_argument("--sample-file", type=Path, help="receives bodies of answers, one a line")
    parser.add_argument("--sample-every", type=int, default=20)
    parser.add_argument("--log-file", type=Path, help="receives arrival, seconds and status of each answer")
    parser.add_argument("--watch", action="append", default=[], help="NAME=PID,PID: whose CPU is read")
    return parser.parse_args()


def _prepared(plan: LoadPlan, given: argparse.Namespace) -> list[Requests]:
    """Prepare what is posted. Each terminal's singles go over connections of its own; batches of all terminals are
    dealt out to the connections, since a terminal's numbers of a day would not last for long.
    """
    seats = plan.seats[: given.connections]
    if given.batch:
        queues: list[Requests] = [deque() for _ in range(given.connections)]
        for at, first in enumerate(range(given.first, given.first + given.prepare, given.batch)):
            numbers = range(first, first + given.batch)
            seat = plan.seats[at % len(plan.seats)]
            queues[at % len(queues)].append(batch_request(plan, seat, numbers, given.run))
        return queues
    each = -(-given.prepare // len(seats))
    return [
        deque(single_requests(plan, seat, range(first, first + each), given.run))
        for seat, first in zip(seats, count(given.first, each), strict=False)
    ]


def arrivals(rate: float, seconds: float, random: Random | None) -> Iterator[float]:
    """Answer the times of a Poisson process, in seconds from its beginning; without randomness they are even."""
    at = 0.0
    while (at := at + (random.expovariate(rate) if random else 1 / rate)) < seconds:
        yield at


def _group(text: str) -> tuple[str, Group]:
    name, _, members = text.partition("=")
    return name, [int(member) for member in members.split(",") if member]


def _loaded(tally: Tally, readings: list[tuple[CpuReading, float]], *, exhausted: bool) -> Loaded:
    (before, own_before), (after, own_after) = readings
    used = spent(before, after)
    answered = tally.statuses.total()
    client = (own_after - own_before) / used.seconds
    return Loaded(
        opened_at=before.at,
        seconds=used.seconds,
        receipts=tally.receipts,
        receipts_a_second=tally.receipts / used.seconds,
        requests_a_second=answered / used.seconds,
        statuses={status.decode(): count for status, count in sorted(tally.statuses.items())},
        issued=latencies(tally.issued_s),
        refused=latencies(tally.refused_s),
        without_retry_after=tally.without_retry_after,
        broken=tally.broken,
        unsent=tally.unsent,
        receipts_ever=tally.receipts_ever,
        answer_bytes=tally.answer_bytes / max(1, answered),
        client_cores=client,
        cpu_s=dict(used.group_s),
        others_cores=max(0.0, used.others_cores - client),
        by_second=[tally.by_second[at] for at in range(max(tally.by_second, default=-1) + 1)],
        exhausted=exhausted,
    )


if __name__ == "__main__":
    sys.exit(main())
