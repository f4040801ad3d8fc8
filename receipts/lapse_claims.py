"""Let held claims lapse whose tills did not report in time; a later report revives them."""

from datetime import UTC, datetime

from asyncpg import Connection

from kernel.clock import Clock
from receipts import qr
from receipts.claim import Claim, ClaimState
from receipts.store import holding


async def lapse_claims(connection: Connection, clock: Clock, *, limit: int) -> tuple[Claim, ...]:
    """Let at most `limit` overdue claims lapse and answer them for `refunds.claw_back`, in the same transaction."""
    return tuple(
        Claim(overdue.claim, overdue.consumer, ClaimState.LAPSED, _issued_at(overdue.cose), 0)
        for overdue in await holding.lapse_overdue(connection, clock(), limit=limit)
    )


def _issued_at(cose: bytes) -> datetime:
    pieces = qr.take_apart(cose)
    assert pieces is not None, "only verified bytes are held"
    return datetime.fromtimestamp(qr.unpack(pieces[1]).issued_at, UTC)
