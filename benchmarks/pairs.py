"""Two servers measured in turns, so that whatever else the machine does falls on both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.load_pos import Loaded


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the middle and the most of several runs."""

    least: float
    median: float
    most: float

    def row(self, name: str) -> tuple[str, str, str, str]:
        """Answer the row of a table."""
        return name, f"{self.least:,}", f"{self.median:,}", f"{self.most:,}"


def spread(values: Sequence[float], digits: int = 3) -> Spread:
    """Answer how values spread."""
    return Spread(round(min(values), digits), round(median(values), digits), round(max(values), digits))


def in_turns(
    ours: Callable[[], Loaded], theirs: Callable[[], Loaded], pairs: int
) -> tuple[list[Loaded], list[Loaded]]:  # fmt: skip
    """Run both as often as there are pairs, never at the same time; who begins changes from pair to pair."""
    runs = {ours: list[Loaded](), theirs: list[Loaded]()}
    for pair in range(pairs):
        for run in (ours, theirs) if pair % 2 == 0 else (theirs, ours):
            runs[run].append(run())
    return runs[ours], runs[theirs]


def rate_ratio(ours: Sequence[Loaded], theirs: Sequence[Loaded]) -> Spread:
    """Answer our rate over theirs, pair by pair."""
    return spread([a.receipts_a_second / b.receipts_a_second for a, b in zip(ours, theirs, strict=True)])


def cpu_us(run: Loaded, group: str) -> float:
    """Answer the microseconds of CPU that a group of processes used for a receipt."""
    return run.cpu_s[group] / max(1, run.receipts) * 1e6


def cpu_spread(runs: Sequence[Loaded], group: str) -> Spread:
    """Answer the microseconds of CPU that a group of processes used for a receipt, over several runs."""
    return spread([cpu_us(run, group) for run in runs], 1)
