"""How a database can fail us: it is away, or it says no. What is said to whoever waits follows from that."""

import contextlib
from collections.abc import Iterator

import asyncpg

from pos_gateway.transactions import Lost, Refused, unavailable

_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.exceptions.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.exceptions.IdleSessionTimeoutError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
)


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, or none can be had: another attempt on another connection may succeed.

    asyncpg calls a value that no column can hold an interface error too; that one fails on every connection. What it
    calls internal happens when a connection dies in the middle of its beginning.
    """
    return isinstance(error, _LOST) and not isinstance(error, ValueError)


@contextlib.contextmanager
def in_our_words() -> Iterator[None]:
    """Turn what the database does to a transaction into `Lost` and `Refused`, and let everything else pass."""
    try:
        yield
    except (*_LOST, asyncpg.PostgresError) as error:
        if is_lost(error):
            raise Lost from error
        if isinstance(error, asyncpg.PostgresError):
            raise Refused from error
        raise


@contextlib.contextmanager
def reaching_database() -> Iterator[None]:
    """Turn a database that is away, while something is looked up, into `Unavailable`."""
    try:
        yield
    except (*_LOST, asyncpg.PostgresError) as error:
        if isinstance(error, ValueError):
            raise
        raise unavailable() from error
