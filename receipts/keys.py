"""Who may sign what: keys, their scope, and how a key is written where it is published (docs/formats/keys.md).

A key id (kid) is the first 8 bytes of SHA-256 of the 32 public bytes. The authority's root key certifies gateway keys
(they sign for every terminal of mode `gateway`) and till keys (each for one seller and terminal); in what it signs is
written in `receipts.key_list`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair

from kernel.canonical import Json, base64url, of_base64url, sha256
from kernel.clock import parse_instant


class KeyRole(StrEnum):
    """What a key is for."""

    ROOT = "root"
    GATEWAY = "gateway"
    TILL = "till"


@dataclass(frozen=True, slots=True)
class Key:
    """A published key: its scope and its time. `seller` and `terminal` are set for a till key only."""

    public_key: bytes
    role: KeyRole
    not_before: datetime
    not_after: datetime
    seller: int | None = None
    terminal: int | None = None
    epoch: int = 1
    revoked_at: datetime | None = None
    kid: bytes = field(init=False)
    first_second: int = field(init=False, compare=False, repr=False)
    """`not_before` in seconds since 1970, as the QR states its time; `last_second` is `not_after`, both inclusive."""
    last_second: int = field(init=False, compare=False, repr=False)
    verifier: Ed25519PublicKey = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        assert (self.role is KeyRole.TILL) is (self.seller is not None) is (self.terminal is not None)
        object.__setattr__(self, "kid", kid_of(self.public_key))
        object.__setattr__(self, "first_second", int(self.not_before.timestamp()))
        object.__setattr__(self, "last_second", int(self.not_after.timestamp()))
        object.__setattr__(self, "verifier", Ed25519PublicKey.from_public_bytes(self.public_key))


Keyring = Mapping[bytes, Key]
"""Keys by kid."""


def keyring_of(keys: Iterable[Key]) -> Keyring:
    """Answer the keys by kid."""
    return {key.kid: key for key in keys}


def kid_of(public_key: bytes) -> bytes:
    """Answer the first 8 bytes of SHA-256 of the 32 public bytes."""
    return sha256(public_key)[:8]


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key at work, and whether it makes test receipts. The key's bytes are never shown."""

    private_key: Ed25519PrivateKey = field(repr=False)
    by_till: bool = False
    test: bool = False
    kid: bytes = field(init=False)
    secret: bytes = field(init=False, compare=False, repr=False)
    """The private key as libsodium has it: the seed and the public key."""
    sign: Callable[[bytes], bytes] = field(init=False, compare=False, repr=False)
    """Signs as `private_key` does, the same bytes, in 60 % of the time (libsodium; docs/decisions/0041)."""

    def __post_init__(self) -> None:
        public_key, secret = crypto_sign_seed_keypair(self.private_key.private_bytes_raw())
        object.__setattr__(self, "kid", kid_of(public_key))
        object.__setattr__(self, "secret", secret)
        object.__setattr__(self, "sign", lambda message: crypto_sign(message, secret)[:crypto_sign_BYTES])


def is_weak_key(public_key: bytes) -> bool:
    """Whether 32 bytes are a public key of small order: a signature that holds for it can be made by anybody."""
    return bytes((*public_key[:31], public_key[31] & 0x7F)) in _SMALL_ORDER


_SMALL_ORDER = frozenset(
    bytes.fromhex(y)
    for y in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
"""The points whose order divides eight (RFC 8032, 5.1), by their y without the sign of x, in every spelling."""


def turnover_key(master: bytes, *, seller: int, terminal: int, epoch: int) -> bytes:
    """Answer K of one terminal: HKDF-SHA-256 (RFC 5869) of the epoch's master secret, 32 bytes.

    No salt; info is "barimt turnover v1", seller number u64, terminal u32, epoch u32, big-endian.
    """
    context = b"barimt turnover v1" + seller.to_bytes(8) + terminal.to_bytes(4) + epoch.to_bytes(4)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=context).derive(master)


def key_as_json(key: Key) -> dict[str, Json]:
    """Answer a key as the published list shows it."""
    scope: dict[str, Json] = (
        {} if key.seller is None else {"seller": f"{key.seller:012d}", "terminal": f"{key.terminal:08d}"}
    )
    return {
        "kid": key.kid.hex(),
        "public_key": base64url(key.public_key),
        "role": key.role.value,
        "epoch": key.epoch,
        "not_before": written_time(key.not_before),
        "not_after": written_time(key.not_after),
        "revoked_at": None if key.revoked_at is None else written_time(key.revoked_at),
    } | scope


def key_of_json(entry: Mapping[str, str]) -> Key:
    """Read one entry; it must be written exactly as `key_as_json` writes it. Raises ValueError, KeyError, TypeError,
    OverflowError or `Malformed`.
    """
    role, revoked = KeyRole(entry["role"]), entry["revoked_at"]
    key = Key(
        public_key=of_base64url(entry["public_key"]),
        role=role,
        not_before=parse_instant(entry["not_before"], "/not_before"),
        not_after=parse_instant(entry["not_after"], "/not_after"),
        seller=int(entry["seller"]) if role is KeyRole.TILL else None,
        terminal=int(entry["terminal"]) if role is KeyRole.TILL else None,
        epoch=int(entry["epoch"]),
        revoked_at=None if revoked is None else parse_instant(revoked, "/revoked_at"),
    )
    if json.dumps(key_as_json(key), sort_keys=True) != json.dumps(entry, sort_keys=True):
        raise ValueError
    return key


def written_time(instant: datetime) -> str:
    """Write a time in the one spelling that a published list has for it: UTC, whole seconds."""
    return instant.astimezone(UTC).isoformat(timespec="seconds")
