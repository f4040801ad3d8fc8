"""QR v1: 144 bytes at fixed places, 220 characters, QR version 8-M in alphanumeric mode (docs/formats/qr-v1.md).

A COSE_Sign1 (RFC 9052) whose constants are compared by position, so that no second encoding of a receipt exists and a
reader needs no CBOR decoder:

    84 | 4D A2 01 32 04 48 kid[8] | A0 | 58 3C payload[60] | 58 40 signature[64]      alg -19, Ed25519 (RFC 9864)

| at | payload field | type | at | payload field | type                                                  |
|----|---------------|------|----|---------------|-------------------------------------------------------|
| 0  | id            | u112 | 32 | counter       | u32                                                   |
| 14 | issued_at     | u32  | 36 | chain         | first 8 bytes of SHA-256(previous COSE bytes)         |
| 18 | total         | i48  | 44 | turnover      | i64 XOR first 8 bytes of HMAC-SHA-256(K, id)          |
| 24 | vat           | i48  | 52 | document      | first 8 bytes of SHA-256(canonical document)          |
| 30 | kind          | u16  |    |               | all big-endian                                        |
"""

import hmac
import struct
from collections.abc import Sequence
from hashlib import sha256 as _sha256

from msgspec import Struct

from receipts import base45
from receipts.ids import ReceiptId
from receipts.keys import Signer
from receipts.receipt import Kind

PREFIX = "MB1:"
TEXT_LENGTH = 220
COSE_LENGTH = 144
_HEAD = bytes.fromhex("84 4da201320448")
_MIDDLE = bytes.fromhex("a0 583c")
_BEFORE_SIGNATURE = bytes.fromhex("5840")
_TO_SIGN_HEAD = b"\x84\x6aSignature1" + _HEAD[1:]
_TO_SIGN_MIDDLE = bytes.fromhex("40 583c")
_FIELDS = struct.Struct(">14sI6s6sHI8s8s8s")
_I64 = 1 << 64
_DIGEST = 8
_CHAIN_AT = 36


class Payload(Struct, frozen=True, gc=False):
    """The sixty signed bytes as values. Times are seconds since 1970 (UTC), amounts möngö."""

    id: ReceiptId
    issued_at: int
    total_mongo: int
    vat_mongo: int
    kind_bits: int
    counter: int
    chain: bytes
    turnover_sealed: bytes
    document: bytes

    @property
    def kind(self) -> Kind:
        """The kind as values; only for bits that verification let pass."""
        kind = Kind.of_int(self.kind_bits)
        assert kind is not None
        return kind


def pack(payload: Payload) -> bytes:
    """Write the sixty bytes. Amounts beyond i48 raise OverflowError; documents keep them below."""
    assert len(payload.chain) == len(payload.turnover_sealed) == len(payload.document) == _DIGEST
    return _FIELDS.pack(
        payload.id.octets,
        payload.issued_at,
        payload.total_mongo.to_bytes(6, signed=True),
        payload.vat_mongo.to_bytes(6, signed=True),
        payload.kind_bits,
        payload.counter,
        payload.chain,
        payload.turnover_sealed,
        payload.document,
    )


def pack_link(  # noqa: PLR0913, PLR0917 - the fields of the table
    receipt_id: ReceiptId,
    issued_at: int,
    total_mongo: int,
    vat_mongo: int,
    kind_bits: int,
    counter: int,
    previous_hash: bytes,
    turnover_mongo: int,
    turnover_key: bytes,
    document_hash: bytes,
) -> bytes:  # fmt: skip
    """Seal the turnover and write the sixty bytes; zeros for `chain` where the hash of the link before is still b""."""
    chain = previous_hash[:_DIGEST] or bytes(_DIGEST)
    sealed = seal_turnover(turnover_mongo, turnover_key=turnover_key, id=receipt_id)
    return pack(
        Payload(
            receipt_id, issued_at, total_mongo, vat_mongo, kind_bits, counter, chain, sealed, document_hash[:_DIGEST]
        )
    )


def follow(packed: bytes, previous_hash: bytes) -> bytes:
    """Put the hash of the link before into sixty bytes that lack it."""
    return packed[:_CHAIN_AT] + previous_hash[:_DIGEST] + packed[_CHAIN_AT + _DIGEST :]


def sign_links(signer: Signer, packed: Sequence[bytes], after: Sequence[int]) -> list[tuple[bytes, bytes]]:
    """Sign links in their order and answer of each its COSE bytes and their hash. `after` tells at which place of these
    the link before is, whose hash a link holds; -1 where `packed` holds it.
    """
    signed: list[tuple[bytes, bytes]] = []
    for payload, before in zip(packed, after, strict=True):
        whole = payload if before < 0 else follow(payload, signed[before][1])
        cose = assemble(signer.kid, whole, signer.sign(to_sign(signer.kid, whole)))
        signed.append((cose, receipt_hash(cose)))
    return signed


def unpack(packed: bytes) -> Payload:
    """Read sixty bytes; the inverse of `pack`. The seller number may be one that verification refuses."""
    number, issued_at, total, vat, kind_bits, counter, chain, sealed, document = _FIELDS.unpack(packed)
    return Payload(
        ReceiptId.of_int(int.from_bytes(number)),
        issued_at,
        int.from_bytes(total, signed=True),
        int.from_bytes(vat, signed=True),
        kind_bits,
        counter,
        chain,
        sealed,
        document,
    )


def to_sign(kid: bytes, packed: bytes) -> bytes:
    """Answer the Sig_structure (RFC 9052, 4.4) over which Ed25519 signs: no external data."""
    return b"".join((_TO_SIGN_HEAD, kid, _TO_SIGN_MIDDLE, packed))


def assemble(kid: bytes, packed: bytes, signature: bytes) -> bytes:
    """Put the 144 COSE bytes together."""
    return b"".join((_HEAD, kid, _MIDDLE, packed, _BEFORE_SIGNATURE, signature))


def take_apart(cose: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Answer (kid, payload, signature), or None when they are not 144 bytes with every constant at its place."""
    if cose[:7] != _HEAD or cose[15:18] != _MIDDLE or cose[78:80] != _BEFORE_SIGNATURE or len(cose) != COSE_LENGTH:
        return None
    return cose[7:15], cose[18:78], cose[80:]


def encode_text(cose: bytes) -> str:
    """Write the 220 characters of 144 COSE bytes."""
    assert len(cose) == COSE_LENGTH
    return PREFIX + base45.encode(cose)


def receipt_hash(cose: bytes) -> bytes:
    """Answer SHA-256 of the COSE bytes: the one name of exactly this signed receipt."""
    return _sha256(cose).digest()


def seal_turnover(turnover_mongo: int, *, turnover_key: bytes, id: ReceiptId) -> bytes:  # noqa: A002 - the field's name
    """Encrypt the gross counter for this receipt. The pad is used once, for an id is used once."""
    return _pad(turnover_mongo % _I64, turnover_key, id)


def open_turnover(sealed: bytes, *, turnover_key: bytes, id: ReceiptId) -> int:  # noqa: A002 - the field's name
    """Decrypt the gross counter; the inverse of `seal_turnover`."""
    return int.from_bytes(_pad(int.from_bytes(sealed), turnover_key, id), signed=True)


def _pad(value: int, turnover_key: bytes, receipt_id: ReceiptId) -> bytes:
    pad = hmac.digest(turnover_key, receipt_id.octets, "sha256")
    return (value ^ int.from_bytes(pad[:8])).to_bytes(8)
