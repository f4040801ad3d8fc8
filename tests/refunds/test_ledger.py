import pytest
from hypothesis import given
from hypothesis import strategies as st

from refunds.ledger import (
    PAIRS,
    Account,
    Balances,
    Posting,
    Transfer,
    Worth,
    bring_back,
    change_worth,
    credit,
    credit_provisional,
    identity_gap_mongo,
    report,
    reserve,
    reverse,
    settle,
)

amounts = st.integers(1, 10**9)
some_balances = st.builds(
    lambda provisional, extra, available, reserved, paid, debt: Balances(
        provisional, available, reserved, paid, debt, provisional + extra
    ),
    *[st.integers(0, 10**9)] * 6,
)


def moves(posting: Posting) -> list[tuple[str, str, int]]:
    return [(transfer.debit, transfer.credit, transfer.amount_mongo) for transfer in posting.transfers]


class TestTransfer:
    def test_takes_every_pair_of_the_table(self):
        assert {(Transfer(*pair, 1).debit, Transfer(*pair, 1).credit) for pair in PAIRS} == PAIRS

    @pytest.mark.parametrize("amount", [0, -1])
    def test_moves_something(self, amount):
        with pytest.raises(AssertionError):
            Transfer(Account.REFUNDS, Account.AVAILABLE, amount)

    @pytest.mark.parametrize("pair", [(Account.PAID, Account.REVERSALS), (Account.AVAILABLE, Account.AVAILABLE)])
    def test_refuses_a_pair_that_means_nothing(self, pair):
        with pytest.raises(AssertionError):
            Transfer(*pair, 1)


class TestBalances:
    @pytest.mark.parametrize("account", ["available_mongo", "reserved_mongo", "paid_mongo", "debt_mongo"])
    def test_are_never_below_zero(self, account):
        with pytest.raises(AssertionError):
            Balances(**{account: -1})

    def test_hold_no_provisional_money_beyond_what_is_unreported(self):
        with pytest.raises(AssertionError):
            Balances(provisional_mongo=2, unreported_mongo=1)

    def test_count_debt_against_the_rest(self):
        assert Balances(1, 2, 4, 8, 16, 1).net_mongo == -1


class TestCredit:
    def test_is_available(self):
        posting = credit(Balances(), 100, source=Account.REFUNDS)
        assert moves(posting) == [("refunds", "available", 100)]
        assert posting.after == Balances(available_mongo=100)

    def test_nets_debt_first(self):
        posting = credit(Balances(debt_mongo=30), 100, source=Account.PRIZES)
        assert moves(posting) == [("prizes", "debt", 30), ("prizes", "available", 70)]

    def test_disappears_in_a_greater_debt(self):
        posting = credit(Balances(debt_mongo=101), 100, source=Account.REFUNDS)
        assert posting.after == Balances(debt_mongo=1)
        assert moves(posting) == [("refunds", "debt", 100)]


class TestCreditProvisional:
    def test_leaves_debt_alone(self):
        posting = credit_provisional(Balances(debt_mongo=30), 100)
        assert posting.after == Balances(provisional_mongo=100, debt_mongo=30, unreported_mongo=100)


class TestReport:
    def test_makes_provisional_money_available(self):
        posting = report(Balances(provisional_mongo=100, unreported_mongo=100), 60)
        assert moves(posting) == [("provisional", "available", 60)]
        assert posting.after == Balances(provisional_mongo=40, available_mongo=60, unreported_mongo=40)

    def test_nets_debt_first(self):
        posting = report(Balances(provisional_mongo=100, debt_mongo=30, unreported_mongo=100), 100)
        assert moves(posting) == [("provisional", "debt", 30), ("provisional", "available", 70)]

    def test_makes_nothing_available_that_a_clawback_took_from_provisional(self):
        # A and B are provisional, 10 each; a void took 5 from provisional; A is reported, B is not
        posting = report(Balances(provisional_mongo=15, available_mongo=5, unreported_mongo=20), 10)
        assert posting.after == Balances(provisional_mongo=10, available_mongo=10, unreported_mongo=10)

    def test_moves_nothing_when_nothing_provisional_is_left(self):
        posting = report(Balances(unreported_mongo=10), 10)
        assert posting == Posting((), Balances())


