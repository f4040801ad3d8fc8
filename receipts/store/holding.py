"""SQL of receipts that no till has reported yet (asyncpg): the lock of their bytes, who holds them, when they lapse."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from asyncpg import Connection

from kernel.clock import Month
from receipts.claim import ClaimState
from receipts.store.claiming import Owned
from receipts.verification import Verified

LOCK_HASHES = """
SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT key FROM unnest($1::bigint[]) AS keys (key) ORDER BY key) sorted
"""
ENSURE_MONTH = """
SELECT pos.ensure_month($1, $2)
WHERE to_regclass(format('claims.sightings_%s_%s', $1::int, lpad($2::int::text, 2, '0'))) IS NULL
"""
LOCK_CONSUMER = "SELECT FROM private.consumers WHERE consumer = $1 FOR NO KEY UPDATE"
FIND_HOLDING = """
SELECT s.tin, s.name, h.claim, h.state, holder.consumer,
       (SELECT count(*) FROM private.claim_owners mine JOIN claims.held m ON m.claim = mine.claim
        WHERE mine.consumer = $3 AND m.seller = $1 AND m.terminal = $4 AND m.state = 'provisional') AS held_count,
       EXISTS (SELECT FROM pos.vat_registrations v
               WHERE v.seller = $1 AND v.registered_from <= $5
                 AND (v.registered_to IS NULL OR $5 < v.registered_to)) AS vat_payer,
       EXISTS (SELECT FROM private.seller_people p
               WHERE p.consumer = $3 AND p.seller = $1 AND p.from_date <= $5
                 AND (p.to_date IS NULL OR $5 < p.to_date)) AS own_seller
FROM pos.sellers s
LEFT JOIN claims.held h ON h.receipt_hash = $2
LEFT JOIN private.claim_owners holder ON holder.claim = h.claim
WHERE s.seller = $1
"""
ADD_HELD = """
WITH kept AS (
  INSERT INTO claims.held (receipt_hash, claim, seller, terminal, cose, state, held_at, deadline)
  VALUES ($1, nextval('claims.claim_ids'), $2, $3, $4, $5, $6, $7) RETURNING claim),
owned AS (INSERT INTO private.claim_owners (consumer, claim) SELECT $8, claim FROM kept)
SELECT claim FROM kept
"""
DROP_HELD = "UPDATE claims.held SET state = 'final' WHERE claim = $1"
LAPSE_OVERDUE = """
UPDATE claims.held h SET state = 'lapsed'
FROM (SELECT receipt_hash FROM claims.held WHERE state = 'provisional' AND deadline <= $1
      ORDER BY receipt_hash LIMIT $2 FOR UPDATE SKIP LOCKED) overdue,
     private.claim_owners o
WHERE h.receipt_hash = overdue.receipt_hash AND o.claim = h.claim
RETURNING h.claim, o.consumer, h.cose
"""


@dataclass(frozen=True, slots=True)
class Holding:
    """How an unreported receipt stands: its seller, who holds it, and for one consumer how many of this terminal's
    receipts they hold and whether they belong to the seller.
    """

    seller_tin: str
    seller_name: str
    held: Owned | None
    held_count: int
    vat_payer: bool
    own_seller: bool


@dataclass(frozen=True, slots=True)
class Overdue:
    """A held claim whose till did not report in time."""

    claim: int
    consumer: int
    cose: bytes


async def lock_hashes(connection: Connection, hashes: Sequence[bytes]) -> None:
    """Take the locks of exactly these receipts' bytes until the transaction ends, in one order. Whoever holds a
    receipt and whoever follows its report both take it; a chance collision of two hashes costs a moment's waiting.
    """
    await connection.execute(LOCK_HASHES, [int.from_bytes(digest[:8], signed=True) for digest in hashes])


async def ensure_month(connection: Connection, month: Month) -> None:
    """Make the partitions of a month in which perhaps nobody has issued anything."""
    await connection.execute(ENSURE_MONTH, month.year, month.number)


async def find_holding(connection: Connection, verified: Verified, *, consumer: int, on: date) -> Holding:
    """Answer how an unreported receipt stands for a consumer, who is locked so that the count of what they hold stays
    true until the transaction ends.
    """
    await connection.execute(LOCK_CONSUMER, consumer)
    receipt_id = verified.payload.id
    row = await connection.fetchrow(
        FIND_HOLDING, receipt_id.seller, verified.receipt_hash, consumer, receipt_id.terminal, on
    )
    held = None if row["claim"] is None else Owned(row["claim"], row["consumer"], ClaimState(row["state"]))
    return Holding(row["tin"], row["name"], held, row["held_count"], row["vat_payer"], row["own_seller"])


async def add_held(
    connection: Connection,
    verified: Verified,
    *,
    consumer: int,
    state: ClaimState,
    held_at: datetime,
    deadline: datetime,
) -> int:
    """Store a held claim with its owner; answer its number."""
    claim: int = await connection.fetchval(
        ADD_HELD,
        verified.receipt_hash,
        verified.payload.id.seller,
        verified.payload.id.terminal,
        verified.cose,
        state,
        held_at,
        deadline,
        consumer,
    )
    return claim


async def drop_held(connection: Connection, claim: int) -> None:
    """Mark a held claim as done with although no claim came of it."""
    await connection.execute(DROP_HELD, claim)


async def lapse_overdue(connection: Connection, now: datetime, *, limit: int) -> list[Overdue]:
    """Let held claims lapse whose deadline has passed, at most `limit` that nobody else is working on."""
    return [Overdue(*row) for row in await connection.fetch(LAPSE_OVERDUE, now, limit)]
