"""The ledger's arithmetic: accounts, transfers, and how a posting moves them. Amounts are whole möngö.

Per consumer five accounts, none below zero: provisional, available, reserved, paid, debt. Three system accounts whose
balances are derived from the transfers, never stored: refunds, prizes, reversals. A transfer debits one account and
credits another; a credit raises provisional, available, reserved and paid and lowers debt, a debit does the opposite.
So for every consumer, and for all together:

    refunds + prizes - reversals = provisional + available + reserved + paid - debt
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Account(StrEnum):
    """A side of a transfer."""

    PROVISIONAL = "provisional"
    """Credited for receipts that no till has reported yet: shown, not payable."""
    AVAILABLE = "available"
    """Payable."""
    RESERVED = "reserved"
    """In an order that the bank has not answered."""
    PAID = "paid"
    """Paid out by the bank."""
    DEBT = "debt"
    """Taken back beyond what was left: netted from later credits."""
    REFUNDS = "refunds"
    PRIZES = "prizes"
    REVERSALS = "reversals"


class Cause(StrEnum):
    """Why a posting was made. What it refers to is a claim, or for the last three a payout."""

    CREDIT = "credit"
    """A receipt was claimed: the one initial credit of the claim."""
    CORRECTION = "correction"
    """The receipt was corrected, up or down."""
    REPORT = "report"
    """The till reported the receipt: provisional becomes available."""
    VOID = "void"
    LAPSE = "lapse"
    """The till did not report in time."""
    REVIVAL = "revival"
    """It did after all."""
    PRIZE = "prize"
    RESERVATION = "reservation"
    SETTLEMENT = "settlement"
    RETURN = "return"


PAIRS = frozenset(
    {
        (Account.REFUNDS, Account.PROVISIONAL),
        (Account.REFUNDS, Account.AVAILABLE),
        (Account.REFUNDS, Account.DEBT),
        (Account.PRIZES, Account.AVAILABLE),
        (Account.PRIZES, Account.DEBT),
        (Account.PROVISIONAL, Account.AVAILABLE),
        (Account.PROVISIONAL, Account.DEBT),
        (Account.PROVISIONAL, Account.REVERSALS),
        (Account.AVAILABLE, Account.REVERSALS),
        (Account.DEBT, Account.REVERSALS),
        (Account.AVAILABLE, Account.RESERVED),
        (Account.RESERVED, Account.PAID),
        (Account.PAID, Account.AVAILABLE),
        (Account.PAID, Account.DEBT),
    }
)
"""(debit, credit) of every transfer there is; the table's constraint lists the same."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """An amount moved from the debit account to the credit account."""

    debit: Account
    credit: Account
    amount_mongo: int

    def __post_init__(self) -> None:
        assert self.amount_mongo > 0
        assert (self.debit, self.credit) in PAIRS


@dataclass(frozen=True, slots=True)
class Balances:
    """A consumer's accounts, and `unreported_mongo`: the credits of the claims that are provisional at present.

    Provisional money never exceeds it, so that what a clawback took from provisional is not made good by letting a
    receipt that nobody has reported become payable.
    """

    provisional_mongo: int = 0
    available_mongo: int = 0
    reserved_mongo: int = 0
    paid_mongo: int = 0
    debt_mongo: int = 0
    unreported_mongo: int = 0

    def __post_init__(self) -> None:
        assert min(self.available_mongo, self.reserved_mongo, self.paid_mongo, self.debt_mongo) >= 0
        assert 0 <= self.provisional_mongo <= self.unreported_mongo

    @property
    def net_mongo(self) -> int:
        """The right side of the identity."""
        return self.provisional_mongo + self.available_mongo + self.reserved_mongo + self.paid_mongo - self.debt_mongo


@dataclass(frozen=True, slots=True)
class Posting:
    """What is written at once: the transfers (none when nothing moves) and the balances after them."""

    transfers: tuple[Transfer, ...]
    after: Balances


@dataclass(frozen=True, slots=True)
class Worth:
    """What a claim is credited with, and whether its receipt is still unreported."""

    amount_mongo: int = 0
    unreported: bool = False


def change_worth(balances: Balances, before: Worth, after: Worth) -> Posting:
    """Bring what is posted for a claim from `before` to `after`. A reported receipt never becomes unreported again,
    but a lapsed one may be worth nothing and later something.
    """
    posting = Posting((), balances)
    if before.unreported and not after.unreported and after.amount_mongo:
        posting = report(balances, before.amount_mongo)
        before = replace(before, unreported=False)
    change = after.amount_mongo - before.amount_mongo
    if change > 0 and after.unreported:
        return _then(posting, lambda now: credit_provisional(now, change))
    if change > 0:
        return _then(posting, lambda now: credit(now, change, source=Account.REFUNDS))
    return _then(posting, lambda now: reverse(now, -change, unreported=before.unreported))


