"""A centre with very many receipts from months past: valid chains, written by two processes through COPY.

The indexes are there while it is loaded, and the settings of PostgreSQL are those that ship, but for one: the loaders'
own sessions do not wait for the disk after each chunk. Idempotency keys are written for the months of which the system
keeps them, this one and two before it; older ones it would have dropped. At the end everything is vacuumed once, as
autovacuum would have done in those months.
"""

import asyncio
import gc
import multiprocessing
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import psycopg

from barimt.authority import EPOCH
from barimt.open_authority import open_authority
from benchmarks.enrolled import Seat, add_tills
from benchmarks.grown_chains import Period, baskets, grow
from kernel.clock import Month
from receipts.store import issuing
from receipts.store.copying import copy_receipts
from receipts.stored import StoredReceipt
from runtime.clock import real_now
from runtime.database import Database, Role, join_database, open_database
from runtime.settings import load_settings

CHUNK = 5_000
"""Receipts a transaction of a loader."""
RECEIPTS_A_MONTH = 1_000_000
MONTHS_MAX = 20
MONTHS_OF_KEYS = 3
FREE_BYTES_MIN = 4 * 2**30
"""A loader stops before the disk has less left: others need it too."""
_LOOK_EVERY_S = 0.25
_KEY_COLUMNS = ("seller", "client_id", "key", "received_month", "content_hash", "terminal", "day", "number")


class NotGrown(Exception):  # noqa: N818 - what happened, not what is wrong
    """A centre could not be filled; the text says why."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one process writes: so many receipts on these terminals."""

    data_dir: Path
    seats: Sequence[Seat]
    receipts: int
    period: Period


@dataclass(frozen=True, slots=True)
class Grown:
    """A centre that is filled and stopped."""

    data_dir: Path
    seats: Sequence[Seat]
    receipts: int
    months: int
    load_s: float


def period_of(receipts: int) -> tuple[Period, int]:
    """Answer over which time so many receipts are spread, and how many months that is: a million a month, this month
    included, at least this month and at most twenty.
    """
    months = min(MONTHS_MAX, max(1, receipts // RECEIPTS_A_MONTH))
    now = real_now().replace(microsecond=0)
    return Period(Month.of(now).plus(1 - months).starts_at, now), months


def grow_centre(
    data_dir: Path,
    receipts: int,
    *,
    terminals: int,
    processes: int = 2,
    on_written: Callable[[int], object] = lambda _written: None,
    look: Callable[[Database, Sequence[Seat]], object] = lambda _database, _seats: None,
) -> Grown:
    """Make a centre in `data_dir` and fill it; `on_written` is told how many receipts are written, `look` is called
    with its seats once all are, before the database stops. Raises `NotGrown`.
    """
    period, months = period_of(receipts)
    settings, began = load_settings(data_dir=data_dir), time.perf_counter()
    with open_database(settings, say=lambda _line: None) as database:
        seats = add_tills(database, settings, terminals, lambda: period.begins_at)
        asyncio.run(_make_months(database, [Month.of(period.ends_at).plus(-ago) for ago in range(months)]))
        shares = [
            Share(data_dir, seats[at::processes], receipts * (at + 1) // processes - receipts * at // processes, period)
            for at in range(processes)
        ]
        _write_all(shares, on_written)
        load_s = time.perf_counter() - began
        _vacuum(database)
        look(database, seats)
    return Grown(data_dir, seats, receipts, months, round(load_s, 1))


def write_share(share: Share, written: Any) -> None:
    """Write one process's receipts; `written` is a shared number that it adds to."""
    gc.set_threshold(100_000)  # a chunk makes many small things and no cycle: looking for them took 7 %
    asyncio.run(_write(share, written))


def _write_all(shares: Sequence[Share], on_written: Callable[[int], object]) -> None:
    spawn = multiprocessing.get_context("spawn")
    counts = [spawn.Value("q", 0) for _ in shares]
    loaders = [
        spawn.Process(target=write_share, args=(share, count), daemon=True)
        for share, count in zip(shares, counts, strict=True)
    ]
    try:
        for loader in loaders:
            loader.start()
        while any(loader.is_alive() for loader in loaders):
            time.sleep(_LOOK_EVERY_S)
            on_written(sum(count.value for count in counts))
            if shutil.disk_usage(shares[0].data_dir).free < FREE_BYTES_MIN:
                raise NotGrown("the disk is nearly full")
            if any(loader.exitcode for loader in loaders):
                break
    finally:
        for loader in loaders:
            loader.terminate()
            loader.join()
    if any(loader.exitcode for loader in loaders):
        raise NotGrown("a loader ended with an error, see above")


async def _write(share: Share, written: Any) -> None:
    settings = load_settings(data_dir=share.data_dir)
    with join_database(settings) as database:
        with database.transaction(Role.JOBS) as jobs:
            signing = open_authority(jobs, real_now, settings=settings).signing_keys(real_now())
        async with await database.pool(Role.GATEWAY, min_size=1, max_size=1) as pool, pool.acquire() as connection:
            await connection.execute("SET synchronous_commit TO off")
            chains = await issuing.lock_chains(connection, [(int(tin), int(number)) for tin, number in share.seats])
            heads = [chain.head for chain in chains.values()]
            keys = [signing(head.seller, head.terminal, EPOCH) for head in heads]
            growing = grow(heads, keys, baskets(share.period.ends_at), share.period, share.receipts)
            keys_from = Month.of(share.period.ends_at).plus(1 - MONTHS_OF_KEYS).starts_at
            while rows := list(islice(growing, CHUNK)):
                async with connection.transaction():
                    await copy_receipts(connection, rows)
                    await _add_keys(connection, [row for row in rows if row.received_at >= keys_from])
                written.value += len(rows)
            async with connection.transaction():
                await issuing.move_chains_and_add_keys(connection, heads, [], _ordinal(Month.of(share.period.ends_at)))


async def _add_keys(connection: asyncpg.Connection, rows: Sequence[StoredReceipt]) -> None:
    """Remember a key for each receipt, as tills draw them: 32 hexadecimal digits that nobody foresees."""
    records = [
        (
            row.seller, f"{row.seller:011d}", row.receipt_hash.hex()[:32], _ordinal(Month.of(row.received_at)),
            row.document_hash, row.terminal, row.day, row.number,
        )
        for row in rows
    ]  # fmt: skip
    await connection.copy_records_to_table("idempotency", schema_name="pos", columns=_KEY_COLUMNS, records=records)


async def _make_months(database: Database, months: Sequence[Month]) -> None:
    async with await database.pool(Role.GATEWAY, min_size=1, max_size=1) as pool:
        for month in sorted(months):
            await issuing.ensure_month(pool, month)


def _vacuum(database: Database) -> None:
    with psycopg.connect(database.url(Role.OWNER), autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) pos.receipts, pos.idempotency, pos.chains")


def _ordinal(month: Month) -> int:
    return month.year * 12 + month.number - 1
