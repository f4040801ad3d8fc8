"""SQL of postings to claims (asyncpg, hot path): lock the account, read what is posted, write the change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Connection

from receipts.claim import Claim, ClaimState, month_ordinal
from refunds.entitlement import Contribution, Delta
from refunds.ledger import Balances, Cause, Posting, Transfer

LOCK_ACCOUNT = """
SELECT a.provisional_mongo, a.available_mongo, a.reserved_mongo, a.paid_mongo, a.debt_mongo, a.unreported_mongo,
       c.claim IS NOT NULL AS credited, c.vat_mongo, c.amount_mongo, c.state, c.step, c.month
FROM private.accounts a LEFT JOIN private.credits c ON c.claim = $2
WHERE a.consumer = $1 FOR NO KEY UPDATE OF a
"""
OPEN_ACCOUNT = "INSERT INTO private.accounts (consumer) VALUES ($1) ON CONFLICT DO NOTHING"
_BALANCES = """
balances AS (
  UPDATE private.accounts SET provisional_mongo = $2, available_mongo = $3, reserved_mongo = $4, paid_mongo = $5,
         debt_mongo = $6, unreported_mongo = $7
  WHERE consumer = $1)
"""
_TRANSFERS = """
INSERT INTO private.transfers (cause, reference, step, line, consumer, debit, credit, amount_mongo, posted_at)
SELECT $8, $9, $10, t.line - 1, $1, t.debit, t.credit, t.amount_mongo, $11
FROM unnest($12::text[], $13::text[], $14::bigint[]) WITH ORDINALITY AS t (debit, credit, amount_mongo, line)
"""
POST_FIRST = f"""
WITH {_BALANCES},
credited AS (
  INSERT INTO private.credits (claim, consumer, month, vat_mongo, amount_mongo, state, step)
  VALUES ($9, $1, $15, $16, $17, $18, $10)),
entitled AS (
  INSERT INTO private.entitlements AS e (consumer, month, claims, vat_mongo, amount_mongo)
  VALUES ($1, $15, 1, $16, $17)
  ON CONFLICT (consumer, month) DO UPDATE
  SET claims = e.claims + 1, vat_mongo = e.vat_mongo + $16, amount_mongo = e.amount_mongo + $17)
{_TRANSFERS}
"""  # noqa: S608 - our own words joined
POST_CHANGE = f"""
WITH {_BALANCES},
credited AS (
  UPDATE private.credits SET vat_mongo = vat_mongo + $16, amount_mongo = amount_mongo + $17, state = $18, step = $10
  WHERE claim = $9),
entitled AS (
  UPDATE private.entitlements SET vat_mongo = vat_mongo + $16, amount_mongo = amount_mongo + $17
  WHERE consumer = $1 AND month = $15)
{_TRANSFERS}
"""  # noqa: S608 - our own words joined


@dataclass(frozen=True, slots=True)
class Posted:
    """What is posted for a claim at present, under which month, by its posting number `step`."""

    contribution: Contribution
    month: int
    step: int


@dataclass(frozen=True, slots=True)
class Locked:
    """A consumer's balances, locked, and what is posted for one claim of theirs; None when it was never credited."""

    balances: Balances
    posted: Posted | None


async def lock_account(connection: Connection, claim: Claim) -> Locked:
    """Lock the account of a claim's consumer, opened where it is missing, and read what is posted for the claim.

    The claim's own row needs no lock: whoever changes it holds the root's row or the held claim's.
    """
    row = await connection.fetchrow(LOCK_ACCOUNT, claim.consumer, claim.claim)
    if row is None:
        await connection.execute(OPEN_ACCOUNT, claim.consumer)
        row = await connection.fetchrow(LOCK_ACCOUNT, claim.consumer, claim.claim)
    if not row["credited"]:
        return Locked(Balances(*row[:6]), None)
    contribution = Contribution(row["vat_mongo"], row["amount_mongo"], ClaimState(row["state"]))
    return Locked(Balances(*row[:6]), Posted(contribution, row["month"], row["step"]))


async def post_first(
    connection: Connection, claim: Claim, contribution: Contribution, posting: Posting, *, at: datetime
) -> None:
    """Write the initial credit of a claim. A second one breaks the keys of credits and transfers."""
    change = Delta(contribution.vat_mongo, contribution.amount_mongo)
    row = _row(claim, posting, cause=Cause.CREDIT, step=0, at=at)
    await connection.execute(POST_FIRST, *row, month_ordinal(claim.month), *_change(change), claim.state)


async def post_change(
    connection: Connection,
    claim: Claim,
    posted: Posted,
    change: Delta,
    posting: Posting,
    *,
    cause: Cause,
    at: datetime,
) -> None:
    """Write a later posting of a claim: the delta to its month and the transfers."""
    row = _row(claim, posting, cause=cause, step=posted.step + 1, at=at)
    await connection.execute(POST_CHANGE, *row, posted.month, *_change(change), claim.state)


def _row(claim: Claim, posting: Posting, *, cause: Cause, step: int, at: datetime) -> tuple[object, ...]:
    after = posting.after
    return (
        claim.consumer,
        after.provisional_mongo,
        after.available_mongo,
        after.reserved_mongo,
        after.paid_mongo,
        after.debt_mongo,
        after.unreported_mongo,
        cause,
        claim.claim,
        step,
        at,
        *_columns(posting.transfers),
    )


def _columns(transfers: Sequence[Transfer]) -> tuple[list[str], list[str], list[int]]:
    return (
        [transfer.debit for transfer in transfers],
        [transfer.credit for transfer in transfers],
        [transfer.amount_mongo for transfer in transfers],
    )


def _change(change: Delta) -> tuple[int, int]:
    return change.vat_mongo, change.amount_mongo
