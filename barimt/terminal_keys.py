"""Keys of clients made on the spot: a POS vendor without one gets a fresh Ed25519 key in a file."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from kernel.refusal import Fault, Malformed
from runtime.private_files import write_private


def make_client_key(folder: Path, client_id: str) -> tuple[Path, str]:
    """Make a client's key, keep it in a file 0600, and answer the file and the public key as PEM."""
    key = Ed25519PrivateKey.generate()
    path = folder / f"{client_id}.pem"
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), replace=False)
    return path, public_pem(key.public_key())


def public_pem(key: Ed25519PublicKey | EllipticCurvePublicKey) -> str:
    """Write a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_public_pem(path: Path) -> str:
    """Read a public key file: Ed25519, or P-256 for ES256. Raises `Malformed`."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, Ed25519PublicKey) or (
        isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    ):
        return public_pem(key)
    raise Malformed(Fault("public_key_form", "/public_key", "a PEM file with an Ed25519 or P-256 public key"))
