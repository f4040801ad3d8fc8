"""The Merkle tree of RFC 6962 (2.1) over the leaves of a draw, and which of its hashes prove a set of leaves.

A leaf's hash is SHA-256(00 ‖ leaf), an inner node's SHA-256(01 ‖ left ‖ right), the empty tree's SHA-256(""). The tree
is held as levels: level 0 the leaf hashes, each next level the pairs of the one below, an odd last node moving up as it
is. So a node (level, index) covers the leaves from `index << level` on, and the last level is the root.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

HASH_BYTES = 32
_PAIR_BYTES = 2 * HASH_BYTES


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """The place of one hash in the levels."""

    level: int
    index: int


@dataclass(frozen=True, slots=True)
class Tree:
    """The levels of a tree, each the hashes of its nodes one after the other."""

    levels: tuple[bytes, ...]

    @classmethod
    def of(cls, leaves: Iterable[bytes]) -> "Tree":
        """Build the tree over the leaves."""
        levels = [_joined(sha256(b"\x00" + leaf).digest() for leaf in leaves)]
        while len(levels[-1]) > HASH_BYTES:
            levels.append(_above(levels[-1]))
        return cls(tuple(levels))

    @property
    def root(self) -> bytes:
        """The hash that stands for all leaves."""
        return self.levels[-1] or sha256(b"").digest()

    def hash_of(self, node: Node) -> bytes:
        """Answer the hash at a node."""
        return self.levels[node.level][HASH_BYTES * node.index : HASH_BYTES * (node.index + 1)]


def proof_nodes(positions: Sequence[int], size: int) -> list[Node]:
    """Answer the nodes whose hashes, with the leaves at `positions`, give the root of a tree of `size` leaves.

    They are the roots of the largest subtrees without any of these leaves, from left to right. `positions` must ascend.
    """
    return list(_uncovered(positions, 0, size)) if size else []


def _uncovered(positions: Sequence[int], start: int, end: int) -> Iterator[Node]:
    at = bisect_left(positions, start)
    if at == len(positions) or positions[at] >= end:
        level = (end - start - 1).bit_length()
        yield Node(level, start >> level)
    elif end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        yield from _uncovered(positions, start, middle)
        yield from _uncovered(positions, middle, end)


def _above(level: bytes) -> bytes:
    even = len(level) // _PAIR_BYTES * _PAIR_BYTES
    pairs = (sha256(b"\x01" + level[at : at + _PAIR_BYTES]).digest() for at in range(0, even, _PAIR_BYTES))
    return _joined(pairs) + level[even:]


def _joined(hashes: Iterable[bytes]) -> bytes:
    """Join hashes without holding each as an object first, as `bytes.join` would: 80 bytes each for 32."""
    joined = bytearray()
    for digest in hashes:
        joined += digest
    return bytes(joined)
