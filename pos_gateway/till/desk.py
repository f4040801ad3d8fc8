"""What the queue's one writer works with in an open transaction: sealed reading and sealed writing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import apsw

from kernel.clock import Clock
from pos_gateway.till.known_time import KnownTime
from pos_gateway.till.refusals import QueueTampered
from pos_gateway.till.rows import HeadRow, Row, seat_columns, seat_of, seconds
from pos_gateway.till.sealing import Purpose, Sealer
from pos_gateway.till.seat import ChainAt, Seat
from pos_gateway.till.store import reading, writing
from receipts.chain import ChainKey


@dataclass(slots=True)
class Desk:
    """An open transaction of the queue, the clock, and the keys. One thread at a time."""

    connection: apsw.Connection
    sealer: Sealer
    clock: Clock
    known_time: KnownTime
    chain_key: Callable[[Seat], ChainKey]

    def seat(self, chain: ChainAt) -> Seat:
        """Answer a seat. Raises `QueueTampered`."""
        found = reading.read_seat(self.connection, chain)
        if found is None or not self.sealer.holds(Purpose.SEAT, found[1], found[0]):
            raise QueueTampered(f"seat {place_of(chain)}")
        return seat_of(found[0])

    def put_seat(self, seat: Seat) -> None:
        """Write a seat."""
        columns = seat_columns(seat)
        writing.put_seat(self.connection, columns, self.sealer.seal(Purpose.SEAT, *columns))

    def head(self, chain: ChainAt) -> HeadRow:
        """Answer where a chain stands. Raises `QueueTampered`."""
        found = reading.read_head(self.connection, chain)
        if found is None or not self.sealer.holds(Purpose.HEAD, found[1], found[0].columns()):
            raise QueueTampered(f"head {place_of(chain)}")
        return found[0]

    def put_head(self, head: HeadRow) -> None:
        """Write where a chain stands."""
        writing.put_head(self.connection, head, self.sealer.seal(Purpose.HEAD, *head.columns()))

    def row_seal(self, row: Row, before: bytes) -> bytes:
        """Answer the seal of a row after the seal of the one before it."""
        return self.sealer.seal(Purpose.ROW, before, *row.columns())

    def mark(self, name: str) -> str | None:
        """Answer a single value; None where it was never written, or not by us."""
        found = reading.read_mark(self.connection, name)
        return found[0] if found and self.sealer.holds(Purpose.MARK, found[1], (name, found[0])) else None

    def put_mark(self, name: str, value: str) -> None:
        """Write a single value."""
        writing.put_mark(self.connection, name, value, self.sealer.seal(Purpose.MARK, name, value))

    def note(self, chain: ChainAt | None, code: str, detail: str = "", *, once: bool = False) -> bool:
        """Give a notice, with `once` only where the same was not given before; answer whether it was given."""
        if once and writing.has_notice(self.connection, chain, code, detail):
            return False
        writing.add_notice(self.connection, chain, code, detail, seconds(self.clock()))
        return True

    def now(self) -> datetime:
        """Answer the business time in whole seconds."""
        return self.clock().replace(microsecond=0)


def place_of(chain: ChainAt, counter: int | None = None) -> str:
    """Write a chain, or a link of it, for the technician."""
    seller, terminal = chain
    link = "" if counter is None else f" link {counter}"
    return f"{seller:012d}-{terminal:08d}{link}"
