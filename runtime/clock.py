"""The time outside. No other module asks the system for it; everything else is given a `kernel.clock.Clock`.

Business time can be moved for development by a file that the parent process writes: one instant, RFC 3339. It stands
still until the file changes. Tokens, rate limits and time-outs use `real_now` and are never moved.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

from kernel.clock import Clock, parse_instant
from kernel.refusal import Malformed
from runtime.unusable import Unusable

FRESH_NS = 1_000_000_000
"""A file written this recently is read again although its stat is unchanged: two writes within one tick of the file
system's clock leave the same stat. A second covers the coarse ones."""

_Stat = tuple[int, int, int]


class ClockFileUnusable(Unusable):
    """The clock file holds no instant to begin with, so there is no business time to tell."""


def real_now() -> datetime:
    """Answer the real time, aware, UTC, with microseconds."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that asks


def business_clock(clock_file: Path | None) -> Clock:
    """Answer the clock of business time: real time, or the instant in the file, read again whenever it changed. A bad,
    half-written or missing file keeps the last good instant; one bad from the start raises `ClockFileUnusable`.
    """
    return _real_seconds if clock_file is None else _FileClock(clock_file)


def _real_seconds() -> datetime:
    return datetime.fromtimestamp(int(time.time()), UTC)  # a third of the time that `replace` takes


class _FileClock:
    """A clock set by a file. Threads may share it: what it remembers is replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._seen: tuple[_Stat | None, datetime] = (None, _read(path))
        except (OSError, ValueError, Malformed) as error:
            raise ClockFileUnusable(f"The clock file {path} should hold one RFC 3339 instant: {error}") from error

    def __call__(self) -> datetime:
        known, instant = self._seen
        try:
            status = self._path.stat()
            found = (status.st_mtime_ns, status.st_size, status.st_ino)
            if found == known:
                return instant
            instant = _read(self._path)
        except (OSError, ValueError, Malformed):
            return instant
        settled = time.time_ns() - status.st_mtime_ns > FRESH_NS
        self._seen = (found if settled else None, instant)
        return instant


def _read(path: Path) -> datetime:
    return parse_instant(path.read_text(encoding="ascii").strip(), str(path))
