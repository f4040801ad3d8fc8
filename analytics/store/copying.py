"""SQL of the lake's export: each dataset of a day or month as CSV, straight from COPY, typed by its schema.

Instants travel as whole microseconds since 1970, truth values as 0 and 1. Rows come in a fixed order, so that the same
rows make the same files. Receipts marked TEST never leave the database.
"""

import io
from collections.abc import Mapping

import polars as pl
import psycopg
from sqlalchemy import Connection

from kernel.clock import Month
from receipts.claim import month_ordinal

_LOCK_KEY = 0x6C616B65
"""Advisory lock held while exporting ("lake" in ASCII)."""
_TEST_BIT = 64

MONTHS = """
SELECT split_part(relname, '_', 2)::int, split_part(relname, '_', 3)::int
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'pos.receipts'::regclass
UNION SELECT month / 12, month % 12 + 1 FROM tax.declarations
UNION SELECT tax_month / 12, tax_month % 12 + 1 FROM pos.tax_months
ORDER BY 1, 2
"""
STORED_DAYS = """
SELECT r.day, count(*), count(c.claim) FROM pos.receipts r LEFT JOIN claims.claims c
  ON (c.seller, c.root_terminal, c.root_day, c.root_number) = (r.seller, r.root_terminal, r.root_day, r.root_number)
WHERE r.day >= %s AND r.day < %s GROUP BY r.day ORDER BY r.day
"""
SEEN_DAYS = """
SELECT g.day, count(*), count(r.seller), count(*) FILTER (WHERE r.receipt_hash = g.receipt_hash), count(f.seller)
FROM claims.sightings g LEFT JOIN pos.receipts r USING (seller, terminal, day, number)
LEFT JOIN pos.forks f ON f.seller = g.seller AND f.receipt_hash = g.receipt_hash
WHERE g.day >= %s AND g.day < %s GROUP BY g.day ORDER BY g.day
"""
FORKED_DAYS = "SELECT day, count(*) FROM pos.forks WHERE day >= %s AND day < %s GROUP BY day ORDER BY day"
COUNTED_DAYS = """
SELECT day, count(*) FROM pos.tax_months WHERE tax_month = %s AND (day < %s OR day >= %s) GROUP BY day ORDER BY day
"""
_COUNTS = """
LEFT JOIN pos.tax_months t ON (t.seller, t.terminal, t.day, t.number) = (r.seller, r.terminal, r.day, r.number)
"""
_OF_MONTH = """
r.day = %(day)s AND coalesce(t.tax_month, %(issued_in)s) = %(month)s
  AND (r.kind & 15 <> 3 OR r.kind & 32 = 0 OR NOT EXISTS (
         SELECT FROM pos.link_findings f WHERE f.seller = r.seller AND f.receipt_hash = r.receipt_hash
           AND f.code IN ('already_void', 'not_correctable', 'not_latest')))
"""
"""Receipts that count for a month, without corrections of tills that are nobody's successor: they change nothing. One
of a receipt that nobody knows stands for itself.
"""
PARTS = f"""
SELECT merchant, seller, branch, terminal, day, number, (extract(epoch FROM issued_at) * 1000000)::bigint,
       kind & 15, kind >> 4 & 1, tax_type, counts::int, total, vat, city_tax
FROM (
  SELECT r.seller, r.branch, r.terminal, r.day, r.number, r.issued_at, r.kind, p.*,
         row_number() OVER (PARTITION BY r.seller, r.terminal, r.day, r.number, p.merchant ORDER BY p.at) = 1 AS counts
  FROM pos.receipts r {_COUNTS},
  unnest(r.part_merchants, r.part_tax_types, r.part_totals_mongo, r.part_vats_mongo, r.part_city_taxes_mongo)
    WITH ORDINALITY AS p (merchant, tax_type, total, vat, city_tax, at)
  WHERE {_OF_MONTH} AND r.kind & 15 IN (0, 1, 3, 4) AND r.kind & {_TEST_BIT} = 0
  UNION ALL
  SELECT r.seller, r.branch, r.terminal, r.day, r.number, r.issued_at, r.kind,
         p.merchant, p.tax_type, -p.total, -p.vat, -p.city_tax, -p.at, false
  FROM pos.receipts r {_COUNTS} JOIN pos.successors s
    ON (s.seller, s.root_terminal, s.root_day, s.root_number) = (r.seller, r.root_terminal, r.root_day, r.root_number)
   AND (s.by_terminal, s.by_day, s.by_number) = (r.terminal, r.day, r.number)
  JOIN pos.receipts old ON (old.seller, old.terminal, old.day, old.number) = (s.seller, s.terminal, s.day, s.number),
  unnest(old.part_merchants, old.part_tax_types, old.part_totals_mongo, old.part_vats_mongo, old.part_city_taxes_mongo)
    WITH ORDINALITY AS p (merchant, tax_type, total, vat, city_tax, at)
  WHERE {_OF_MONTH} AND r.kind & 15 = 3 AND r.kind & {_TEST_BIT} = 0
) signed
ORDER BY seller, terminal, day, number, at
"""  # noqa: S608 - a constant of ours
LINKS = f"""
SELECT r.seller, r.branch, r.terminal, r.day, r.number, r.counter, r.turnover_mongo, r.kind & 15, r.total_mongo,
       r.vat_mongo, (extract(epoch FROM r.issued_at) * 1000000)::bigint, r.root_terminal, r.root_day, r.root_number,
       (extract(epoch FROM c.claimed_at) * 1000000)::bigint
FROM pos.receipts r LEFT JOIN claims.claims c
  ON (c.seller, c.root_terminal, c.root_day, c.root_number) = (r.seller, r.root_terminal, r.root_day, r.root_number)
WHERE r.day = %(day)s AND r.kind & {_TEST_BIT} = 0 ORDER BY r.seller, r.terminal, r.counter, r.number
"""  # noqa: S608 - a constant of ours
SIGHTINGS = f"""
SELECT g.seller, t.branch, g.terminal, g.day, g.number, g.counter, g.total_mongo, g.turnover_mongo,
       (extract(epoch FROM g.issued_at) * 1000000)::bigint, (extract(epoch FROM g.seen_at) * 1000000)::bigint,
       CASE WHEN f.seller IS NOT NULL THEN 'fork' WHEN r.seller IS NULL THEN 'none'
            WHEN r.receipt_hash = g.receipt_hash THEN 'same' ELSE 'other' END
FROM claims.sightings g JOIN pos.terminals t USING (seller, terminal)
LEFT JOIN pos.receipts r USING (seller, terminal, day, number)
LEFT JOIN pos.forks f ON f.seller = g.seller AND f.receipt_hash = g.receipt_hash
WHERE g.day = %(day)s AND g.kind & {_TEST_BIT} = 0 ORDER BY g.seller, g.terminal, g.day, g.number, g.receipt_hash
"""  # noqa: S608 - a constant of ours
FORKS = f"""
SELECT seller, branch, terminal, day, number, counter, kind & 15, total_mongo,
       (extract(epoch FROM issued_at) * 1000000)::bigint
FROM pos.forks WHERE day = %(day)s AND kind & {_TEST_BIT} = 0 ORDER BY seller, terminal, counter, receipt_hash
"""  # noqa: S608 - a constant of ours
SELLERS = """
SELECT s.seller, s.tin, s.name, s.sector, s.district,
       (EXISTS (SELECT FROM pos.vat_registrations v WHERE v.seller = s.seller AND v.registered_from <= %(last)s
                AND (v.registered_to IS NULL OR v.registered_to > %(last)s)))::int, s.city_tax_payer::int
FROM pos.sellers s ORDER BY s.seller
"""
DECLARATIONS = """
SELECT seller, version, net_revenue_mongo, vat_mongo, (extract(epoch FROM declared_at) * 1000000)::bigint
FROM tax.declarations WHERE month = %(month)s ORDER BY seller, version
"""


