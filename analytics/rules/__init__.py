"""What makes a month implausible: one function a rule, frame in, findings out. None changes what it is given.

Every rule takes the month's facts (collected) and the lake, and answers a frame of columns `FINDINGS`.
"""

from collections.abc import Callable
from typing import Final

import polars as pl

from analytics.frames import Lake
from analytics.rules.chain import sightings_altered, sightings_unreported, turnover_gap
from analytics.rules.chains_forked import chains_forked
from analytics.rules.declared_below_receipts import declared_below_receipts
from analytics.rules.own_history import own_history
from analytics.rules.sector_peers import sector_peers
from analytics.rules.vat_against_turnover import vat_against_turnover
from analytics.rules.voids_after_claims import voids_after_claims

Rule = Callable[[pl.DataFrame, Lake], pl.DataFrame]

RULES: Final[tuple[Rule, ...]] = (
    declared_below_receipts,
    vat_against_turnover,
    own_history,
    sector_peers,
    voids_after_claims,
    sightings_unreported,
    sightings_altered,
    turnover_gap,
    chains_forked,
)
