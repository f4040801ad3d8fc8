"""SQL of issuing (asyncpg, hot path): heads, idempotency keys, predecessors, and the rows of a chunk."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asyncpg import Connection

from kernel.clock import Month
from receipts import speedups
from receipts.chain import Head
from receipts.chunk import Chunk, Event, LockedChain, Successor
from receipts.issuing import KnownKey
from receipts.orders import Order
from receipts.store.copying import copy_receipts
from receipts.stored import ReceiptKey, StoredReceipt

_QUALIFIED = ", ".join("r." + name for name in StoredReceipt.__struct_fields__)

LOCK_CHAINS = """
SELECT c.seller, c.terminal, c.counter, c.head_hash, c.turnover_mongo, c.day, c.next_number, c.last_issued_at,
       t.epoch, t.mode, t.suspended_at IS NOT NULL AS suspended, t.closed_at IS NOT NULL AS closed, t.branch
FROM pos.chains c JOIN pos.terminals t USING (seller, terminal)
JOIN unnest(string_to_array($1, E'\\n')::bigint[], string_to_array($2, E'\\n')::int[]) AS wanted (seller, terminal)
  USING (seller, terminal)
ORDER BY c.seller, c.terminal FOR NO KEY UPDATE OF c
"""
FIND_KEYS = """
SELECT found.*
FROM unnest(string_to_array($1, E'\\n')::bigint[], string_to_array($2, E'\\n'), string_to_array($3, E'\\n'))
  AS asked (seller, client_id, key)
CROSS JOIN LATERAL (
  SELECT i.client_id, i.key, i.content_hash, i.seller, i.terminal, i.day, i.number
  FROM pos.idempotency i
  WHERE i.seller = asked.seller AND i.client_id = asked.client_id AND i.key = asked.key
    AND i.received_month IN ($4, $4 - 1, $4 + 1)
  OFFSET 0) AS found
"""
"""Each key is looked up by itself (`OFFSET 0` keeps the planner from joining the other way round): while it believes a
month to be empty it would read all keys of the month for each that is asked."""
FIND_RECEIPTS = f"""
SELECT {_QUALIFIED} FROM pos.receipts r
JOIN unnest($1::bigint[], $2::int[], $3::int[], $4::int[]) AS wanted (seller, terminal, day, number)
  USING (seller, terminal, day, number)
"""  # noqa: S608 - column names only
LOCK_RECEIPTS = FIND_RECEIPTS + "ORDER BY r.seller, r.terminal, r.day, r.number FOR NO KEY UPDATE OF r"
FIND_LATEST = """
SELECT s.seller, s.root_terminal, s.root_day, s.root_number, s.by_terminal, s.by_day, s.by_number
FROM pos.successors s
JOIN unnest($1::bigint[], $2::int[], $3::int[], $4::int[]) AS wanted (seller, root_terminal, root_day, root_number)
  USING (seller, root_terminal, root_day, root_number)
LEFT JOIN pos.successors later ON (later.seller, later.terminal, later.day, later.number)
                                = (s.seller, s.by_terminal, s.by_day, s.by_number)
WHERE later.seller IS NULL
"""
MOVE_CHAINS_AND_ADD_KEYS = """
WITH moved AS (
  UPDATE pos.chains c SET counter = m.counter, head_hash = decode(m.head_hash, 'hex'),
         turnover_mongo = m.turnover_mongo, day = m.day, next_number = m.next_number,
         last_issued_at = to_timestamp(m.last_issued_at)
  FROM unnest(string_to_array($1, E'\\n')::bigint[], string_to_array($2, E'\\n')::int[],
              string_to_array($3, E'\\n')::bigint[], string_to_array($4, E'\\n'),
              string_to_array($5, E'\\n')::bigint[], string_to_array($6, E'\\n')::int[],
              string_to_array($7, E'\\n')::int[], string_to_array($8, E'\\n')::bigint[])
    AS m (seller, terminal, counter, head_hash, turnover_mongo, day, next_number, last_issued_at)
  WHERE c.seller = m.seller AND c.terminal = m.terminal)
INSERT INTO pos.idempotency (received_month, seller, client_id, key, content_hash, terminal, day, number)
SELECT $9::int, k.seller, k.client_id, k.key, decode(k.content_hash, 'hex'), k.terminal, k.day, k.number
FROM unnest(string_to_array($10, E'\\n')::bigint[], string_to_array($11, E'\\n'), string_to_array($12, E'\\n'),
            string_to_array($13, E'\\n'), string_to_array($14, E'\\n')::int[], string_to_array($15, E'\\n')::int[],
            string_to_array($16, E'\\n')::int[])
  AS k (seller, client_id, key, content_hash, terminal, day, number)
