"""Base45 (RFC 9285) by table: two bytes become three characters at one look-up, and back.

Decoding is canonical by construction: a triple that stands for more than 65535, or a final pair for more than 255, is
not in the table, so every byte string has exactly one text.
"""

import struct
from functools import cache

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_BASE = 45


def encode(octets: bytes) -> str:
    """Write bytes as Base45 text."""
    pairs = struct.unpack_from(f">{len(octets) // 2}H", octets)
    text = "".join(map(_triples().__getitem__, pairs))
    return text + _pair(octets[-1]) if len(octets) % 2 else text


def decode(text: str) -> bytes | None:
    """Read Base45 text; None when it is not the text of any bytes."""
    values = _values()
    whole = len(text) // 3
    try:
        pairs = struct.pack(f">{whole}H", *[values[text[at : at + 3]] for at in range(0, 3 * whole, 3)])
        return pairs + _last_octet(text[3 * whole :])
    except KeyError:
        return None


def _last_octet(rest: str) -> bytes:
    if not rest:
        return b""
    return bytes([_last_values()[rest]])


def _pair(value: int) -> str:
    return ALPHABET[value % _BASE] + ALPHABET[value // _BASE]


@cache
def _triples() -> list[str]:
    pairs = [low + high for high in ALPHABET for low in ALPHABET]
    return [pairs[value % 2025] + ALPHABET[value // 2025] for value in range(65536)]


@cache
def _values() -> dict[str, int]:
    return {triple: value for value, triple in enumerate(_triples())}


@cache
def _last_values() -> dict[str, int]:
    return {_pair(value): value for value in range(256)}
