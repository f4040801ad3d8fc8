"""Base45 (RFC 9285), all pairs of bytes at once: each pair is one 32-bit lane of one big integer.

Two bytes `n` are the three digits `n = c + 45 d + 2025 e`, written `c d e`; a last single byte is `c d`. A table of all
65,536 triples would do, but look-ups in it miss the processor's caches and take longer than the arithmetic.

Decoding is canonical by construction: a triple that stands for more than 65535, or a final pair for more than 255, is
refused, so every byte string has exactly one text.
"""

from functools import lru_cache

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_BASE = 45
_TO_CHARACTER = ALPHABET.encode().ljust(256, b"\xff")
_TO_DIGIT = bytes(ALPHABET.find(chr(octet)) & 0xFF for octet in range(256))
_NO_DIGIT = 0xFF


def encode(octets: bytes) -> str:
    """Write bytes as Base45 text."""
    pairs, odd = divmod(len(octets), 2)
    lanes = bytearray(4 * pairs)
    lanes[0::4], lanes[1::4] = octets[1::2], octets[0 : 2 * pairs : 2]
    value = int.from_bytes(lanes, "little")
    ones = _ones(pairs)
    by_45 = (value * 11651 >> 19) & ones * 0x7FF  # n * 11651 >> 19 is n // 45 for every n below 65536
    by_2025 = (by_45 * 1457 >> 16) & ones * 0x3F  # n * 1457 >> 16 is n // 45 for every n below 1457
    # c + 256 d + 65536 e, where c = n - 45 by_45 and d = by_45 - 45 e; the lane's top byte is marked for deletion
    digits = value + 211 * by_45 + 54016 * by_2025 + (ones * 0xFF << 24)
    text = digits.to_bytes(4 * pairs, "little").translate(_TO_CHARACTER, b"\xff").decode("ascii")
    return text + ALPHABET[octets[-1] % _BASE] + ALPHABET[octets[-1] // _BASE] if odd else text


def decode(text: str) -> bytes | None:
    """Read Base45 text; None when it is not the text of any bytes."""
    digits = text.encode("ascii", "replace").translate(_TO_DIGIT)  # what is not ASCII becomes "?", which is no digit
    triples, rest = divmod(len(digits), 3)
    if _NO_DIGIT in digits or rest == 1:
        return None
    last = digits[-2] + _BASE * digits[-1] if rest else 0
    whole = digits[: 3 * triples]
    lanes = bytearray(4 * triples)
    lanes[0::4], lanes[1::4], lanes[2::4] = whole[0::3], whole[1::3], whole[2::3]
    packed, low = int.from_bytes(lanes, "little"), _ones(triples) * 0xFF
    value = (packed & low) + 45 * (packed >> 8 & low) + 2025 * (packed >> 16 & low)
    if value & low << 16 or last > 0xFF:  # noqa: PLR2004 - the largest byte
        return None
    written = value.to_bytes(4 * triples, "little")
    octets = bytearray(2 * triples)
    octets[0::2], octets[1::2] = written[1::4], written[0::4]
    return bytes(octets) + bytes((last,)) * (rest // 2)


@lru_cache(maxsize=16)
def _ones(pairs: int) -> int:
    return int.from_bytes(b"\1\0\0\0" * pairs, "little")