class TestReverse:
    def test_takes_provisional_then_available_then_makes_debt(self):
        posting = reverse(Balances(provisional_mongo=1, available_mongo=2, unreported_mongo=1), 10, unreported=False)
        assert moves(posting) == [
            ("provisional", "reversals", 1),
            ("available", "reversals", 2),
            ("debt", "reversals", 7),
        ]
        assert posting.after == Balances(debt_mongo=7, unreported_mongo=1)

    def test_leaves_what_is_reserved_and_paid(self):
        posting = reverse(Balances(reserved_mongo=50, paid_mongo=50), 10, unreported=False)
        assert posting.after == Balances(reserved_mongo=50, paid_mongo=50, debt_mongo=10)

    def test_forgets_an_unreported_claim(self):
        assert reverse(Balances(provisional_mongo=5, unreported_mongo=5), 5, unreported=True).after == Balances()

    @given(some_balances, amounts)
    def test_never_fails(self, balances, amount):
        assert reverse(balances, amount, unreported=False).after.net_mongo == balances.net_mongo - amount


class TestPayout:
    def test_goes_from_available_over_reserved_to_paid(self):
        reserved = reserve(Balances(available_mongo=10), 10)
        paid = settle(reserved.after, 10)
        assert (moves(reserved), moves(paid)) == ([("available", "reserved", 10)], [("reserved", "paid", 10)])
        assert paid.after == Balances(paid_mongo=10)

    def test_cannot_reserve_more_than_is_available(self):
        with pytest.raises(AssertionError):
            reserve(Balances(available_mongo=9), 10)

    def test_comes_back_as_available(self):
        assert bring_back(Balances(paid_mongo=10), 10).after == Balances(available_mongo=10)

    def test_comes_back_to_a_debtor_as_less_debt(self):
        posting = bring_back(Balances(paid_mongo=10, debt_mongo=4), 10)
        assert moves(posting) == [("paid", "debt", 4), ("paid", "available", 6)]


class TestChangeWorth:
    def test_of_nothing_posts_nothing(self):
        assert change_worth(Balances(), Worth(), Worth()) == Posting((), Balances())

    def test_up_credits_the_difference(self):
        posting = change_worth(Balances(available_mongo=10), Worth(10), Worth(15))
        assert moves(posting) == [("refunds", "available", 5)]

    def test_down_reverses_the_difference(self):
        posting = change_worth(Balances(available_mongo=10), Worth(10), Worth(4))
        assert moves(posting) == [("available", "reversals", 6)]

    def test_on_report_moves_and_adds_what_the_document_gives_more(self):
        balances = Balances(provisional_mongo=10, unreported_mongo=10)
        posting = change_worth(balances, Worth(10, unreported=True), Worth(12))
        assert moves(posting) == [("provisional", "available", 10), ("refunds", "available", 2)]

    def test_on_report_takes_back_what_the_document_gives_less(self):
        balances = Balances(provisional_mongo=10, unreported_mongo=10)
        posting = change_worth(balances, Worth(10, unreported=True), Worth(7))
        assert posting.after == Balances(available_mongo=7)

    def test_on_a_void_before_the_report_takes_all_from_provisional(self):
        balances = Balances(provisional_mongo=10, available_mongo=3, unreported_mongo=10)
        posting = change_worth(balances, Worth(10, unreported=True), Worth())
        assert moves(posting) == [("provisional", "reversals", 10)]
        assert posting.after == Balances(available_mongo=3)

    def test_of_a_provisional_claim_upwards_stays_provisional(self):
        balances = Balances(provisional_mongo=10, unreported_mongo=10)
        posting = change_worth(balances, Worth(10, unreported=True), Worth(12, unreported=True))
        assert posting.after == Balances(provisional_mongo=12, unreported_mongo=12)

    @given(some_balances, st.integers(0, 10**9), st.integers(0, 10**9))
    def test_moves_the_net_by_the_difference_exactly(self, balances, before, after):
        posting = change_worth(balances, Worth(before), Worth(after))
        assert posting.after.net_mongo - balances.net_mongo == after - before
        assert posting.after.unreported_mongo == balances.unreported_mongo


class TestIdentity:
    def test_holds_over_a_life(self):
        steps = [credit(Balances(), 100, source=Account.REFUNDS)]
        steps.append(reserve(steps[-1].after, 60))
        steps.append(reverse(steps[-1].after, 70, unreported=False))
        steps.append(credit(steps[-1].after, 5, source=Account.PRIZES))
        transfers = [transfer for step in steps for transfer in step.transfers]
        assert identity_gap_mongo(steps[-1].after, transfers) == 0

    def test_breaks_when_a_transfer_is_lost(self):
        posting = credit(Balances(), 3, source=Account.REFUNDS)
        assert identity_gap_mongo(posting.after, ()) == -3

    def test_breaks_when_a_reversal_is_forgotten(self):
        posting = credit(Balances(), 3, source=Account.PRIZES)
        reversal = reverse(posting.after, 2, unreported=False)
        assert identity_gap_mongo(posting.after, posting.transfers + reversal.transfers) == -2
