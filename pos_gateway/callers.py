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
    """Answers callers. The token of a till that posts many times a second is read once in a moment.

    Args:
        directory: knows the clients.
        tokens: reads the tokens.
        now: the real time.
        moment_s: how long a caller is believed without a look at its token. What stands behind is believed longer.
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
        """Answer whose `Authorization` that is, if that takes no look-up."""
        now = self._elapsed_s()
        if now >= self._until_s:
            self._recent.clear()
            self._until_s = now + self._moment_s
        known = self._recent.get(authorization)
        return self._known_behind(authorization) if known is None else known

    async def caller(self, authorization: str | None) -> Client:
        """Answer whose `Authorization` that is. Raises `Unauthenticated` or `TokenExpired`."""
        known = self.known(authorization or "")
        if known is not None:
            return known
        client = await self._directory.client(await self._tokens.read(token_of(authorization), self._now()))
        if client is None:
            raise Unauthenticated
        return client

    def _known_behind(self, authorization: str) -> Client | None:
        try:
            client_id = self._tokens.known(token_of(authorization), self._now())
        except Unauthenticated:
            return None
        client = None if client_id is None else self._directory.known_client(client_id)
        if client is not None and len(self._recent) < CALLERS_MAX:
            self._recent[authorization] = client
        return client
