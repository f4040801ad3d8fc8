"""The rules of a month's draw, as data with their source; they are hashed into the commitment.

Prize plan: tatvar.ov.gov.mn/post/26466 (tiers of 2016 to about 2022; the *last* digits count); the fund of the super
number: Finance Minister's order 37/2017, annex 3, 7.10 (80 million MNT, split equally among its winners). How many of
its digits must be equal is in no public text; we ask for all eight, as the published results of 2019-05-19 allow (two
winners). The plan that followed in about 2023 is not known in full, so this one stays in force.

Cut-off and minimum are the receipts' rules (`receipts.rules`). The cap is ours: a shopper who collects more than 25
receipts of one seller on one day is not shopping but splitting (Slovakia: one purchase in five receipts; São Paulo:
84 in a row), and a family's weekly market day stays far below it. The delay is ours too: one hour in which anybody can
copy the commitment before the randomness is known, far above every clock error.
"""

import json
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime

from kernel.canonical import Json, canonical_json, sha256
from kernel.clock import Month
from kernel.money import MONGO_PER_TUGRIK
from lottery.prizes import Plan, Tier
from receipts.rules import draw_cutoff, rules_on


@dataclass(frozen=True, slots=True)
class DrawRules:
    """What decides a month's draw, besides the claims."""

    minimum_mongo: int
    """A bundle of less than this, after its corrections, takes no part."""
    cap_per_seller_day: int
    """How many receipts of one seller and business day one consumer may enter, in order of claiming."""
    rolls_months: int
    """For how many later draws a claim that came late, or was reported late, may still be entered."""
    beacon_delay_s: int
    """The beacon round is the first whose time is this many seconds or more after the commitment."""
    plan: Plan

    @classmethod
    def parse(cls, content: str) -> "DrawRules":
        """Read stored rules; the inverse of the canonical JSON of `to_json`."""
        paper = json.loads(content)
        tiers = tuple(Tier(tier["digits"], tier["prize_mongo"]) for tier in paper["tiers"])
        return cls(
            minimum_mongo=paper["minimum_mongo"],
            cap_per_seller_day=paper["cap_per_seller_day"],
            rolls_months=paper["rolls_months"],
            beacon_delay_s=paper["beacon_delay_s"],
            plan=Plan(tiers, paper["super"]["digits"], paper["super"]["fund_mongo"]),
        )

    def to_json(self) -> dict[str, Json]:
        """Answer the rules as the transcript shows them."""
        return {
            "minimum_mongo": self.minimum_mongo,
            "cap_per_seller_day": self.cap_per_seller_day,
            "rolls_months": self.rolls_months,
            "beacon_delay_s": self.beacon_delay_s,
            "tiers": [{"digits": tier.digits, "prize_mongo": tier.prize_mongo} for tier in self.plan.tiers],
            "super": {"digits": self.plan.super_digits, "fund_mongo": self.plan.super_fund_mongo},
        }

    def hash(self) -> bytes:
        """Answer SHA-256 of the canonical JSON of the rules."""
        return sha256(canonical_json(self.to_json()))


_MNT = MONGO_PER_TUGRIK
_PLAN_2016 = Plan(
    tiers=(
        Tier(3, 30_000 * _MNT),
        Tier(4, 100_000 * _MNT),
        Tier(5, 1_000_000 * _MNT),
        Tier(6, 5_000_000 * _MNT),
        Tier(7, 10_000_000 * _MNT),
        Tier(8, 50_000_000 * _MNT),
    ),
    super_digits=8,
    super_fund_mongo=80_000_000 * _MNT,
)
_PLANS = ((Month(2000, 1), _PLAN_2016),)
_STARTS = [start for start, _ in _PLANS]
_CAP_PER_SELLER_DAY = 25
_ROLLS_MONTHS = 12
_BEACON_DELAY_S = 3600


def draw_rules(month: Month) -> DrawRules:
    """Answer the rules of the draw of a month."""
    return DrawRules(
        minimum_mongo=rules_on(date(month.year, month.number, 1)).draw_minimum_mongo,
        cap_per_seller_day=_CAP_PER_SELLER_DAY,
        rolls_months=_ROLLS_MONTHS,
        beacon_delay_s=_BEACON_DELAY_S,
        plan=_PLANS[bisect_right(_STARTS, month) - 1][1],
    )


def cut_off(month: Month) -> datetime:
    """Answer K(month), the instant (exclusive) until which a claim takes part; at least 72 hours after month end."""
    return draw_cutoff(month)
