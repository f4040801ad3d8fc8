"""SQL of closed draws (SQLAlchemy): commitments, leaves and hashes, transcripts, prizes, a consumer's entries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, text, tuple_

from kernel.clock import Month
from lottery.commitment import Commitment
from lottery.prizes import Numbers
from lottery.rules import DrawRules
from lottery.tables import DRAWS, ENTRIES, PRIZES, SECRETS, TRANSCRIPTS, TREE
from lottery.tree import HASH_BYTES, Node
from receipts.claim import month_ordinal

CHUNK_HASHES = 256
CHUNK_BYTES = CHUNK_HASHES * HASH_BYTES
"""One row of `lottery.tree`: 8 KiB, so that a proof reads about as many rows as the tree has levels."""
LISTED_MAX = 100

MY_ENTRIES = f"""
SELECT o.claim, coalesce(c.root_hash, h.receipt_hash) AS root_hash, c.month,
       r.seller, r.branch, r.day, r.number, r.terminal, h.cose,
       e.month AS listed_in, e.status, e.position, t.drawn_at, p.tiers, p.amounts
FROM private.claim_owners o
LEFT JOIN claims.claims c ON c.claim = o.claim
LEFT JOIN pos.receipts r
  ON (r.seller, r.terminal, r.day, r.number) = (c.seller, c.root_terminal, c.root_day, c.root_number)
LEFT JOIN claims.held h ON h.claim = o.claim
LEFT JOIN LATERAL (SELECT month, position, status FROM lottery.entries
                   WHERE claim = o.claim ORDER BY month DESC LIMIT 1) e ON true
LEFT JOIN lottery.transcripts t ON t.month = e.month
LEFT JOIN LATERAL (SELECT array_agg(tier ORDER BY tier) AS tiers, array_agg(amount_mongo ORDER BY tier) AS amounts
                   FROM lottery.prizes WHERE claim = o.claim) p ON true
WHERE o.consumer = :consumer AND o.claim < coalesce(:before, 9223372036854775807)
  AND (c.claim IS NOT NULL OR h.state <> 'final')
ORDER BY o.claim DESC LIMIT {LISTED_MAX}
"""  # noqa: S608 - a number of our own
MY_LEAF = """
SELECT e.month, e.position, e.leaf, c.root_hash, h.receipt_hash
FROM private.claim_owners o
JOIN lottery.entries e ON e.claim = o.claim
LEFT JOIN claims.claims c ON c.claim = o.claim
LEFT JOIN claims.held h ON h.claim = o.claim
WHERE o.consumer = :consumer AND o.claim = :claim
ORDER BY e.month DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class StoredDraw:
    """A closed month. `numbers` and `drawn_at` are None until it is drawn."""

    commitment: Commitment
    commitment_hash: bytes
    rules: DrawRules
    numbers: Numbers | None
    drawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class OwnLeaf:
    """Where a consumer's claim stands in the last draw that lists it, and the receipt hashes that it may be made of."""

    month: Month
    position: int
    leaf: bytes
    hashes: tuple[bytes, ...]


