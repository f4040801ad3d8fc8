"""A running `barimt serve` under posting tills, and the supervisor that starts it again: every crash test's ground."""

import contextlib
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any

from tests.crash.enrolment import enrol
from tests.crash.killer import Kill, Victim, strike
from tests.crash.serve_process import ServeProcess
from tests.crash.tills import BEGAN_NS, REFUSED, SLOTS, Client, Plan, run_tills

LANES_A_CLIENT, TERMINALS_A_CLIENT = 3, 2
UNDISTURBED_S = 0.4
"""Mean time between recovery and the next kill; exponential, so that no moment is more likely than another."""
AT_ONCE = 0.15
"""Share of kills that do not wait for recovery: the next one hits a system that is just getting up."""
RECOVERY_S = 120.0
SETTLING_S = 120.0


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a run is to do."""

    kills: int = 100
    seed: int = 1
    workers: int = 1
    clients: int = 4
    seconds: float = 0.0
    linger_s: float = 0.02


class Siege:
    """Keeps the server running while tills post, and kills it when told to."""

    def __init__(self, serve: ServeProcess, ordered: Ordered, folder: Path) -> None:
        self.serve = serve
        self.ordered = ordered
        self.folder = folder
        self.random = Random(ordered.seed)
        self.kills: list[Kill] = []
        self.ended_by_itself = 0
        self._context = multiprocessing.get_context("spawn")
        lanes = ordered.clients * LANES_A_CLIENT
        self.shared: Any = self._context.Array("q", SLOTS * lanes, lock=False)
        self._stop = self._context.Event()
        self._tills: list[Any] = []

    def begin(self, clients: Sequence[Client]) -> None:
        """Let the tills post, each client in a process of its own."""
        for at, client in enumerate(clients):
            plan = Plan(
                self.serve.url, client, LANES_A_CLIENT, self.ordered.seed, str(self.folder), at * LANES_A_CLIENT,
                self.ordered.linger_s,
            )  # fmt: skip
            till = self._context.Process(target=run_tills, args=(plan, self.shared, self._stop), daemon=True)
            self._tills.append(till)
            till.start()
        self.await_recovery(0)

    def kill(self, victim: Victim) -> None:
        """Kill, start again what only a supervisor would, and mostly wait until a till got an answer."""
        kill = strike(self.serve, victim, self.shared, self.random, lambda: self.linger(0.02))
        self.kills.append(kill)
        if victim.is_serve:
            self.serve.process.wait()
            self.serve.start()
        if self.random.random() >= AT_ONCE:
            self.await_recovery(kill.at_ns)
        self.linger(self.random.expovariate(1 / UNDISTURBED_S))

    def await_recovery(self, since_ns: int) -> None:
        """Wait until an attempt that began after a moment was acknowledged."""
        self._await(lambda: max(self.shared[BEGAN_NS::SLOTS]) > since_ns, "acknowledged")

    def await_refusals(self, count: int) -> None:
        """Wait until tills were told so many times more that nothing was issued."""
        before = sum(self.shared[REFUSED::SLOTS])
        self._await(lambda: sum(self.shared[REFUSED::SLOTS]) >= before + count, "refused")

    def _await(self, seen: Any, what: str) -> None:
        ends = time.monotonic() + RECOVERY_S
        while not seen():
            assert time.monotonic() < ends, f"nothing was {what} for {RECOVERY_S} s:\n{self.serve.said[-4000:]}"
            self.linger(0.02)

    def linger(self, seconds: float) -> None:
        """Pass some time as a supervisor does: whoever has ended is started again."""
        ends = time.monotonic() + seconds
        while True:
            if self.serve.process.poll() is not None:
                self.ended_by_itself += 1
                self.serve.start()
            assert not any(till.exitcode for till in self._tills), "a till met what it should not"
            left = ends - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.05))

    def settle(self) -> None:
        """Tell the tills to stop, and wait until none of them has anything undecided."""
        self.await_recovery(time.monotonic_ns())
        self._stop.set()
        ends = time.monotonic() + SETTLING_S
        while any(till.is_alive() for till in self._tills):
            assert time.monotonic() < ends, "tills still do not know what became of their sales"
            self.linger(0.05)

    def close(self) -> None:
        """Leave nothing running."""
        for till in self._tills:
            till.kill()
            till.join()


@contextlib.contextmanager
def besieged(serve: ServeProcess, ordered: Ordered, folder: Path) -> Iterator[Siege]:
    """Run a server that was started with tills that post, until the end."""
    siege = Siege(serve, ordered, folder)
    try:
        serve.await_ready()
        siege.begin(enrol(serve, ordered.clients, TERMINALS_A_CLIENT))
        yield siege
    finally:
        siege.close()
        serve.stop()
