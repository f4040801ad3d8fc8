"""SQL of the months' partitions (asyncpg): which are there, and dropping those of keys that nobody looks up any more.

`receipts.store.issuing.ensure_month` makes them.
"""

from collections.abc import Sequence

from asyncpg import Connection

from kernel.clock import Month

FIND_UNMADE = """
SELECT year, month FROM unnest($1::int[], $2::int[]) AS asked (year, month)
WHERE to_regclass(format('pos.receipts_%s_%s', year, lpad(month::text, 2, '0'))) IS NULL
ORDER BY year, month
"""
FORGET_OLD_KEYS = "SELECT pos.forget_old_keys()"


async def find_unmade(connection: Connection, months: Sequence[Month]) -> list[Month]:
    """Answer which of some months have no partitions yet, earliest first."""
    rows = await connection.fetch(
        FIND_UNMADE, [month.year for month in months], [month.number for month in months]
    )  # fmt: skip
    return [Month(*row) for row in rows]


async def forget_old_keys(connection: Connection) -> list[str]:
    """Drop the partitions of idempotency keys that were received before last month and the one before it, and answer
    their names. Raises `asyncpg.LockNotAvailableError` instead of waiting for whoever reads keys at the moment.
    """
    forgotten: list[str] = await connection.fetchval(FORGET_OLD_KEYS)
    return forgotten
