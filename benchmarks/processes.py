"""What processes cost: seconds of CPU and memory of a worker, of a whole PostgreSQL, of the rest of the machine."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psutil

Group = Sequence[int]
"""Process numbers that are counted together. A postmaster stands for its backends, also those that end meanwhile."""


@dataclass(frozen=True, slots=True)
class CpuReading:
    """Seconds of CPU used up to a moment, by group; `machine_s` by everything that ran."""

    at: float
    group_s: Mapping[str, float]
    machine_s: float


@dataclass(frozen=True, slots=True)
class CpuSpent:
    """Cores used between two readings, by group, and by whatever else ran on the machine."""

    seconds: float
    group_s: Mapping[str, float]
    others_cores: float

    def cores(self, group: str) -> float:
        """Answer how many cores a group kept busy."""
        return self.group_s[group] / self.seconds


def read_cpu(groups: Mapping[str, Group]) -> CpuReading:
    """Read what groups of processes have used."""
    used = {name: sum(map(_cpu_s, members)) for name, members in groups.items()}
    return CpuReading(time.perf_counter(), used, _machine_s())


def spent(before: CpuReading, after: CpuReading) -> CpuSpent:
    """Answer what was used between two readings."""
    seconds = after.at - before.at
    groups = {name: after.group_s[name] - before.group_s[name] for name in before.group_s}
    others = (after.machine_s - before.machine_s - sum(groups.values())) / seconds
    return CpuSpent(seconds, groups, max(0.0, others))


def memory_mib(members: Group) -> float:
    """Answer the proportional set size of processes (not of their descendants)."""
    size: int = sum(psutil.Process(member).memory_full_info().pss for member in members)
    return size / 2**20


def _cpu_s(member: int) -> float:
    """Add up a process, its ended children, and, for a postmaster, the backends that are running."""
    process = psutil.Process(member)
    times = process.cpu_times()
    used = times.user + times.system
    if process.name() == "postgres":
        used += times.children_user + times.children_system + sum(_own_s(process.children(recursive=True)))
    return float(used)


def _own_s(processes: Iterable[psutil.Process]) -> Iterable[float]:
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue  # it has just ended, and its parent counts it from now on
        yield times.user + times.system


def _machine_s() -> float:
    times = psutil.cpu_times()
    busy: float = sum(times) - times.idle - times.iowait - times.guest - times.guest_nice
    return busy
