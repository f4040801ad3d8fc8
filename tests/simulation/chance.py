"""Where a simulation's chance comes from, and where what happened goes: both hang on the seed alone."""

from collections import Counter, deque
from collections.abc import Callable
from hashlib import sha256
from random import Random  # noqa: TID251 - seeded, and this is where every draw comes from

RECENT = 40


class Chance(Random):
    """A generator for one purpose: its draws do not shift when another purpose draws more."""

    def __init__(self, seed: int, purpose: str) -> None:
        super().__init__(f"{seed} {purpose}")

    def happens(self, probability: float) -> bool:
        """Answer yes with that probability."""
        return self.random() < probability


class History:
    """Everything that happened, as one digest, counts by kind, and the last few lines."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._digest = sha256()
        self.counts: Counter[str] = Counter()
        self.recent: deque[str] = deque(maxlen=RECENT)
        self.watch: Callable[[str], None] = lambda _line: None

    def note(self, what: str, *of: object) -> None:
        """Write one thing down. `of` must be spelt alike in every process: no sets, no addresses."""
        line = f"{round(self._now() * 1e6)} {what} {' '.join(map(str, of))}\n"
        self._digest.update(line.encode())
        self.counts[what] += 1
        self.recent.append(line)
        self.watch(line)

    @property
    def digest(self) -> str:
        """What stands for everything noted so far, in order."""
        return self._digest.hexdigest()
