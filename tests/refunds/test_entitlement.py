from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipts.claim import Claim, ClaimState
from refunds.entitlement import Contribution, Delta, cause_of, contribution_of, delta
from refunds.ledger import Cause, Worth

ISSUED = datetime(2017, 3, 31, 15, 59, 59, tzinfo=UTC)
"""The last second of March 2017 in Ulaanbaatar."""


def claim(vat_mongo: int, state: ClaimState = ClaimState.FINAL, issued_at: datetime = ISSUED) -> Claim:
    return Claim(1, 2, state, issued_at, vat_mongo)


class TestContribution:
    @pytest.mark.parametrize(("vat", "amount"), [(0, 0), (1, 0), (4, 0), (5, 1), (9, 1), (10, 2), (100_000, 20_000)])
    def test_is_a_fifth_of_the_vat_rounded_down(self, vat, amount):
        assert contribution_of(claim(vat)).amount_mongo == amount

    def test_of_an_unreported_claim_is_worth_provisional_money(self):
        assert contribution_of(claim(100, ClaimState.PROVISIONAL)).worth == Worth(20, unreported=True)

    @pytest.mark.parametrize("state", [ClaimState.VOID, ClaimState.LAPSED])
    def test_of_a_claim_that_counts_no_more_is_nothing(self, state):
        assert contribution_of(claim(0, state)).worth == Worth()

    def test_belongs_to_the_month_of_the_receipt_in_ulaanbaatar(self):
        assert str(claim(1).month) == "2017-03"
        assert str(claim(1, issued_at=ISSUED + timedelta(seconds=1)).month) == "2017-04"


class TestDelta:
    @given(st.integers(0, 10**12), st.integers(0, 10**12))
    def test_leads_from_one_contribution_to_the_other(self, before, after):
        one, other = contribution_of(claim(before)), contribution_of(claim(after))
        change = delta(one, other)
        assert (one.vat_mongo + change.vat_mongo, one.amount_mongo + change.amount_mongo) == (
            other.vat_mongo,
            other.amount_mongo,
        )

    def test_of_a_void_takes_all_back(self):
        assert delta(Contribution(100, 20, ClaimState.FINAL), contribution_of(claim(0, ClaimState.VOID))) == Delta(
            -100, -20
        )


class TestCause:
    @pytest.mark.parametrize(
        ("before", "after", "cause"),
        [
            (ClaimState.FINAL, ClaimState.FINAL, Cause.CORRECTION),
            (ClaimState.PROVISIONAL, ClaimState.PROVISIONAL, Cause.CORRECTION),
            (ClaimState.PROVISIONAL, ClaimState.FINAL, Cause.REPORT),
            (ClaimState.PROVISIONAL, ClaimState.LAPSED, Cause.LAPSE),
            (ClaimState.PROVISIONAL, ClaimState.VOID, Cause.VOID),
            (ClaimState.LAPSED, ClaimState.FINAL, Cause.REVIVAL),
            (ClaimState.LAPSED, ClaimState.VOID, Cause.VOID),
            (ClaimState.FINAL, ClaimState.VOID, Cause.VOID),
        ],
    )
    def test_follows_from_the_states(self, before, after, cause):
        assert cause_of(before, after) is cause
