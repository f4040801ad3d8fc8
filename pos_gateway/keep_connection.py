"""Transactions on PostgreSQL, over one connection that is kept between them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

from kernel.clock import Month
from pos_gateway.failures import in_our_words
from receipts.store.issuing import PostgresIssuing, ensure_month

CONNECT_S = 2.0
_Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


class KeptConnection:
    """A connection of a pool, held from the first transaction on and cut when one fails."""

    def __init__(self, database: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._database = database
        self._connection: _Connection | None = None
        self._months: set[Month] = set()

    @asynccontextmanager
    async def begin(self, months: Iterable[Month]) -> AsyncIterator[PostgresIssuing]:
        """Hold a transaction open, with the partitions of `months` there, and commit it at the end.

        Raises `Lost` or `Refused`. Whatever goes wrong, the connection is cut: the server rolls back what was open.
        """
        with in_our_words():
            try:
                connection = await self._connected()
                await self._ensure(connection, months)
                transaction = connection.transaction()
                await transaction.start()
                yield PostgresIssuing(connection)
                await transaction.commit()
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Give the connection up. It is cut, not reset. What months there are is asked anew: one may be gone that was
        there, where the clock was set back by months.
        """
        self._months.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            if _is_open(connection):
                connection.terminate()
            await self._database.release(connection)

    async def _connected(self) -> _Connection:
        if self._connection is None or not _is_open(self._connection):
            await self.close()
            self._connection = await self._database.acquire(timeout=CONNECT_S)
        return self._connection

    async def _ensure(self, connection: _Connection, months: Iterable[Month]) -> None:
        """Make the partitions that this connection's worker has not seen yet, outside of any transaction."""
        for month in months:
            if month not in self._months:
                await ensure_month(connection, month)
                self._months.add(month)


def _is_open(connection: _Connection) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False  # the pool has noticed before us and taken it back
