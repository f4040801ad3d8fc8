"""Consumers' and officers' tokens from an OpenID Connect issuer: its keys found by discovery, kept, and fetched anew
when it changes them. The person's role is the claim `barimt_role`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from joserfc.jwt import ClaimsOption

from kernel.refusal import Unavailable
from runtime.tokens.bearer import ROLE_CLAIM, Bearer, Role, refusal_of
from runtime.tokens.jose import ISSUERS, Key, Signed, TokenInvalid, read_issuer_key

KEYS_FRESH: Final = timedelta(minutes=10)
KEYS_USABLE: Final = timedelta(hours=1)
"""How long the keys last fetched are used while the issuer cannot be reached."""
REFETCH_AFTER: Final = timedelta(seconds=30)
"""The least time between two fetches: tokens with invented key ids must not make us ask the issuer each time."""
CLOCK_SKEW_S: Final = 30
DOCUMENT_MAX: Final = 256 * 1024
TIMEOUT_S: Final = 5.0
KINDS: Final = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})

FetchKeys = Callable[[], Awaitable[Sequence[Key]]]
"""Answers an issuer's keys. Raises `Unavailable`."""


class OidcVerifier:
    """Tells the tokens of one issuer, meant for one audience (`runtime.tokens.bearer.BearerVerifier`)."""

    def __init__(self, issuer: str, audience: str, fetch_keys: FetchKeys) -> None:
        self._issuer = issuer
        self._audience = audience
        self._fetch_keys = fetch_keys
        self._keys: Sequence[Key] = ()
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._lock = asyncio.Lock()

    async def verify(self, token: str, now: datetime) -> Bearer:
        """Answer whose token this is. Raises `Unauthenticated`, `TokenExpired`, or `Unavailable` while the issuer's
        keys cannot be had.
        """
        try:
            signed = Signed.parse(token)
            signed.verify(await self._keys_for(signed.kid, now), ISSUERS, kinds=KINDS)
            return check_person(signed, now, issuer=self._issuer, audience=self._audience, leeway_s=CLOCK_SKEW_S)
        except TokenInvalid as invalid:
            raise refusal_of(invalid) from invalid

    async def _keys_for(self, kid: str | None, now: datetime) -> Sequence[Key]:
        # A fetch under way is not due any more: whoever comes then waits for it only if there is nothing to go on with.
        if not self._usable(now) or self._due(kid, now):
            async with self._lock:
                if self._due(kid, now):
                    await self._refresh(now)
        if not self._usable(now):
            raise Unavailable("the issuer's keys cannot be had", retry_after_s=int(REFETCH_AFTER.total_seconds()))
        return self._keys

    def _due(self, kid: str | None, now: datetime) -> bool:
        if self._tried_at is not None and now - self._tried_at < REFETCH_AFTER:
            return False
        unknown = kid is not None and all(key.kid not in {None, kid} for key in self._keys)
        return unknown or self._fetched_at is None or now - self._fetched_at > KEYS_FRESH

    def _usable(self, now: datetime) -> bool:
        return self._fetched_at is not None and now - self._fetched_at <= KEYS_USABLE

    async def _refresh(self, now: datetime) -> None:
        self._tried_at = now
        try:
            self._keys = await self._fetch_keys()
        except Unavailable:
            return  # the keys that we have are used while they are usable; the caller sees to it
        self._fetched_at = now


def check_person(signed: Signed, now: datetime, *, issuer: str, audience: str, leeway_s: int) -> Bearer:
    """Check the claims of a person's token whose signature holds, and answer whose it is. Raises `TokenInvalid`."""
    from_issuer: ClaimsOption = {"essential": True, "value": issuer}
    for_us: ClaimsOption = {"essential": True, "value": audience}
    signed.check(now, leeway_s=leeway_s, iss=from_issuer, aud=for_us, exp={"essential": True})
    role = signed.claims.get(ROLE_CLAIM)
    if role not in [known.value for known in Role]:
        raise TokenInvalid(f"{ROLE_CLAIM} is none of {', '.join(Role)}")
    return Bearer(signed.name("sub"), Role(role))


def keys_by_discovery(issuer: str, client: httpx2.AsyncClient) -> FetchKeys:
    """Answer what fetches an issuer's keys: OpenID Connect Discovery 1.0, then the JWKS (RFC 7517) that it names.

    Keys of kinds that we do not use are passed over.
    """

    async def fetch() -> Sequence[Key]:
        about = await _document(client, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if about.get("issuer") != issuer:
            raise Unavailable("the discovery document is another issuer's")
        address = about.get("jwks_uri")
        if not isinstance(address, str) or not _may_be_asked(address, issuer):
            raise Unavailable("the discovery document names no jwks_uri that may be asked")
        return _read_keys(await _document(client, address))

    return fetch


def _may_be_asked(address: str, issuer: str) -> bool:
    """Only over TLS, or as the issuer itself is asked (http on loopback)."""
    return urlsplit(address).scheme == "https" or urlsplit(address)[:2] == urlsplit(issuer)[:2]


def _read_keys(document: Mapping[str, Any]) -> Sequence[Key]:
    entries = document.get("keys")
    keys: list[Key] = []
    for entry in entries if isinstance(entries, list) else ():
        try:
            keys.append(read_issuer_key(entry if isinstance(entry, dict) else {}))
        except ValueError:
            continue
    if not keys:
        raise Unavailable("the issuer publishes no key that we can use")
    return keys


async def _document(client: httpx2.AsyncClient, address: str) -> Mapping[str, Any]:
    try:
        async with client.stream("GET", address, timeout=TIMEOUT_S, follow_redirects=False) as response:
            response.raise_for_status()
            content = b""
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > DOCUMENT_MAX:
                    raise Unavailable("the issuer's answer is too large")
        document = json.loads(content)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError) as error:
        raise Unavailable("the issuer cannot be reached") from error
    if not isinstance(document, dict):
        raise Unavailable("the issuer's answer is not a JSON object")
    return document
