"""Who is calling: a till's client by the access token of its requests."""

import time
from collections.abc import Callable
from datetime import datetime

from pos_gateway.directory import Directory
from receipts.store.reading import Client
from runtime.tokens.access import AccessTokens
from runtime.tokens.bearer import Unauthenticated, token_of

MOMENT_S = 1.0
CALLERS_MAX = 10_000
"""Callers of a moment that are remembered by one worker; who comes beyond them is looked up each time."""


class Callers:
    """Answers callers. A till that posts many times a second is looked up once in a moment.

    Args:
        directory: knows the clients.
        tokens: reads the tokens.
        now: the real time.
        moment_s: how long a caller is believed without a look-up. What stands behind is believed longer.
        elapsed_s: measures that time.
    """

    def __init__(
        self,
        directory: Directory,
        tokens: AccessTokens,
        now: Callable[[], datetime],
        *,
        moment_s: float = MOMENT_S,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._now = now
        self._moment_s = moment_s
        self._elapsed_s = elapsed_s
        self._recent: dict[str, Client] = {}
        self._until_s = 0.0

    def known(self, authorization: str) -> Client | None:
        """Answer whose `Authorization` that is, if that was asked a moment ago."""
        now = self._elapsed_s()
        if now >= self._until_s:
            self._recent.clear()
            self._until_s = now + self._moment_s
        return self._recent.get(authorization)

    async def caller(self, authorization: str | None) -> Client:
        """Answer whose `Authorization` that is. Raises `Unauthenticated` or `TokenExpired`."""
        known = self.known(authorization or "")
        if known is not None:
            return known
        asked_at = self._elapsed_s()
        client = await self._directory.client(await self._tokens.read(token_of(authorization), self._now()))
        if client is None:
            raise Unauthenticated
        if authorization is not None and asked_at < self._until_s and len(self._recent) < CALLERS_MAX:
            self._recent[authorization] = client
        return client
