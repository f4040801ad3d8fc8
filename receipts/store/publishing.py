"""SQL of published keys (SQLAlchemy): the keys themselves, the signed head, and the signed shards of till keys."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from receipts.keys import Key, KeyRole

_SHARD_LOCK = 4712
_OF_PREFIX = """
role = 'till' AND kid BETWEEN decode(:prefix || '00000000000000', 'hex') AND decode(:prefix || 'ffffffffffffff', 'hex')
"""
_PREFIXES = """
SELECT prefix FROM pos.key_shards
UNION SELECT encode(substring(kid FROM 1 FOR 1), 'hex') FROM pos.keys WHERE role = 'till' ORDER BY 1
"""


def list_head_keys(connection: Connection) -> list[Key]:
    """Answer every root and gateway key."""
    return _keys(connection.execute(text("SELECT * FROM pos.keys WHERE role <> 'till' ORDER BY kid")).mappings())


def list_keys(connection: Connection) -> list[Key]:
    """Answer every published key, the tills' too."""
    return _keys(connection.execute(text("SELECT * FROM pos.keys ORDER BY kid")).mappings())


def list_till_keys(connection: Connection) -> list[Key]:
    """Answer every till key, by seller and terminal."""
    sql = "SELECT * FROM pos.keys WHERE role = 'till' ORDER BY seller, terminal, kid"
    return _keys(connection.execute(text(sql)).mappings())


def list_shard_keys(connection: Connection, prefix: str) -> list[Key]:
    """Answer every till key of a prefix."""
    sql = f"SELECT * FROM pos.keys WHERE {_OF_PREFIX} ORDER BY kid"  # noqa: S608 - our own words
    return _keys(connection.execute(text(sql), {"prefix": prefix}).mappings())


def find_key(connection: Connection, kid: bytes) -> Key | None:
    """Answer a key by its kid."""
    found = _keys(connection.execute(text("SELECT * FROM pos.keys WHERE kid = :kid"), {"kid": kid}).mappings())
    return found[0] if found else None


def find_till_keys(connection: Connection, seller: int, terminal: int) -> list[Key]:
    """Answer the keys that are certified for a terminal."""
    sql = "SELECT * FROM pos.keys WHERE role = 'till' AND seller = :seller AND terminal = :terminal ORDER BY kid"
    return _keys(connection.execute(text(sql), {"seller": seller, "terminal": terminal}).mappings())


def add_key(connection: Connection, key: Key) -> bool:
    """Store a key; False when it is known already."""
    return _changed(
        connection,
        "INSERT INTO pos.keys (kid, public_key, role, seller, terminal, epoch, not_before, not_after)"
        " VALUES (:kid, :public_key, :role, :seller, :terminal, :epoch, :not_before, :not_after)"
        " ON CONFLICT DO NOTHING RETURNING kid",
        {
            "kid": key.kid, "public_key": key.public_key, "role": key.role.value, "seller": key.seller,
            "terminal": key.terminal, "epoch": key.epoch, "not_before": key.not_before, "not_after": key.not_after,
        },
    )  # fmt: skip


def revoke_key(connection: Connection, kid: bytes, now: datetime) -> bool:
    """Record since when a key is not to be trusted; False when there is no such key or it was revoked already."""
    sql = "UPDATE pos.keys SET revoked_at = :now WHERE kid = :kid AND revoked_at IS NULL RETURNING kid"
    return _changed(connection, sql, {"kid": kid, "now": now})


def latest_key_list(connection: Connection) -> tuple[int, str] | None:
    """Answer version and text of the published head; None before the first."""
    row = connection.execute(text("SELECT version, signed FROM pos.key_lists ORDER BY version DESC LIMIT 1")).first()
    return None if row is None else (row.version, row.signed)


def add_key_list(connection: Connection, version: int, issued_at: datetime, signed: str) -> None:
    """Publish a new head."""
    connection.execute(
        text("INSERT INTO pos.key_lists (version, issued_at, signed) VALUES (:version, :issued_at, :signed)"),
        {"version": version, "issued_at": issued_at, "signed": signed},
    )


def lock_shard(connection: Connection, prefix: str) -> None:
    """Wait until nobody else signs the shard of a prefix; it is this transaction's until that ends."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:lock, :shard)"), {"lock": _SHARD_LOCK, "shard": int(prefix, 16)}
    )


def find_shard(connection: Connection, prefix: str) -> tuple[int, str] | None:
    """Answer version and text of a published shard; None before the first till key of its prefix."""
    row = connection.execute(
        text("SELECT version, signed FROM pos.key_shards WHERE prefix = :prefix"), {"prefix": prefix}
    ).first()
    return None if row is None else (row.version, row.signed)


def put_shard(connection: Connection, prefix: str, version: int, issued_at: datetime, signed: str) -> None:
    """Publish a shard in the place of the one before."""
    connection.execute(
        text(
            "INSERT INTO pos.key_shards (prefix, version, issued_at, signed)"
            " VALUES (:prefix, :version, :issued_at, :signed)"
            " ON CONFLICT (prefix) DO UPDATE SET version = :version, issued_at = :issued_at, signed = :signed"
        ),
        {"prefix": prefix, "version": version, "issued_at": issued_at, "signed": signed},
    )


def list_shards(connection: Connection) -> dict[str, str]:
    """Answer every published shard by its prefix."""
    rows = connection.execute(text("SELECT prefix, signed FROM pos.key_shards ORDER BY prefix"))
    return {row.prefix: row.signed for row in rows}


def list_prefixes(connection: Connection) -> Sequence[str]:
    """Answer the prefixes of which there is a shard, or a till key that should be in one."""
    return connection.execute(text(_PREFIXES)).scalars().all()


def _keys(rows: Iterable[RowMapping]) -> list[Key]:
    return [
        Key(
            bytes(row["public_key"]), KeyRole(row["role"]), row["not_before"], row["not_after"],
            row["seller"], row["terminal"], row["epoch"], row["revoked_at"],
        )
        for row in rows
    ]  # fmt: skip


def _changed(connection: Connection, sql: str, values: Mapping[str, Any]) -> bool:
    return connection.execute(text(sql), dict(values)).first() is not None