"""
"""Lists are handed over as texts of lines: the driver looks at each item of an array several times, at a microsecond
an item, and a receipt has twenty. No client id and no key has a line feed in it."""
ADD_SUCCESSOR = """
INSERT INTO pos.successors (seller, terminal, day, number, by_terminal, by_day, by_number,
                            root_terminal, root_day, root_number, nature, issued_at, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
ADD_EVENT = """
INSERT INTO pos.outbox (seller, root_terminal, root_day, root_number, event, login_no, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

ADD_TAX_MONTHS = "INSERT INTO pos.tax_months (seller, terminal, day, number, tax_month) VALUES ($1, $2, $3, $4, $5)"


@dataclass(frozen=True, slots=True)
class PostgresIssuing:
    """The statements of issuing on a connection with an open transaction."""

    connection: Connection

    async def lock_chains(self, terminals: Iterable[tuple[int, int]]) -> dict[tuple[int, int], LockedChain]:
        """Lock chains in one order (seller, terminal) until the end and answer where they stand."""
        return await lock_chains(self.connection, terminals)

    async def find_keys(
        self, asked: Iterable[tuple[int, str, str]], received_month: int
    ) -> dict[tuple[str, str], KnownKey]:
        """Answer what idempotency keys (seller, client, key) were used for around this month, by (client, key)."""
        return await find_keys(self.connection, asked, received_month)

    async def find_receipts(self, keys: Iterable[ReceiptKey], *, lock: bool = False) -> dict[ReceiptKey, StoredReceipt]:
        """Answer receipts by primary key; with `lock` their rows are locked in the order of the key until the end."""
        return await find_receipts(self.connection, keys, lock=lock)

    async def find_latest(self, roots: Iterable[ReceiptKey]) -> dict[ReceiptKey, ReceiptKey]:
        """Answer for each root that has successors the last link of its correction chain."""
        return await find_latest(self.connection, roots)

    async def add(self, chunk: Chunk, received_month: int) -> None:
        """Store what a chunk gathered: receipts, heads, keys, successors and events."""
        await copy_receipts(self.connection, chunk.receipts)
        await move_chains_and_add_keys(self.connection, chunk.heads.values(), chunk.keys, received_month)
        if chunk.successors:
            await add_successors(self.connection, chunk.successors)
        if chunk.events:
            await add_events(self.connection, chunk.events)
        if chunk.tax_months:
            await add_tax_months(self.connection, chunk.tax_months)


async def ensure_month(connection: Connection, month: Month) -> None:
    """Make the partitions of a month where they are not there yet."""
    await connection.execute("SELECT pos.ensure_month($1, $2)", month.year, month.number)


async def lock_chains(
    connection: Connection, terminals: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], LockedChain]:
    """Lock chains in one order (seller, terminal) and answer where they stand."""
    locked = {}
    for row in await connection.fetch(LOCK_CHAINS, *_texts(terminals, 2)):
        head = Head(*(row[at] for at in range(8)))
        locked[head.seller, head.terminal] = LockedChain(
            head, row["epoch"], row["mode"], row["suspended"], row["closed"], row["branch"]
        )
    return locked


async def find_keys(
    connection: Connection, asked: Iterable[tuple[int, str, str]], received_month: int
) -> dict[tuple[str, str], KnownKey]:
    """Answer what idempotency keys (seller, client, key) were used for, by (client, key): received this month, last
    month, or next month, by a clock that has been set back since, or by another machine's that is ahead of ours.
    """
    rows = await connection.fetch(FIND_KEYS, *_texts(asked, 3), received_month)
    return {
        (row["client_id"], row["key"]): KnownKey(
            row["content_hash"], (row["seller"], row["terminal"], row["day"], row["number"])
        )
        for row in rows
    }


async def find_receipts(
    connection: Connection, keys: Iterable[ReceiptKey], *, lock: bool = False
) -> dict[ReceiptKey, StoredReceipt]:
    """Answer receipts by primary key; with `lock` their rows are locked in the order of the key."""
    columns = _columns(keys, 4)
    if not columns[0]:
        return {}
    rows = await connection.fetch(LOCK_RECEIPTS if lock else FIND_RECEIPTS, *columns)
    return {receipt.key: receipt for receipt in (StoredReceipt(*row) for row in rows)}


async def find_latest(connection: Connection, roots: Iterable[ReceiptKey]) -> dict[ReceiptKey, ReceiptKey]:
    """Answer for each root that has successors the last link of its correction chain."""
    columns = _columns(roots, 4)
    if not columns[0]:
        return {}
    rows = await connection.fetch(FIND_LATEST, *columns)
    return {(row[0], row[1], row[2], row[3]): (row[0], row[4], row[5], row[6]) for row in rows}


async def move_chains_and_add_keys(
    connection: Connection, heads: Iterable[Head], issued: Iterable[tuple[Order, ReceiptKey]], received_month: int
) -> None:
    """Store where the chains stand now, and remember which receipt was issued for which order."""
    await connection.execute(
        MOVE_CHAINS_AND_ADD_KEYS,
        *_texts([_place(head) for head in heads], 8),
        received_month,
        *_texts([(o.seller, o.client_id, o.key, o.content_hash.hex(), *receipt[1:]) for o, receipt in issued], 7),
    )


async def add_successors(connection: Connection, successors: Sequence[Successor]) -> None:
    """Store what followed which receipt; a second successor of one predecessor breaks the key."""
    rows = [(*s.receipt, *s.by[1:], *s.root[1:], s.nature, s.issued_at, s.reason) for s in successors]
    await connection.executemany(ADD_SUCCESSOR, rows)


async def add_events(connection: Connection, events: Sequence[Event]) -> None:
    """Leave word for the claims side."""
    await connection.executemany(ADD_EVENT, [(*e.root, e.event, e.login_no, e.created_at) for e in events])


async def add_tax_months(connection: Connection, months: Iterable[tuple[ReceiptKey, int]]) -> None:
    """Store for which month receipts count that do not count for that of their issue."""
    await connection.executemany(ADD_TAX_MONTHS, [(*key, month) for key, month in months])


def _place(head: Head) -> tuple[int | str, ...]:
    return (
        head.seller,
        head.terminal,
        head.counter,
        head.previous_hash.hex(),
        head.turnover_mongo,
        head.day,
        head.next_number,
        int(head.last_issued_at.timestamp()),
    )


def columns(rows: Iterable[tuple[int | str, ...]], width: int) -> list[str]:
    """Answer the columns of rows, each as one text of lines; empty ones where there are no rows."""
    texts = ["\n".join(map(str, column)) for column in zip(*rows, strict=True)]
    return texts or [""] * width


_texts = columns if speedups.compiled is None else speedups.compiled.columns


def _columns(rows: Iterable[tuple[object, ...]], width: int) -> list[list[object]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]
