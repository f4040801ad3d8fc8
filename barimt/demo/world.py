"""The whole outside world of one month, made from the data set, a month and a seed: same input, same world."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from barimt.demo.cast import Seller, cast_sellers, read_stores
from barimt.demo.expected import Expected, expect, revenue_of, standing, with_taxes, without_baskets
from barimt.demo.plan import Plan, plan_month
from barimt.demo.plants import Declaration, Planted, kept_back, plant, told_declarations, true_declarations
from barimt.demo.retail import Basket, baskets_of, read_lines
from barimt.demo.seeded import Seed
from kernel.clock import Month

DEFAULT_MONTH = Month(2017, 3)
DEFAULT_SEED = Seed(2017)
PREVIOUS_MONTHS = 2


@dataclass(frozen=True, slots=True)
class World:
    """Everything that the demo's clients know; `declarations` are what is told, the earlier months first."""

    month: Month
    seed: Seed
    baskets: tuple[Basket, ...]
    sellers: tuple[Seller, ...]
    planted: tuple[Planted, ...]
    plan: Plan
    expected: Expected
    declarations: tuple[Declaration, ...]


def make_world(
    folder: Path,
    month: Month = DEFAULT_MONTH,
    seed: Seed = DEFAULT_SEED,
    *,
    under_declared: int = 4,
    keep_back: int = 4,
) -> World:
    """Read the data set in `folder` and decide everything. `month` is one of 2017; takes about two seconds."""
    lines = read_lines(folder, month)
    baskets = baskets_of(lines)
    sellers = cast_sellers(read_stores(folder, month))
    planted = plant(seed, sellers, baskets, under_declared=under_declared, kept_back=keep_back)
    plan = plan_month(seed, sellers, baskets, planted)
    hidden = kept_back(planted)
    posted = without_baskets(with_taxes(lines, sellers), hidden)
    current = true_declarations(month, sellers, revenue_of(standing(posted, plan)))
    return World(
        month=month,
        seed=seed,
        baskets=baskets,
        sellers=sellers,
        planted=planted,
        plan=plan,
        expected=expect(lines, sellers, plan, hidden),
        declarations=_earlier(folder, month, sellers) + told_declarations(seed, current, planted),
    )


def _earlier(folder: Path, month: Month, sellers: Sequence[Seller]) -> tuple[Declaration, ...]:
    """Declare the two months before as they were. The data set begins with January 2017."""
    told: tuple[Declaration, ...] = ()
    known = [seller.store_id for seller in sellers]
    for back in range(PREVIOUS_MONTHS, 0, -1):
        earlier = month.plus(-back)
        lines = read_lines(folder, earlier).filter(pl.col("store_id").is_in(known))
        told += true_declarations(earlier, sellers, revenue_of(with_taxes(lines, sellers)))
    return told
