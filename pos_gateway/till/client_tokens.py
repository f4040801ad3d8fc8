"""A seat's word to the token endpoint: an assertion signed with its client key (private_key_jwt, RFC 7523). Pure.

The centre refuses an assertion that expires more than 300 s ahead or has expired already, by its own clock. A till's
clock drifts, so the times are the till's clock corrected by what the centre's `Date` header last showed.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey
from msgspec import Struct

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_S: Final = 120
"""Half way between a centre that is two minutes behind and the longest that it allows."""
RENEW_BEFORE_S: Final = 60.0
"""A token is renewed this long before it ends, so that none ends on the way."""


class AccessToken(Struct, frozen=True):
    """A token and until when it is used, on the clock that measures time and is never set."""

    text: str
    renew_at_s: float


def token_form(*, client_id: str, token_url: str, key: Ed25519PrivateKey, now: datetime, jti: str) -> dict[str, str]:
    """Answer the form of a token request. `now` is real time as the centre sees it; `jti` is used once."""
    issued = int(now.timestamp())
    claims = {
        "iss": client_id, "sub": client_id, "aud": token_url, "iat": issued, "exp": issued + ASSERTION_S, "jti": jti,
    }  # fmt: skip
    assertion = jwt.encode({"alg": "Ed25519"}, claims, _jwk(key), algorithms=["Ed25519"])
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }


def clock_offset(date_header: str | None, now: datetime) -> timedelta | None:
    """Answer how far the centre's clock is ahead of ours, from its `Date` header (RFC 9110 6.6.1): whole seconds; None
    where there is none that can be read. Differences below two seconds are none: the header has no fractions.
    """
    try:
        shown = parsedate_to_datetime(date_header or "").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    offset = timedelta(seconds=round((shown - now).total_seconds()))
    return offset if abs(offset) >= timedelta(seconds=2) else timedelta()


def _jwk(key: Ed25519PrivateKey) -> OKPKey:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return OKPKey.import_key(pem)
