"""SQL of the gateway's own questions (asyncpg)."""

from typing import Any

TERMINAL_CLIENT = "SELECT client_id FROM pos.terminals WHERE seller = $1 AND terminal = $2"


async def find_terminal_client(connection: Any, seller: int, terminal: int) -> str | None:
    """Answer whose terminal that is, in whatever state it is."""
    client_id = await connection.fetchval(TERMINAL_CLIENT, seller, terminal)
    return None if client_id is None else str(client_id)
