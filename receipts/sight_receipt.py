"""Keep what a scan showed, whether or not it could be claimed: a till that hides sales shows them to its customers."""

from collections.abc import Mapping

from asyncpg import Connection

from kernel.clock import Clock, Month
from receipts.sighting import decrypt_turnover, sighting_of
from receipts.store import claiming, holding
from receipts.verification import Verified


async def sight_receipt(
    connection: Connection, clock: Clock, *, verified: Verified, masters: Mapping[int, bytes]
) -> None:
    """Store a genuine QR as a sighting; the same bytes seen again add nothing. `masters` are the turnover secrets by
    epoch. A refused claim rolls its own sighting back: whoever answers the refusal calls this in a transaction of its
    own. Requires an open transaction.
    """
    seen = sighting_of(verified, turnover_mongo=decrypt_turnover(verified, masters), seen_at=clock())
    await holding.ensure_month(connection, Month.of(seen.issued_at))
    await claiming.add_sighting(connection, seen)
