"""Seals of the queue: MACs by a secret that lies outside the database, so that whoever edits it is found out.

All are HMAC-SHA-256 by `K = HKDF-SHA-256(secret of keys/queue.key, info "barimt queue v1 " + purpose)` over the
deterministic CBOR (RFC 8949 4.2) of a list of integers, texts, octets and nulls.

| purpose      | over                                                                                             |
|--------------|--------------------------------------------------------------------------------------------------|
| `row`        | the seal of the chain's row before (of the first kept: the anchor), then every column of the row |
| `head`       | every column of the chain's head                                                                 |
| `seat`       | every column of the seat                                                                         |
| `upload`     | receipt hash, then every column of the upload                                                    |
| `key`        | every column of an idempotency key                                                               |
| `consumer`   | receipt hash and consumer number, which is forgotten after the upload                            |
| `remembered` | name, body and time                                                                              |
| `mark`       | name and value                                                                                   |
| `owed`       | seq and digest of a body whose answer may not have been read                                     |
| `body`       | not a seal: the keyed digest of a request                                                        |
| `content`    | not a seal: the keyed digest of what a request says                                              |
| `witness`    | the witness file                                                                                 |

Rows of one chain are sealed in a line: an edited, deleted, reordered or replayed row breaks it.
"""

import hmac
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import cbor2
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Sealed = int | str | bytes | None
SEAL_BYTES: Final = 32
NOTHING_BEFORE: Final = bytes(SEAL_BYTES)
"""What stands for the row before where a chain has none."""


class Purpose(StrEnum):
    """What a seal is of; no seal of one is good for another."""

    ROW = "row"
    HEAD = "head"
    SEAT = "seat"
    UPLOAD = "upload"
    KEY = "key"
    CONSUMER = "consumer"
    REMEMBERED = "remembered"
    MARK = "mark"
    OWED = "owed"
    BODY = "body"
    CONTENT = "content"
    WITNESS = "witness"


class Sealer:
    """Seals and checks seals. The secret and what is derived of it are never shown."""

    __slots__ = ("_keys",)

    def __init__(self, secret: bytes) -> None:
        self._keys = {purpose: _derive(secret, purpose) for purpose in Purpose}

    def seal(self, purpose: Purpose, *values: Sealed) -> bytes:
        """Answer the 32 bytes that seal these values."""
        return hmac.digest(self._keys[purpose], cbor2.dumps(values), "sha256")

    def holds(self, purpose: Purpose, seal: object, values: Sequence[Sealed]) -> bool:
        """Whether a seal is of these values."""
        return isinstance(seal, bytes) and hmac.compare_digest(self.seal(purpose, *values), seal)

    def digest(self, purpose: Purpose, octets: bytes) -> bytes:
        """Answer the keyed digest of octets, 32 bytes: nobody can guess what it is of without the key."""
        return hmac.digest(self._keys[purpose], octets, "sha256")


def _derive(secret: bytes, purpose: Purpose) -> bytes:
    info = b"barimt queue v1 " + purpose.encode()
    return HKDF(algorithm=SHA256(), length=SEAL_BYTES, salt=None, info=info).derive(secret)
