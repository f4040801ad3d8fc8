"""Connections to the queue's SQLite: WAL, and a commit that has reached the disk before it returns."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw

from pos_gateway.till.store.tables import SCHEMA, VERSION
from runtime.private_files import open_private
from runtime.unusable import Unusable

BUSY_MS: Final = 30_000
"""How long a writer waits for another process that writes (`barimt till …` beside the service)."""


class QueueUnusable(Unusable):
    """The queue's database cannot be opened, or is not one of ours; the text says which and why."""


def connect_writer(path: Path, *, vfs: str | None = None) -> apsw.Connection:
    """Open the queue for writing, made where it is missing (0600). Raises `QueueUnusable`.

    `synchronous=FULL`: a commit is in the log and on the disk. Checkpoints are left to `checkpoint`, so that no
    commit waits for one.
    """
    try:
        if not path.exists():
            _close(open_private(path, 0))
        connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
        connection.set_busy_timeout(BUSY_MS)
        if connection.pragma("journal_mode", "wal") != "wal":
            raise QueueUnusable(f"{path} cannot be put into WAL mode: is it on a network drive?")
        connection.pragma("synchronous", "FULL")
        connection.wal_autocheckpoint(0)
        _make_strict(connection)
        _make_tables(connection, path)
    except (apsw.Error, OSError) as error:
        raise QueueUnusable(f"The queue {path} cannot be opened: {error}") from error
    return connection


def connect_reader(path: Path, *, vfs: str | None = None) -> apsw.Connection:
    """Open the queue for reading alone. Raises `QueueUnusable`."""
    try:
        connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY, vfs=vfs)
        connection.set_busy_timeout(BUSY_MS)
        _make_strict(connection)
    except apsw.Error as error:
        raise QueueUnusable(f"The queue {path} cannot be opened: {error}") from error
    return connection


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say `QueueUnusable` where SQLite finds that the file is no longer a database."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise QueueUnusable(
            f"The queue {path} is damaged ({error}). Keep the file: what it holds may be saved. Replace the till:"
            " barimt till replace"
        ) from error


def checkpoint(connection: apsw.Connection) -> None:
    """Move what is committed from the log into the database, without making anybody wait."""
    with contextlib.suppress(apsw.BusyError, apsw.LockedError):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)


@contextlib.contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Write in one transaction, which takes the write lock at once; what raises inside leaves no trace."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with contextlib.suppress(apsw.Error):
                connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Read in one transaction, which sees the queue as it is at its first statement."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def _make_strict(connection: apsw.Connection) -> None:
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.pragma("cell_size_check", "ON")
    connection.pragma("temp_store", "MEMORY")


def _make_tables(connection: apsw.Connection, path: Path) -> None:
    if connection.pragma("user_version") == VERSION:
        return
    with transaction(connection):
        found = connection.pragma("user_version")
        if found == 0:
            connection.execute(SCHEMA)
            connection.pragma("user_version", VERSION)
        elif found != VERSION:
            raise QueueUnusable(f"The queue {path} has the form {found}; this release knows {VERSION}")


def _close(descriptor: int) -> None:
    with open(descriptor, "rb"):
        pass
