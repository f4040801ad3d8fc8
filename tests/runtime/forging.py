"""Keys, assertions and tokens, right ones and such as no library would write."""

import base64
import json
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from runtime.tokens.assertion import (
    ASSERTION_TYPE,
)
from runtime.tokens.jose import TOKEN_MAX

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
URL = "https://barimt.example/v1/oauth/token"
SECRET, OTHER_SECRET = bytes(range(32)), bytes(range(1, 33))
ED = OKPKey.generate_key("Ed25519")
ED_OTHER = OKPKey.generate_key("Ed25519")
P256 = ECKey.generate_key("P-256")
GARBAGE = [
    "",
    ".",
    "..",
    "...",
    "a.b.c",
    "a.b.c.d.e",
    "eyJhbGciOiJFZDI1NTE5In0..",
    "eyJhbGciOiJFZDI1NTE5In0.e30.",
    "\x00.\x00.\x00",
    "Болд.Болд.Болд",
    "\ud800.a.b",
    "A" * TOKEN_MAX,
    "A" * 1_000_000,
]


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def handmade(header: object, claims: object, signature: bytes = b"\x00" * 64) -> str:
    """A token that no library would write."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    return ".".join([*map(b64, parts), b64(signature)])


def signed(key: Any, claims: Mapping[str, Any], alg: str = "Ed25519", **header: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # joserfc warns of the older name EdDSA
        return jwt.encode({"alg": alg, **header}, dict(claims), key, algorithms=[alg])


def public(key: OKPKey | ECKey | RSAKey, **more: str) -> str:
    return json.dumps({**key.as_dict(private=False), **more})


class SeenInMemory:
    """A second store of used assertions, as simple as can be."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()

    async def remember(self, client_id: str, jti: str, *, expires_at: datetime, now: datetime) -> bool:
        first = (client_id, jti) not in self.seen
        self.seen.add((client_id, jti))
        return first


class Clients:
    """Enrolled clients and their public keys; counts how often it is asked."""

    def __init__(self, **keys: Sequence[str]) -> None:
        self.keys = keys
        self.asked = 0

    async def keys_of(self, client_id: str) -> Sequence[str]:
        self.asked += 1
        return self.keys.get(client_id, ())

    async def is_active(self, client_id: str) -> bool:
        return bool(await self.keys_of(client_id))


def claims(**changed: Any) -> dict[str, Any]:
    at = int(NOW.timestamp())
    made = {"iss": "till1", "sub": "till1", "aud": URL, "iat": at, "exp": at + 60, "jti": "j1", **changed}
    return {name: value for name, value in made.items() if value is not None}


def form(assertion: str, **changed: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        **changed,
    }
