"""What is read of the queue. Every function takes an open connection; nothing here decides or writes."""

from collections.abc import Iterator
from typing import Any

import apsw

from pos_gateway.till.rows import ROW_COLUMNS, HeadRow, Row, UploadRow
from pos_gateway.till.seat import ChainAt
from receipts.ids import ReceiptId

_ROW = ", ".join(f"receipts.{name}" for name in ROW_COLUMNS)
_COLUMNS = len(ROW_COLUMNS)
_HEAD = ", ".join(HeadRow.__struct_fields__)
_UPLOAD = ", ".join(f"uploads.{name}" for name in UploadRow.__struct_fields__)


def read_seats(connection: apsw.Connection) -> list[tuple[tuple[Any, ...], Any]]:
    """Answer every seat's columns and its seal, the oldest first."""
    rows = connection.execute("SELECT * FROM seats ORDER BY enrolled_at, seller, terminal")
    return [(row[:-1], row[-1]) for row in rows]


def read_seat(connection: apsw.Connection, chain: ChainAt) -> tuple[tuple[Any, ...], Any] | None:
    """Answer one seat's columns and its seal."""
    row = connection.execute("SELECT * FROM seats WHERE seller = ? AND terminal = ?", chain).fetchone()
    return None if row is None else (row[:-1], row[-1])


def read_head(connection: apsw.Connection, chain: ChainAt) -> tuple[HeadRow, Any] | None:
    """Answer a chain's head and its seal."""
    found = connection.execute(f"SELECT {_HEAD}, seal FROM heads WHERE seller = ? AND terminal = ?", chain).fetchone()
    return None if found is None else (HeadRow(*found[:-1]), found[-1])


def read_heads(connection: apsw.Connection) -> list[tuple[HeadRow, Any]]:
    """Answer every chain's head and its seal."""
    return [(HeadRow(*row[:-1]), row[-1]) for row in connection.execute(f"SELECT {_HEAD}, seal FROM heads")]


def read_rows(connection: apsw.Connection, chain: ChainAt, *, counter_from: int) -> Iterator[Row]:
    """Answer a chain's rows in its order, one by one."""
    rows = connection.execute(
        f"SELECT {_ROW} FROM receipts WHERE seller = ? AND terminal = ? AND counter >= ? ORDER BY counter",
        (*chain, counter_from),
    )
    return (Row(*row) for row in rows)


def read_rows_with_uploads(connection: apsw.Connection, chain: ChainAt) -> Iterator[tuple[Row, UploadRow | None, Any]]:
    """Answer all of a chain's rows in its order, each with what the centre said of it and that one's seal."""
    rows = connection.execute(
        f"SELECT {_ROW}, {_UPLOAD}, uploads.seal FROM receipts"
        " LEFT JOIN uploads ON uploads.seq = receipts.seq"
        " WHERE seller = ? AND terminal = ? ORDER BY counter",
        chain,
    )
    for found in rows:
        upload = UploadRow(*found[_COLUMNS:-1]) if found[_COLUMNS] is not None else None
        yield Row(*found[:_COLUMNS]), upload, found[-1]


def read_chains_of_rows(connection: apsw.Connection) -> list[ChainAt]:
    """Answer the chains that have rows."""
    return list(connection.execute("SELECT DISTINCT seller, terminal FROM receipts"))


def read_row(connection: apsw.Connection, chain: ChainAt, counter: int) -> Row | None:
    """Answer a chain's row by its counter."""
    found = connection.execute(
        f"SELECT {_ROW} FROM receipts WHERE seller = ? AND terminal = ? AND counter = ?", (*chain, counter)
    ).fetchone()
    return None if found is None else Row(*found)


def read_total(connection: apsw.Connection, chain: ChainAt, *, counter_from: int, counter_below: int) -> int:
    """Answer the sum of the totals of a run of links."""
    return int(
        connection.execute(
            "SELECT coalesce(sum(total_mongo), 0) FROM receipts"
            " WHERE seller = ? AND terminal = ? AND counter >= ? AND counter < ?",
            (*chain, counter_from, counter_below),
        ).get
    )


def read_row_of_seq(connection: apsw.Connection, seq: int) -> Row | None:
    """Answer a row by its place in the queue."""
    found = connection.execute(f"SELECT {_ROW} FROM receipts WHERE seq = ?", (seq,)).fetchone()
    return None if found is None else Row(*found)


def read_row_of_id(connection: apsw.Connection, named: ReceiptId) -> Row | None:
    """Answer the row of a receipt id; None also where the id names a part, or another branch."""
    found = connection.execute(
        f"SELECT {_ROW} FROM receipts WHERE seller = ? AND terminal = ? AND day = ? AND number = ? AND branch = ?",
        (named.seller, named.terminal, named.day, named.number, named.branch),
    ).fetchone()
    return None if found is None else Row(*found)


