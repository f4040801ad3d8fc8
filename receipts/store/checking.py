"""SQL of the receipts' invariants (SQLAlchemy, owner): the streams that are walked, and one query an invariant.

A query answers one row for each thing that it looks at: its `place`, and whether it `holds` there (NULL is no). Where a
damage is another invariant's to report (a receipt that is gone leaves a gap in its chain) the query passes over it. A
bundle with an event in the outbox is passed over where the event may change its claim: drain the outbox first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from receipts.chain import Head
from receipts.ids import ReceiptId
from receipts.link_findings import UNFOLLOWED, Finding
from receipts.link_in_chain import Enrolled, StoredLink
from receipts.signed_rows import NOBODY
from receipts.stored import ReceiptKey, StoredReceipt

ROWS_A_FETCH = 1_000
"""At some 2 KB a receipt a fetch holds 2 MB."""
_COLUMNS = ", ".join("r." + name for name in StoredReceipt.__struct_fields__)
_FOLLOWERS = "(SELECT * FROM pos.receipts WHERE kind & 15 IN (3, 4))"
"""Corrections and voids."""


def joined(left: str, right: str, *, columns: str = "terminal, day, number", of: str | None = None) -> str:
    """Words for: the receipt that `left` names by the columns `of` is the row `right`."""
    named = (of or columns).split(", ")
    return " AND ".join(
        f"{right}.{column} = {left}.{name}"
        for column, name in zip(("seller", *columns.split(", ")), ("seller", *named), strict=True)
    )


def id_of(alias: str) -> str:
    """Words for a receipt id of 33 digits."""
    widths = {"seller": 12, "branch": 3, "day": 5, "number": 5, "terminal": 8}
    return " || ".join(f"lpad({alias}.{column}::text, {width}, '0')" for column, width in widths.items())


def key_of(alias: str, prefix: str = "") -> str:
    """Words for a receipt of which only the key is known."""
    return " || ".join(
        f"'{word} ' || {alias}.{column}"
        for word, column in (
            ("seller", "seller"),
            (" terminal", f"{prefix}terminal"),
            (" day", f"{prefix}day"),
            (" number", f"{prefix}number"),
        )
    )


_BY = "by_terminal, by_day, by_number"
_ROOT = "root_terminal, root_day, root_number"
_OWN_ROOT = "({0}.root_terminal, {0}.root_day, {0}.root_number) = ({0}.terminal, {0}.day, {0}.number)"
_FOUND = """EXISTS (SELECT FROM pos.link_findings found WHERE found.seller = {0}.seller
  AND found.receipt_hash = {0}.receipt_hash AND found.code IN ({1}))"""
_UNFOLLOWED = _FOUND.format("r", ", ".join(f"'{code}'" for code in sorted(UNFOLLOWED)))
"""Whether a correction or void of a till's is nobody's successor, as a finding says."""
_PENDING = f"EXISTS (SELECT FROM pos.outbox o WHERE {joined('{0}', 'o', columns=_ROOT)})"

TERMINALS = """
SELECT t.seller, t.terminal, t.mode, t.epoch, t.enrolment, t.enrolled_at,
       c.counter, c.head_hash, c.turnover_mongo, c.day, c.next_number, c.last_issued_at
FROM pos.terminals t LEFT JOIN pos.chains c USING (seller, terminal) ORDER BY t.seller, t.terminal
"""
_MONTHS = "LEFT JOIN pos.tax_months m USING (seller, terminal, day, number)"
RECEIPTS = f"""
SELECT {_COLUMNS}, m.tax_month FROM pos.receipts r {_MONTHS} ORDER BY r.seller, r.terminal, r.day, r.number
"""  # noqa: S608 - column names only
RECEIPTS_OF_TILL = f"""
SELECT {_COLUMNS}, m.tax_month, f.codes, f.paths, f.expected
FROM pos.receipts r {_MONTHS}
LEFT JOIN LATERAL (SELECT array_agg(code ORDER BY code, path) AS codes, array_agg(path ORDER BY code, path) AS paths,
                          array_agg(expected ORDER BY code, path) AS expected
                   FROM pos.link_findings WHERE seller = r.seller AND receipt_hash = r.receipt_hash) f ON true
