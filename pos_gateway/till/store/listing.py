"""What a shopkeeper's list and the comparison with the centre read of the queue. Nothing here decides or writes."""

from typing import NamedTuple

import apsw

from pos_gateway.till.seat import ChainAt


class ListedRow(NamedTuple):
    """A link as the list shows it, with what followed it and what the centre said. Kinds are bits, times seconds."""

    seller: int
    terminal: int
    branch: int
    day: int
    number: int
    counter: int
    issued_at: int
    kind: int
    total_mongo: int
    vat_mongo: int
    body_digest: bytes | None
    successor_kind: int | None
    findings: str | None
    fork: int | None


def read_counter(connection: apsw.Connection, chain: ChainAt) -> int:
    """Answer how many links a chain has; 0 for one that is not here."""
    found = connection.execute("SELECT counter FROM heads WHERE seller = ? AND terminal = ?", chain).fetchone()
    return 0 if found is None else int(found[0])


def read_link_hash(connection: apsw.Connection, chain: ChainAt, counter: int) -> bytes | None:
    """Answer the hash of a link; None where it is not here (any more)."""
    found = connection.execute(
        "SELECT receipt_hash FROM receipts WHERE seller = ? AND terminal = ? AND counter = ?", (*chain, counter)
    ).fetchone()
    return None if found is None else bytes(found[0])


def read_last_of_day(connection: apsw.Connection, day: int, *, most: int) -> list[ListedRow]:
    """Answer the last links of a business day over all chains, the newest first."""
    rows = connection.execute(
        "SELECT r.seller, r.terminal, r.branch, r.day, r.number, r.counter, r.issued_at, r.kind, r.total_mongo,"
        " r.vat_mongo, r.body_digest, s.kind, u.findings, u.fork FROM receipts r"
        " LEFT JOIN uploads u ON u.seq = r.seq"
        " LEFT JOIN receipts s ON s.previous_id ="
        " printf('%012d%03d%05d%05d%08d', r.seller, r.branch, r.day, r.number, r.terminal)"
        " WHERE r.day = ? ORDER BY r.seq DESC LIMIT ?",
        (day, most),
    )
    return [ListedRow(*row) for row in rows]


def read_numbering(connection: apsw.Connection, chain: ChainAt) -> tuple[int, int] | None:
    """Answer the day on which a chain gave its last number, and the next number of that day."""
    found = connection.execute("SELECT day, next_number FROM heads WHERE seller = ? AND terminal = ?", chain).fetchone()
    return None if found is None else (int(found[0]), int(found[1]))
