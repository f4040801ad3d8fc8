"""Let the ledger follow what became of claims: voids take back, corrections move the difference, reports make
provisional money payable. Never fails for lack of money.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from asyncpg import Connection

from kernel.clock import Clock
from receipts.claim import Claim
from refunds.credit_claim import credit_claim


@dataclass(frozen=True, slots=True)
class ClawedBack:
    """What following some claims moved, in möngö: credited to and taken from consumers."""

    claims: int
    credited_mongo: int
    reversed_mongo: int


async def claw_back(connection: Connection, clock: Clock, *, claims: Iterable[Claim]) -> ClawedBack:
    """Post the difference for each claim that `receipts.follow_outbox` or `receipts.lapse_claims` answered, in the same
    transaction. Accounts are locked in the order of consumers, so that several workers never wait in a circle.
    """
    ordered = sorted(claims, key=lambda claim: (claim.consumer, claim.claim))
    changes = [(await credit_claim(connection, clock, claim=claim)).change_mongo for claim in ordered]
    return ClawedBack(
        len(changes), sum(change for change in changes if change > 0), -sum(change for change in changes if change < 0)
    )
