"""SQL of money that moves without a claim (SQLAlchemy, jobs): prizes and payouts. Accounts are locked in one order."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from refunds.ledger import Balances, Cause, Posting
from refunds.payout import Order, PayoutState
from refunds.tables import ACCOUNTS, CLAIM_OWNERS, CONSUMERS, PAYOUTS, TRANSFERS

_BALANCES = tuple(ACCOUNTS.c[name] for name in Balances.__dataclass_fields__)
_AT_ONCE = 1_000
"""Rows in one IN list: the server plans it in a millisecond."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A posting of one consumer and the key that keeps it from coming twice."""

    consumer: int
    cause: Cause
    reference: int
    step: int
    posting: Posting


@dataclass(frozen=True, slots=True)
class Payable:
    """A consumer with money available and a bank account."""

    consumer: int
    bank_account: str
    balances: Balances


@dataclass(frozen=True, slots=True)
class PayoutRow:
    """A stored payout."""

    payout: int
    consumer: int
    amount_mongo: int
    state: PayoutState


def owners_of(connection: Connection, claims: Iterable[int]) -> dict[int, int]:
    """Answer the consumers of claims, by claim."""
    wanted = sorted(set(claims))
    owners: dict[int, int] = {}
    for at in range(0, len(wanted), _AT_ONCE):
        owned = select(CLAIM_OWNERS.c.claim, CLAIM_OWNERS.c.consumer)
        rows = connection.execute(owned.where(CLAIM_OWNERS.c.claim.in_(wanted[at : at + _AT_ONCE])))
        owners |= {row.claim: row.consumer for row in rows}
    return owners


def posted_steps(connection: Connection, cause: Cause, references: Iterable[int]) -> set[tuple[int, int]]:
    """Answer which postings (reference, step) of a cause there are already."""
    wanted = sorted(set(references))
    steps: set[tuple[int, int]] = set()
    for at in range(0, len(wanted), _AT_ONCE):
        there = select(TRANSFERS.c.reference, TRANSFERS.c.step).where(TRANSFERS.c.cause == cause)
        rows = connection.execute(there.where(TRANSFERS.c.reference.in_(wanted[at : at + _AT_ONCE])))
        steps |= {(row.reference, row.step) for row in rows}
    return steps


def lock_accounts(connection: Connection, consumers: Iterable[int]) -> dict[int, Balances]:
    """Lock the accounts of consumers in their order, opened where they are missing, and answer the balances."""
    wanted = sorted(set(consumers))
    balances: dict[int, Balances] = {}
    for at in range(0, len(wanted), _AT_ONCE):
        some = wanted[at : at + _AT_ONCE]
        connection.execute(insert_or(ACCOUNTS).on_conflict_do_nothing(), [_empty(consumer) for consumer in some])
        locking = select(ACCOUNTS.c.consumer, *_BALANCES).where(ACCOUNTS.c.consumer.in_(some))
        rows = connection.execute(locking.order_by(ACCOUNTS.c.consumer).with_for_update(key_share=True))
        balances |= {row[0]: Balances(*row[1:]) for row in rows}
    return balances


def lock_payable(connection: Connection, *, minimum_mongo: int, limit: int) -> list[Payable]:
    """Lock the accounts of at most `limit` consumers who can be paid; those that somebody works on are left out."""
    payable = (
        select(ACCOUNTS.c.consumer, CONSUMERS.c.bank_account, *_BALANCES)
        .join(CONSUMERS, CONSUMERS.c.consumer == ACCOUNTS.c.consumer)
        .where(ACCOUNTS.c.available_mongo >= minimum_mongo, CONSUMERS.c.bank_account.is_not(None))
        .order_by(ACCOUNTS.c.consumer)
        .limit(limit)
        .with_for_update(of=ACCOUNTS, key_share=True, skip_locked=True)
    )
    return [Payable(row[0], row[1], Balances(*row[2:])) for row in connection.execute(payable)]


def add_payouts(connection: Connection, payable: Sequence[Payable], *, at: datetime) -> dict[int, int]:
    """Store a payout of all that is available for each, and answer the numbers by consumer."""
    rows = [
        {
            "consumer": one.consumer,
            "amount_mongo": one.balances.available_mongo,
            "bank_account": one.bank_account,
            "state": PayoutState.RESERVED,
            "reserved_at": at,
        }
        for one in payable
    ]
    added = connection.execute(insert(PAYOUTS).returning(PAYOUTS.c.consumer, PAYOUTS.c.payout), rows)
    return {row.consumer: row.payout for row in added}


def unanswered(connection: Connection) -> list[Order]:
    """Answer every order that the bank has not answered, in the order of the numbers."""
    orders = select(PAYOUTS.c.payout, PAYOUTS.c.bank_account, PAYOUTS.c.amount_mongo)
    rows = connection.execute(orders.where(PAYOUTS.c.state == PayoutState.RESERVED).order_by(PAYOUTS.c.payout))
    return [Order(*row) for row in rows]


def lock_payout(connection: Connection, payout: int) -> PayoutRow | None:
    """Lock a payout and answer it; None when there is none of that number."""
    columns = (PAYOUTS.c.payout, PAYOUTS.c.consumer, PAYOUTS.c.amount_mongo, PAYOUTS.c.state)
    row = connection.execute(select(*columns).where(PAYOUTS.c.payout == payout).with_for_update()).one_or_none()
    return None if row is None else PayoutRow(row[0], row[1], row[2], PayoutState(row[3]))


def answer_payout(connection: Connection, payout: int, state: PayoutState, *, reason: str | None, at: datetime) -> None:
    """Store what the bank answered."""
    changed = update(PAYOUTS).where(PAYOUTS.c.payout == payout)
    connection.execute(changed.values(state=state, reason=reason, answered_at=at))


def write_entries(connection: Connection, entries: Sequence[Entry], *, at: datetime) -> None:
    """Write postings: their transfers, and the balances after them. Several of one consumer must be in order."""
    transfers = [
        {
            "cause": entry.cause,
            "reference": entry.reference,
            "step": entry.step,
            "line": line,
            "consumer": entry.consumer,
            "debit": transfer.debit,
            "credit": transfer.credit,
            "amount_mongo": transfer.amount_mongo,
            "posted_at": at,
        }
        for entry in entries
        for line, transfer in enumerate(entry.posting.transfers)
    ]
    if not transfers:
        return
    connection.execute(insert(TRANSFERS), transfers)
    last = {entry.consumer: entry.posting.after for entry in entries}
    moved = update(ACCOUNTS).where(ACCOUNTS.c.consumer == bindparam("of_consumer"))
    connection.execute(moved, [{"of_consumer": consumer, **asdict(after)} for consumer, after in last.items()])


def _empty(consumer: int) -> dict[str, int]:
    return {"consumer": consumer, **asdict(Balances())}