def read_successor(connection: apsw.Connection, named: str) -> Row | None:
    """Answer the correction or void of a receipt, by the receipt's 33 digits."""
    found = connection.execute(f"SELECT {_ROW} FROM receipts WHERE previous_id = ?", (named,)).fetchone()
    return None if found is None else Row(*found)


def read_day(connection: apsw.Connection, day: int, chain: ChainAt) -> Iterator[Row]:
    """Answer a chain's rows of a business day, in its order, one by one."""
    rows = connection.execute(
        f"SELECT {_ROW} FROM receipts WHERE seller = ? AND terminal = ? AND day = ? ORDER BY number", (*chain, day)
    )
    return (Row(*row) for row in rows)


def read_same_bodies(connection: apsw.Connection, day: int) -> Iterator[Row]:
    """Answer the rows of a day whose body came more than once that day, by body and then in their order."""
    rows = connection.execute(
        f"SELECT {_ROW} FROM receipts WHERE day = ?1 AND body_digest IN (SELECT body_digest FROM receipts"
        " WHERE day = ?1 AND body_digest IS NOT NULL GROUP BY body_digest HAVING count(*) > 1)"
        " ORDER BY body_digest, seq",
        (day,),
    )
    return (Row(*row) for row in rows)


def read_upload(connection: apsw.Connection, seq: int) -> tuple[UploadRow, Any] | None:
    """Answer what the centre said of a link, and its seal."""
    found = connection.execute(f"SELECT {_UPLOAD}, uploads.seal FROM uploads WHERE seq = ?", (seq,)).fetchone()
    return None if found is None else (UploadRow(*found[:-1]), found[-1])


def count_uploads(connection: apsw.Connection) -> int:
    """Answer how many links the centre is said to have."""
    return int(connection.execute("SELECT count(*) FROM uploads").get)


def read_key(connection: apsw.Connection, key: str) -> tuple[tuple[str, bytes, int, int], Any] | None:
    """Answer what an Idempotency-Key was used for (key, content, seq, at), and its seal."""
    found = connection.execute("SELECT key, content, seq, at, seal FROM idempotency WHERE key = ?", (key,)).fetchone()
    return None if found is None else (found[:-1], found[-1])


def read_keys(connection: apsw.Connection) -> Iterator[tuple[tuple[str, bytes, int, int], Any]]:
    """Answer every Idempotency-Key, and its seal."""
    rows = connection.execute("SELECT key, content, seq, at, seal FROM idempotency")
    return ((row[:-1], row[-1]) for row in rows)


def read_owed(connection: apsw.Connection, *, since: int, most: int = -1) -> list[tuple[tuple[int, bytes, int], Any]]:
    """Answer which answers may not have been read (seq, digest, at), and the seals: the latest, oldest first."""
    rows = connection.execute(
        "SELECT seq, digest, at, seal FROM owed WHERE at >= ? ORDER BY seq DESC LIMIT ?", (since, most)
    ).fetchall()
    return [(row[:-1], row[-1]) for row in reversed(rows)]


def read_remembered(connection: apsw.Connection, name: str) -> tuple[tuple[str, bytes, int], Any] | None:
    """Answer a look-up (name, body, at), and its seal."""
    found = connection.execute("SELECT name, body, at, seal FROM remembered WHERE name = ?", (name,)).fetchone()
    return None if found is None else (found[:-1], found[-1])


def read_all_remembered(connection: apsw.Connection) -> Iterator[tuple[tuple[str, bytes, int], Any]]:
    """Answer every look-up, and its seal."""
    rows = connection.execute("SELECT name, body, at, seal FROM remembered")
    return ((row[:-1], row[-1]) for row in rows)


def read_marks(connection: apsw.Connection) -> Iterator[tuple[str, str, Any]]:
    """Answer every single value (name, value), and its seal."""
    return iter(connection.execute("SELECT name, value, seal FROM marks"))


def read_notices(
    connection: apsw.Connection, *, after: int, most: int
) -> list[tuple[int, int | None, int | None, str, str, int]]:
    """Answer the latest notices above an id, newest first: id, seller, terminal, code, detail, at."""
    return list(
        connection.execute(
            "SELECT id, seller, terminal, code, detail, at FROM notices WHERE id > ? ORDER BY id DESC LIMIT ?",
            (after, most),
        )
    )


def read_mark(connection: apsw.Connection, name: str) -> tuple[str, Any] | None:
    """Answer a single value, and its seal."""
    found = connection.execute("SELECT value, seal FROM marks WHERE name = ?", (name,)).fetchone()
    return None if found is None else (found[0], found[1])


def find_damage(connection: apsw.Connection) -> str | None:
    """Ask SQLite itself whether the file is whole; answer the first thing that is not."""
    found = connection.execute("PRAGMA quick_check(1)").get
    return None if found == "ok" else str(found)
