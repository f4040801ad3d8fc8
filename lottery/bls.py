"""BLS signatures over BLS12-381 with signatures in G1 and keys in G2, messages hashed to the curve as in RFC 9380.

The arithmetic is py_ecc's: pure Python, a quarter of a second a signature, and nine tenths of a second to import, which
therefore happens at the first use. Its import raises the recursion limit of the whole process to 100,000, at which a
JSON body of brackets alone overflows the C stack; so the limit is put back.
"""

import sys
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

_DST = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
_SIGNATURE_BYTES = 48
_KEY_HALF_BYTES = 48


class _Arithmetic(NamedTuple):
    curve: Any
    pairings: Any
    points: Any
    hashing: Any


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Answer whether e(signature, G2) = e(H(message), public key). `public_key` must be a compressed point of G2.

    Bytes that are not the one encoding of a point of the right subgroup, or are of the point at infinity, are no
    signature.
    """
    if len(signature) != _SIGNATURE_BYTES:
        return False
    curve, pairings, points, hashing = _arithmetic()
    try:
        point = points.decompress_G1(int.from_bytes(signature))
    except ValueError:
        return False
    if not curve.is_inf(curve.multiply(point, curve.curve_order)):
        return False
    key = points.decompress_G2(
        (int.from_bytes(public_key[:_KEY_HALF_BYTES]), int.from_bytes(public_key[_KEY_HALF_BYTES:]))
    )
    hashed = hashing.hash_to_G1(message, _DST, sha256)
    product = pairings.pairing(curve.G2, point, final_exponentiate=False) * pairings.pairing(
        key, curve.neg(hashed), final_exponentiate=False
    )
    return bool(pairings.final_exponentiate(product) == product.one())


@cache
def _arithmetic() -> _Arithmetic:
    limit = sys.getrecursionlimit()
    try:
        from py_ecc.bls import hash_to_curve, point_compression  # noqa: PLC0415 - slow, and only the draw needs it
        from py_ecc.optimized_bls12_381 import optimized_curve, optimized_pairing  # noqa: PLC0415 - as above
    finally:
        sys.setrecursionlimit(limit)
    return _Arithmetic(optimized_curve, optimized_pairing, point_compression, hash_to_curve)
