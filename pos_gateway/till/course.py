"""What the uploader knows of one seat's course: its link, and when its next exchange is due. Changed in place by the
uploader that owns it; nothing else about it is impure.
"""

from dataclasses import dataclass
from typing import Final

from pos_gateway.till.link import Link
from pos_gateway.till.seat import ChainAt

BATCH_LINES: Final = 250
"""Lines an exchange: read, written as JSON and settled in some 15 ms, so that a sale that comes meanwhile waits no more
than for a commit; at 40 ms an exchange with a near centre a backlog of 100,000 is gone in half a minute."""
BATCH_BYTES: Final = 1024 * 1024


@dataclass(slots=True)
class Course:
    """A seat's course. `due_s` is on the clock that measures time; `judged` says that the centre's view of the terminal
    was compared since the centre was last away; `key_refused` that it refused a line for the key's sake; `progressed`
    that it took something in the exchange at hand.
    """

    chain: ChainAt
    link: Link
    due_s: float = 0.0
    judged: bool = False
    key_refused: bool = False
    progressed: bool = False
    lines_max: int = BATCH_LINES

    def hasten(self, at_s: float) -> None:
        """Bring the next exchange forward, unless the centre failed last time: then the wait is meant."""
        if self.link.failures == 0:
            self.due_s = min(self.due_s, at_s)
