"""Signed tokens (RFC 7515, 7519) read with suspicion: the size first, then the shape, the signature, the claims.

Only the algorithms of a registry of ours can be named by a token, so neither `none` nor a public key used as an HMAC
secret can be asked for. `EdDSA` (RFC 8037) and its newer name `Ed25519` (RFC 9864) mean the same curve here.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc import jws
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.jwt import ClaimsOption, JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from kernel.refusal import Fault, Malformed

TOKEN_MAX = 4 * 1024
"""Characters of a token: ours have some 350, an issuer's with many claims some 2,000."""
KEYS_TRIED_MAX = 8
"""Signatures checked for one token that does not say which key it was signed with."""
PUBLIC_KEY_MAX = 2_048
_CHARACTERS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_NAME = re.compile(r"[\x21-\x7e]{1,255}")

Key = OKPKey | ECKey | RSAKey
"""A key that can check a signature."""


class TokenInvalid(Exception):  # noqa: N818 - named by what is wrong
    """A token is not to be believed. The text says why in English; `expired` when only its time is over."""

    def __init__(self, why: str, *, expired: bool = False) -> None:
        super().__init__(why)
        self.expired = expired


def _registry(*names: str) -> JWSRegistry:
    registry = JWSRegistry(algorithms=names, strict_check_header=False)
    # The tables are the instance's own: an algorithm that is not in here does not exist for this registry.
    registry.algorithms = {name: JWSRegistry.algorithms["Ed25519" if name == "EdDSA" else name] for name in names}
    registry.max_payload_length = TOKEN_MAX
    return registry


OURS: Final = _registry("Ed25519", "EdDSA", "ES256")
"""What our clients and we ourselves sign with."""
ISSUERS: Final = _registry("Ed25519", "EdDSA", "ES256", "PS256", "RS256")
"""What an OIDC issuer may sign with."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A token of the right shape whose signature nobody has checked yet. `claims` are only somebody's words until
    `verify` has returned.
    """

    kid: str | None
    kind: str | None
    claims: Mapping[str, Any]
    _compact: jws.CompactSignature

    @classmethod
    def parse(cls, token: str) -> Self:
        """Take a compact token apart. Raises `TokenInvalid`."""
        if len(token) > TOKEN_MAX or not _CHARACTERS.fullmatch(token):
            raise TokenInvalid(f"not a compact JWS of at most {TOKEN_MAX} characters")
        header_segment = token.partition(".")[0]
        header = _object(header_segment, "header")
        if not isinstance(header.get("alg"), str) or "crit" in header:
            raise TokenInvalid("the header names no algorithm, or an extension")
        kid, kind = header.get("kid"), header.get("typ")
        if not (kid is None or isinstance(kid, str)) or not (kind is None or isinstance(kind, str)):
            raise TokenInvalid("kid and typ are texts")
        try:
            compact = jws.extract_compact(token.encode("ascii"), registry=ISSUERS)
        except (JoseError, ValueError) as error:
            raise TokenInvalid("not a compact JWS") from error
        return cls(kid, kind and kind.lower(), _object(compact.segments["payload"].decode("ascii"), "payload"), compact)

    def verify(self, keys: Sequence[Key], registry: JWSRegistry, *, kinds: Collection[str | None]) -> None:
        """Check the kind (`typ`, in small letters; None where a token need not say it), and the signature with those
        of the keys that the token may mean. Raises `TokenInvalid`.
        """
        if self.kind not in kinds:
            raise TokenInvalid("a token of another kind")
        meant = [key for key in keys if self.kid is None or key.kid in {None, self.kid}]
        if not any(self._signed_by(key, registry) for key in meant[:KEYS_TRIED_MAX]):
            raise TokenInvalid("unknown signer or wrong signature")

    def check(self, now: datetime, *, leeway_s: int, **claims: ClaimsOption) -> None:
        """Check `exp`, `nbf` and `iat` against now, and the claims named. Raises `TokenInvalid`, `expired` when
        everything else could still be right. `leeway_s` is what another machine's clock may be off.
        """
        try:
            JWTClaimsRegistry(now=int(now.timestamp()), leeway=leeway_s, **claims).validate(dict(self.claims))
        except ExpiredTokenError as error:
            raise TokenInvalid("expired", expired=True) from error
        except JoseError as error:
            raise TokenInvalid(error.description or error.error) from error

    def name(self, claim: str) -> str:
        """Answer a claim that names somebody: 1 to 255 printable ASCII characters, so that it is fit to be looked up.
        Raises `TokenInvalid`.
        """
        value = self.claims.get(claim)
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise TokenInvalid(f"{claim} is missing or not 1 to 255 printable ASCII characters")
        return value

    def _signed_by(self, key: Key, registry: JWSRegistry) -> bool:
        try:
            return jws.validate_compact(self._compact, key, registry=registry)
        except (JoseError, ValueError):
            return False  # an algorithm that is not allowed, or not this key's