def month_of(ordinal: int) -> Month:
    """Answer a month from how the tables hold it; the inverse of `receipts.claim.month_ordinal`."""
    return Month(ordinal // 12, ordinal % 12 + 1)


def list_draws(connection: Connection) -> list[StoredDraw]:
    """Answer every draw, the newest first."""
    found = connection.execute(_DRAWS.order_by(DRAWS.c.month.desc()))
    return [_draw(row) for row in found.mappings()]


def find_draw(connection: Connection, month: Month) -> StoredDraw | None:
    """Answer the draw of a month, or None when the month is not closed."""
    row = connection.execute(_DRAWS.where(DRAWS.c.month == month_ordinal(month))).mappings().one_or_none()
    return None if row is None else _draw(row)


def transcript_of(connection: Connection, month: Month) -> bytes | None:
    """Answer the transcript of a month, or None when it is not drawn."""
    found = select(TRANSCRIPTS.c.transcript).where(TRANSCRIPTS.c.month == month_ordinal(month))
    transcript: bytes | None = connection.execute(found).scalar_one_or_none()
    return transcript


def leaf_at(connection: Connection, month: Month, position: int) -> bytes:
    """Answer the 37 bytes of a leaf."""
    found = select(ENTRIES.c.leaf).where(ENTRIES.c.month == month_ordinal(month), ENTRIES.c.position == position)
    leaf: bytes = connection.execute(found).scalar_one()
    return leaf


def leaves_of_month(connection: Connection, month: Month) -> Iterator[bytes]:
    """Answer all leaves of a month in their order, ten thousand at a time."""
    found = select(ENTRIES.c.leaf).where(ENTRIES.c.month == month_ordinal(month)).order_by(ENTRIES.c.position)
    yield from connection.execute(found, execution_options={"yield_per": 10_000}).scalars()


def hashes_of(connection: Connection, month: Month, nodes: Sequence[Node]) -> list[bytes]:
    """Answer the hashes at the nodes of a draw's tree, in the order asked."""
    if not nodes:
        return []
    chunks = {(node.level, node.index // CHUNK_HASHES) for node in nodes}
    found = select(TREE.c.level, TREE.c.chunk, TREE.c.hashes).where(
        TREE.c.month == month_ordinal(month), tuple_(TREE.c.level, TREE.c.chunk).in_(sorted(chunks))
    )
    hashes = {(level, chunk): content for level, chunk, content in connection.execute(found)}
    return [_cut(hashes[node.level, node.index // CHUNK_HASHES], node.index % CHUNK_HASHES) for node in nodes]


def claims_at(connection: Connection, month: Month, positions: Sequence[int]) -> dict[int, int]:
    """Answer the claims behind the leaves at some positions."""
    found = select(ENTRIES.c.position, ENTRIES.c.claim).where(
        ENTRIES.c.month == month_ordinal(month), ENTRIES.c.position.in_(positions)
    )
    return dict(connection.execute(found).all())


def add_transcript(
    connection: Connection, month: Month, *, numbers: Numbers, transcript: bytes, drawn_at: datetime
) -> None:
    """Store the transcript of a month's draw."""
    drawn = {"main_number": numbers.main, "super_number": numbers.super, "transcript": transcript}
    connection.execute(insert(TRANSCRIPTS), {"month": month_ordinal(month), "drawn_at": drawn_at} | drawn)


def add_prizes(connection: Connection, month: Month, prizes: Sequence[tuple[int, int, int]]) -> None:
    """Store prizes: claim, tier, amount in möngö."""
    if prizes:
        rows = [
            {"month": month_ordinal(month), "claim": claim, "tier": tier, "amount_mongo": amount}
            for claim, tier, amount in prizes
        ]
        connection.execute(insert(PRIZES), rows)


def prizes_of_month(connection: Connection, month: Month) -> list[tuple[int, int, int]]:
    """Answer the prizes of a month as (claim, tier, amount in möngö), in order of claim and tier."""
    found = select(PRIZES.c.claim, PRIZES.c.tier, PRIZES.c.amount_mongo).where(PRIZES.c.month == month_ordinal(month))
    return [tuple(row) for row in connection.execute(found.order_by(PRIZES.c.claim, PRIZES.c.tier))]


def counts_of_month(connection: Connection, month: Month) -> dict[int, int]:
    """Answer how many entries of a month have each status."""
    found = select(ENTRIES.c.status, func.count()).where(ENTRIES.c.month == month_ordinal(month))
    return dict(connection.execute(found.group_by(ENTRIES.c.status)).all())


def secret_of(connection: Connection, month: Month) -> bytes:
    """Answer the secret from which the salts of a draw's leaves are made."""
    found = select(SECRETS.c.secret).where(SECRETS.c.month == month_ordinal(month))
    secret: bytes = connection.execute(found).scalar_one()
    return secret


def entries_of_consumer(connection: Connection, consumer: int, *, before: int | None) -> Sequence[Mapping[Any, Any]]:
    """Answer a consumer's claims below `before`, newest first, each with the last draw that lists it."""
    return connection.execute(text(MY_ENTRIES), {"consumer": consumer, "before": before}).mappings().all()


def own_leaf(connection: Connection, consumer: int, claim: int) -> OwnLeaf | None:
    """Answer where a claim stands, or None when it is not this consumer's or in no draw."""
    row = connection.execute(text(MY_LEAF), {"consumer": consumer, "claim": claim}).mappings().one_or_none()
    if row is None:
        return None
    hashes = tuple(found for found in (row["root_hash"], row["receipt_hash"]) if found is not None)
    return OwnLeaf(month_of(row["month"]), row["position"], row["leaf"], hashes)


_DRAWS = select(DRAWS, TRANSCRIPTS.c.main_number, TRANSCRIPTS.c.super_number, TRANSCRIPTS.c.drawn_at).outerjoin(
    TRANSCRIPTS, TRANSCRIPTS.c.month == DRAWS.c.month
)


def _draw(row: Mapping[Any, Any]) -> StoredDraw:
    return StoredDraw(
        commitment=Commitment.parse(row["commitment"]),
        commitment_hash=row["commitment_hash"],
        rules=DrawRules.parse(row["rules"]),
        numbers=None if row["drawn_at"] is None else Numbers(row["main_number"], row["super_number"]),
        drawn_at=row["drawn_at"],
    )


def _cut(hashes: bytes, at: int) -> bytes:
    return hashes[HASH_BYTES * at : HASH_BYTES * (at + 1)]
