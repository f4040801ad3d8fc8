"""When faults come: a calm day with a few rushes, in which all tills sell at once and everything breaks."""

from dataclasses import dataclass

from tests.simulation.chance import Chance

DAY_S = 24 * 3600.0
RUSHES = 6
RUSH_S = 12.0


@dataclass(frozen=True, slots=True)
class Climate:
    """How likely what is. A transaction, a request and an answer each meet at most the faults named here."""

    transaction_fails: float
    message_lost: float
    message_doubled: float
    message_late: float
    client_hangs_up: float
    latency_s: float
    """The longest that a statement takes one way, when nothing is wrong."""


CALM = Climate(0.02, 0.01, 0.02, 0.02, 0.01, 0.001)
STORM = Climate(0.12, 0.08, 0.08, 0.10, 0.04, 0.012)
STILL = Climate(0, 0, 0, 0, 0, 0.001)


class Weather:
    """The day of one seed. One rush always falls on the month's end."""

    def __init__(self, chance: Chance, midnight_s: float) -> None:
        others = [chance.uniform(600, DAY_S - 600) for _ in range(RUSHES - 1)]
        self.rushes = sorted([*others, midnight_s - RUSH_S / 2])

    def at(self, time_s: float) -> Climate:
        """Answer what may happen at a time; after the day nothing does, so that everybody gets an answer."""
        if time_s >= DAY_S:
            return STILL
        return STORM if any(began - 1 <= time_s < began + RUSH_S + 15 for began in self.rushes) else CALM
