"""Secrets in files: 32 bytes as 64 hexadecimal digits, 0600, and never shown."""

import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runtime.private_files import write_private
from runtime.unusable import Unusable

SECRET_BYTES = 32


class KeyFileUnusable(Unusable):
    """A secret's file cannot be read or written, or is not of its form; the text says which and why."""


def make_secret(path: Path) -> None:
    """Draw a secret into a file; one that is there stays. Two processes at once get the same. Raises
    `KeyFileUnusable`.
    """
    if path.exists():
        return
    try:
        write_private(path, secrets.token_bytes(SECRET_BYTES).hex().encode(), replace=False)
    except OSError as error:
        raise KeyFileUnusable(f"The secret {path} cannot be written: {error.strerror}") from error


def read_secret(path: Path) -> bytes:
    """Answer the 32 secret bytes of a file. Raises `KeyFileUnusable`."""
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise KeyFileUnusable(f"The secret {path} cannot be read: {error.strerror}") from error
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise KeyFileUnusable(f"The secret {path} should be {2 * SECRET_BYTES} hexadecimal digits")
    return secret


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """Answer the Ed25519 key whose 32 secret bytes are in a file. Raises `KeyFileUnusable`."""
    return Ed25519PrivateKey.from_private_bytes(read_secret(path))
