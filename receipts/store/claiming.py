"""SQL of claiming (asyncpg, hot path): the root's row and its lock, how the bundle stands, what a claim writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from asyncpg import Connection, Record

from kernel.clock import Month
from receipts.claim import Bundle, ClaimState, Via, month_ordinal
from receipts.ids import ReceiptId
from receipts.receipt import Kind, Nature
from receipts.sighting import Sighting

ReceiptKey = tuple[int, int, int, int]
"""seller, terminal, day, number: the primary key of a receipt."""


def _places(first: int, end: int) -> str:
    return ", ".join(f"${at}" for at in range(first, end))


LINK = """
SELECT r.seller, r.terminal, r.day, r.number, r.branch, r.root_terminal, r.root_day, r.root_number, r.issued_at,
       r.received_at, r.kind, r.turnover_mongo, r.receipt_hash, r.total_mongo, r.vat_mongo,
       r.part_merchants, r.part_tax_types, r.part_vats_mongo, r.computed_vat_mongo, s.tin, s.name
"""
LOCK_LINK = f"""
{LINK} FROM pos.receipts r JOIN pos.sellers s USING (seller)
WHERE r.seller = $1 AND r.terminal = $2 AND r.day = $3 AND r.number = $4 FOR NO KEY UPDATE OF r
"""
LINKS_OF_ROOT = f"""
{LINK} FROM pos.successors f
JOIN pos.receipts r ON (r.seller, r.terminal, r.day, r.number) = (f.seller, f.by_terminal, f.by_day, f.by_number)
JOIN pos.sellers s ON s.seller = r.seller
WHERE f.seller = $1 AND f.root_terminal = $2 AND f.root_day = $3 AND f.root_number = $4
"""
STANDING = """
SELECT last.nature, last.by_terminal, last.by_day, last.by_number,
       c.claim, c.state, claimer.consumer AS claimed_by, h.claim AS held, h.state AS held_state, h.held_at,
       holder.consumer AS held_by,
       ARRAY (SELECT v.seller FROM pos.vat_registrations v
              WHERE v.seller = ANY ($6::bigint[]) AND v.registered_from <= $8
                AND (v.registered_to IS NULL OR $8 < v.registered_to)) AS vat_payers,
       EXISTS (SELECT FROM private.seller_people p
               WHERE p.consumer = $7 AND (p.seller = $1 OR p.seller = ANY ($6::bigint[])) AND p.from_date <= $8
                 AND (p.to_date IS NULL OR $8 < p.to_date)) AS own_seller
FROM (VALUES (1)) AS one (bundle)
LEFT JOIN LATERAL (
  SELECT f.nature, f.by_terminal, f.by_day, f.by_number FROM pos.successors f
  WHERE f.seller = $1 AND f.root_terminal = $2 AND f.root_day = $3 AND f.root_number = $4
    AND NOT EXISTS (SELECT FROM pos.successors later
                    WHERE later.seller = f.seller AND later.terminal = f.by_terminal
                      AND later.day = f.by_day AND later.number = f.by_number)) last ON true
LEFT JOIN claims.claims c ON c.seller = $1 AND c.root_terminal = $2 AND c.root_day = $3 AND c.root_number = $4
LEFT JOIN private.claim_owners claimer ON claimer.claim = c.claim
LEFT JOIN LATERAL (SELECT claim, state, held_at FROM claims.held
                   WHERE receipt_hash = ANY ($5::bytea[]) AND state <> 'final' ORDER BY claim LIMIT 1) h ON true
LEFT JOIN private.claim_owners holder ON holder.claim = h.claim
"""
_SEEN = """
INSERT INTO claims.sightings (seller, terminal, day, number, receipt_hash, kind, counter, total_mongo, turnover_mongo,
                              issued_at, seen_at)
VALUES ({}) ON CONFLICT DO NOTHING
"""
ADD_SIGHTING = _SEEN.format(_places(1, 12))
_OWN_CLAIM = """
WITH claimed AS (
  INSERT INTO claims.claims
    (seller, root_terminal, root_day, root_number, claim, state, via, root_hash, month, claimed_at)
  VALUES ($1, $2, $3, $4, nextval('claims.claim_ids'), 'final', $6, $7, $8, $9) RETURNING claim),
owned AS (INSERT INTO private.claim_owners (consumer, claim) SELECT $5, claim FROM claimed)
"""
ADD_CLAIM = f"{_OWN_CLAIM} SELECT claim FROM claimed"  # noqa: S608 - our own words joined
ADD_CLAIM_SEEN = f"{_OWN_CLAIM}, seen AS ({_SEEN.format(_places(10, 21))}) SELECT claim FROM claimed"  # noqa: S608
BIND_HELD = """
WITH bound AS (UPDATE claims.held SET state = 'final' WHERE claim = $5)
INSERT INTO claims.claims
  (seller, root_terminal, root_day, root_number, claim, state, via, root_hash, month, claimed_at)
