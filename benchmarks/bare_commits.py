"""The yardstick of latency: one row committed for each arrival, and nothing else, over asyncpg.

    python -m benchmarks.bare_commits --url postgresql://… --rate 2000 --seconds 10 [--even]

Latencies count from the arrivals, as the load client's do. Printed is one JSON object (`Committed`).
"""

import argparse
import asyncio
import json
import select
import selectors
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from random import Random  # noqa: TID251 - seeded

import asyncpg

from benchmarks.latencies import Latencies, latencies
from benchmarks.load_pos import arrivals

CONNECTIONS = 16
ROW = bytes(144)
"""As many octets as a receipt's signed ones."""
MAKE = "CREATE TABLE IF NOT EXISTS public.bare_commits (content bytea NOT NULL)"
ADD = "INSERT INTO public.bare_commits VALUES ($1)"


@dataclass(frozen=True, slots=True)
class Committed:
    """What was measured."""

    commits_a_second: float
    latency: Latencies
    cores: float
    """What this program used of the processor: at one it was the limit, not the commits."""


class PreciseSelector(selectors.EpollSelector):
    """Waits to the microsecond, where epoll itself counts in milliseconds, which would be charged to the commits."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events."""
        if timeout is not None and timeout > 0:
            select.select((self,), (), (), timeout)
            timeout = 0
        return super().select(timeout)


async def commit(url: str, times: Iterator[float], warm_up: float) -> Committed:
    """Commit a row at each of the times (seconds from now), and measure those after the warm-up."""
    took: list[float] = []
    async with asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        await pool.execute(MAKE)
        await asyncio.gather(*(pool.execute(ADD, ROW) for _ in range(CONNECTIONS)))  # statements are prepared by now
        began, cpu_s = time.perf_counter(), time.process_time()

        async def one(arrived: float) -> None:
            await pool.execute(ADD, ROW)
            if arrived >= began + warm_up:
                took.append(time.perf_counter() - arrived)

        async with asyncio.TaskGroup() as commits:
            for at in times:
                pause = began + at - time.perf_counter()
                if pause > 0:
                    await asyncio.sleep(pause)
                commits.create_task(one(began + at))
        seconds = time.perf_counter() - began
    return Committed(
        len(took) / max(seconds - warm_up, 1e-9), latencies(took), (time.process_time() - cpu_s) / seconds
    )  # fmt: skip


def main() -> None:
    """Commit, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="of a user who may make a table")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, default=2.0)
    parser.add_argument("--even", action="store_true", help="arrivals at equal distances, not at random ones")
    given = parser.parse_args()
    times = arrivals(given.rate, given.warm_up + given.seconds, None if given.even else Random(1))
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(PreciseSelector())) as runner:
        print(json.dumps(asdict(runner.run(commit(given.url, times, given.warm_up)))))


if __name__ == "__main__":
    main()
