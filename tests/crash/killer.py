"""Who is killed, and how: always with -9, always with a request in flight."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random  # noqa: TID251 - seeded

import psutil

from tests.crash.serve_process import ServeProcess
from tests.crash.tills import in_flight

AIM_S, LOOK_S = 60.0, 0.5


class Victim(StrEnum):
    """What is killed at one moment."""

    GATEWAY = "gateway"
    """`barimt serve` with all its workers; its PostgreSQL is left an orphan."""
    PARENT = "parent of the workers"
    WORKER = "one worker"
    POSTMASTER = "postmaster"
    """The postmaster alone: its backends go on until they notice."""
    CLUSTER = "postmaster and backends"
    BOTH = "gateway and postmaster"

    @property
    def is_postgres(self) -> bool:
        """Whether the postmaster dies."""
        return self in {Victim.POSTMASTER, Victim.CLUSTER, Victim.BOTH}

    @property
    def is_serve(self) -> bool:
        """Whether the process dies that a supervisor looks after."""
        return self in {Victim.GATEWAY, Victim.PARENT, Victim.BOTH}


SHARES = {Victim.GATEWAY: 0.36, Victim.POSTMASTER: 0.24, Victim.CLUSTER: 0.2, Victim.BOTH: 0.2}
SHARES_OF_WORKERS = {
    Victim.GATEWAY: 0.16, Victim.PARENT: 0.12, Victim.WORKER: 0.16, Victim.POSTMASTER: 0.2, Victim.CLUSTER: 0.18,
    Victim.BOTH: 0.18,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill as it was done. `in_flight`: requests sent and not answered, counted just before and just after."""

    victim: Victim
    at_ns: int
    in_flight: tuple[int, int]


class NothingInFlightError(AssertionError):
    """Nobody asked anything for a long time, so that a kill would prove nothing."""


def victims_of(kills: int, *, workers: int, random: Random) -> list[Victim]:
    """Answer whom to kill, each as often as its share says (rounded up for the rarest), in random order."""
    shares = SHARES if workers == 1 else SHARES_OF_WORKERS
    victims = [victim for victim, share in shares.items() for _ in range(max(1, round(kills * share)))]
    random.shuffle(victims)
    missing = kills - len(victims)
    return [*victims, *random.choices(list(shares), list(shares.values()), k=max(0, missing))][:kills]


def strike(
    serve: ServeProcess, victim: Victim, shared: Sequence[int], random: Random, meanwhile: Callable[[], None]
) -> Kill:
    """Kill a victim at a moment when at least one request is in flight; `meanwhile` is called now and then until there
    is one. Raises `NothingInFlightError`.
    """
    ends = time.monotonic() + AIM_S
    while time.monotonic() < ends:
        named = [process.pid for process in _processes(serve, victim, random)]
        looked_at = time.monotonic()
        while named and time.monotonic() < looked_at + LOOK_S:
            before = in_flight(shared)
            if before:
                at_ns = time.monotonic_ns()
                for pid in named:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return Kill(victim, at_ns, (before, in_flight(shared)))
            time.sleep(0.0005)
        meanwhile()
    raise NothingInFlightError(victim)


def _processes(serve: ServeProcess, victim: Victim, random: Random) -> list[psutil.Process]:
    """Answer whom to kill, first those who would do something about the death of the others; none while the victim is
    not there.
    """
    postmaster, workers = serve.postmaster(), serve.workers()
    match victim:
        case Victim.GATEWAY:
            return [*serve.itself(), *serve.others()]
        case Victim.PARENT:
            return serve.itself()
        case Victim.WORKER:
            return [random.choice(workers)] if workers else []
        case Victim.POSTMASTER:
            return [postmaster] if postmaster else []
        case Victim.CLUSTER:
            return [postmaster, *_backends(postmaster)] if postmaster else []
        case Victim.BOTH:
            return [*serve.itself(), *serve.others(), postmaster] if postmaster else []


def _backends(postmaster: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(postmaster.children())
    return []
