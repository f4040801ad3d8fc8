"""Access tokens of tills and cash registers: short JWTs (RFC 9068) that we issue and read ourselves.

Reading one on the hot path is a SHA-256 and a look-up: a token once verified is remembered for a minute at most. Its
client is asked for again before that is over, so that a revocation takes effect within that minute.
"""

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from joserfc import jwt
from joserfc.jwt import ClaimsOption

from runtime.remembered import Remembered
from runtime.tokens.bearer import Unauthenticated, refusal_of
from runtime.tokens.jose import OURS, Signed, TokenInvalid, ed25519_key

LIFETIME_S: Final = 3_600
REMEMBERED_S: Final = 60.0
"""How long a token is believed without asking again, and so the longest time that a revocation takes."""
REMEMBERED_MAX: Final = 50_000
"""Tokens remembered by one worker: as many as clients, at some 550 bytes each 28 MB."""
KIND: Final = "at+jwt"

IsActive = Callable[[str], Awaitable[bool]]
"""Answers whether a client is enrolled and not revoked."""


class AccessTokens:
    """Issues and reads access tokens with one secret key of 32 bytes, shared by all workers. Belongs to one event loop.

    Args:
        key: the Ed25519 secret key.
        is_active: asked for a client at most once a minute and token.
        issuer: our own name, `iss` and `aud` of every token.
        random_bytes: where the tokens' ids come from.
        remembered_s: how long a token is believed without asking again.
        elapsed_s: measures that time; not the clock, which may be set back.
    """

    def __init__(
        self,
        key: bytes,
        is_active: IsActive,
        *,
        issuer: str = "barimt",
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        remembered_s: float = REMEMBERED_S,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = ed25519_key(key)
        self._is_active = is_active
        self._issuer = issuer
        self._random_bytes = random_bytes
        self._elapsed_s = elapsed_s
        self._remembered = Remembered[bytes, tuple[str, datetime]](
            lambda digest, known: self._ask(digest, *known),
            remembered_s=remembered_s,
            most=REMEMBERED_MAX,
            elapsed_s=elapsed_s,
        )

    def issue(self, client_id: str, now: datetime) -> str:
        """Write a token for a client that has proved itself. Good for `LIFETIME_S` seconds."""
        issued = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": client_id,
            "client_id": client_id,
            "iat": issued,
            "exp": issued + LIFETIME_S,
            "jti": self._random_bytes(16).hex(),
        }
        return jwt.encode({"alg": "Ed25519", "typ": KIND}, claims, self._key, registry=OURS)

    def known(self, token: str, now: datetime) -> str | None:
        """Answer the client whose token this is, if it was verified less than a minute ago."""
        found = self._remembered.get(_digest(token))
        return found[0] if found is not None and now < found[1] else None

    async def read(self, token: str, now: datetime) -> str:
        """Answer the client whose token this is. Raises `Unauthenticated` or `TokenExpired`."""
        known = self.known(token, now)
        if known is not None:
            return known
        digest = _digest(token)
        self._remembered.forget(digest)
        try:
            client_id, expires_at = self._verified(token, now)
        except TokenInvalid as invalid:
            raise refusal_of(invalid) from invalid
        await self._ask(digest, client_id, expires_at)
        return client_id

    async def _ask(self, digest: bytes, client_id: str, expires_at: datetime) -> None:
        asked_at = self._elapsed_s()
        if not await self._is_active(client_id):
            self._remembered.forget(digest)
            raise Unauthenticated
        self._remembered.put(digest, (client_id, expires_at), asked_at)

    def _verified(self, token: str, now: datetime) -> tuple[str, datetime]:
        signed = Signed.parse(token)
        signed.verify([self._key], OURS, kinds={KIND})
        named: ClaimsOption = {"essential": True, "value": self._issuer}
        signed.check(now, leeway_s=0, iss=named, aud=named, exp={"essential": True})
        return signed.name("client_id"), datetime.fromtimestamp(signed.claims["exp"], UTC)


def _digest(token: str) -> bytes:
    """Answer by what a token is remembered: whoever reads the memory does not find the token in it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
