"""SQL of the gateway's own questions (asyncpg)."""

from collections.abc import Mapping, Sequence
from typing import Any

STANDING = """
SELECT t.mode, c.counter, c.head_hash, c.last_issued_at, t.suspended_at, t.suspended_for, t.closed_at
FROM pos.terminals t JOIN pos.chains c USING (seller, terminal)
WHERE t.seller = $1 AND t.terminal = $2 AND t.client_id = $3
"""
ACCOUNTS = """
SELECT account, account_no, account_name, bank_id, bank_name, iban FROM pos.seller_accounts
WHERE seller = $1 ORDER BY account
"""
TERMINAL_CLIENT = "SELECT client_id FROM pos.terminals WHERE seller = $1 AND terminal = $2"


async def find_terminal_client(connection: Any, seller: int, terminal: int) -> str | None:
    """Answer whose terminal that is, in whatever state it is."""
    client_id = await connection.fetchval(TERMINAL_CLIENT, seller, terminal)
    return None if client_id is None else str(client_id)


async def find_standing(connection: Any, client_id: str, seller: int, terminal: int) -> Mapping[str, Any] | None:
    """Answer how a client's own terminal and its chain stand."""
    row: Mapping[str, Any] | None = await connection.fetchrow(STANDING, seller, terminal, client_id)
    return row


async def find_accounts(connection: Any, seller: int) -> Sequence[Mapping[str, Any]]:
    """Answer the accounts of a seller."""
    rows: Sequence[Mapping[str, Any]] = await connection.fetch(ACCOUNTS, seller)
    return rows
