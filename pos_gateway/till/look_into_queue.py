"""Look into the queue for what is shown: days, bodies that came twice, answers that may not have been read."""

from collections.abc import Iterator

import apsw

from pos_gateway.till.day_totals import add_up, find_same_bodies
from pos_gateway.till.outcomes import DayTotals, SameBodies
from pos_gateway.till.rows import Row
from pos_gateway.till.sealing import Purpose, Sealer
from pos_gateway.till.seat import ChainAt
from pos_gateway.till.store import reading
from pos_gateway.till.store.connecting import snapshot
from receipts.ids import ReceiptId


def owed(connection: apsw.Connection, sealer: Sealer, *, since: int, most: int) -> Iterator[tuple[bytes, int, Row]]:
    """Answer the digest, the second and the row of the latest of what was issued since and may not have been read."""
    for (seq, digest, at), seal in reading.read_owed(connection, since=since, most=most):
        row = reading.read_row_of_seq(connection, seq)
        if row is not None and sealer.holds(Purpose.OWED, seal, (seq, digest, at)):
            yield digest, at, row


def day(connection: apsw.Connection, chain: ChainAt, number: int) -> DayTotals:
    """Answer what a chain's business day came to."""

    def find(named: str) -> Row | None:
        return reading.read_row_of_id(connection, ReceiptId.parse(named))

    with snapshot(connection):
        found = reading.read_head(connection, chain)
        rows = list(reading.read_day(connection, number, chain))
        return add_up(number, rows, find, settled=found[0].settled if found else 0)


def identical(connection: apsw.Connection, number: int) -> list[SameBodies]:
    """Answer the receipts of a business day whose bodies were equal within ten minutes, none of them void."""

    def is_followed(row: Row) -> bool:
        return reading.read_successor(connection, str(row.id)) is not None

    with snapshot(connection):
        return list(find_same_bodies(list(reading.read_same_bodies(connection, number)), is_followed))
