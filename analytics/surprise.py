"""How surprising a deviation is when nobody cheats: robust scale, tails, and how many were tested.

Surprise is measured in standard deviations of a normal law, one-sided: only one direction is suspicious.
"""

import math
from collections.abc import Iterable
from statistics import NormalDist, median

MAD_TO_SIGMA = 1.4826
"""Makes the median absolute deviation of normal values their standard deviation (Rousseeuw and Croux 1993, JASA 88)."""
_NORMAL = NormalDist()
_LEAST_CHANCE, _MOST_CHANCE = 1e-300, 1 - 1e-15


def robust_scale(deviations: Iterable[float]) -> float:
    """Answer the standard deviation around zero that the middle half of the values shows; not empty.

    Up to half of the values may be wrong without bending it.
    """
    return MAD_TO_SIGMA * median(abs(deviation) for deviation in deviations)


def chance_of(surprise: float) -> float:
    """Answer the chance of at least this many standard deviations."""
    return 0.5 * math.erfc(surprise / math.sqrt(2))


def surprise_of(chance: float) -> float:
    """Answer the standard deviations that are exceeded with this chance, in [0, 1]; certainty and impossibility, which
    have none, count as very nearly so.
    """
    return -_NORMAL.inv_cdf(min(max(chance, _LEAST_CHANCE), _MOST_CHANCE))


def critical_surprise(tests: int, family_error: float) -> float:
    """Answer the surprise that of so many honest sellers any one exceeds with at most the chance `family_error`,
    however the tests hang together (Bonferroni's bound; Dunn 1961, JASA 56:52).
    """
    return surprise_of(family_error / max(tests, 1))


def binomial_tail(successes: int, trials: int, rate: float) -> float:
    """Answer the chance of at least `successes` in `trials` at `rate` in (0, 1)."""
    if successes <= 0:
        return 1.0
    log_odds = math.log(rate) - math.log1p(-rate)
    term = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    term += successes * math.log(rate) + (trials - successes) * math.log1p(-rate)
    chance = 0.0
    for count in range(successes, trials + 1):
        chance += math.exp(term)
        term += log_odds + math.log((trials - count) / (count + 1)) if count < trials else 0.0
    return min(chance, 1.0)
