"""The yardstick of a durable commit on this disk: a few hundred bytes appended to a file, and fsynced."""

import os
import time
from pathlib import Path

from benchmarks.latencies import Latencies, latencies

ROW = bytes(2_048)
"""About what a receipt with its parts puts into SQLite's log: some pages, of which one is enough here."""
PAUSE_S = 0.002


def fsyncs(file: Path, *, seconds: float) -> Latencies:
    """Append and fsync until the time is over, a moment apart, and answer how long each took."""
    times, ends = list[float](), time.perf_counter() + seconds
    opened = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        while (began := time.perf_counter()) < ends:
            os.write(opened, ROW)
            os.fsync(opened)
            times.append(time.perf_counter() - began)
            time.sleep(PAUSE_S)
    finally:
        os.close(opened)
    return latencies(times)
