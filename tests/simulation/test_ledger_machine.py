"""A ledger driven at random: claims, corrections, reports, lapses, voids, prizes and payouts in any order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from receipts.claim import NEXT_STATES, ClaimState
from refunds.ledger import (
    Account,
    Balances,
    Posting,
    Transfer,
    Worth,
    bring_back,
    change_worth,
    credit,
    identity_gap_mongo,
    reserve,
    settle,
)

amounts = st.integers(0, 1000)


class LedgerMachine(RuleBasedStateMachine):
    """Beside the ledger it keeps what the law says: each claim's state and worth, prizes, payouts."""

    claims = Bundle("claims")
    orders = Bundle("orders")
    payments = Bundle("payments")

    def __init__(self) -> None:
        super().__init__()
        self.balances = Balances()
        self.transfers: list[Transfer] = []
        self.worths: dict[int, tuple[ClaimState, int]] = {}
        self.prizes_mongo = 0
        self.reserved_mongo = 0
        self.paid_mongo = 0

    def post(self, posting: Posting) -> None:
        self.transfers += posting.transfers
        self.balances = posting.after

    def become(self, claim: int, state: ClaimState, amount: int) -> None:
        was, before = self.worths[claim]
        assert state is was or state in NEXT_STATES[was]
        self.post(
            change_worth(
                self.balances,
                Worth(before, unreported=was is ClaimState.PROVISIONAL),
                Worth(amount, unreported=state is ClaimState.PROVISIONAL),
            )
        )
        self.worths[claim] = (state, amount)

    @rule(target=claims, amount=amounts, state=st.sampled_from([ClaimState.FINAL, ClaimState.PROVISIONAL]))
    def claim(self, amount, state):
        number = len(self.worths)
        self.worths[number] = (state, 0)
        self.become(number, state, amount)
        return number

    @rule(claim=claims, amount=amounts)
    def correct_or_report(self, claim, amount):
        if self.worths[claim][0] is not ClaimState.VOID:
            self.become(claim, ClaimState.FINAL, amount)

    @rule(claim=claims)
    def lapse(self, claim):
        if self.worths[claim][0] is ClaimState.PROVISIONAL:
            self.become(claim, ClaimState.LAPSED, 0)

    @rule(claim=claims)
    def void(self, claim):
        self.become(claim, ClaimState.VOID, 0)

    @rule(amount=st.integers(1, 1000))
    def win(self, amount):
        self.prizes_mongo += amount
        self.post(credit(self.balances, amount, source=Account.PRIZES))

    @precondition(lambda self: self.balances.available_mongo > 0)
    @rule(target=orders, data=st.data())
    def order(self, data):
        amount = data.draw(st.integers(1, self.balances.available_mongo))
        self.reserved_mongo += amount
        self.post(reserve(self.balances, amount))
        return amount

    @rule(target=payments, amount=consumes(orders))
    def pay(self, amount):
        self.reserved_mongo -= amount
        self.paid_mongo += amount
        self.post(settle(self.balances, amount))
        return amount

    @rule(amount=consumes(payments))
    def return_payment(self, amount):
        self.paid_mongo -= amount
        self.post(bring_back(self.balances, amount))

    @invariant()
    def the_identity_holds(self):
        assert identity_gap_mongo(self.balances, self.transfers) == 0

    @invariant()
    def the_net_is_what_the_law_says(self):
        assert self.balances.net_mongo == sum(amount for _, amount in self.worths.values()) + self.prizes_mongo

    @invariant()
    def transfers_add_up_to_every_account(self):
        for account in (Account.PROVISIONAL, Account.AVAILABLE, Account.RESERVED, Account.PAID, Account.DEBT):
            credited = sum(one.amount_mongo for one in self.transfers if one.credit is account)
            debited = sum(one.amount_mongo for one in self.transfers if one.debit is account)
            balance = debited - credited if account is Account.DEBT else credited - debited
            assert balance == getattr(self.balances, f"{account}_mongo")

    @invariant()
    def the_bank_has_what_it_was_given(self):
        assert (self.balances.reserved_mongo, self.balances.paid_mongo) == (self.reserved_mongo, self.paid_mongo)

    @invariant()
    def provisional_money_is_that_of_unreported_claims_at_most(self):
        unreported = sum(amount for state, amount in self.worths.values() if state is ClaimState.PROVISIONAL)
        assert self.balances.unreported_mongo == unreported
        assert self.balances.provisional_mongo <= unreported


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
