"""SQL of closing a month (SQLAlchemy, jobs): every claim that belongs into a commitment, and the commitment's rows."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from sqlalchemy import Connection, insert, text

from kernel.canonical import canonical_json
from kernel.clock import Month
from lottery.commitment import Commitment, Leaves
from lottery.entries import ROLLING, Candidate, Entry, Status
from lottery.rules import DrawRules
from lottery.store.reading import CHUNK_BYTES, month_of
from lottery.tables import DRAWS, SECRETS
from lottery.tree import Tree
from receipts import qr
from receipts.claim import ClaimState, month_ordinal
from receipts.receipt import Kind, Nature

ROWS_A_FETCH = 10_000
_LOCK = 0x64726177
"""Advisory lock of a month's draw ("draw" in ASCII)."""
_PAYLOAD = slice(18, 78)
"""Where the payload stands in the COSE bytes of a receipt (docs/formats/qr-v1.md)."""

OPEN_BEFORE = """
SELECT min(c.month) FROM claims.claims c
WHERE c.month BETWEEN :since AND :month - 1 AND NOT EXISTS (SELECT FROM lottery.draws d WHERE d.month = c.month)
"""
CLOSED_AFTER = "SELECT max(month) FROM lottery.draws WHERE month > :month"
# A claim comes into the draw of its month; into a later one if no draw has listed it, or if it was listed as late or
# unreported and is final now.
CANDIDATES = """
SELECT c.claim, c.root_hash, o.consumer, c.seller, c.root_day, c.claimed_at, c.state, r.kind,
       coalesce(last.nature = :void, false) AS void,
       coalesce(now.total_mongo, r.total_mongo) AS total_mongo,
       EXISTS (SELECT FROM private.seller_people p
               WHERE p.consumer = o.consumer
                 AND (p.seller = c.seller OR p.seller = ANY (r.part_merchants) OR p.seller = ANY (now.part_merchants))
                 AND p.from_date <= date '2000-01-07' + c.root_day
                 AND (p.to_date IS NULL OR date '2000-01-07' + c.root_day < p.to_date)) AS own_seller,
       CASE WHEN c.month = :month THEN 0 ELSE
         (SELECT count(*) FROM claims.claims same
          JOIN private.claim_owners owned ON owned.claim = same.claim AND owned.consumer = o.consumer
          JOIN lottery.entries entered ON entered.claim = same.claim AND entered.status = 0
          WHERE same.seller = c.seller AND same.root_day = c.root_day) END AS entered_before
FROM claims.claims c
JOIN private.claim_owners o ON o.claim = c.claim
JOIN pos.receipts r ON (r.seller, r.terminal, r.day, r.number) = (c.seller, c.root_terminal, c.root_day, c.root_number)
LEFT JOIN (SELECT s.* FROM pos.successors s LEFT JOIN pos.successors later
             ON (later.seller, later.terminal, later.day, later.number)
              = (s.seller, s.by_terminal, s.by_day, s.by_number)
           WHERE later.seller IS NULL) last
  ON (last.seller, last.root_terminal, last.root_day, last.root_number)
   = (c.seller, c.root_terminal, c.root_day, c.root_number)
LEFT JOIN pos.receipts now
  ON (now.seller, now.terminal, now.day, now.number) = (last.seller, last.by_terminal, last.by_day, last.by_number)
WHERE c.month BETWEEN :since AND :month
  AND NOT EXISTS (SELECT FROM lottery.entries e WHERE e.claim = c.claim AND e.status <> ALL (:rolling))
  AND (c.state = 'final' OR NOT EXISTS (SELECT FROM lottery.entries e WHERE e.claim = c.claim))
ORDER BY o.consumer, c.seller, c.root_day, c.claimed_at, c.claim
"""
UNREPORTED = """
SELECT h.claim, h.receipt_hash, h.state, h.cose FROM claims.held h
WHERE h.state IN ('provisional', 'lapsed') AND NOT EXISTS (SELECT FROM lottery.entries e WHERE e.claim = h.claim)
"""


