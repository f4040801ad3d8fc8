"""The receipt id (ДДТД): 33 decimal digits that say who, where, when and which.

| digits | field                                                         |
|--------|---------------------------------------------------------------|
| 12     | seller number (the TIN padded with zeros, or a reserved 99…)   |
| 3      | branch                                                        |
| 5      | day: days since 2000-01-07 in Ulaanbaatar                     |
| 5      | number of the day: the bundle and each of its parts take one  |
| 8      | terminal                                                      |

Source: read off recorded PosAPI receipts; normative in docs/formats/receipt-id.md.
"""

import re
from typing import Self

from msgspec import Struct

from kernel.refusal import Fault, Malformed

ID_DIGITS = 33
NUMBERS_A_DAY = 100_000
_BRANCHES, _DAYS, _TERMINALS = 10**3, 10**5, 10**8
_SELLER, _BRANCH, _DAY, _NUMBER = 10**21, 10**18, 10**13, 10**8
"""What one seller, branch, day, number is worth in the integer of the 33 digits; a terminal is worth 1."""


class ReceiptId(Struct, frozen=True, gc=False, order=True):
    """One receipt or part for ever. Ordered by seller, branch, day, number, terminal."""

    seller: int
    branch: int
    day: int
    number: int
    terminal: int

    @classmethod
    def parse(cls, text: str, path: str = "/id") -> Self:
        """Read 33 digits. Raises `Malformed` with `receipt_id_form`."""
        if not re.fullmatch(r"[0-9]{33}", text):
            raise Malformed(Fault("receipt_id_form", path, "33 digits"))
        return cls.of_int(int(text))

    @classmethod
    def of_int(cls, value: int) -> Self:
        """Take the integer of the 33 digits apart, as the QR carries it. `value` must be below 10^33."""
        seller, rest = divmod(value, _SELLER)
        branch, rest = divmod(rest, _BRANCH)
        day, rest = divmod(rest, _DAY)
        number, terminal = divmod(rest, _NUMBER)
        return cls(seller, branch, day, number, terminal)

    def to_int(self) -> int:
        """Answer the 33 digits as one integer."""
        assert 0 <= self.branch < _BRANCHES
        assert 0 <= self.day < _DAYS
        assert 0 <= self.number < NUMBERS_A_DAY
        assert 0 <= self.terminal < _TERMINALS
        return self.seller * _SELLER + self.branch * _BRANCH + self.day * _DAY + self.number * _NUMBER + self.terminal

    @property
    def octets(self) -> bytes:
        """The 14 bytes of the id in the QR, and in what is hashed for it."""
        return self.to_int().to_bytes(14)

    def __str__(self) -> str:
        return "%033d" % self.to_int()  # noqa: UP031 - half the time of an f-string