def read_public_key(text: str, path: str = "/public_key") -> OKPKey | ECKey:
    """Read a client's public key, Ed25519 or P-256, as JWK (RFC 7517) or PEM. Raises `Malformed` with
    `public_key_form`, also for a private key: we do not want to have seen one.
    """
    try:
        return _of_jwk(text) if text.lstrip().startswith("{") else _of_pem(text)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError, UnsupportedAlgorithm) as error:
        raise Malformed(Fault("public_key_form", path, "Ed25519 or P-256, JWK or PEM")) from error


def read_issuer_key(entry: Mapping[str, Any]) -> Key:
    """Read one key of an issuer's JWKS. Raises `ValueError` for a key that we cannot or may not use."""
    entry = {name: entry[name] for name in ("kty", "crv", "x", "y", "n", "e", "kid", "use", "alg") if name in entry}
    if entry.get("alg") == "EdDSA":
        entry["alg"] = "Ed25519"
    try:
        match entry.get("kty"):
            case "RSA":
                return RSAKey.import_key(entry)
            case "EC":
                return ECKey.import_key(entry)
            case "OKP":
                return OKPKey.import_key(entry)
            case _:
                raise ValueError("a key of another kind")
    except (JoseError, TypeError, KeyError, UnsupportedAlgorithm) as error:
        raise ValueError("not a key of the kind it says") from error


def ed25519_key(secret: bytes) -> OKPKey:
    """Make the signing key of 32 secret bytes."""
    assert len(secret) == 32  # noqa: PLR2004 - RFC 8032 5.1.5
    return OKPKey(OKPKey.binding.from_private_bytes("Ed25519", secret), None)


def _of_jwk(text: str) -> OKPKey | ECKey:
    entry = json.loads(text[:PUBLIC_KEY_MAX])
    plain: dict[str, str | list[str]] = {name: entry[name] for name in ("kty", "crv", "x", "y", "kid") if name in entry}
    match entry:
        case {"d": _}:
            raise ValueError("private")
        case {"kty": "OKP", "crv": "Ed25519"}:
            return OKPKey.import_key(plain)
        case {"kty": "EC", "crv": "P-256"}:
            return ECKey.import_key(plain)
        case _:
            raise ValueError("kind")


def _of_pem(text: str) -> OKPKey | ECKey:
    pem = text[:PUBLIC_KEY_MAX].encode("ascii")
    match load_pem_public_key(pem):
        case Ed25519PublicKey():
            return OKPKey.import_key(pem)
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return ECKey.import_key(pem)
        case _:
            raise ValueError("kind")


def _object(segment: str, what: str) -> dict[str, Any]:
    """Decode a segment that should be a JSON object. Deep nesting within 4 KiB reaches Python's recursion limit."""
    try:
        found = json.loads(urlsafe_b64decode(segment.encode("ascii")))
    except (ValueError, RecursionError) as error:
        raise TokenInvalid(f"the {what} is not JSON") from error
    if not isinstance(found, dict):
        raise TokenInvalid(f"the {what} is not a JSON object")
    return found
