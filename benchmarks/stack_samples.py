"""Which functions a program spends its CPU in: its own stack, looked at a thousand times for each second of CPU.

A tracing profiler would charge its own cost to the many small functions, and loses its way between the greenlets on
which SQLAlchemy runs. The time of C code counts for the Python function that called it.
"""

import json
import signal
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

EVERY_S = 0.001


class StackSamples:
    """Samples the main thread from `start` on."""

    def __init__(self) -> None:
        self._seen: Counter[CodeType] = Counter()

    def start(self) -> None:
        """Begin to look. Uses the signal SIGPROF."""
        signal.signal(signal.SIGPROF, self._look)
        signal.siginterrupt(signal.SIGPROF, False)  # noqa: FBT003 - takes no keyword
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def stop(self, path: Path) -> None:
        """Look no more, and write how large a share of the samples each function has, the largest first."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        total = self._seen.total() or 1
        told = [{"function": _name(code), "share": round(seen / total, 4)} for code, seen in self._seen.most_common()]
        path.write_text(json.dumps(told), encoding="utf-8")

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        if frame is not None:
            self._seen[frame.f_code] += 1


def _name(code: CodeType) -> str:
    return f"{'/'.join(Path(code.co_filename).parts[-2:])} {code.co_qualname}"