def credit_provisional(balances: Balances, amount_mongo: int) -> Posting:
    """Credit an unreported receipt. Debt is not netted from it: that would spend what may lapse."""
    grown = replace(balances, unreported_mongo=balances.unreported_mongo + amount_mongo)
    return _post(grown, (Account.REFUNDS, Account.PROVISIONAL, amount_mongo))


def credit(balances: Balances, amount_mongo: int, *, source: Account) -> Posting:
    """Credit a refund or a prize: debt is netted first, the rest is available."""
    return _post(balances, *_net_debt(balances, source, amount_mongo))


def report(balances: Balances, amount_mongo: int) -> Posting:
    """Make what was credited provisionally for one claim payable, less what clawbacks took from provisional since."""
    unreported = balances.unreported_mongo - amount_mongo
    payable = max(0, balances.provisional_mongo - unreported)
    transfers = _net_debt(balances, Account.PROVISIONAL, payable)
    return _post(balances, *transfers, reported=amount_mongo)


def reverse(balances: Balances, amount_mongo: int, *, unreported: bool) -> Posting:
    """Take a credit back, which never fails: from provisional, then from available, and the rest becomes debt.
    `unreported` says that the claim was provisional until now.
    """
    provisional = min(amount_mongo, balances.provisional_mongo)
    available = min(amount_mongo - provisional, balances.available_mongo)
    return _post(
        balances,
        (Account.PROVISIONAL, Account.REVERSALS, provisional),
        (Account.AVAILABLE, Account.REVERSALS, available),
        (Account.DEBT, Account.REVERSALS, amount_mongo - provisional - available),
        reported=amount_mongo if unreported else 0,
    )


def reserve(balances: Balances, amount_mongo: int) -> Posting:
    """Set money aside for an order to the bank. There must be as much available."""
    return _post(balances, (Account.AVAILABLE, Account.RESERVED, amount_mongo))


def settle(balances: Balances, amount_mongo: int) -> Posting:
    """Take the bank's word that an order was paid."""
    return _post(balances, (Account.RESERVED, Account.PAID, amount_mongo))


def bring_back(balances: Balances, amount_mongo: int) -> Posting:
    """Take money back that the bank returned: debt is netted first, the rest is available again."""
    return _post(balances, *_net_debt(balances, Account.PAID, amount_mongo))


def identity_gap_mongo(balances: Balances, transfers: Iterable[Transfer]) -> int:
    """Answer left side less right side of the identity over all of a consumer's transfers: 0 when it holds."""
    left = sum(
        (transfer.amount_mongo if transfer.debit in {Account.REFUNDS, Account.PRIZES} else 0)
        - (transfer.amount_mongo if transfer.credit is Account.REVERSALS else 0)
        for transfer in transfers
    )
    return left - balances.net_mongo


_Move = tuple[Account, Account, int]


def _net_debt(balances: Balances, source: Account, amount_mongo: int) -> tuple[_Move, _Move]:
    netted = min(amount_mongo, balances.debt_mongo)
    return (source, Account.DEBT, netted), (source, Account.AVAILABLE, amount_mongo - netted)


def _post(balances: Balances, *moves: _Move, reported: int = 0) -> Posting:
    transfers = tuple(Transfer(*move) for move in moves if move[2])
    changes = dict.fromkeys(_STORED, 0)
    for transfer in transfers:
        for account, change in ((transfer.debit, -transfer.amount_mongo), (transfer.credit, transfer.amount_mongo)):
            if account in changes:
                changes[account] += -change if account is Account.DEBT else change
    return Posting(
        transfers,
        Balances(
            balances.provisional_mongo + changes[Account.PROVISIONAL],
            balances.available_mongo + changes[Account.AVAILABLE],
            balances.reserved_mongo + changes[Account.RESERVED],
            balances.paid_mongo + changes[Account.PAID],
            balances.debt_mongo + changes[Account.DEBT],
            balances.unreported_mongo - reported,
        ),
    )


def _then(posting: Posting, step: Callable[[Balances], Posting]) -> Posting:
    following = step(posting.after)
    return Posting(posting.transfers + following.transfers, following.after)


_STORED = (Account.PROVISIONAL, Account.AVAILABLE, Account.RESERVED, Account.PAID, Account.DEBT)
