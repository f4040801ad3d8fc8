"""Bearer tokens (RFC 6750): who a request comes from, and in which role."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from kernel.refusal import Refusal
from runtime.tokens.jose import TOKEN_MAX, TokenInvalid

ROLE_CLAIM = "barimt_role"
_AUTHORIZATION = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/=-]+) *")
_AUTHORIZATION_MAX = TOKEN_MAX + 16


class Unauthenticated(Refusal):
    """No token came with the request, or one that is not to be believed."""

    code = "unauthenticated"


class TokenExpired(Refusal):
    """The token was good once."""

    code = "token_expired"


class Forbidden(Refusal):
    """We know who is asking, and they may not."""

    code = "forbidden"


class Role(StrEnum):
    """What a person may be to us."""

    CONSUMER = "consumer"
    OFFICER = "officer"


@dataclass(frozen=True, slots=True)
class Bearer:
    """A person whom an issuer vouches for. `subject` is the issuer's name of the person: 1 to 255 printable ASCII."""

    subject: str
    role: Role

    def require(self, role: Role) -> None:
        """Let only bearers of `role` pass. Raises `Forbidden`."""
        if self.role is not role:
            raise Forbidden


class BearerVerifier(Protocol):
    """Whoever can tell a person's token: an OIDC issuer (`runtime.tokens.oidc`) or the development issuer."""

    async def verify(self, token: str, now: datetime) -> Bearer:
        """Answer whose token this is. Raises `Unauthenticated`, `TokenExpired` or `Unavailable`."""
        ...


def token_of(authorization: str | None) -> str:
    """Read the token of an Authorization header. Raises `Unauthenticated`."""
    found = authorization and len(authorization) <= _AUTHORIZATION_MAX and _AUTHORIZATION.fullmatch(authorization)
    if not found:
        raise Unauthenticated
    return found[1]


def refusal_of(invalid: TokenInvalid) -> Refusal:
    """Answer the refusal for a token that is not to be believed. Why is kept from whoever may have forged it."""
    return TokenExpired() if invalid.expired else Unauthenticated()