WHERE r.seller = :seller AND r.terminal = :terminal
ORDER BY substring(r.cose FROM 51 FOR 4), r.day, r.number
"""  # noqa: S608 - column names only
"""In the order of the counters that the QRs carry (octets 50 to 53 of the COSE bytes): a till may sign a link that
states an earlier day or number than the one before it.
"""
GIVEN_NUMBERS = "SELECT tin, seller FROM pos.sellers WHERE length(tin) > 12"
PREDECESSORS = f"""
SELECT r.seller, r.branch, r.day, r.number, r.terminal, p.branch AS previous_branch, p.day AS previous_day,
       p.number AS previous_number, p.terminal AS previous_terminal, f.root_terminal, f.root_day, f.root_number,
       {joined("p", "f", columns=_ROOT)} AS one_bundle, {_FOUND.format("r", "'root_mismatch'")} AS other_root,
       r.document
FROM {_FOLLOWERS} r
JOIN pos.successors f ON {joined("r", "f", columns=_BY, of="terminal, day, number")}
JOIN pos.receipts p ON {joined("f", "p")}
WHERE sha256(r.document) = r.document_hash
"""  # noqa: S608 - our own words joined, here and below
HELD = "SELECT claim, receipt_hash, seller, terminal, cose, held_at FROM claims.held ORDER BY claim"
KEY_IDS = "SELECT encode(kid, 'hex') AS place, substr(sha256(public_key), 1, 8) = kid AS holds FROM pos.keys"

ROOTS = f"""
SELECT {id_of("r")} AS place,
       CASE WHEN {_OWN_ROOT.format("r")} THEN r.kind & 15 NOT IN (3, 4) OR {_UNFOLLOWED}
            ELSE r.kind & 15 IN (3, 4) AND {_OWN_ROOT.format("root")} END AS holds
FROM pos.receipts r LEFT JOIN pos.receipts root
  ON {joined("r", "root", of=_ROOT)} AND NOT ({_OWN_ROOT.format("r")})
"""  # noqa: S608
PART_IDS = f"""
SELECT f.id AS place, f.given = 1 AND taken.seller IS NULL AS holds
FROM (SELECT {id_of("part")} AS id, part.*, count(*) OVER (PARTITION BY {id_of("part")}) AS given
      FROM (SELECT p.merchant AS seller, r.branch, r.day, r.number + p.at AS number, r.terminal
            FROM pos.receipts r, unnest(r.part_merchants) WITH ORDINALITY AS p (merchant, at)
            WHERE r.kind & 15 <> 4 AND p.merchant NOT IN (r.seller, {NOBODY})
              AND NOT {_FOUND.format("r", "'numbers'")}) part) f
LEFT JOIN pos.receipts taken
  ON taken.seller = f.seller AND taken.terminal = f.terminal AND taken.day = f.day AND taken.branch = f.branch
 AND (taken.number = f.number
      OR (taken.kind & 15 <> 4 AND f.number > taken.number
          AND taken.part_merchants[f.number - taken.number] = f.seller))
"""  # noqa: S608
SUCCESSORS = f"""
SELECT coalesce({id_of("r")}, {key_of("f", "by_")}) AS place,
       CASE WHEN {_UNFOLLOWED} THEN f.seller IS NULL
            ELSE f.nature = r.kind & 15 AND f.issued_at = r.issued_at AND p.seller IS NOT NULL END AS holds
FROM {_FOLLOWERS} r
FULL JOIN pos.successors f ON {joined("r", "f", columns=_BY, of="terminal, day, number")}
LEFT JOIN pos.receipts p ON {joined("f", "p")}
"""  # noqa: S608
ONE_SUCCESSOR = f"""
SELECT {key_of("f")} AS place, count(*) = 1 AS holds FROM pos.successors f
GROUP BY f.seller, f.terminal, f.day, f.number
"""  # noqa: S608
AFTER_VOID = f"""
SELECT {id_of("p")} AS place, p.kind & 15 NOT IN (4, 5, 6, 7) AS holds
FROM pos.successors f JOIN pos.receipts p ON {joined("f", "p")}
"""  # noqa: S608
_NEGATED = "ARRAY (SELECT -amount FROM unnest({0}) WITH ORDINALITY AS was (amount, at) ORDER BY at)"
VOID_AMOUNTS = f"""
SELECT {id_of("r")} AS place,
       ((r.total_mongo, r.vat_mongo) = (-p.total_mongo, -p.vat_mongo))
       <> {_FOUND.format("r", "'amounts_mismatch'")}
       AND r.city_tax_mongo = -p.city_tax_mongo
       AND (r.part_merchants, r.part_tax_types) = (p.part_merchants, p.part_tax_types)
       AND r.part_totals_mongo = {_NEGATED.format("p.part_totals_mongo")}
       AND r.part_vats_mongo = {_NEGATED.format("p.part_vats_mongo")}
       AND r.part_city_taxes_mongo = {_NEGATED.format("p.part_city_taxes_mongo")} AS holds
