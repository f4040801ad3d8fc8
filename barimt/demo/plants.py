"""The cheats and the declarations: who under-declares, who keeps sales off the till, and what everybody declares.

Two kinds are planted among sellers of at least 60 baskets. The first kind posts everything and declares 10 to 40 % less
than its receipts say. The second never posts 30 to 60 % of its baskets and declares what it posted. Honest sellers
declare their receipts with about 2 % of noise. Only the demo's client knows the plant; planted.json is never sent.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from barimt.demo.cast import Seller
from barimt.demo.retail import Basket
from barimt.demo.seeded import PER_MILLE, Seed
from kernel.canonical import Json
from kernel.clock import Month
from kernel.money import half_up

BASKETS_MIN = 60
UNDER_DECLARED_PER_MILLE = (100, 400)
KEPT_BACK_PER_MILLE = (300, 600)
NOISE_PPM, NOISE_PPM_MAX = 20_000, 50_000
"""Standard deviation of an honest seller's slips, and the most that one of them is ever off."""
_PPM = 1_000_000


class Cheat(StrEnum):
    """How a planted seller cheats."""

    UNDER_DECLARED = "under_declared"
    KEPT_BACK = "kept_back"


@dataclass(frozen=True, slots=True)
class Planted:
    """One planted seller; `share_per_mille` of its revenue is not declared, or of its baskets not posted."""

    seller: Seller
    cheat: Cheat
    share_per_mille: int
    kept_back: frozenset[int] = frozenset()
    """The ids of the baskets that are never posted."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a seller tells the tax office about a month; amounts in möngö, revenue net of VAT and city tax."""

    seller_tin: str
    month: Month
    net_revenue_mongo: int
    vat_mongo: int


def plant(
    seed: Seed, sellers: Sequence[Seller], baskets: Sequence[Basket], *, under_declared: int = 4, kept_back: int = 4
) -> tuple[Planted, ...]:
    """Choose the planted sellers and what each hides. With fewer sellers large enough, plants fewer."""
    counts = Counter(basket.store_id for basket in baskets)
    large = [seller for seller in sellers if counts[seller.store_id] >= BASKETS_MIN]
    drawn = sorted(large, key=lambda seller: (seed.draw(2**32, "plant", seller.store_id), seller.store_id))
    cheats = [Cheat.UNDER_DECLARED] * under_declared + [Cheat.KEPT_BACK] * kept_back
    of_store: defaultdict[int, list[int]] = defaultdict(list)
    for basket in baskets:
        of_store[basket.store_id].append(basket.basket_id)
    return tuple(
        _planted(seed, seller, cheat, of_store[seller.store_id]) for seller, cheat in zip(drawn, cheats, strict=False)
    )


def _planted(seed: Seed, seller: Seller, cheat: Cheat, baskets: Sequence[int]) -> Planted:
    if cheat is Cheat.UNDER_DECLARED:
        return Planted(seller, cheat, seed.between(*UNDER_DECLARED_PER_MILLE, "under", seller.store_id))
    share_per_mille = seed.between(*KEPT_BACK_PER_MILLE, "kept", seller.store_id)
    low, high = KEPT_BACK_PER_MILLE
    hidden = half_up(len(baskets) * share_per_mille, PER_MILLE)
    hidden = max(-(-len(baskets) * low // PER_MILLE), min(len(baskets) * high // PER_MILLE, hidden))
    drawn = sorted(baskets, key=lambda basket: (seed.draw(2**32, "hide", basket), basket))
    return Planted(seller, cheat, share_per_mille, frozenset(drawn[:hidden]))


def kept_back(planted: Sequence[Planted]) -> frozenset[int]:
    """Answer the ids of all baskets that are never posted."""
    return frozenset().union(*(one.kept_back for one in planted))


def true_declarations(month: Month, sellers: Sequence[Seller], revenue: pl.DataFrame) -> tuple[Declaration, ...]:
    """Declare a month as it was: one declaration a seller that sold in it, from a frame of the shape `REVENUE`."""
    earned = {row["store_id"]: row for row in revenue.iter_rows(named=True)}
    return tuple(
        Declaration(seller.tin, month, row["net_mongo"], row["vat_mongo"])
        for seller in sellers
        if (row := earned.get(seller.store_id)) is not None
    )


def told_declarations(
    seed: Seed, declarations: Sequence[Declaration], planted: Sequence[Planted]
) -> tuple[Declaration, ...]:
    """Turn true declarations into what is told: honest ones slip a little, the planted ones cheat as planted."""
    cheats = {one.seller.tin: one for one in planted}
    return tuple(_told(seed, true, cheats.get(true.seller_tin)) for true in declarations)


def _told(seed: Seed, true: Declaration, cheat: Planted | None) -> Declaration:
    if cheat is None:
        share_ppm = _PPM + seed.noise(NOISE_PPM, NOISE_PPM_MAX, "slip", true.seller_tin, str(true.month))
    elif cheat.cheat is Cheat.UNDER_DECLARED:
        share_ppm = _PPM - cheat.share_per_mille * (_PPM // PER_MILLE)
    else:
        share_ppm = _PPM
    return Declaration(
        true.seller_tin,
        true.month,
        half_up(true.net_revenue_mongo * share_ppm, _PPM),
        half_up(true.vat_mongo * share_ppm, _PPM),
    )


def planted_json(seed: Seed, month: Month, planted: Sequence[Planted], baskets: Sequence[Basket]) -> Json:
    """Answer the content of planted.json: who cheats, how, and by how much."""
    totals = {basket.basket_id: basket.total_mongo for basket in baskets}
    counts = Counter(basket.store_id for basket in baskets)
    return {
        "seed": seed.value,
        "month": str(month),
        "planted": [
            {
                "seller_tin": one.seller.tin,
                "name": one.seller.name,
                "kind": one.cheat.value,
                "share_per_mille": one.share_per_mille,
                "baskets": counts[one.seller.store_id],
                "kept_back": len(one.kept_back),
                "kept_back_mongo": sum(totals[basket] for basket in one.kept_back),
            }
            for one in planted
        ],
    }
