"""What is written into the queue. Every function takes a connection with an open transaction; nothing here decides."""

from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from pos_gateway.till.rows import ROW_COLUMNS, HeadRow, Row, UploadRow
from pos_gateway.till.sealing import Sealed
from pos_gateway.till.seat import ChainAt

_HEADS = len(HeadRow.__struct_fields__) + 1
_INSERT_ROW = f"INSERT INTO receipts({', '.join(ROW_COLUMNS)}) VALUES({', '.join('?' * len(ROW_COLUMNS))})"
_PUT_HEAD = f"INSERT OR REPLACE INTO heads VALUES({', '.join('?' * _HEADS)})"


def next_seq(connection: apsw.Connection) -> int:
    """Answer the place of the next row in the queue."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) + 1 FROM receipts").get)


def add_row(connection: apsw.Connection, row: Row) -> None:
    """Add a link."""
    connection.execute(_INSERT_ROW, tuple([getattr(row, name) for name in ROW_COLUMNS]))


def put_head(connection: apsw.Connection, head: HeadRow, seal: bytes) -> None:
    """Put a chain's head."""
    connection.execute(_PUT_HEAD, (*head.columns(), seal))


def put_seat(connection: apsw.Connection, columns: Sequence[Sealed], seal: bytes) -> None:
    """Put a seat."""
    places = ", ".join("?" * (len(columns) + 1))
    connection.execute(f"INSERT OR REPLACE INTO seats VALUES({places})", (*columns, seal))


def add_upload(connection: apsw.Connection, upload: UploadRow, seal: bytes) -> None:
    """Add what the centre said of a link, whose consumer is forgotten."""
    connection.execute("INSERT INTO uploads VALUES(?, ?, ?, ?, ?, ?, ?)", (*upload.columns(), seal))
    connection.execute("UPDATE receipts SET consumer_no = NULL WHERE seq = ? AND consumer_no NOTNULL", (upload.seq,))


def put_key(connection: apsw.Connection, columns: tuple[str, bytes, int, int], seal: bytes) -> None:
    """Put what an Idempotency-Key was used for: key, content, seq, at."""
    connection.execute("INSERT OR REPLACE INTO idempotency VALUES(?, ?, ?, ?, ?)", (*columns, seal))


def forget_keys(connection: apsw.Connection, *, before: int, most: int) -> None:
    """Forget the oldest Idempotency-Keys."""
    connection.execute(
        "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE at < ? LIMIT ?)", (before, most)
    )


def add_owed(connection: apsw.Connection, columns: tuple[int, bytes, int], seal: bytes) -> None:
    """Note that an answer may not have been read: seq, digest, at."""
    connection.execute("INSERT INTO owed VALUES(?, ?, ?, ?)", (*columns, seal))


def forget_owed(connection: apsw.Connection, seqs: Iterable[int], *, before: int) -> None:
    """Forget answers that were read, and those that nobody asks for any more."""
    connection.executemany("DELETE FROM owed WHERE seq = ?", [(seq,) for seq in seqs])
    connection.execute("DELETE FROM owed WHERE at < ?", (before,))


def put_remembered(connection: apsw.Connection, columns: tuple[str, bytes, int], seal: bytes) -> None:
    """Put a look-up: name, body, at."""
    connection.execute("INSERT OR REPLACE INTO remembered VALUES(?, ?, ?, ?)", (*columns, seal))


def add_notice(connection: apsw.Connection, chain: ChainAt | None, code: str, detail: str, at: int) -> int:
    """Add a notice and answer its id."""
    seller, terminal = chain or (None, None)
    connection.execute(
        "INSERT INTO notices(seller, terminal, code, detail, at) VALUES(?, ?, ?, ?, ?)",
        (seller, terminal, code, detail, at),
    )
    return connection.last_insert_rowid()


def has_notice(connection: apsw.Connection, chain: ChainAt | None, code: str, detail: str) -> bool:
    """Whether a notice was given before."""
    seller, terminal = chain or (None, None)
    found: Any = connection.execute(
        "SELECT 1 FROM notices WHERE seller IS ? AND terminal IS ? AND code = ? AND detail = ? LIMIT 1",
        (seller, terminal, code, detail),
    ).get
    return found is not None


def forget_notices(connection: apsw.Connection, *, before: int) -> None:
    """Forget old notices."""
    connection.execute("DELETE FROM notices WHERE at < ?", (before,))


def put_mark(connection: apsw.Connection, name: str, value: str, seal: bytes) -> None:
    """Put a single value."""
    connection.execute("INSERT OR REPLACE INTO marks VALUES(?, ?, ?)", (name, value, seal))


def drop_uploads(connection: apsw.Connection, chain: ChainAt, *, counter_from: int) -> None:
    """Drop what the centre said of a chain's links from a counter on."""
    connection.execute(
        "DELETE FROM uploads WHERE seq IN (SELECT seq FROM receipts"
        " WHERE seller = ? AND terminal = ? AND counter >= ?)",
        (*chain, counter_from),
    )


def drop_rows(connection: apsw.Connection, chain: ChainAt, *, counter_below: int) -> None:
    """Drop a chain's oldest rows with what the centre said of them."""
    connection.execute(
        "DELETE FROM uploads WHERE seq IN (SELECT seq FROM receipts WHERE seller = ? AND terminal = ? AND counter < ?)",
        (*chain, counter_below),
    )
    connection.execute(
        "DELETE FROM receipts WHERE seller = ? AND terminal = ? AND counter < ?", (*chain, counter_below)
    )
