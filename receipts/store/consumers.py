"""SQL of what a consumer is shown about himself (asyncpg, role of the claims side)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from receipts import qr
from receipts.ids import ReceiptId

LISTED_MAX = 100
CLAIMS = f"""
SELECT o.claim, coalesce(c.state, h.state) AS state, coalesce(c.claimed_at, h.held_at) AS claimed_at, r.issued_at,
       r.total_mongo, s.name, r.seller, r.branch, r.day, r.number, r.terminal, h.cose
FROM private.claim_owners o
LEFT JOIN claims.claims c ON c.claim = o.claim
LEFT JOIN pos.receipts r
  ON (r.seller, r.terminal, r.day, r.number) = (c.seller, c.root_terminal, c.root_day, c.root_number)
LEFT JOIN claims.held h ON h.claim = o.claim AND h.state <> 'final'
JOIN pos.sellers s ON s.seller = coalesce(c.seller, h.seller)
WHERE o.consumer = $1 AND o.claim < coalesce($2, 9223372036854775807)
ORDER BY o.claim DESC LIMIT {LISTED_MAX}
"""  # noqa: S608 - a number of our own


@dataclass(frozen=True, slots=True)
class ListedClaim:
    """A claim as its owner sees it in a list; the total is the root's, of an unreported receipt the scanned link's."""

    claim: int
    state: str
    claimed_at: datetime
    issued_at: datetime
    total_mongo: int
    seller_name: str
    root_id: ReceiptId


async def find_consumer(connection: Any, consumer: int) -> tuple[int, datetime] | None:
    """Answer a consumer's login number and since when he is enrolled."""
    row = await connection.fetchrow("SELECT login_no, enrolled_at FROM private.consumers WHERE consumer = $1", consumer)
    return None if row is None else (row["login_no"], row["enrolled_at"])


async def list_claims(connection: Any, consumer: int, before: int | None) -> list[ListedClaim]:
    """Answer a consumer's claims with a number below `before`, newest first."""
    rows = await connection.fetch(CLAIMS, consumer, before)
    return [_held(row) if row["seller"] is None else _reported(row) for row in rows]


def _reported(row: Any) -> ListedClaim:
    return ListedClaim(
        row["claim"],
        row["state"],
        row["claimed_at"],
        row["issued_at"],
        row["total_mongo"],
        row["name"],
        ReceiptId(row["seller"], row["branch"], row["day"], row["number"], row["terminal"]),
    )


def _held(row: Any) -> ListedClaim:
    pieces = qr.take_apart(row["cose"])
    assert pieces is not None, "only verified bytes are held"
    said = qr.unpack(pieces[1])
    issued_at = datetime.fromtimestamp(said.issued_at, UTC)
    return ListedClaim(row["claim"], row["state"], row["claimed_at"], issued_at, said.total_mongo, row["name"], said.id)
