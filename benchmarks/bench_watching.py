"""What it costs a receipt to be limited, counted and timed, in microseconds of processor time.

    python -m benchmarks.bench_watching [--json]

A receipt by itself pays `limits`, `request`, `single` and its share of a chunk (`chunk of n`: the waiting, the outcomes
and the stages of a transaction in which nothing happens). Beside it what the libraries take for the same.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from prometheus_client import CollectorRegistry, Histogram

from pos_gateway.limits import Limits, StatedBounds
from pos_gateway.metrics import SECONDS, GatewayMetrics
from pos_gateway.pool import Waiting
from pos_gateway.watch_transactions import WatchedTransactions
from receipts.store.reading import Client
from runtime.access_log import Exchange
from runtime.meters import Meters
from runtime.metrics import RequestMetrics

ROUNDS, CALLS = 7, 20_000
TILLS = 64
BATCHES = (1, 16, 64, 256)


def microseconds(call: Callable[[int], object], calls: int, rounds: int) -> float:
    """Answer the least processor time of a call over some rounds, less that of calling nothing."""
    return max(_least(call, calls, rounds) - _least(lambda _: None, calls, rounds), 0.0)


def _least(call: Callable[[int], object], calls: int, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        for at in range(calls):
            call(at)
        taken.append(time.process_time() - began)
    return min(taken) / calls * 1e6


def measure(calls: int = CALLS, rounds: int = ROUNDS) -> dict[str, float]:
    """Answer microseconds by what was done."""
    meters = Meters()
    metrics = GatewayMetrics(meters)
    found = {"limits": _limits(calls, rounds)}
    requests = RequestMetrics(meters)
    exchange = Exchange("POST", "/v1/receipts", 201, 0.004, "r1")
    found["request"] = microseconds(lambda _: requests(exchange), calls, rounds)
    found["single"] = microseconds(lambda _: _single(metrics), calls, rounds)
    for size in BATCHES:
        found[f"chunk of {size}, a receipt"] = asyncio.run(_chunks(metrics, size, max(calls // size, 1), rounds)) / size
    item, fixed = RateLimitItemPerSecond(10**9), FixedWindowRateLimiter(MemoryStorage())
    found["library limits, one hit of two"] = microseconds(lambda _: fixed.hit(item, "till"), calls, rounds)
    found["library histogram, one observation"] = _library(calls, rounds)
    found["library histogram, several workers"] = _library_shared(calls, rounds)
    return found


def _limits(calls: int, rounds: int) -> float:
    fast = StatedBounds(terminal_receipts_per_second=1e6, seller_receipts_per_second=1e6)
    limits, tills = Limits(fast), [Client(f"c{at}", at, "", "", (at,)) for at in range(TILLS)]
    return microseconds(lambda at: limits.spend(tills[at % TILLS]), calls, rounds)


def _single(metrics: GatewayMetrics) -> None:
    clock = time.perf_counter
    metrics.single(clock(), clock(), clock(), clock())


async def _chunks(metrics: GatewayMetrics, size: int, chunks: int, rounds: int) -> float:
    """Answer the microseconds of a chunk: those that wait, how they end, and a transaction in which nothing happens."""
    chunk = SimpleNamespace(heads={(37_900_000_000 + at, 10_000_000): None for at in range(min(size, TILLS))})
    inner = SimpleNamespace(lock_chains=_nothing, find_keys=_nothing, add=_nothing)
    sequencer = metrics.of_sequencer()
    watched = WatchedTransactions(cast("Any", SimpleNamespace(begin=lambda _: nullcontext(inner))), metrics)
    waiting = [cast("Waiting", SimpleNamespace(since=time.perf_counter())) for _ in range(size)]
    results = [cast("Any", SimpleNamespace(repeated=False))] * size

    async def one(transactions: Any) -> None:
        async with transactions.begin(()) as issuing:
            await issuing.lock_chains(())
            await issuing.find_keys((), 0)
            await issuing.add(chunk, 0)

    async def with_watch() -> None:
        sequencer.taken(waiting)
        await one(watched)
        sequencer.settled(results)

    bare = SimpleNamespace(begin=lambda _: nullcontext(inner))
    return await _time_of(with_watch, chunks, rounds) - await _time_of(lambda: one(bare), chunks, rounds)


async def _nothing(*_: object) -> None: ...


async def _time_of(call: Callable[[], Any], calls: int, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(calls):
            await call()
        taken.append(time.process_time() - began)
    return min(taken) / calls * 1e6


def _library(calls: int, rounds: int) -> float:
    child = Histogram("x", "x", ("stage",), buckets=SECONDS, registry=CollectorRegistry()).labels("wait")
    return microseconds(lambda _: child.observe(0.004), calls, rounds)


def _library_shared(calls: int, rounds: int) -> float:
    """Measure in a process of its own: the library chooses its mode when it is imported."""
    command = f"from benchmarks.bench_watching import _library; print(_library({calls}, {rounds}))"
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ) | {"PROMETHEUS_MULTIPROC_DIR": folder}
        ran = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, check=True)
    return float(ran.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    found = measure()
    if parser.parse_args().json:
        print(json.dumps(found))
        return
    for name, took in found.items():
        print(f"{name:40}{took:8.2f} µs")


if __name__ == "__main__":
    main()
