"""The one way in which a measured deviation becomes a finding, a note or nothing."""

import math
from dataclasses import dataclass

import polars as pl

from analytics.surprise import critical_surprise, robust_scale

FAMILY_ERROR = 0.025
"""Greatest chance that a rule accuses any honest seller in a month, all of them together."""
FALL_FAMILY_ERROR = 0.1
"""The same for the two rules on falling trade, which accuse only together (`analytics.score`). The bound holds where
honest trade scatters normally. Real trade now and then does worse: some shop loses a third of its customers for good.
In the ten months of the benchmark's data that can be judged, 0.3 honest sellers a month were accused, at most 2.
"""
NOTE_SCORE = 70
"""From here on, in hundredths of what accuses, a sign is noted."""
ACCUSING_SCORE, SCORE_MAX = 100, 1000
POPULATION_MIN = 20
"""Fewer comparable sellers do not show what honest scatter is: then the widest that is allowed is taken for it, and
without such a bound nobody is judged."""


@dataclass(frozen=True, slots=True)
class Standard:
    """What a rule demands before it speaks. All in the unit of the deviation.

    `least`: a smaller deviation never accuses, however certain. `scale_floor`, `scale_cap`: bounds of the scale that
    the population shows, so that neither a too tidy population makes trifles suspicious nor a dishonest one hides.
    `family_error`: the greatest chance of accusing anybody where all are honest.
    """

    least: float
    scale_floor: float
    scale_cap: float = math.inf
    family_error: float = FAMILY_ERROR


def judge(tested: pl.DataFrame, standard: Standard) -> pl.DataFrame:
    """Answer the sellers that show at least a note, sorted by seller.

    `tested` has one row a seller with `deviation` (f64, positive is suspicious), `error` (f64, its relative standard
    error, 1 where all are alike) and `enough` (bool, whether it rests on enough to accuse); only sellers with enough
    show what the scatter is. Added are `threshold` (f64, the deviation that accuses), `score` (i64) and `level`.
    """
    relative = pl.col("deviation") / pl.col("error")
    comparable = tested.filter("enough").select(relative).to_series().to_list()
    shown = robust_scale(comparable) if len(comparable) >= POPULATION_MIN else math.inf
    scale = min(max(shown, standard.scale_floor), standard.scale_cap)
    if math.isinf(scale):
        return graded(tested.clear().with_columns(threshold=pl.lit(math.inf)))
    critical = scale * critical_surprise(len(comparable), standard.family_error)
    return graded(tested.with_columns(threshold=pl.max_horizontal(critical * pl.col("error"), pl.lit(standard.least))))


def graded(tested: pl.DataFrame) -> pl.DataFrame:
    """Add `score` and `level` to rows with `deviation`, `threshold` and `enough`; keep those worth a note."""
    strength = (100 * pl.col("deviation") / pl.col("threshold")).floor().clip(-SCORE_MAX, SCORE_MAX).cast(pl.Int64)
    accuses = (strength >= ACCUSING_SCORE) & pl.col("enough")
    return (
        tested.with_columns(
            score=pl.when(accuses).then(strength).otherwise(strength.clip(upper_bound=ACCUSING_SCORE - 1)),
            level=pl.when(accuses).then(pl.lit("finding")).otherwise(pl.lit("note")),
        )
        .filter(pl.col("score") >= NOTE_SCORE)
        .sort("seller")
    )
