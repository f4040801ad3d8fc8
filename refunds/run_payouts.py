"""Pay consumers: set aside what is available, order it from the bank, and take the bank's answers.

Orders are sent after the commit that reserved them (`orders_to_send`), as often as needed: the bank knows each by its
number. Nothing is concluded from silence.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from sqlalchemy import Connection

from kernel.clock import Clock
from kernel.refusal import Refusal
from refunds.ledger import Balances, Cause, Posting, bring_back, reserve, settle
from refunds.payout import NEXT_STATES, REASON_MAX, Answer, Order, Paid, PayoutState, Returned
from refunds.store import paying
from refunds.store.paying import Entry, PayoutRow


class PayoutUnknown(Refusal):
    """The bank answered an order that was never given."""

    code = "payout_unknown"


@dataclass(frozen=True, slots=True)
class PayoutsReserved:
    """What one run set aside."""

    count: int
    total_mongo: int


@dataclass(frozen=True, slots=True)
class PayoutsAnswered:
    """What the bank's answers changed; answers that were known already count nothing."""

    paid: int
    returned: int


def run_payouts(
    connection: Connection, clock: Clock, *, minimum_mongo: int = 1, limit: int = 10_000
) -> PayoutsReserved:
    """Reserve all that is available for each consumer who has a bank account and at least `minimum_mongo`, for at most
    `limit` consumers. Call again until nothing is reserved. Requires an open transaction.
    """
    payable = paying.lock_payable(connection, minimum_mongo=max(1, minimum_mongo), limit=limit)
    if not payable:
        return PayoutsReserved(0, 0)
    numbers = paying.add_payouts(connection, payable, at=clock())
    entries = [
        Entry(
            one.consumer,
            Cause.RESERVATION,
            numbers[one.consumer],
            0,
            reserve(one.balances, one.balances.available_mongo),
        )
        for one in payable
    ]
    paying.write_entries(connection, entries, at=clock())
    return PayoutsReserved(len(payable), sum(one.balances.available_mongo for one in payable))


def orders_to_send(connection: Connection) -> list[Order]:
    """Answer every order that the bank has not answered."""
    return paying.unanswered(connection)


def settle_payouts(connection: Connection, clock: Clock, *, answers: Iterable[Answer]) -> PayoutsAnswered:
    """Take the bank's answers: paid money moves from reserved to paid, returned money becomes available again after
    debt is netted. An answer known already changes nothing. Raises `PayoutUnknown`. Requires an open transaction.
    """
    taken = [answer for answer in sorted(answers, key=_by_number) if _take(connection, clock, answer)]
    returned = sum(isinstance(answer, Returned) for answer in taken)
    return PayoutsAnswered(len(taken) - returned, returned)


def _by_number(answer: Answer) -> tuple[int, bool]:
    return answer.payout, isinstance(answer, Returned)


def _take(connection: Connection, clock: Clock, answer: Answer) -> bool:
    payout = paying.lock_payout(connection, answer.payout)
    if payout is None:
        raise PayoutUnknown(payout=str(answer.payout))
    if answer.state not in NEXT_STATES[payout.state]:
        return False
    balances = paying.lock_accounts(connection, [payout.consumer])[payout.consumer]
    entries = _entries(payout, balances, answer)
    paying.write_entries(connection, entries, at=clock())
    reason = answer.reason[:REASON_MAX] if isinstance(answer, Returned) else None
    paying.answer_payout(connection, payout.payout, answer.state, reason=reason, at=clock())
    return True


def _entries(payout: PayoutRow, balances: Balances, answer: Answer) -> list[Entry]:
    """An order returned before it was ever paid is paid and returned at once: one way back for all money."""

    def entry(cause: Cause, posting: Posting) -> Entry:
        return Entry(payout.consumer, cause, payout.payout, 0, posting)

    entries = []
    if payout.state is PayoutState.RESERVED:
        entries.append(entry(Cause.SETTLEMENT, settle(balances, payout.amount_mongo)))
        balances = entries[0].posting.after
    match answer:
        case Paid():
            return entries
        case Returned():
            return [*entries, entry(Cause.RETURN, bring_back(balances, payout.amount_mongo))]
        case _:
            assert_never(answer)
