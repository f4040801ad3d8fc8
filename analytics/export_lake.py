"""Copy receipts, sightings, sellers and declarations to the Parquet lake, as far as it does not hold them yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from analytics.lake import BY_DAY, BY_MONTH, day_file, exported_days, keep, month_file, note_export
from analytics.store import copying
from kernel.clock import Month, date_of_day
from receipts.claim import month_ordinal

_QUERIES = {
    "parts": copying.PARTS, "links": copying.LINKS, "sightings": copying.SIGHTINGS, "forks": copying.FORKS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did: days copied anew, and days that the lake held already."""

    months: int
    days_written: int
    days_unchanged: int


def export_lake(connection: Connection, *, folder: Path, months: Sequence[Month] | None = None) -> Exported:
    """Bring the lake in `folder` to the state of the database, for these months or all that have anything.

    A day is copied when the counts of its rows differ from those noted at its last export: stored receipts, claims,
    sightings and forks are only ever added. A month's days are its own, and those of other months with receipts that
    count for it. What arrives while the export runs is in the next one. `connection` is that of the
    jobs' role, in a transaction; exports wait for one another.
    """
    copying.lock_lake(connection)
    written = unchanged = 0
    wanted = copying.months_known(connection) if months is None else months
    for month in wanted:
        held, present = exported_days(folder, month), copying.days_of(connection, month)
        changed = [day for day, counts in present.items() if held.get(day) != counts]
        for day in changed:
            _export_day(connection, folder, month, day)
        _export_month(connection, folder, month)
        note_export(folder, month, present)
        written, unchanged = written + len(changed), unchanged + len(present) - len(changed)
    return Exported(len(wanted), written, unchanged)


def _export_day(connection: Connection, folder: Path, month: Month, day: int) -> None:
    issued_in = Month.of_date(date_of_day(day))
    values = {"day": day, "issued_in": month_ordinal(issued_in), "month": month_ordinal(month)}
    for dataset, schema in BY_DAY.items():
        if issued_in == month or dataset == "parts":
            frame = copying.copied(connection, _QUERIES[dataset], schema, **values)
            keep(frame, day_file(folder, dataset, month, day))


def _export_month(connection: Connection, folder: Path, month: Month) -> None:
    last = date_of_day(month.end_day) - timedelta(days=1)
    sellers = copying.copied(connection, copying.SELLERS, BY_MONTH["sellers"], last=last)
    keep(sellers, month_file(folder, "sellers", month))
    declared = copying.copied(connection, copying.DECLARATIONS, BY_MONTH["declarations"], month=month_ordinal(month))
    keep(declared, month_file(folder, "declarations", month))
