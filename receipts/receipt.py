"""What kind of thing a link of a chain is, what follows from that, and the lottery number on it."""

from enum import IntEnum

from msgspec import Struct

from kernel.canonical import sha256


class TaxType(IntEnum):
    """How the law taxes a part; the numbers are those of the canonical document (VAT law, articles 7, 13, 12)."""

    VAT_ABLE = 0
    VAT_FREE = 1
    VAT_ZERO = 2
    NO_VAT = 3


class Nature(IntEnum):
    """What a link records; bits 0 to 3 of `kind`."""

    SALE = 0
    INVOICE = 1
    PAYMENT = 2
    CORRECTION = 3
    VOID = 4
    TRAINING = 5
    START = 6
    CLOSING = 7

    @property
    def adds_turnover(self) -> bool:
        """Whether the total is added to the gross counter. It never falls: a net one could be pushed back by voids."""
        return self in _ADDS_TURNOVER

    @property
    def claimable(self) -> bool:
        """Whether a consumer may claim a bundle that began with this nature."""
        return self in _CLAIMABLE


_ADDS_TURNOVER = (Nature.SALE, Nature.INVOICE, Nature.CORRECTION)  # to hash a member takes longer than to compare three
_CLAIMABLE = frozenset({Nature.SALE, Nature.PAYMENT})
_BUSINESS, _BY_TILL, _TEST, _LOTTERY = 1 << 4, 1 << 5, 1 << 6, 1 << 7
_NATURE_BITS = 0x0F
KIND_MAX = 0xFF


class Kind(Struct, frozen=True, gc=False):
    """The sixteen bits `kind` of the QR: the nature and four marks; every other bit is zero."""

    nature: Nature
    business: bool = False
    by_till: bool = False
    test: bool = False
    lottery: bool = False

    @classmethod
    def of_int(cls, bits: int) -> "Kind | None":
        """Read the bits; None when a reserved bit or an unknown nature is set."""
        return _KINDS.get(bits)

    def to_int(self) -> int:
        """Answer the bits."""
        return kind_to_int(self.nature, self.business, self.by_till, self.test, self.lottery)


def kind_to_int(nature: Nature, business: bool, by_till: bool, test: bool, lottery: bool) -> int:  # noqa: FBT001
    """Answer the sixteen bits of a kind: where many are made, no `Kind` has to be."""
    return (
        nature
        | (_BUSINESS if business else 0)
        | (_BY_TILL if by_till else 0)
        | (_TEST if test else 0)
        | (_LOTTERY if lottery else 0)
    )


def _kind_of(bits: int) -> Kind:
    return Kind(
        Nature(bits & _NATURE_BITS),
        business=bool(bits & _BUSINESS),
        by_till=bool(bits & _BY_TILL),
        test=bool(bits & _TEST),
        lottery=bool(bits & _LOTTERY),
    )


_KINDS = {bits: _kind_of(bits) for bits in range(KIND_MAX + 1) if bits & _NATURE_BITS in set(Nature)}


class LotteryNumber(Struct, frozen=True, gc=False):
    """Two letters and eight digits; only the digits take part in a draw (docs/formats/lottery-number.md)."""

    letters: str
    digits: str

    def __str__(self) -> str:
        return f"{self.letters} {self.digits}"


def lottery_number(root_hash: bytes) -> LotteryNumber:
    """Answer the lottery number of a bundle from the receipt hash of its root.

    `h = SHA-256("lottery" ‖ root_hash)`; the letters are bytes 0 and 1 modulo 26, the digits bytes 2 to 9 as a
    big-endian integer modulo 10^8 (the bias, below 2^-37, is of no account).
    """
    digest = sha256(b"lottery", root_hash)
    letters = chr(65 + digest[0] % 26) + chr(65 + digest[1] % 26)
    return LotteryNumber(letters, f"{int.from_bytes(digest[2:10]) % 10**8:08d}")
