"""Secrets in the data directory: made at first use, 0600, and never shown."""

import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runtime.data_dir import write_private
from runtime.unusable import Unusable

SECRET_BYTES = 32


class KeyFileUnusable(Unusable):
    """A secret's file is not of its form; the text says which."""


def secret_of(folder: Path, name: str) -> bytes:
    """Answer the 32 secret bytes of a file, made where it is missing. Two processes at once get the same."""
    path = folder / name
    if not path.exists():
        write_private(path, secrets.token_bytes(SECRET_BYTES).hex().encode(), replace=False)
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise KeyFileUnusable(f"The secret {path} cannot be read: {error}") from error
    if len(secret) != SECRET_BYTES:
        raise KeyFileUnusable(f"The secret {path} should be {2 * SECRET_BYTES} hexadecimal digits")
    return secret


def signing_key(folder: Path, name: str) -> Ed25519PrivateKey:
    """Answer the Ed25519 key whose 32 secret bytes are in a file, made where it is missing."""
    return Ed25519PrivateKey.from_private_bytes(secret_of(folder, name))
