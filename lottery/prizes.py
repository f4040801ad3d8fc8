"""What a drawn number wins: the prize plan, and the prizes of those whose digits end as the number does.

A receipt wins the highest tier that its last digits reach, and only that one; the two letters take no part. The super
number is a second number with a fund of its own: those whose last `super_digits` digits equal it share the fund
equally. Each share is rounded down to a möngö; what the division leaves, and the whole fund when nobody has the number,
is not paid and is not carried over.
"""

from collections.abc import Iterable
from dataclasses import dataclass

DIGITS = 8
MAIN, SUPER = "main", "super"
"""The two numbers of a draw; also the labels under which they are derived."""


@dataclass(frozen=True, slots=True)
class Tier:
    """So many equal last digits win so much."""

    digits: int
    prize_mongo: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The tiers of the main number, fewest digits first, and the fund of the super number."""

    tiers: tuple[Tier, ...]
    super_digits: int
    super_fund_mongo: int

    @property
    def lowest_digits(self) -> int:
        """How many last digits win at all: the main number's block holds every winner of every tier."""
        return self.tiers[0].digits

    def block_digits(self) -> dict[str, int]:
        """Answer, for each number, how many last digits make an entry part of its winning block."""
        return {MAIN: self.lowest_digits, SUPER: self.super_digits}


@dataclass(frozen=True, slots=True)
class Numbers:
    """The two drawn numbers, eight digits each."""

    main: str
    super: str

    def labelled(self) -> dict[str, str]:
        """Answer the numbers under their labels."""
        return {MAIN: self.main, SUPER: self.super}


@dataclass(frozen=True, slots=True)
class Prize:
    """What the entry at a position wins. `tier` is the number of digits of its tier, or `super`."""

    position: int
    tier: str
    amount_mongo: int


def matched_digits(digits: str, number: str) -> int:
    """Answer how many last digits of two numbers are equal."""
    count = 0
    while count < DIGITS and digits[-1 - count] == number[-1 - count]:
        count += 1
    return count


def prizes_of(plan: Plan, numbers: Numbers, entries: Iterable[tuple[int, str]]) -> list[Prize]:
    """Answer the prizes of the entries (position, digits), the main number's first, each in order of position."""
    ordered = sorted(entries)
    fortunate = [position for position, digits in ordered if matched_digits(digits, numbers.super) >= plan.super_digits]
    prizes = [prize for position, digits in ordered for prize in _main_prize(plan, numbers.main, position, digits)]
    return prizes + [Prize(position, SUPER, plan.super_fund_mongo // len(fortunate)) for position in fortunate]


def _main_prize(plan: Plan, number: str, position: int, digits: str) -> list[Prize]:
    matched = matched_digits(digits, number)
    reached = [tier for tier in plan.tiers if tier.digits <= matched]
    return [Prize(position, str(reached[-1].digits), reached[-1].prize_mongo)] if reached else []
