"""Base45 (RFC 9285) by table: two bytes become three characters at one look-up, and back.

Decoding is canonical by construction: a triple that stands for more than 65535, or a final pair for more than 255, is
not in the table, so every byte string has exactly one text.
"""

import struct
from functools import cache, lru_cache

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_BASE = 45


def encode(octets: bytes) -> str:
    """Write bytes as Base45 text."""
    pairs = struct.unpack_from(f">{len(octets) // 2}H", octets)
    text = "".join(map(_triples().__getitem__, pairs))
    return text + _pair(octets[-1]) if len(octets) % 2 else text


def decode(text: str) -> bytes | None:
    """Read Base45 text; None when it is not the text of any bytes."""
    try:
        triples, rest = _shape(len(text)).unpack(text.encode("ascii"))[:-1], text[len(text) // 3 * 3 :]
        return b"".join(map(_values().__getitem__, triples)) + (_last_values()[rest] if rest else b"")
    except (KeyError, UnicodeEncodeError):
        return None


@lru_cache(maxsize=16)
def _shape(length: int) -> struct.Struct:
    return struct.Struct("3s" * (length // 3) + f"{length % 3}s")


def _pair(value: int) -> str:
    return ALPHABET[value % _BASE] + ALPHABET[value // _BASE]


@cache
def _triples() -> list[str]:
    pairs = [low + high for high in ALPHABET for low in ALPHABET]
    return [pairs[value % 2025] + ALPHABET[value // 2025] for value in range(65536)]


@cache
def _values() -> dict[bytes, bytes]:
    return {triple.encode(): value.to_bytes(2) for value, triple in enumerate(_triples())}


@cache
def _last_values() -> dict[str, bytes]:
    return {_pair(value): bytes([value]) for value in range(256)}
