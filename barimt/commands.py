"""What every command that touches the database begins with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from barimt.options import err
from kernel.clock import Clock
from runtime.clock import business_clock
from runtime.data_dir import DataDir
from runtime.database import Database, Role, open_database
from runtime.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command works with."""

    settings: Settings
    data_dir: DataDir
    database: Database
    clock: Clock


@contextmanager
def opened(data_dir: Path | None) -> Iterator[Opened]:
    """Open the database of a data directory; what it says while starting goes to standard error."""
    settings = load_settings(data_dir=data_dir)
    with open_database(settings, say=lambda line: err.print(line, highlight=False)) as database:
        yield Opened(settings, DataDir.make(settings.data_dir), database, business_clock(settings.clock_file))


@contextmanager
def working(data_dir: Path | None) -> Iterator[tuple[Connection, Opened]]:
    """Open the database and one transaction of the jobs' role, which commits at the end."""
    with opened(data_dir) as everything, everything.database.transaction(Role.JOBS) as connection:
        yield connection, everything