def lock_month(connection: Connection, month: Month) -> None:
    """Let nobody else close or draw this month until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock, :month)"), {"lock": _LOCK} | _month(month))


def open_month_before(connection: Connection, month: Month, rules: DrawRules) -> Month | None:
    """Answer the first earlier month that has claims and no commitment, as far back as claims roll over."""
    found = connection.execute(text(OPEN_BEFORE), _span(month, rules)).scalar_one()
    return None if found is None else month_of(found)


def closed_month_after(connection: Connection, month: Month) -> Month | None:
    """Answer the last later month that is closed already."""
    found = connection.execute(text(CLOSED_AFTER), _month(month)).scalar_one()
    return None if found is None else month_of(found)


def candidates(connection: Connection, month: Month, rules: DrawRules) -> Iterator[Candidate]:
    """Answer the claims of reported receipts that belong into the month's commitment, ordered as `judge` wants them."""
    given = _span(month, rules) | {"void": Nature.VOID, "rolling": list(ROLLING)}
    found = connection.execute(text(CANDIDATES), given, execution_options={"yield_per": ROWS_A_FETCH})
    for row in found.mappings():
        kind = Kind.of_int(row["kind"])
        assert kind is not None
        yield Candidate(
            claim=row["claim"],
            root_hash=row["root_hash"],
            consumer=row["consumer"],
            seller=row["seller"],
            day=row["root_day"],
            claimed_at=row["claimed_at"],
            state=ClaimState(row["state"]),
            void=row["void"],
            lottery=kind.lottery and not kind.business,
            own_seller=row["own_seller"],
            total_mongo=row["total_mongo"],
            entered_before=row["entered_before"],
        )


def unreported(connection: Connection, month: Month, rules: DrawRules) -> Iterator[Entry]:
    """Answer the entries of claims whose receipts no till has reported; they are known by the bytes scanned."""
    first, last = month.plus(-rules.rolls_months), month
    for row in connection.execute(text(UNREPORTED)).mappings():
        issued_at = datetime.fromtimestamp(qr.unpack(row["cose"][_PAYLOAD]).issued_at, UTC)
        if first <= Month.of(issued_at) <= last:
            yield Entry(row["claim"], row["receipt_hash"], Status[row["state"].upper()])


def add_draw(
    connection: Connection,
    commitment: Commitment,
    rules: DrawRules,
    *,
    secret: bytes,
    leaves: Leaves,
    tree: Tree,
    closed_at: datetime,
) -> None:
    """Store a commitment with all that proves it."""
    month = month_ordinal(commitment.month)
    connection.execute(
        insert(DRAWS),
        {
            "month": month,
            "commitment": commitment.canonical(),
            "commitment_hash": commitment.hash(),
            "rules": canonical_json(rules.to_json()).decode(),
            "closed_at": closed_at,
        },
    )
    connection.execute(insert(SECRETS), {"month": month, "secret": secret})
    entries = ((month, position, claim, leaves.at(position)) for position, claim in enumerate(leaves.claims))
    _copy(connection, "COPY lottery.entries (month, position, claim, leaf) FROM STDIN", entries)
    _copy(connection, "COPY lottery.tree (month, level, chunk, hashes) FROM STDIN", _chunks(month, tree))


def _chunks(month: int, tree: Tree) -> Iterator[tuple[int, int, int, bytes]]:
    for level, hashes in enumerate(tree.levels):
        for chunk, at in enumerate(range(0, len(hashes), CHUNK_BYTES)):
            yield month, level, chunk, hashes[at : at + CHUNK_BYTES]


def _copy(connection: Connection, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Send rows by COPY: ten million of them would take an hour as INSERTs."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _month(month: Month) -> dict[str, Any]:
    return {"month": month_ordinal(month)}


def _span(month: Month, rules: DrawRules) -> dict[str, Any]:
    return _month(month) | {"since": month_ordinal(month.plus(-rules.rolls_months))}
