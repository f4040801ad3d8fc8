"""Bytes of a stored receipt and what they consist of, as PostgreSQL says; and whether a sample of chains is genuine."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from sqlalchemy import Connection, text

from benchmarks.enrolled import Seat
from receipts.keys import Keyring, keyring_of
from receipts.qr import encode_text
from receipts.store import publishing
from receipts.stored import StoredReceipt
from receipts.verification import verify_document, verify_successor, verify_text
from runtime.database import Database, Role

RELATIONS = """
SELECT sum(pg_relation_size(c.oid)), sum(coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0)),
       sum(pg_indexes_size(c.oid)), sum(pg_total_relation_size(c.oid))
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::text::regclass
"""
LINE_POINTER, HEADER = 4, 32
"""Of a row in a page: its pointer, and its header with the bitmap of 28 columns that may be null."""
SAMPLED_ROWS = 20_000
COLUMNS = StoredReceipt.__struct_fields__
OF_COLUMNS = f"""
SELECT {", ".join(f"avg(coalesce(pg_column_size({name}), 0))::float8" for name in COLUMNS)}
FROM (SELECT * FROM pos.receipts WHERE kind & 15 = 0 LIMIT {SAMPLED_ROWS}) AS sample
"""  # columns and numbers of ours
CHAIN = f"""
SELECT {", ".join(COLUMNS)} FROM pos.receipts
WHERE seller = :seller AND terminal = :terminal ORDER BY counter LIMIT :most
"""
CHAIN_RECEIPTS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes a receipt, on average. `keys` are those a remembered key, which is there for three months."""

    heap: float
    toast: float
    indexes: float
    maps: float
    """Free space and visibility."""
    key_heap: float
    key_index: float
    keys: int
    columns: dict[str, float]
    """By column of pos.receipts, as stored."""
    row_header: int
    padding: float
    """Alignment, and what is left free at the end of pages."""
    database: int
    """The whole database, all receipts and keys together."""

    @property
    def receipt(self) -> float:
        """Bytes of a receipt without its key."""
        return self.heap + self.toast + self.indexes + self.maps


def stored_bytes(database: Database) -> Bytes:
    """Ask how large everything is."""
    with psycopg.connect(database.url(Role.OWNER), autocommit=True) as connection:
        receipts = _one(connection, "SELECT count(*) FROM pos.receipts")[0]
        keys = _one(connection, "SELECT count(*) FROM pos.idempotency")[0]
        heap, toast, indexes, total = map(float, _one(connection, RELATIONS, "pos.receipts"))
        key_heap, _, key_index, _ = map(float, _one(connection, RELATIONS, "pos.idempotency"))
        columns = dict(zip(COLUMNS, _one(connection, OF_COLUMNS), strict=True))
        size = _one(connection, "SELECT pg_database_size(current_database())")[0]
    return Bytes(
        heap=round(heap / receipts, 1),
        toast=round(toast / receipts, 1),
        indexes=round(indexes / receipts, 1),
        maps=round((total - heap - toast - indexes) / receipts, 1),
        key_heap=round(key_heap / max(keys, 1), 1),
        key_index=round(key_index / max(keys, 1), 1),
        keys=keys,
        columns={name: round(size, 1) for name, size in columns.items()},
        row_header=LINE_POINTER + HEADER,
        padding=round(heap / receipts - sum(columns.values()) - LINE_POINTER - HEADER, 1),
        database=size,
    )


def verify_chains(database: Database, seats: Sequence[Seat]) -> int:
    """Verify the first receipts of some chains as a stranger would, text by text, with documents and predecessors, and
    answer how many there were. Raises `NotGenuine` at the first that is not.
    """
    with database.transaction(Role.OFFICER) as connection:
        keyring = keyring_of(publishing.list_keys(connection))
        return sum(_verify_chain(connection, keyring, *seat) for seat in seats)


def _verify_chain(connection: Connection, keyring: Keyring, tin: str, terminal: str) -> int:
    values = {"seller": int(tin), "terminal": int(terminal), "most": CHAIN_RECEIPTS_MAX}
    chain = [StoredReceipt(*row) for row in connection.execute(text(CHAIN), values)]
    before = None
    for link in chain:
        verified = verify_text(encode_text(link.cose), keyring)
        assert (verified.payload.id, verified.receipt_hash) == (link.id, link.receipt_hash)
        verify_document(verified.payload, link.document)
        if before is not None:
            verify_successor(verified.payload, before.payload, before.cose)
        before = verified
    return len(chain)


def _one(connection: psycopg.Connection, sql: str, *values: str) -> tuple[int, ...]:
    row = connection.execute(sql.encode(), values or None).fetchone()
    assert row is not None
    return row
