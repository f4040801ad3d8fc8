"""How long answers took, as percentiles."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PERCENTILES = (50.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds; zero where nothing was answered."""

    count: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    worst_ms: float


def latencies(seconds: Iterable[float]) -> Latencies:
    """Answer the percentiles of times in seconds, each a time that occurred (nearest rank)."""
    ordered = array("d", sorted(seconds))
    if not ordered:
        return Latencies(0, 0.0, 0.0, 0.0, 0.0)
    p50, p99, p999 = (_rank(ordered, percent) for percent in PERCENTILES)
    return Latencies(len(ordered), p50, p99, p999, round(ordered[-1] * 1000, 3))


def _rank(ordered: Sequence[float], percent: float) -> float:
    at = max(0, -(-len(ordered) * percent // 100) - 1)
    return round(ordered[int(at)] * 1000, 3)
