"""Numbers, blocks, prizes: the same as counting by hand."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.canonical import sha256
from lottery.beacon import RECORDED
from lottery.commitment import Leaf, leaves_of
from lottery.draw import block, drawn_numbers
from lottery.entries import Status
from lottery.prizes import Numbers, Prize, matched_digits, prizes_of
from lottery.rules import draw_rules
from lottery.verify_draw import _number
from tests.lottery.drawing import MONTH, RULES, SECRET, STATUSES, digits_of, draw, easy_rules, entries_of, entry

EIGHT_DIGITS = st.from_regex(r"[0-9]{8}", fullmatch=True)
PLAN = RULES.plan


def naive_prizes(statuses: list[Status], lowest: int, super_digits: int, numbers: Numbers) -> Counter[tuple[int, str]]:
    """Who wins what (claim, tier), entry by entry."""
    found: Counter[tuple[int, str]] = Counter()
    for claim, status in enumerate(statuses, 1):
        if status is Status.ELIGIBLE:
            digits = digits_of(claim)
            for count in range(8, lowest - 1, -1):
                if digits.endswith(numbers.main[-count:]):
                    found[claim, str(count)] += 1
                    break
            if digits.endswith(numbers.super[-super_digits:]):
                found[claim, "super"] += 1
    return found


class TestDraw:
    @given(STATUSES, st.integers(1, 3), st.integers(1, 3), st.binary(min_size=32, max_size=32))
    def test_has_the_winners_of_counting_by_hand(
        self, statuses: list[Status], lowest: int, super_digits: int, randomness: bytes
    ) -> None:
        leaves, _, outcome = draw(
            entries_of(statuses), easy_rules(lowest, super_digits), beacon=replace(RECORDED, randomness=randomness)
        )
        won = Counter((leaves.claims[prize.position], prize.tier) for prize in outcome.prizes)
        assert won == naive_prizes(statuses, lowest, super_digits, outcome.numbers)

    @given(STATUSES)
    def test_is_the_same_in_whatever_order_the_claims_come(self, statuses: list[Status]) -> None:
        entries = entries_of(statuses)
        assert draw(entries)[2] == draw(entries[::-1])[2]

    def test_is_another_with_another_commitment(self) -> None:
        numbers = {draw(entries_of([Status.ELIGIBLE] * size))[2].numbers for size in range(20)}
        assert len(numbers) == 20


class TestBlock:
    @given(STATUSES, st.integers(1, 8), EIGHT_DIGITS)
    def test_is_where_the_last_digits_are_the_numbers(self, statuses: list[Status], digits: int, number: str) -> None:
        leaves = leaves_of(entries_of(statuses), SECRET)
        found = block(leaves.at, len(leaves), number, digits)
        matching = [at for at in range(len(leaves)) if Leaf.of(leaves.at(at)).digits[-digits:] == number[-digits:]]
        assert list(found) == matching

    @given(st.integers(1, 60), st.integers(1, 8))
    def test_holds_the_entry_whose_own_number_is_drawn(self, claim: int, digits: int) -> None:
        leaves = leaves_of(entries_of([Status.ELIGIBLE] * 60), SECRET)
        assert leaves.claims.index(claim) in block(leaves.at, len(leaves), digits_of(claim), digits)

    @pytest.mark.parametrize("number", ["00000000", "99999999", "12345999", "00000001", "10000000"])
    def test_reaches_the_ends_of_the_numbers(self, number: str) -> None:
        leaves = leaves_of(entries_of([Status.ELIGIBLE] * 300), SECRET)
        assert len(block(leaves.at, len(leaves), number, 1)) == sum(
            digits_of(c)[-1] == number[-1] for c in range(1, 301)
        )


class TestDrawnNumbers:
    def test_is_pinned(self) -> None:
        assert drawn_numbers(bytes(32), bytes(32)) == Numbers(main="16011267", super="03873533")

    def test_agrees_with_the_verifier_also_where_a_value_is_refused(self) -> None:
        refused = 0
        for i in range(500):
            randomness, commitment = sha256(b"r", bytes((i % 256, i // 256))), sha256(b"c")
            numbers = drawn_numbers(randomness, commitment)
            seed = sha256(b"barimt draw 1", randomness, commitment)
            assert numbers.labelled() == {label: _number(seed + label.encode()) for label in ("main", "super")}
            refused += int.from_bytes(sha256(seed, b"main", b"\x00")[:4]) >= 42 * 10**8
        assert refused > 0

    def test_has_every_digit_at_every_place_about_equally_often(self) -> None:
        """Chi-square with 9 degrees of freedom exceeds 40 once in 130,000."""
        numbers = [drawn_numbers(sha256(bytes((i % 256, i // 256))), bytes(32)).main for i in range(4000)]
        for place in range(8):
            counts = Counter(number[place] for number in numbers)
            assert sum((counts[digit] - 400) ** 2 / 400 for digit in "0123456789") < 40


class TestMatchedDigits:
    @given(EIGHT_DIGITS, EIGHT_DIGITS)
    def test_counts_from_the_end(self, one: str, other: str) -> None:
        same = list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one[::-1], other[::-1], strict=True)))
        assert matched_digits(one, other) == len(same)

    def test_counts_all_eight(self) -> None:
        assert matched_digits("12345678", "12345678") == 8


class TestPrizesOf:
    @pytest.mark.parametrize(
        ("digits", "tier", "mnt"),
        [
            ("99999678", "3", 30_000),
            ("99995678", "4", 100_000),
            ("99945678", "5", 1_000_000),
            ("99345678", "6", 5_000_000),
            ("92345678", "7", 10_000_000),
            ("12345678", "8", 50_000_000),
        ],
    )
    def test_pays_the_highest_tier_of_2017_and_only_that(self, digits: str, tier: str, mnt: int) -> None:
        numbers = Numbers(main="12345678", super="00000000")
        assert prizes_of(PLAN, numbers, [(5, digits)]) == [Prize(5, tier, mnt * 100)]

    @pytest.mark.parametrize("digits", ["12345670", "12345578", "87654321"])
    def test_pays_nothing_below_three_digits(self, digits: str) -> None:
        assert prizes_of(PLAN, Numbers(main="12345678", super="00000000"), [(5, digits)]) == []

    @pytest.mark.parametrize(("winners", "share"), [(1, 8_000_000_000), (3, 2_666_666_666), (7, 1_142_857_142)])
    def test_splits_the_super_fund_and_keeps_the_rest(self, winners: int, share: int) -> None:
        numbers = Numbers(main="12345678", super="87654321")
        prizes = prizes_of(PLAN, numbers, [(position, "87654321") for position in range(winners)])
        assert prizes == [Prize(position, "super", share) for position in range(winners)]
        assert 0 <= PLAN.super_fund_mongo - winners * share < winners

    def test_pays_both_numbers_to_who_has_both(self) -> None:
        prizes = prizes_of(PLAN, Numbers(main="12345678", super="12345678"), [(2, "12345678")])
        assert [prize.tier for prize in prizes] == ["8", "super"]


class TestDrawRules:
    def test_has_the_counts_that_were_published_in_2019(self) -> None:
        """26,199,742 receipts won 23,659, 2,327, 230 and 24 prizes (tiers 3 to 6): within four standard deviations of
        "the last digits count, the highest tier only".
        """
        for tier, published in {3: 23_659, 4: 2_327, 5: 230, 6: 24}.items():
            expected = 26_199_742 * 0.9 / 10**tier
            assert abs(published - expected) < 4 * expected**0.5

    def test_is_hashed_whole(self) -> None:
        assert draw_rules(MONTH).hash() != replace(draw_rules(MONTH), cap_per_seller_day=26).hash()


class TestLeaf:
    @given(st.integers(0, 2**63 - 1), st.sampled_from(Status))
    def test_shows_digits_only_when_eligible(self, claim: int, status: Status) -> None:
        leaf = Leaf.of(leaves_of([entry(claim, status)], SECRET).at(0))
        assert (leaf.status, leaf.digits) == (status, digits_of(claim) if status is Status.ELIGIBLE else "")

    @given(STATUSES)
    def test_stands_in_ascending_order_eligible_first(self, statuses: list[Status]) -> None:
        leaves = leaves_of(entries_of(statuses), SECRET)
        contents = [leaves.at(position) for position in range(len(leaves))]
        assert contents == sorted(contents)
        assert [content[0] for content in contents] == sorted(statuses)
        assert sorted(leaves.claims) == list(range(1, len(statuses) + 1))
        assert leaves.counts() == {status: statuses.count(status) for status in Status}

    def test_has_another_ticket_under_another_secret(self) -> None:
        assert leaves_of([entry(1)], SECRET).at(0)[5:] != leaves_of([entry(1)], bytes(32)).at(0)[5:]
