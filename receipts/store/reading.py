"""SQL of looking things up (asyncpg): who a client is, who a seller is, and receipts by id, key, reference and day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from receipts.keys import Key, KeyRole
from receipts.stored import ReceiptKey, StoredReceipt

_COLUMNS = ", ".join("r." + name for name in StoredReceipt.__struct_fields__)

CLIENT = """
SELECT c.seller, s.tin, c.public_key, array_agg(t.terminal ORDER BY t.terminal) FILTER
         (WHERE t.mode = 'gateway' AND t.closed_at IS NULL AND t.suspended_at IS NULL) AS open_terminals
FROM pos.clients c JOIN pos.sellers s USING (seller) LEFT JOIN pos.terminals t ON t.client_id = c.client_id
WHERE c.client_id = $1 AND c.revoked_at IS NULL GROUP BY c.seller, s.tin, c.public_key
"""
SELLERS = """
SELECT s.seller, s.tin, s.name, s.city_tax_payer,
       array_agg(v.registered_from ORDER BY v.registered_from) FILTER (WHERE v.seller IS NOT NULL) AS vat_from,
       array_agg(v.registered_to ORDER BY v.registered_from) FILTER (WHERE v.seller IS NOT NULL) AS vat_to
FROM pos.sellers s LEFT JOIN pos.vat_registrations v USING (seller)
WHERE s.tin = ANY($1::text[]) OR s.seller = ANY($2::bigint[]) GROUP BY s.seller
"""
BY_KEY = f"""
SELECT {_COLUMNS} FROM pos.receipts r JOIN pos.idempotency i USING (seller, terminal, day, number)
WHERE i.seller = $1 AND i.client_id = $2 AND i.key = $3 ORDER BY r.issued_at DESC LIMIT 1
"""  # noqa: S608 - column names only
BY_REFERENCE = f"""
SELECT {_COLUMNS} FROM pos.receipts r WHERE r.seller = $1 AND r.reference = $2
ORDER BY r.day DESC, r.terminal, r.number DESC LIMIT 100
"""  # noqa: S608 - column names only
BY_DAY = f"""
SELECT {_COLUMNS} FROM pos.receipts r
WHERE r.seller = $1 AND r.terminal = $2 AND r.day = $3 AND r.number >= $4 ORDER BY r.number LIMIT $5
"""  # noqa: S608 - column names only
DAY_TOTALS = """
SELECT r.kind & 15 AS nature, count(*) AS receipts, coalesce(sum(r.total_mongo), 0)::bigint AS total_mongo,
       coalesce(sum(r.vat_mongo), 0)::bigint AS vat_mongo,
       coalesce(sum(r.city_tax_mongo), 0)::bigint AS city_tax_mongo
FROM pos.receipts r WHERE r.seller = $1 AND r.terminal = $2 AND r.day = $3 GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Client:
    """Who speaks: a seller's client with its terminals that may issue now."""

    client_id: str
    seller: int
    seller_tin: str
    public_key: str
    terminals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Seller:
    """A seller with its VAT registrations: (first day, first day no longer registered or None)."""

    seller: int
    tin: str
    name: str
    city_tax_payer: bool
    registrations: tuple[tuple[date, date | None], ...]

    def vat_payer_on(self, day: date) -> bool:
        """Whether the seller is registered for VAT on a business day."""
        return any(first <= day and (end is None or day < end) for first, end in self.registrations)


async def find_client(connection: Any, client_id: str) -> Client | None:
    """Answer a client that is not revoked."""
    row = await connection.fetchrow(CLIENT, client_id)
    if row is None:
        return None
    return Client(client_id, row["seller"], row["tin"], row["public_key"], tuple(row["open_terminals"] or ()))


async def find_sellers(connection: Any, *, tins: Iterable[str] = (), numbers: Iterable[int] = ()) -> list[Seller]:
    """Answer the enrolled ones of these TINs or seller numbers."""
    return [
        Seller(
            row["seller"],
            row["tin"],
            row["name"],
            row["city_tax_payer"],
            tuple(zip(row["vat_from"] or (), row["vat_to"] or (), strict=True)),
        )
        for row in await connection.fetch(SELLERS, list(tins), list(numbers))
    ]


async def find_published_keys(connection: Any, kids: Iterable[bytes]) -> list[Key]:
    """Answer the published ones of these keys."""
    return _keys(await connection.fetch("SELECT * FROM pos.keys WHERE kid = ANY($1::bytea[])", list(kids)))


async def find_gateway_keys(connection: Any) -> list[Key]:
    """Answer the published keys of role gateway: few, however many tills have keys of their own."""
    return _keys(await connection.fetch("SELECT * FROM pos.keys WHERE role = 'gateway' ORDER BY kid"))


def _keys(rows: Iterable[Any]) -> list[Key]:
    return [
        Key(
            row["public_key"],
            KeyRole(row["role"]),
            row["not_before"],
            row["not_after"],
            row["seller"],
            row["terminal"],
            row["epoch"],
            row["revoked_at"],
        )
        for row in rows
    ]


async def find_key_list(connection: Any) -> str | None:
    """Answer the published key list."""
    signed = await connection.fetchval("SELECT signed FROM pos.key_lists ORDER BY version DESC LIMIT 1")
    return None if signed is None else str(signed)


async def find_key_shard(connection: Any, prefix: str) -> str | None:
    """Answer the published shard of a prefix."""
    signed = await connection.fetchval("SELECT signed FROM pos.key_shards WHERE prefix = $1", prefix)
    return None if signed is None else str(signed)


async def find_key_list_time(connection: Any) -> datetime | None:
    """Answer when the published key list was signed, in business time."""
    issued_at: datetime | None = await connection.fetchval(
        "SELECT issued_at FROM pos.key_lists ORDER BY version DESC LIMIT 1"
    )
    return issued_at


async def find_by_key(connection: Any, seller: int, client_id: str, key: str) -> StoredReceipt | None:
    """Answer the receipt that was issued for an idempotency key."""
    row = await connection.fetchrow(BY_KEY, seller, client_id, key)
    return None if row is None else StoredReceipt(*row)


async def find_by_reference(connection: Any, seller: int, reference: str) -> list[StoredReceipt]:
    """Answer the newest hundred receipts with a till's own reference."""
    return [StoredReceipt(*row) for row in await connection.fetch(BY_REFERENCE, seller, reference)]


async def list_day(
    connection: Any, at: ReceiptKey, limit: int
) -> tuple[Sequence[StoredReceipt], Sequence[dict[str, int]]]:
    """Answer receipts of (seller, terminal, day) from a number on, and the day's totals by nature."""
    seller, terminal, day, number = at
    rows = await connection.fetch(BY_DAY, seller, terminal, day, number, limit)
    totals = await connection.fetch(DAY_TOTALS, seller, terminal, day)
    return [StoredReceipt(*row) for row in rows], [dict(row) for row in totals]
