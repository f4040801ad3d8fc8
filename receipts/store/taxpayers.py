"""SQL of the public look-ups (asyncpg): whose register number it is."""

from typing import Any

BY_REG_NO = "SELECT tin FROM pos.sellers WHERE reg_no = $1"


async def find_tin(connection: Any, reg_no: str) -> str | None:
    """Answer the TIN of the seller with that number of the state register."""
    tin: str | None = await connection.fetchval(BY_REG_NO, reg_no)
    return tin
