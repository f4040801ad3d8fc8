"""SQL of accepting links that tills signed (asyncpg): terminals, what is stored already, and the rows of an intake."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from asyncpg import Connection

from receipts.chain import Head
from receipts.chunk import Event
from receipts.ids import NUMBERS_A_DAY
from receipts.intake import Enrolment, Intake, Known, Terminal
from receipts.link_findings import EXPECTED_MAX, Finding
from receipts.signed_rows import Fork
from receipts.store import issuing
from receipts.store.copying import copy_receipts
from receipts.stored import ReceiptKey

Hashed = tuple[int, bytes]
"""A link by seller and receipt hash."""
Place = tuple[int, int, int]
"""Seller, terminal and counter."""

FIND_ENROLMENTS = """
SELECT t.seller, t.terminal, t.client_id, t.mode, t.enrolment, t.suspended_at, t.closed_at,
       EXISTS (SELECT FROM pos.forks f WHERE f.seller = t.seller AND f.terminal = t.terminal) AS forked
FROM pos.terminals t JOIN unnest($1::bigint[], $2::int[]) AS wanted (seller, terminal) USING (seller, terminal)
"""
FIND_KNOWN = """
SELECT r.seller, r.terminal, r.day, r.number, r.receipt_hash, r.root_terminal, r.root_day, r.root_number
FROM pos.receipts r JOIN unnest($1::bigint[], $2::int[], $3::int[], $4::int[]) AS wanted (seller, terminal, day, number)
  USING (seller, terminal, day, number)
"""
FIND_FORKS = """
SELECT f.seller, f.terminal, f.counter, f.receipt_hash
FROM pos.forks f JOIN unnest($1::bigint[], $2::int[], $3::bigint[]) AS wanted (seller, terminal, counter)
  USING (seller, terminal, counter)
"""
FIND_AT_COUNTERS = """
SELECT r.seller, r.terminal, r.counter, r.receipt_hash
FROM pos.receipts r JOIN unnest($1::bigint[], $2::int[], $3::bigint[]) AS wanted (seller, terminal, counter)
  ON r.seller = wanted.seller AND r.terminal = wanted.terminal AND r.counter = wanted.counter
"""
"""Nothing is indexed by counter, so that no receipt pays for what only the first link of a branch asks: a chain is read
as a whole.
"""
FIRST_FROM = """
SELECT r.day, r.number, r.counter, r.receipt_hash FROM pos.receipts r
WHERE r.seller = $1 AND r.terminal = $2 AND (r.day, r.number) >= ($3, $4) ORDER BY r.day, r.number LIMIT 1
"""
FIND_FINDINGS = """
SELECT f.receipt_hash, f.code, f.path, f.expected
FROM pos.link_findings f JOIN unnest($1::bigint[], $2::bytea[]) AS wanted (seller, receipt_hash)
  USING (seller, receipt_hash) ORDER BY f.receipt_hash, f.ctid
"""
ADD_FORKS = """
INSERT INTO pos.forks (seller, receipt_hash, terminal, day, number, branch, issued_at, received_at, kind, counter,
                       total_mongo, vat_mongo, turnover_mongo, previous_hash, cose, document, payments)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""
ADD_FINDINGS = """
INSERT INTO pos.link_findings (seller, receipt_hash, code, path, expected)
SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::text[], $5::text[])
"""
ADD_EVENTS = """
INSERT INTO pos.outbox (seller, root_terminal, root_day, root_number, event, created_at)
SELECT e.seller, e.terminal, e.day, e.number, e.event, $6
FROM unnest(string_to_array($1, E'\\n')::bigint[], string_to_array($2, E'\\n')::int[],
            string_to_array($3, E'\\n')::int[], string_to_array($4, E'\\n')::int[], string_to_array($5, E'\\n'))
  AS e (seller, terminal, day, number, event)
"""
"""Lists are texts of lines, as in `receipts.store.issuing`."""
SUSPEND = """
UPDATE pos.terminals SET suspended_at = $3, suspended_for = $4
WHERE seller = $1 AND terminal = $2 AND suspended_at IS NULL
"""
CLOSE = "UPDATE pos.terminals SET closed_at = $3 WHERE seller = $1 AND terminal = $2 AND closed_at IS NULL"


SEARCHED_MAX = 4
"""Links that are searched for one by one, in some thirty look-ups each; for more the whole chain is read once."""


async def find_enrolments(connection: Connection, terminals: Iterable[Terminal]) -> dict[Terminal, Enrolment]:
    """Answer terminals as they stand. It must be a statement of its own after their chains are locked: only then does
    it see what whoever held the locks before had committed.
    """
    rows = await connection.fetch(FIND_ENROLMENTS, *_columns(terminals, 2))
    return {(row["seller"], row["terminal"]): Enrolment(*row) for row in rows}


