"""Reading the queue from several threads, and what an installation knows when it opens."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

import apsw

from pos_gateway.till.rows import instant, seat_of
from pos_gateway.till.sealing import Purpose, Sealer
from pos_gateway.till.seat import ChainAt, Seat
from pos_gateway.till.store import reading

T = TypeVar("T")


class Reader:
    """A connection that reads, for one thread at a time."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def close(self) -> None:
        """End, when nobody looks any more."""
        with self._lock:
            self._connection.close()

    def read(self, look: Callable[[apsw.Connection], T]) -> T:
        """Look, and block meanwhile."""
        with self._lock:
            return look(self._connection)

    async def read_aside(self, look: Callable[[apsw.Connection], T]) -> T:
        """Look in a thread."""
        return await asyncio.to_thread(self.read, look)


def trusted_seats(connection: apsw.Connection, sealer: Sealer) -> dict[ChainAt, Seat]:
    """Answer the seats whose seals hold; of the others the faults tell."""
    rows = reading.read_seats(connection)
    seats = [seat_of(columns) for columns, seal in rows if sealer.holds(Purpose.SEAT, seal, columns)]
    return {seat.chain: seat for seat in seats}


def time_known(connection: apsw.Connection, sealer: Sealer, seats: Mapping[ChainAt, Seat]) -> datetime:
    """Answer the last time that the queue knows of."""
    known = [seat.enrolled_at for seat in seats.values()]
    known += [instant(head.last_issued_at) for head, _ in reading.read_heads(connection)]
    mark = reading.read_mark(connection, "time")
    if mark and sealer.holds(Purpose.MARK, mark[1], ("time", mark[0])):
        known.append(instant(int(mark[0])))
    return max(known, default=instant(0))
