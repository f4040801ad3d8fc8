"""The SQL of tokens: which client assertions were used (`auth.seen_jti`)."""

from datetime import datetime

import asyncpg

REMEMBER_JTI = """
WITH expired AS (DELETE FROM auth.seen_jti WHERE client_id = $1 AND expires_at < $4)
INSERT INTO auth.seen_jti (client_id, jti, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
"""A client's expired rows go whenever it comes again, so that none has to be swept up."""


class StoredJti:
    """Remembers used assertions in the database, for all workers (`runtime.tokens.assertion.SeenJti`)."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def remember(self, client_id: str, jti: str, *, expires_at: datetime, now: datetime) -> bool:
        """Remember an assertion until it expires. Answers whether this was its first use, by one statement that
        commits by itself: of two at the same moment one is the first.
        """
        status = await self._pool.execute(REMEMBER_JTI, client_id, jti, expires_at, now)
        return bool(status == "INSERT 0 1")