VALUES ($1, $2, $3, $4, $5, $6, 'qr', $7, $8, $9)
"""


@dataclass(frozen=True, slots=True)
class Link:
    """What claiming needs to know of a stored receipt."""

    id: ReceiptId
    root_key: ReceiptKey
    issued_at: datetime
    received_at: datetime
    kind: Kind
    turnover_mongo: int
    receipt_hash: bytes
    bundle: Bundle
    seller_tin: str
    seller_name: str

    @property
    def key(self) -> ReceiptKey:
        """The row's primary key."""
        return self.id.seller, self.id.terminal, self.id.day, self.id.number

    @property
    def is_root(self) -> bool:
        """Whether nothing precedes it in its correction chain."""
        return self.key == self.root_key


@dataclass(frozen=True, slots=True)
class Owned:
    """A claim that there is already, on the root or held on one of its links."""

    claim: int
    consumer: int
    state: ClaimState = ClaimState.FINAL
    since: datetime | None = None
    """When it was held; None for a claim on the root."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a bundle stands: what it holds, its last successor, who claimed or holds it, its VAT payers, and whether a
    consumer belongs to one of its sellers.
    """

    bundle: Bundle
    last_key: ReceiptKey | None
    void: bool
    claim: Owned | None
    held: Owned | None
    vat_payers: frozenset[int]
    own_seller: bool


async def lock_link(connection: Connection, key: ReceiptKey) -> Link | None:
    """Lock a receipt's row and answer it, or None when it is not stored."""
    row = await connection.fetchrow(LOCK_LINK, *key)
    return None if row is None else link_of(row)


async def links_of_root(connection: Connection, root_key: ReceiptKey) -> list[Link]:
    """Answer the corrections and the void that followed a root, in no order."""
    return [link_of(row) for row in await connection.fetch(LINKS_OF_ROOT, *root_key)]


async def standing(
    connection: Connection,
    root: Link,
    *,
    bundle: Bundle | None = None,
    hashes: Sequence[bytes],
    consumer: int | None,
    on: date,
) -> Standing:
    """Answer how the bundle of a locked root stands. It must be a statement of its own after the lock: only then does
    it see what whoever held the lock before had committed. `bundle` is what it holds where it is no longer the root's,
    `hashes` are those of its links, `on` is its business date.
    """
    bundle = bundle or root.bundle
    row = await connection.fetchrow(STANDING, *root.key, hashes, bundle.merchants, consumer, on)
    seller = root.id.seller
    return Standing(
        bundle=bundle,
        last_key=None if row["nature"] is None else (seller, row["by_terminal"], row["by_day"], row["by_number"]),
        void=row["nature"] == Nature.VOID,
        claim=None if row["claim"] is None else Owned(row["claim"], row["claimed_by"], ClaimState(row["state"])),
        held=None
        if row["held"] is None
        else Owned(row["held"], row["held_by"], ClaimState(row["held_state"]), row["held_at"]),
        vat_payers=frozenset(row["vat_payers"]),
        own_seller=row["own_seller"],
    )


async def add_claim(
    connection: Connection, root: Link, *, consumer: int, via: Via, claimed_at: datetime, sighting: Sighting | None
) -> int:
    """Store a claim of a stored root with its owner and what was seen, in one statement; answer its number."""
    row = (*root.root_key, consumer, via, root.receipt_hash, month_ordinal(Month.of(root.issued_at)), claimed_at)
    claim: int = await (
        connection.fetchval(ADD_CLAIM, *row)
        if sighting is None
        else connection.fetchval(ADD_CLAIM_SEEN, *row, *sighting.row)
    )
    return claim


async def bind_held(connection: Connection, root: Link, held: Owned, *, state: ClaimState) -> None:
    """Make a held claim the claim of a root that is now stored. Its owner and its number stay."""
    month = month_ordinal(Month.of(root.issued_at))
    await connection.execute(BIND_HELD, *root.root_key, held.claim, state, root.receipt_hash, month, held.since)


async def add_sighting(connection: Connection, sighting: Sighting) -> None:
    """Store what a scan showed; the same bytes seen again add nothing."""
    await connection.execute(ADD_SIGHTING, *sighting.row)


def link_of(row: Record) -> Link:
    """Read a row that begins with the columns of `LINK`."""
    seller, terminal, day, number, branch, root_terminal, root_day, root_number = row[:8]
    kind = Kind.of_int(row["kind"])
    assert kind is not None
    return Link(
        id=ReceiptId(seller, branch, day, number, terminal),
        root_key=(seller, root_terminal, root_day, root_number),
        issued_at=row["issued_at"],
        received_at=row["received_at"],
        kind=kind,
        turnover_mongo=row["turnover_mongo"],
        receipt_hash=row["receipt_hash"],
        bundle=Bundle(
            row["total_mongo"],
            row["vat_mongo"],
            row["part_merchants"],
            row["part_tax_types"],
            row["part_vats_mongo"],
            row["computed_vat_mongo"],
            by_till=kind.by_till,
        ),
        seller_tin=row["tin"],
        seller_name=row["name"],
    )