async def find_known(connection: Connection, keys: Iterable[ReceiptKey]) -> dict[ReceiptKey, Known]:
    """Answer what is stored under these ids."""
    rows = await connection.fetch(FIND_KNOWN, *_columns(keys, 4))
    return {(row[0], row[1], row[2], row[3]): Known(row[4], (row[0], row[5], row[6], row[7])) for row in rows}


async def find_forks(connection: Connection, places: Iterable[Place]) -> list[tuple[Place, bytes]]:
    """Answer the forks at these places of their chains, each by its hash."""
    rows = await connection.fetch(FIND_FORKS, *_columns(places, 3))
    return [((row[0], row[1], row[2]), row[3]) for row in rows]


async def find_at_counters(
    connection: Connection, places: Collection[Place], heads: Mapping[Terminal, Head]
) -> list[tuple[Place, bytes]]:
    """Answer the stored links at these places, which lie before the heads of their chains, each by its hash."""
    if len(places) <= SEARCHED_MAX:
        found = [(place, await _search(connection, place, heads[place[0], place[1]])) for place in places]
        if all(digest is not None for _, digest in found):
            return [(place, digest) for place, digest in found if digest is not None]
    rows = await connection.fetch(FIND_AT_COUNTERS, *_columns(places, 3))
    return [((row[0], row[1], row[2]), row[3]) for row in rows]


async def _search(connection: Connection, place: Place, head: Head) -> bytes | None:
    """Search a chain by halves: its counters have no gap, and rise with days and numbers unless the till states an
    earlier one than before; then nothing may be found.
    """
    seller, terminal, wanted = place
    low, high = 0, head.day * NUMBERS_A_DAY + head.next_number
    while low < high:
        middle = (low + high) // 2
        row = await connection.fetchrow(FIRST_FROM, seller, terminal, *divmod(middle, NUMBERS_A_DAY))
        if row is not None and row["counter"] == wanted:
            return bytes(row["receipt_hash"])
        if row is None or row["counter"] > wanted:
            high = middle
        else:
            low = row["day"] * NUMBERS_A_DAY + row["number"] + 1
    return None


async def find_findings(connection: Connection, links: Sequence[Hashed]) -> dict[bytes, tuple[Finding, ...]]:
    """Answer what was found about stored links and forks, by hash."""
    found: dict[bytes, tuple[Finding, ...]] = {}
    for row in await connection.fetch(FIND_FINDINGS, *_columns(links, 2)):
        digest = row["receipt_hash"]
        found[digest] = (*found.get(digest, ()), Finding(row["code"], row["path"], row["expected"]))
    return found


async def add(connection: Connection, intake: Intake) -> None:
    """Store what an intake gathered."""
    if intake.receipts:
        await copy_receipts(connection, intake.receipts)
        heads = [intake.heads[terminal] for terminal in sorted(intake.moved)]
        await issuing.move_chains_and_add_keys(connection, heads, [], 0)
    if intake.forks:
        await connection.executemany(ADD_FORKS, [_row(fork) for fork in intake.forks])
    if intake.findings:
        await connection.execute(ADD_FINDINGS, *_finding_columns(intake))
    if intake.tax_months:
        await issuing.add_tax_months(connection, intake.tax_months)
    if intake.successors:
        await issuing.add_successors(connection, intake.successors)
    await _add_events(connection, intake.events)
    for seller, terminal in sorted(intake.suspended):
        await connection.execute(SUSPEND, seller, terminal, intake.now, "fork")
    for seller, terminal in sorted(intake.closed):
        await connection.execute(CLOSE, seller, terminal, intake.now)


async def _add_events(connection: Connection, events: Sequence[Event]) -> None:
    """Leave word for the claims side: nearly all of it is that a receipt was uploaded."""
    easy = [event for event in events if event.login_no is not None]
    if easy:
        await issuing.add_events(connection, easy)
    others = [(*event.root, event.event) for event in events if event.login_no is None]
    if others:
        columns = ["\n".join(map(str, column)) for column in zip(*others, strict=True)]
        await connection.execute(ADD_EVENTS, *columns, events[0].created_at)


def _row(fork: Fork) -> tuple[object, ...]:
    return tuple([getattr(fork, name) for name in Fork.__struct_fields__])


def _finding_columns(intake: Intake) -> list[list[object]]:
    rows = [
        (link.id.seller, link.receipt_hash, found.code, found.path, _cut(found.expected))
        for link, findings in intake.findings
        for found in findings
    ]
    return _columns(rows, 5)


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:EXPECTED_MAX]


def _columns(rows: Iterable[tuple[object, ...]], width: int) -> list[list[object]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]