FROM pos.successors f
JOIN pos.receipts r ON {joined("f", "r", of=_BY)}
JOIN pos.receipts p ON {joined("f", "p")}
WHERE r.kind & 15 = 4
"""  # noqa: S608
KEYS_OF_RECEIPTS = f"""
SELECT {key_of("i")} AS place, r.seller IS NOT NULL AS holds
FROM pos.idempotency i LEFT JOIN pos.receipts r ON {joined("i", "r")}
"""  # noqa: S608
RECEIPTS_OF_KEYS = f"""
SELECT {key_of("i")} AS place,
       before.seller IS NULL AND count(*) OVER (PARTITION BY i.seller, i.terminal, i.day, i.number) = 1 AS holds
FROM pos.idempotency i LEFT JOIN pos.idempotency before
  ON before.seller = i.seller AND before.client_id = i.client_id AND before.key = i.key
 AND before.received_month = i.received_month - 1
"""  # noqa: S608
CLAIMED_ROOTS = f"""
SELECT coalesce({id_of("r")}, 'claim ' || c.claim) AS place,
       {_OWN_ROOT.format("r")} AND c.root_hash = r.receipt_hash
       AND c.month = extract(year FROM r.issued_at AT TIME ZONE 'Asia/Ulaanbaatar') * 12
                   + extract(month FROM r.issued_at AT TIME ZONE 'Asia/Ulaanbaatar') - 1 AS holds
FROM claims.claims c LEFT JOIN pos.receipts r ON {joined("c", "r", of=_ROOT)}
"""  # noqa: S608
CLAIMABLE = f"""
SELECT {id_of("r")} AS place, r.kind & 15 IN (0, 2) AND r.kind & (16 | 64) = 0 AS holds
FROM claims.claims c JOIN pos.receipts r ON {joined("c", "r", of=_ROOT)}
"""  # noqa: S608
ONE_CLAIM = f"""
SELECT {key_of("c", "root_")} AS place, count(*) OVER (PARTITION BY c.claim) = 1
       AND count(*) OVER (PARTITION BY c.seller, c.root_terminal, c.root_day, c.root_number) = 1 AS holds
FROM claims.claims c
"""  # noqa: S608
CLAIM_OWNERS = """
SELECT 'claim ' || claim AS place, c.known AND o.owners = 1 AS holds
FROM (SELECT claim, true AS known FROM claims.claims UNION SELECT claim, true FROM claims.held) c
FULL JOIN (SELECT claim, count(*) AS owners FROM private.claim_owners GROUP BY claim) o USING (claim)
"""
# Whom a bundle names may change by corrections before and after the claim; who stands in all its links was named then.
OWN_SELLERS = f"""
SELECT {id_of("r")} AS place, NOT EXISTS (
         SELECT FROM private.seller_people p
         WHERE p.consumer = o.consumer AND p.from_date <= date '2000-01-07' + c.root_day
           AND (p.to_date IS NULL OR date '2000-01-07' + c.root_day < p.to_date)
           AND (p.seller = r.seller OR p.seller = ANY (r.part_merchants) AND NOT EXISTS (
                  SELECT FROM pos.successors f JOIN pos.receipts later ON {joined("f", "later", of=_BY)}
                  WHERE {joined("c", "f", columns=_ROOT)} AND p.seller <> ALL (later.part_merchants)))) AS holds
FROM claims.claims c JOIN private.claim_owners o ON o.claim = c.claim
JOIN pos.receipts r ON {joined("c", "r", of=_ROOT)}
"""  # noqa: S608
VOID_CLAIMS = f"""
SELECT coalesce({id_of("r")}, 'claim ' || c.claim) AS place,
       (c.state = 'void') = EXISTS (SELECT FROM pos.successors f
                                    WHERE {joined("c", "f", columns=_ROOT)} AND f.nature = 4) AS holds
FROM claims.claims c LEFT JOIN pos.receipts r ON {joined("c", "r", of=_ROOT)}
WHERE NOT {_PENDING.format("c")}
"""  # noqa: S608
HELD_REPORTED = f"""
SELECT 'claim ' || h.claim AS place, r.seller IS NULL OR h.state = 'final' AS holds
FROM claims.held h
LEFT JOIN pos.receipts r ON r.seller = h.seller AND r.terminal = h.terminal AND r.receipt_hash = h.receipt_hash
WHERE r.seller IS NULL OR NOT {_PENDING.format("r")}
"""  # noqa: S608
SIGHTINGS = f"""
SELECT coalesce({id_of("r")}, {key_of("s")}) AS place,
       CASE WHEN r.seller IS NULL THEN t.mode = 'till'
            ELSE (s.kind, s.counter, s.total_mongo, s.turnover_mongo, s.issued_at)
               = (r.kind, r.counter, r.total_mongo, r.turnover_mongo, r.issued_at) END AS holds
FROM claims.sightings s
LEFT JOIN pos.receipts r ON {joined("s", "r")} AND r.receipt_hash = s.receipt_hash
LEFT JOIN pos.terminals t ON t.seller = s.seller AND t.terminal = s.terminal
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Follower:
    """A correction or void: its id, its document, what it follows by the table of successors, whether that one is of
    the bundle that the table names, and whether a finding says that the document names another root.
    """

    id: ReceiptId
    document: bytes
    previous_id: ReceiptId
    root_key: ReceiptKey
    one_bundle: bool
    other_root: bool


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A claim of exact bytes."""

    claim: int
    receipt_hash: bytes
    seller: int
    terminal: int
    cose: bytes
    held_at: datetime


def terminals(connection: Connection) -> Iterator[Enrolled]:
    """Stream every terminal with its stored head, by seller and terminal."""
    for row in stream(connection, TERMINALS):
        seller, terminal, mode, epoch, enrolment, enrolled_at, *head = row
        stored = None if row.counter is None else Head(seller, terminal, *head)
        yield Enrolled(seller, terminal, mode, epoch, enrolment, enrolled_at, stored)


def receipts(connection: Connection) -> Iterator[StoredLink]:
    """Stream every receipt in the order in which the centre signs a chain, chain by chain, without findings: those are
    about links of tills (`receipts_of_till`).
    """
    for *row, tax_month in stream(connection, RECEIPTS):
        yield StoredLink(StoredReceipt(*row), tax_month=tax_month)


def receipts_of_till(connection: Connection, seller: int, terminal: int) -> Iterator[StoredLink]:
    """Stream the links of a terminal that signs by itself, in the order of their counters, with what was found."""
    for *row, tax_month, codes, paths, expected in stream(
        connection, RECEIPTS_OF_TILL, {"seller": seller, "terminal": terminal}
    ):
        findings = tuple(map(Finding, codes or (), paths or (), expected or ()))
        yield StoredLink(StoredReceipt(*row), findings, tax_month)


def given_numbers(connection: Connection) -> dict[str, int]:
    """Answer the seller numbers that enrolment gave to TINs of 13 and 14 digits."""
    return {row.tin: row.seller for row in connection.execute(text(GIVEN_NUMBERS))}


def followers(connection: Connection) -> Iterator[Follower]:
    """Stream every correction and void that stands in the table of successors."""
    for row in stream(connection, PREDECESSORS):
        yield Follower(
            id=ReceiptId(row.seller, row.branch, row.day, row.number, row.terminal),
            document=row.document,
            previous_id=ReceiptId(
                row.seller, row.previous_branch, row.previous_day, row.previous_number, row.previous_terminal
            ),
            root_key=(row.seller, row.root_terminal, row.root_day, row.root_number),
            one_bundle=row.one_bundle,
            other_root=row.other_root,
        )


def held(connection: Connection) -> Iterator[HeldRow]:
    """Stream every held claim."""
    for row in stream(connection, HELD):
        yield HeldRow(*row)


def count(connection: Connection, query: str) -> tuple[int, int]:
    """Answer how many a query looks at, and for how many of these it does not hold."""
    row = connection.execute(text(f"SELECT count(*), count(*) FILTER (WHERE holds IS NOT TRUE) FROM ({query}) seen"))  # noqa: S608
    looked_at, broken = row.one()
    return looked_at, broken


def broken_places(connection: Connection, query: str, *, limit: int) -> list[str]:
    """Answer where a query does not hold, at most `limit` places."""
    limited = f"SELECT place FROM ({query}) seen WHERE holds IS NOT TRUE ORDER BY place LIMIT :at_most"  # noqa: S608
    return list(connection.execute(text(limited), {"at_most": limit}).scalars())


def stream(
    connection: Connection, query: str, values: Mapping[str, object] | None = None
) -> Iterator[Row[*tuple[Any, ...]]]:
    """Read by a cursor of the server, so that memory does not grow with the table."""
    yield from connection.execute(text(query), values, execution_options={"yield_per": ROWS_A_FETCH})