def lock_lake(connection: Connection) -> None:
    """Keep other exports waiting until this transaction ends."""
    _driver(connection).execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))


def months_known(connection: Connection) -> list[Month]:
    """Answer the months that have partitions (of receipts and sightings alike) or declarations, the earliest first."""
    return [Month(*row) for row in _driver(connection).execute(MONTHS).fetchall()]


def days_of(connection: Connection, month: Month) -> dict[int, list[int]]:
    """Answer the days that a month has anything of, each with the counts that change whenever its rows do: links,
    claims of their roots, sightings, sightings under a stored number, of stored bytes, and of forks, forks; and of a
    day of another month the receipts that count for this one.
    """
    span = (month.first_day, month.end_day)
    driver = _driver(connection)
    days: dict[int, list[int]] = {}
    for day, links, claims in driver.execute(STORED_DAYS, span).fetchall():
        days[day] = [links, claims, *[0] * 5]
    for day, *seen in driver.execute(SEEN_DAYS, span).fetchall():
        days[day] = [*days.get(day, [0, 0])[:2], *seen, 0]
    for day, forks in driver.execute(FORKED_DAYS, span).fetchall():
        days[day] = [*days.get(day, [0] * 6)[:6], forks]
    for day, counted in driver.execute(COUNTED_DAYS, (month_ordinal(month), *span)).fetchall():
        days[day] = [counted]
    return days


def copied(connection: Connection, query: str, schema: pl.Schema, **values: object) -> pl.DataFrame:
    """Answer the rows of one of the queries above as a frame of `schema`, in order."""
    with _driver(connection).cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)", values) as copy:
        text = b"".join(bytes(block) for block in copy)
    travelling: Mapping[str, pl.DataType] = {name: _travelling(kind) for name, kind in schema.items()}
    raw = (
        pl.read_csv(io.BytesIO(text), has_header=False, schema=travelling) if text else pl.DataFrame(schema=travelling)
    )
    return raw.select(pl.col(name).cast(kind) for name, kind in schema.items())


def _travelling(kind: pl.DataType) -> pl.DataType:
    return pl.String() if kind == pl.String else pl.Int64()


def _driver(connection: Connection) -> psycopg.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver
