"""SQL of following (asyncpg): taking events from the outbox, the roots they name, the claims on these."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Connection

from receipts.claim import ClaimState
from receipts.store.claiming import LINK, Link, ReceiptKey, link_of

_ROOTS = "unnest($1::bigint[], $2::int[], $3::int[], $4::int[]) AS named (seller, terminal, day, number)"

TAKE_EVENTS = """
DELETE FROM pos.outbox
WHERE id = ANY (ARRAY (SELECT id FROM pos.outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING seller, root_terminal, root_day, root_number, event, login_no
"""
TAKE_EASY = """
DELETE FROM pos.outbox
WHERE id = ANY (ARRAY (SELECT id FROM pos.outbox WHERE event = 'easy' ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING seller, root_terminal, root_day, root_number, event, login_no
"""
BACKLOG_COUNTED_MAX = 100_000
BACKLOG = f"""
SELECT (SELECT count(*) FROM (SELECT FROM pos.outbox LIMIT {BACKLOG_COUNTED_MAX}) AS first),
       (SELECT created_at FROM pos.outbox ORDER BY id LIMIT 1)
"""  # noqa: S608 - a number of ours
HASHES_OF_ROOTS = f"""
SELECT r.receipt_hash FROM {_ROOTS} JOIN pos.receipts r USING (seller, terminal, day, number)
UNION ALL
SELECT r.receipt_hash FROM {_ROOTS}
JOIN pos.successors f ON (f.seller, f.root_terminal, f.root_day, f.root_number)
                       = (named.seller, named.terminal, named.day, named.number)
JOIN pos.receipts r ON (r.seller, r.terminal, r.day, r.number) = (f.seller, f.by_terminal, f.by_day, f.by_number)
"""  # noqa: S608 - the same words twice
"""Hashes of the roots and of all that followed them."""
OWNED_ROOTS = f"""
SELECT named.seller, named.terminal, named.day, named.number FROM {_ROOTS}
WHERE EXISTS (SELECT FROM claims.claims c WHERE (c.seller, c.root_terminal, c.root_day, c.root_number)
                                              = (named.seller, named.terminal, named.day, named.number))
   OR EXISTS (SELECT FROM pos.receipts r JOIN claims.held h USING (receipt_hash)
              WHERE (r.seller, r.terminal, r.day, r.number) = (named.seller, named.terminal, named.day, named.number))
   OR EXISTS (SELECT FROM pos.successors f
              JOIN pos.receipts r
                ON (r.seller, r.terminal, r.day, r.number) = (f.seller, f.by_terminal, f.by_day, f.by_number)
              JOIN claims.held h USING (receipt_hash)
              WHERE (f.seller, f.root_terminal, f.root_day, f.root_number)
                  = (named.seller, named.terminal, named.day, named.number))
"""  # noqa: S608 - the same words again
LOCK_ROOTS = f"""
{LINK} FROM {_ROOTS} JOIN pos.receipts r USING (seller, terminal, day, number)
JOIN pos.sellers s ON s.seller = r.seller
ORDER BY r.seller, r.terminal, r.day, r.number FOR NO KEY UPDATE OF r
"""
SET_STATE = """
UPDATE claims.claims SET state = $5
WHERE seller = $1 AND root_terminal = $2 AND root_day = $3 AND root_number = $4 AND state <> $5
"""
EASY_STANDING = """
SELECT named.seller, named.terminal, named.day, named.number,
       EXISTS (SELECT FROM claims.claims c JOIN private.claim_owners o ON o.claim = c.claim
               JOIN private.consumers p ON p.consumer = o.consumer
               WHERE (c.seller, c.root_terminal, c.root_day, c.root_number)
                   = (named.seller, named.terminal, named.day, named.number)
                 AND c.state = 'final' AND p.login_no = named.login_no) AS claimed,
       EXISTS (SELECT FROM pos.outbox o WHERE o.event = 'easy'
                 AND (o.seller, o.root_terminal, o.root_day, o.root_number)
                   = (named.seller, named.terminal, named.day, named.number)) AS pending
FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::int[])
  AS named (seller, terminal, day, number, login_no)
"""
CONSUMER_OF = "SELECT consumer FROM private.consumers WHERE login_no = $1"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a root; `login_no` comes with `easy` alone."""

    root_key: ReceiptKey
    event: str
    login_no: int | None


async def find_backlog(connection: Connection) -> tuple[int, datetime | None]:
    """Answer how many events wait in the outbox (none beyond `BACKLOG_COUNTED_MAX` is counted) and since when the first
    one does, in business time.
    """
    row = await connection.fetchrow(BACKLOG)
    return row[0], row[1]


async def take_events(connection: Connection, *, limit: int, easy_only: bool = False) -> list[Event]:
    """Remove and answer the oldest events that no other transaction has taken, or those with a login number alone."""
    taken = await connection.fetch(TAKE_EASY if easy_only else TAKE_EVENTS, limit)
    return [Event(tuple(row[:4]), row["event"], row["login_no"]) for row in taken]


async def easy_standing(
    connection: Connection, wanted: Sequence[tuple[ReceiptKey, int]]
) -> tuple[set[ReceiptKey], bool]:
    """Answer which roots are claimed by the consumers with these login numbers, and whether an event of any of the
    others still waits or is being applied.
    """
    rows = await connection.fetch(EASY_STANDING, *_columns([(*root, login_no) for root, login_no in wanted]))
    claimed = {(row[0], row[1], row[2], row[3]) for row in rows if row["claimed"]}
    return claimed, any(row["pending"] and not row["claimed"] for row in rows)


async def hashes_of(connection: Connection, root_keys: Sequence[ReceiptKey]) -> list[bytes]:
    """Answer the hashes of all links of some bundles."""
    if not root_keys:
        return []
    return [row[0] for row in await connection.fetch(HASHES_OF_ROOTS, *_columns(root_keys))]


async def owned_roots(connection: Connection, root_keys: Sequence[ReceiptKey]) -> set[ReceiptKey]:
    """Answer those bundles that somebody has claimed, or of which somebody holds a link."""
    if not root_keys:
        return set()
    return {tuple(row) for row in await connection.fetch(OWNED_ROOTS, *_columns(root_keys))}


async def lock_roots(connection: Connection, root_keys: Sequence[ReceiptKey]) -> list[Link]:
    """Lock the rows of some roots in the order of their keys, which is that of issuing, and answer them."""
    if not root_keys:
        return []
    return [link_of(row) for row in await connection.fetch(LOCK_ROOTS, *_columns(root_keys))]


async def set_state(connection: Connection, root: Link, state: ClaimState) -> None:
    """Store the state of a root's claim."""
    await connection.execute(SET_STATE, *root.key, state)


async def consumer_of(connection: Connection, login_no: int | None) -> int | None:
    """Answer the consumer with a login number, or None."""
    consumer: int | None = await connection.fetchval(CONSUMER_OF, login_no)
    return consumer


def _columns(keys: Sequence[tuple[int, ...]]) -> list[list[int]]:
    return [list(column) for column in zip(*keys, strict=True)]
