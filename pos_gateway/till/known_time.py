"""The last time that the till knows: of its last receipt, of the centre's word, or of the shopkeeper's.

A clock that jumped ahead would poison the chain, whose times never decrease: so nothing is issued more than a day ahead
of the time known (CONTRACT 6). While the till runs the time known runs too, by a clock that nobody sets.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

AHEAD_MAX: Final = timedelta(hours=24)


class KnownTime:
    """A lower bound of the time, which runs. Threads may share it: what it knows is replaced whole."""

    def __init__(self, known: datetime, elapsed_s: Callable[[], float]) -> None:
        self._elapsed_s = elapsed_s
        self._known = (known, elapsed_s())

    def now(self) -> datetime:
        """Answer the time known, in whole seconds."""
        known, since = self._known
        return known + timedelta(seconds=int(self._elapsed_s() - since))

    def issued(self, at: datetime) -> None:
        """Learn from a receipt, whose time can be late and is not too early."""
        if at > self.now():
            self.told(at)

    def told(self, now: datetime) -> None:
        """Learn from somebody who knows the time."""
        self._known = (now, self._elapsed_s())

    def is_far_ahead(self, now: datetime) -> bool:
        """Whether a clock is too far ahead to be believed."""
        return now > self.now() + AHEAD_MAX
