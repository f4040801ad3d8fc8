"""The development issuer: tokens for consumers and officers without an identity provider, on loopback only.

Whoever can read its key can be anybody, and nobody proves to be who they are: it is for development and the demo.
Every token bears the issuer's name, which says so.
"""

import ipaddress
from datetime import datetime, timedelta
from typing import Final

from joserfc import jwt

from runtime.tokens.bearer import ROLE_CLAIM, Bearer, Role, refusal_of
from runtime.tokens.jose import OURS, Signed, TokenInvalid, ed25519_key
from runtime.tokens.oidc import check_person
from runtime.unusable import Unusable

ISSUER: Final = "barimt development issuer, loopback only"
AUDIENCE: Final = "barimt"
KIND: Final = "jwt"


class DevelopmentIssuerExposed(Unusable):
    """The development issuer would be reachable from other machines. The text is fit to be shown as it is."""


class DevIssuer:
    """Writes and tells its own tokens with one secret key of 32 bytes (`runtime.tokens.bearer.BearerVerifier`)."""

    def __init__(self, key: bytes) -> None:
        self._key = ed25519_key(key)

    def token(self, subject: str, role: Role, now: datetime, lifetime: timedelta) -> str:
        """Write a token for anybody who is named."""
        issued = int(now.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            ROLE_CLAIM: role.value,
            "iat": issued,
            "exp": issued + int(lifetime.total_seconds()),
        }
        return jwt.encode({"alg": "Ed25519", "typ": KIND}, claims, self._key, registry=OURS)

    async def verify(self, token: str, now: datetime) -> Bearer:
        """Answer whose token this is. Raises `Unauthenticated` or `TokenExpired`."""
        try:
            signed = Signed.parse(token)
            signed.verify([self._key], OURS, kinds={KIND})
            return check_person(signed, now, issuer=ISSUER, audience=AUDIENCE, leeway_s=0)
        except TokenInvalid as invalid:
            raise refusal_of(invalid) from invalid


def refuse_public_host(host: str) -> None:
    """Refuse to listen anywhere but on loopback while the development issuer is in use. Call it before binding.

    Raises `DevelopmentIssuerExposed`.
    """
    if not is_loopback(host):
        raise DevelopmentIssuerExposed(
            f"Without BARIMT_OIDC_ISSUER the development issuer is in use: with it anybody can be any consumer or tax "
            f"officer, so the service listens on 127.0.0.1, ::1 or localhost only, not on {host!r}. "
            f"Name a real issuer in BARIMT_OIDC_ISSUER to be reachable from other machines."
        )


def is_loopback(host: str) -> bool:
    """Answer whether only this machine can reach what listens on `host`: a name is trusted only if it is localhost."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
