"""Bring the ledger to what a claim is worth: its initial credit, or the difference to what is posted already."""

from dataclasses import dataclass

from asyncpg import Connection

from kernel.clock import Clock
from receipts.claim import Claim
from refunds.entitlement import Contribution, cause_of, contribution_of, delta
from refunds.ledger import Worth, change_worth
from refunds.store import posting
from refunds.store.posting import Locked, Posted


@dataclass(frozen=True, slots=True)
class Credit:
    """What a claim is credited with now, and by how much that has just moved; in möngö."""

    credit_mongo: int
    change_mongo: int


async def credit_claim(connection: Connection, clock: Clock, *, claim: Claim) -> Credit:
    """Post what is missing for a claim as `receipts` answered it, in the same transaction. Called again with the same
    claim it posts nothing, and a claim is never credited twice.
    """
    locked = await posting.lock_account(connection, claim)
    due = contribution_of(claim)
    if locked.posted is None:
        transfers = change_worth(locked.balances, Worth(unreported=due.worth.unreported), due.worth)
        await posting.post_first(connection, claim, due, transfers, at=clock())
        return Credit(due.amount_mongo, due.amount_mongo)
    if due == locked.posted.contribution:
        return Credit(due.amount_mongo, 0)
    return await _change(connection, clock, claim, locked, locked.posted, due)


async def _change(
    connection: Connection, clock: Clock, claim: Claim, locked: Locked, posted: Posted, due: Contribution
) -> Credit:
    before = posted.contribution
    transfers = change_worth(locked.balances, before.worth, due.worth)
    cause = cause_of(before.state, due.state)
    await posting.post_change(connection, claim, posted, delta(before, due), transfers, cause=cause, at=clock())
    return Credit(due.amount_mongo, due.amount_mongo - before.amount_mongo)
