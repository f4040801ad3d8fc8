"""SQL of activation and of what ends it (SQLAlchemy): codes, tills, suspensions, losses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

_FREE_NUMBER = """
WITH given AS (
  SELECT terminal FROM pos.terminals WHERE seller = :seller
  UNION SELECT terminal FROM pos.activation_codes WHERE seller = :seller
  UNION SELECT :before)
SELECT min(g.terminal) + 1 FROM given g
WHERE g.terminal >= :before AND NOT EXISTS (SELECT FROM given other WHERE other.terminal = g.terminal + 1)
"""
_OF_CODE = """
SELECT c.seller, s.tin, s.name, c.terminal, c.branch, c.district, c.public_key, c.client_key, c.client_id,
       t.enrolment, t.enrolled_at, t.epoch, s.city_tax_payer,
       EXISTS (SELECT FROM pos.vat_registrations v WHERE v.seller = c.seller AND v.registered_from <= :today
               AND (v.registered_to IS NULL OR :today < v.registered_to)) AS vat_payer
FROM pos.activation_of(:code) c JOIN pos.sellers s USING (seller) LEFT JOIN pos.terminals t USING (seller, terminal)
"""
_ACTIVATE = """
SELECT pos.activate_terminal(:code, :client_id, :client_pem, :public_key, :client_key, :epoch, :enrolment,
  :enrolled_at, :day, :not_after, :version, :shard)
"""


@dataclass(frozen=True, slots=True)
class OpenCode:
    """What a code that has not expired is good for. `public_key`, `client_key` and `client_id` are those of who used
    it; `enrolment`, `enrolled_at` and `epoch` those of a terminal that has its number.
    """

    seller: int
    tin: str
    name: str
    terminal: int
    branch: int
    district: str
    public_key: bytes | None
    client_key: bytes | None
    client_id: str | None
    enrolment: bytes | None
    enrolled_at: datetime | None
    epoch: int | None
    city_tax_payer: bool
    vat_payer: bool


def find_code(connection: Connection, code: str, today: date) -> OpenCode | None:
    """Answer what a code is good for, with the seller's taxes on a day; None for one that is not known, or expired."""
    row = connection.execute(text(_OF_CODE), {"code": code, "today": today}).first()
    return None if row is None else OpenCode(*row)


def use_code(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Use a code up: enrol its client and terminal, certify its key, publish the shard. False when it is not good."""
    return bool(connection.execute(text(_ACTIVATE), dict(values)).scalar_one())


def free_number(connection: Connection, seller: int, *, before: int) -> int:
    """Answer the first terminal number after `before` that the seller has given to nothing yet. One at a time asks."""
    connection.execute(text("SELECT pg_advisory_xact_lock(4713, hashint8(:seller))"), {"seller": seller})
    return int(connection.execute(text(_FREE_NUMBER), {"seller": seller, "before": before}).scalar_one())


def add_code(connection: Connection, values: Mapping[str, Any]) -> None:
    """Store a code by its hash; an older one for the same terminal that nobody used ends now."""
    connection.execute(
        text(
            "UPDATE pos.activation_codes SET expires_at = greatest(made_at, :made_at) WHERE seller = :seller"
            " AND terminal = :terminal AND used_at IS NULL AND expires_at > :made_at"
        ),
        dict(values),
    )
    connection.execute(
        text(
            "INSERT INTO pos.activation_codes (code_hash, seller, terminal, branch, district, made_at, expires_at)"
            " VALUES (sha256(convert_to(:code, 'UTF8')), :seller, :terminal, :branch, :district, :made_at, :expires_at)"
        ),
        dict(values),
    )


def find_terminal(connection: Connection, seller: int, terminal: int) -> RowMapping | None:
    """Answer a terminal's row."""
    sql = "SELECT * FROM pos.terminals WHERE seller = :seller AND terminal = :terminal"
    return connection.execute(text(sql), {"seller": seller, "terminal": terminal}).mappings().one_or_none()


def close_terminal(connection: Connection, seller: int, terminal: int, now: datetime) -> None:
    """Close a terminal, and its client too where that has no other terminal that is open."""
    connection.execute(
        text("UPDATE pos.terminals SET closed_at = :now WHERE seller = :seller AND terminal = :terminal"),
        {"seller": seller, "terminal": terminal, "now": now},
    )
    connection.execute(
        text(
            "UPDATE pos.clients c SET revoked_at = :now FROM pos.terminals t"
            " WHERE t.seller = :seller AND t.terminal = :terminal AND c.client_id = t.client_id"
            " AND c.revoked_at IS NULL"
            " AND NOT EXISTS (SELECT FROM pos.terminals o WHERE o.client_id = c.client_id AND o.closed_at IS NULL)"
        ),
        {"seller": seller, "terminal": terminal, "now": now},
    )


def end_suspension(connection: Connection, seller: int, terminal: int) -> None:
    """Let a suspended terminal go on."""
    connection.execute(
        text(
            "UPDATE pos.terminals SET suspended_at = NULL, suspended_for = NULL"
            " WHERE seller = :seller AND terminal = :terminal"
        ),
        {"seller": seller, "terminal": terminal},
    )
