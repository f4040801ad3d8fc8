"""What a seller could be expected to sell this month, from what it declared before: common to history and peers."""

import polars as pl

from analytics.frames import Lake

HISTORY_MIN = 2
"""Months declared before; one alone may have been the exception."""
RECEIPTS_MIN, EXPECTED_MIN = 20, 40
"""Receipts posted and receipts expected from which on a seller is judged. At 40 expected receipts of the usual spread
of amounts the standard error is about a quarter, so that nothing short of a collapse can accuse."""
RECEIPTS_NOTED, EXPECTED_NOTED = 5, 10
"""The same for a note."""
PRIOR_RECEIPTS = 20
"""How many receipts of the average size are added to a seller's own, so that one large sale is not its average."""


def expectations(facts: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Answer the facts of sellers with a history and enough receipts for a note, with these columns added.

    `baseline_mongo` (f64): the median declared month before, for the days on which the seller was open this month.
    `average_mongo` (f64): net amount of a receipt, the seller's and `PRIOR_RECEIPTS` of everybody's.
    `expected` (f64): receipts that the baseline stands for. `enough` (bool): enough to accuse.
    """
    length = lake.month.end_day - lake.month.first_day
    sellers = facts.filter(
        pl.col("previous_months") >= HISTORY_MIN,
        pl.col("previous_declared_net_mongo") > 0,
        pl.col("net_mongo") > 0,
        pl.col("receipts") >= RECEIPTS_NOTED,
    )
    everybody = pl.col("net_mongo").sum() / pl.col("receipts").sum()
    own = pl.col("net_mongo") + PRIOR_RECEIPTS * everybody
    return (
        sellers.with_columns(
            baseline_mongo=pl.col("previous_declared_net_mongo") * pl.col("open_days") / length,
            average_mongo=own / (pl.col("receipts") + PRIOR_RECEIPTS),
        )
        .with_columns(expected=pl.col("baseline_mongo") / pl.col("average_mongo"))
        .with_columns(enough=(pl.col("receipts") >= RECEIPTS_MIN) & (pl.col("expected") >= EXPECTED_MIN))
        .filter(pl.col("expected") >= EXPECTED_NOTED)
    )
