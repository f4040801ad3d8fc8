"""Chance that is the same on every machine and in any order: each draw is named, and its name is hashed."""

from dataclasses import dataclass

from kernel.canonical import sha256

PER_MILLE = 1000
_DRAW_BYTES = 8
_UNIT = 1_000_000
_UNIFORMS = 12
"""The sum of twelve uniform draws has the variance of a normal one with deviation 1 (Irwin-Hall)."""


@dataclass(frozen=True, slots=True)
class Seed:
    """The one number that all chance of a demo hangs on."""

    value: int

    def draw(self, below: int, *name: str | int) -> int:
        """Answer a whole number from 0 to `below` - 1, uniform (the bias is below `below` / 2^64)."""
        assert below > 0
        digest = sha256("/".join(map(str, (self.value, *name))).encode())
        return int.from_bytes(digest[:_DRAW_BYTES]) * below >> (8 * _DRAW_BYTES)

    def chance(self, per_mille: int, *name: str | int) -> bool:
        """Answer yes in `per_mille` of a thousand cases."""
        return self.draw(PER_MILLE, *name) < per_mille

    def between(self, low: int, high: int, *name: str | int) -> int:
        """Answer a whole number from `low` to `high`, both included."""
        return low + self.draw(high - low + 1, *name)

    def noise(self, deviation: int, limit: int, *name: str | int) -> int:
        """Answer a bell-shaped draw around 0 with that standard deviation, cut at plus and minus `limit`."""
        standard = sum(self.draw(_UNIT + 1, *name, turn) for turn in range(_UNIFORMS)) - _UNIFORMS * _UNIT // 2
        return max(-limit, min(limit, standard * deviation // _UNIT))
