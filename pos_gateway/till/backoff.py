"""How long a till waits before it asks the centre again. Pure: the randomness is an argument."""

from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 120.0
"""A centre that comes back is noticed within two minutes; ten thousand tills that all lost it ask 83 times a second."""
ASKED_FOR_MAX_S: Final = 600.0
"""A `Retry-After` is believed up to here: a till must not be told to be silent for days."""


def wait_s(failures: int, jitter: float, *, retry_after_s: float | None = None) -> float:
    """Answer the seconds to wait after so many failures in a row, the first being 1.

    `jitter` is drawn from 0 to below 1. The wait doubles with each failure and is spread over its upper half, so that
    tills that lost the centre together do not come back together. What the centre asked for is the least.
    """
    assert failures >= 1
    assert 0 <= jitter < 1
    whole: float = min(FIRST_S * 2 ** min(failures - 1, 16), LONGEST_S)
    asked = min(max(retry_after_s or 0.0, 0.0), ASKED_FOR_MAX_S)
    return max(whole * (1 + jitter) / 2, asked * (1 + jitter / 4))
