"""Bytes that are the same on every machine: canonical text and canonical JSON, and what is hashed of them."""

import base64
import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence

Json = str | int | bool | None | Mapping[str, "Json"] | Sequence["Json"]


def canonical_text(text: str) -> str:
    """Answer `text` in Unicode NFC, the one form in which text is signed and stored."""
    return unicodedata.normalize("NFC", text)


def is_canonical(text: str) -> bool:
    """Whether a text is in that form. Lines of a text are, each by itself, where the whole is: nothing composes with a
    line feed.
    """
    return unicodedata.is_normalized("NFC", text)


def canonical_json(value: Json) -> bytes:
    """Answer the canonical UTF-8 JSON of a value: keys sorted by code point, no spaces, no floats, no escapes that
    JSON does not require. For such values it equals RFC 8785 (JCS) where keys are ASCII.
    """
    _refuse_floats(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _refuse_floats(value: object) -> None:
    assert not isinstance(value, float), "a float has no one way to be written"
    if isinstance(value, Mapping):
        for key, item in value.items():
            assert isinstance(key, str)
            _refuse_floats(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            _refuse_floats(item)


def base64url(octets: bytes) -> str:
    """Write octets in base64url (RFC 4648, 5) without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def of_base64url(text: str) -> bytes:
    """Read what `base64url` writes. Raises ValueError for anything else, another spelling of the same octets too."""
    octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(octets) != text:
        raise ValueError
    return octets


def sha256(*pieces: bytes) -> bytes:
    """Answer the SHA-256 of the pieces joined."""
    return hashlib.sha256(b"".join(pieces)).digest()
