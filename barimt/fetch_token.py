"""A client's access token, fetched from the running centre as its till would: `barimt admin terminal token`."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import httpx2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from kernel.refusal import Fault, Malformed
from runtime.tokens.assertion import ASSERTION_TYPE
from runtime.unusable import Unusable

ASSERTION_S = 60
"""How long an assertion is good for: it is sent at once."""
_NAMES = ("client_id", "key_file", "token_url")


class TokenRefused(Unusable):
    """The centre gave no token; the text says why."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a client needs to get its tokens: what `barimt admin terminal add --json` prints."""

    client_id: str
    key_file: Path
    token_url: str

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what `terminal add --json` printed into a file. Raises `Malformed`."""
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            said = None
        if not isinstance(said, dict) or not all(isinstance(said.get(name), str) for name in _NAMES):
            raise Malformed(Fault("file_unreadable", f"/{file.name}", f"JSON with {', '.join(_NAMES)}"))
        return cls(said["client_id"], Path(said["key_file"]), said["token_url"])


def fetch_token(client: Enrolled, now: datetime) -> str:
    """Sign a client assertion (RFC 7523) with Ed25519 or ES256, exchange it, and answer the access token, good for an
    hour. Raises `Malformed` for a key that cannot be used and `TokenRefused`.
    """
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": _assertion(client, int(now.timestamp())),
    }
    try:
        answer = httpx2.post(client.token_url, data=form)
        body = answer.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise TokenRefused(f"{client.token_url} does not answer: {type(error).__name__}") from error
    if answer.status_code != httpx2.codes.OK or not isinstance(body, dict):
        reason = body.get("error_description", body.get("detail", "")) if isinstance(body, dict) else ""
        raise TokenRefused(f"{client.token_url} answers {answer.status_code}: {reason}")
    return str(body["access_token"])


def _assertion(client: Enrolled, now: int) -> str:
    claims = {
        "iss": client.client_id, "sub": client.client_id, "aud": client.token_url,
        "iat": now, "exp": now + ASSERTION_S, "jti": secrets.token_hex(16),
    }  # fmt: skip
    try:
        pem = client.key_file.read_bytes()
        edwards = isinstance(load_pem_private_key(pem, None), Ed25519PrivateKey)
        key, algorithm = (OKPKey.import_key(pem), "Ed25519") if edwards else (ECKey.import_key(pem), "ES256")
        return jwt.encode({"alg": algorithm}, claims, key, algorithms=[algorithm])
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, JoseError):
        raise Malformed(
            Fault("file_unreadable", f"/{client.key_file.name}", "a PEM file with an Ed25519 or P-256 private key")
        ) from None
