"""What every command of `barimt admin` begins and ends with."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from sqlalchemy import Connection

from barimt.authority import Authority
from barimt.open_authority import open_authority
from barimt.options import err as _err
from barimt.options import out as _out
from kernel.clock import Clock
from kernel.refusal import Fault, Malformed
from runtime.clock import business_clock
from runtime.database import Role, open_database
from runtime.settings import Settings, load_settings

IMPORT_BYTES_MAX = 64 * 1024 * 1024


@contextmanager
def administration(data_dir: Path | None) -> Iterator[tuple[Connection, Clock, Settings, Authority]]:
    """Open the database for administration, in one transaction that commits at the end."""
    settings = load_settings(data_dir=data_dir)
    with open_database(settings, say=lambda line: _err.print(line, highlight=False)) as database:
        clock = business_clock(settings.clock_file)
        with database.transaction(Role.JOBS) as connection:
            yield connection, clock, settings, open_authority(connection, clock, settings=settings)


def show(value: Any, *, as_json: bool, sentence: str) -> None:
    """Print JSON for machines or a sentence for people."""
    if as_json:
        typer.echo(json.dumps(value, ensure_ascii=False))
    else:
        _out.print(sentence, highlight=False, soft_wrap=True)


def rows_of(file: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a CSV file that has at least these columns. Raises `Malformed`."""
    if not file.is_file() or file.stat().st_size > IMPORT_BYTES_MAX:
        raise Malformed(Fault("file_unreadable", f"/{file.name}", f"a CSV file of at most {IMPORT_BYTES_MAX} bytes"))
    try:
        rows = list(csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error):
        raise Malformed(Fault("file_unreadable", f"/{file.name}", "CSV in UTF-8")) from None
    if not rows or any(row.get(column) is None for row in rows for column in columns):
        raise Malformed(Fault("columns_missing", f"/{file.name}", ",".join(columns)))
    return rows
