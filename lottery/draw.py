"""From the beacon's randomness and the commitment to the numbers, and from a number to its block of leaves.

    seed    = SHA-256("barimt draw 1" ‖ randomness ‖ commitment hash)
    number  = x mod 10^8, as eight digits, for the first x below 42 x 10^8 among
              x_i = first four bytes, big-endian, of SHA-256(seed ‖ label ‖ i as one byte),   i = 0, 1, 2 ...

The label is `main` or `super`. 42 x 10^8 is the greatest multiple of 10^8 in 32 bits, so every number is equally
likely; x_i is refused with a probability of 2.2 %, and 256 refusals in a row never happen.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from itertools import count

from kernel.canonical import sha256
from lottery.entries import Status
from lottery.prizes import DIGITS, MAIN, SUPER, Numbers, Plan

_RANGE = 10**DIGITS
_ACCEPTED_BELOW = 2**32 // _RANGE * _RANGE


def drawn_numbers(randomness: bytes, commitment_hash: bytes) -> Numbers:
    """Answer the main and the super number."""
    seed = sha256(b"barimt draw 1", randomness, commitment_hash)
    return Numbers(_number(seed, MAIN), _number(seed, SUPER))


def _number(seed: bytes, label: str) -> str:
    tries = (int.from_bytes(sha256(seed, label.encode(), bytes((i,)))[:4]) for i in count())
    return f"{next(x for x in tries if x < _ACCEPTED_BELOW) % _RANGE:0{DIGITS}d}"


def block_bounds(number: str, digits: int) -> tuple[bytes, bytes]:
    """Answer the bytes at or after which, and before which, the eligible leaves with these last digits stand."""
    width = 10 ** (DIGITS - digits)
    first = int(number[::-1]) // width * width
    eligible = bytes((Status.ELIGIBLE,))
    return eligible + first.to_bytes(4), eligible + (first + width).to_bytes(4)


def block(leaf_at: Callable[[int], bytes], size: int, number: str, digits: int) -> range:
    """Answer the positions of the leaves whose last `digits` digits are the number's, by about 2 log2(size) look-ups.

    When there are none, the empty range stands where they would.
    """
    low, high = block_bounds(number, digits)
    first = bisect_left(range(size), low, key=leaf_at)
    return range(first, bisect_left(range(size), high, lo=first, key=leaf_at))


def revealed_positions(
    leaf_at: Callable[[int], bytes], counts: Mapping[Status, int], plan: Plan, numbers: Numbers
) -> list[int]:
    """Answer the positions of the leaves that the transcript must show, ascending: each winning block with the leaf
    before and the leaf after it, and the leaves where one status ends and the next begins, which prove the counts.
    """
    size = sum(counts.values())
    shown = set(_borders(counts))
    for label, digits in plan.block_digits().items():
        found = block(leaf_at, size, numbers.labelled()[label], digits)
        shown.update(range(max(found.start - 1, 0), min(found.stop + 1, size)))
    return sorted(shown)


def _borders(counts: Mapping[Status, int]) -> list[int]:
    """Answer the last position of each status that occurs, and the first of each but the eligible."""
    positions, start = [], 0
    for status in Status:
        end = start + counts[status]
        if end > start:
            positions += [end - 1] if status is Status.ELIGIBLE else [start, end - 1]
        start = end
    return positions
