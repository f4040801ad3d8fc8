"""Who takes part, and the first reason why somebody does not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lottery.entries import Candidate, Status, judge
from lottery.rules import cut_off
from receipts.claim import ClaimState
from tests.lottery.drawing import MONTH, RULES, candidate

CUT_OFF = cut_off(MONTH)
CAP = RULES.cap_per_seller_day


def statuses_of(*candidates: Candidate) -> list[Status]:
    return [entry.status for entry in judge(candidates, RULES, CUT_OFF)]


class TestJudge:
    def test_enters_an_ordinary_claim(self) -> None:
        [entry] = judge([candidate(7)], RULES, CUT_OFF)
        assert (entry.claim, entry.root_hash, entry.status) == (7, candidate(7).root_hash, Status.ELIGIBLE)

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"void": True}, Status.VOID),
            ({"state": ClaimState.VOID}, Status.VOID),
            ({"lottery": False}, Status.BUSINESS),
            ({"own_seller": True}, Status.OWN_SELLER),
            ({"state": ClaimState.PROVISIONAL}, Status.PROVISIONAL),
            ({"state": ClaimState.LAPSED}, Status.LAPSED),
            ({"claimed_at": CUT_OFF}, Status.LATE),
            ({"claimed_at": CUT_OFF - timedelta(seconds=1)}, Status.ELIGIBLE),
            ({"total_mongo": RULES.minimum_mongo}, Status.ELIGIBLE),
            ({"total_mongo": RULES.minimum_mongo - 1}, Status.BELOW_MINIMUM),
            ({"entered_before": CAP - 1}, Status.ELIGIBLE),
            ({"entered_before": CAP}, Status.OVER_CAP),
        ],
    )
    def test_says_why_one_is_excluded(self, change: dict[str, object], status: Status) -> None:
        assert statuses_of(candidate(1, **change)) == [status]

    def test_names_the_first_reason_that_applies(self) -> None:
        reasons = [
            ({"void": True}, Status.VOID),
            ({"lottery": False}, Status.BUSINESS),
            ({"own_seller": True}, Status.OWN_SELLER),
            ({"state": ClaimState.PROVISIONAL}, Status.PROVISIONAL),
            ({"claimed_at": CUT_OFF}, Status.LATE),
            ({"total_mongo": 0}, Status.BELOW_MINIMUM),
            ({"entered_before": CAP}, Status.OVER_CAP),
        ]
        found = candidate(1)
        for change, status in reversed(reasons):
            found = replace(found, **change)
            assert statuses_of(found) == [status]

    def test_enters_as_many_of_one_seller_and_day_as_the_cap_allows(self) -> None:
        found = statuses_of(*(candidate(claim) for claim in range(CAP + 2)))
        assert found == [Status.ELIGIBLE] * CAP + [Status.OVER_CAP] * 2

    def test_counts_only_what_is_entered_towards_the_cap(self) -> None:
        found = statuses_of(*(candidate(claim, void=claim == 0) for claim in range(CAP + 1)))
        assert found == [Status.VOID] + [Status.ELIGIBLE] * CAP

    @pytest.mark.parametrize("field", ["consumer", "seller", "day"])
    def test_counts_each_consumer_seller_and_day_by_itself(self, field: str) -> None:
        first = candidate(0)
        others = [candidate(claim, **{field: getattr(first, field) + 1}) for claim in range(CAP, 2 * CAP)]
        assert set(statuses_of(*(candidate(claim) for claim in range(CAP)), *others)) == {Status.ELIGIBLE}

    def test_insists_on_groups(self) -> None:
        with pytest.raises(AssertionError, match="groups"):
            statuses_of(candidate(1, consumer=2), candidate(2, consumer=1))

    @given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.booleans()), max_size=120))
    def test_never_enters_more_than_the_cap(self, found: list[tuple[int, int, bool]]) -> None:
        rules = replace(RULES, cap_per_seller_day=3)
        ordered = sorted(found)
        candidates = [
            candidate(claim, consumer=consumer, seller=seller, void=void)
            for claim, (consumer, seller, void) in enumerate(ordered)
        ]
        entered = [c for c, e in zip(candidates, judge(candidates, rules, CUT_OFF), strict=True) if not e.status]
        for consumer, seller in {(c.consumer, c.seller) for c in candidates}:
            honest = sum(1 for c in candidates if (c.consumer, c.seller) == (consumer, seller) and not c.void)
            count = sum(1 for c in entered if (c.consumer, c.seller) == (consumer, seller))
            assert count == min(honest, 3)
