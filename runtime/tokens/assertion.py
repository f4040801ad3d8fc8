"""`POST /v1/oauth/token`: a client proves itself with a signed assertion and gets an access token.

Client credentials (RFC 6749 4.4) with `private_key_jwt` (RFC 7521, 7523; OpenID Connect Core 9). The checks:
(1) the form; (2) the assertion's shape; (3) who it says it is from, `iss` = `sub`; (4) the signature with a key of
that client; (5) `aud`, `exp` at most 300 s ahead, `iat` and `nbf`; (6) `jti`, used once. Errors are those of
RFC 6749 5.2, in English, because its `error_description` holds ASCII only.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from joserfc.jwt import ClaimsOption

from kernel.refusal import Refusal
from runtime.http_errors import STATUSES, Problem
from runtime.messages import Language, text
from runtime.tokens.access import LIFETIME_S, AccessTokens
from runtime.tokens.jose import OURS, TOKEN_MAX, Signed, TokenInvalid, read_public_key

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM_MAX: Final = 2 * TOKEN_MAX
"""Bytes of the form: an assertion and its short companions."""
FIELDS_MAX: Final = 16
ASSERTION_LIFETIME_S: Final = 300
CLOCK_SKEW_S: Final = 30
"""How far ahead a client's clock may be for `iat` and `nbf`. Its `exp` gets no such grace: 300 s have room enough."""
JTI_MAX: Final = 128
KINDS: Final = frozenset({None, "jwt", "client-authentication+jwt"})
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,64}")

KeysOf = Callable[[str], Awaitable[Sequence[str]]]
"""Answers a client's public keys in force, each as `read_public_key` reads it; none for one unknown or revoked."""


class SeenJti(Protocol):
    """Remembers which assertions were used."""

    async def remember(self, client_id: str, jti: str, *, expires_at: datetime, now: datetime) -> bool:
        """Remember an assertion until it expires. Answers whether this was its first use."""
        ...


class TokenRequestInvalid(Refusal):
    """The form is not of its form: `reason` says why."""

    code = "invalid_request"


class GrantUnsupported(Refusal):
    """Another grant than client credentials was asked for."""

    code = "unsupported_grant_type"


class ClientRefused(Refusal):
    """The client could not be believed: `reason` says why."""

    code = "invalid_client"


def read_form(body: bytes) -> dict[str, str]:
    """Read an `application/x-www-form-urlencoded` body, each field at most once. Raises `TokenRequestInvalid`."""
    if len(body) > FORM_MAX:
        raise TokenRequestInvalid(reason=f"the form is larger than {FORM_MAX} bytes")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError as error:
        raise TokenRequestInvalid(reason="the body is not application/x-www-form-urlencoded") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise TokenRequestInvalid(reason="a parameter is repeated")
    return form


async def exchange(
    form: Mapping[str, str],
    *,
    token_urls: Collection[str],
    keys_of: KeysOf,
    seen: SeenJti,
    tokens: AccessTokens,
    now: datetime,
) -> dict[str, Any]:
    """Check an assertion and answer the body of RFC 6749 5.1. `token_urls` are the names under which the endpoint is
    known. Raises `TokenRequestInvalid`, `GrantUnsupported` or `ClientRefused`.
    """
    assertion = _assertion_of(form)
    try:
        signed = Signed.parse(assertion)
        client_id = _client_of(signed, form.get("client_id"))
        signed.verify([read_public_key(key) for key in await keys_of(client_id)], OURS, kinds=KINDS)
        jti, expires_at = _check_claims(signed, token_urls, now)
    except TokenInvalid as invalid:
        raise ClientRefused(reason=str(invalid)) from invalid
    if not await seen.remember(client_id, jti, expires_at=expires_at, now=now):
        raise ClientRefused(reason="this jti was used before")
    return {"access_token": tokens.issue(client_id, now), "token_type": "Bearer", "expires_in": LIFETIME_S}


def oauth_problem(refusal: TokenRequestInvalid | GrantUnsupported | ClientRefused) -> Problem:
    """Say a refusal as RFC 6749 5.2 wants it: status, `{"error", "error_description"}`, headers."""
    description = text(refusal.code, Language.ENGLISH, **refusal.values)
    return Problem(
        STATUSES[refusal.code],
        {"error": refusal.code, "error_description": description},
        {"Cache-Control": "no-store", "Pragma": "no-cache"},
    )


def _assertion_of(form: Mapping[str, str]) -> str:
    grant = form.get("grant_type")
    if not grant:
        raise TokenRequestInvalid(reason="grant_type is missing")
    if grant != "client_credentials":
        raise GrantUnsupported(reason="grant_type must be client_credentials")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise TokenRequestInvalid(reason=f"client_assertion_type must be {ASSERTION_TYPE}")
    if not form.get("client_assertion"):
        raise TokenRequestInvalid(reason="client_assertion is missing")
    return form["client_assertion"]


def _client_of(signed: Signed, stated: str | None) -> str:
    """Read who the assertion says it is from: not yet proved, so fit for finding the key and nothing else."""
    client_id = signed.name("sub")
    if signed.name("iss") != client_id or not _CLIENT_ID.fullmatch(client_id):
        raise TokenInvalid("iss and sub must both be the client_id")
    if stated is not None and stated != client_id:
        raise TokenInvalid("client_id is not the one of the assertion")
    return client_id


def _check_claims(signed: Signed, token_urls: Collection[str], now: datetime) -> tuple[str, datetime]:
    urls: ClaimsOption = {"essential": True, "values": list(token_urls)}
    signed.check(now, leeway_s=CLOCK_SKEW_S, aud=urls, exp={"essential": True})
    expires = signed.claims["exp"]
    if expires <= now.timestamp():
        raise TokenInvalid("expired", expired=True)
    jti = signed.name("jti")
    if len(jti) > JTI_MAX:
        raise TokenInvalid(f"jti is longer than {JTI_MAX} characters")
    if expires > now.timestamp() + ASSERTION_LIFETIME_S:
        raise TokenInvalid(f"exp is more than {ASSERTION_LIFETIME_S} s ahead")
    return jti, datetime.fromtimestamp(expires, UTC)
