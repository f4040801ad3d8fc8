"""The queue as a shopkeeper and the comparison with the centre look at it: how long chains are, a day's last receipts.

What is quick is read where it is asked for, what takes a while in a thread.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from kernel.clock import DAY_ZERO
from pos_gateway.till.outcomes import SameBodies
from pos_gateway.till.read_queue import Reader
from pos_gateway.till.rows import instant
from pos_gateway.till.seat import ChainAt
from pos_gateway.till.store import listing
from pos_gateway.till.store.listing import ListedRow
from receipts.ids import NUMBERS_A_DAY, ReceiptId
from receipts.receipt import Kind, Nature

LISTED_MAX: Final = 100
_RECEIPTS: Final = frozenset({Nature.SALE, Nature.INVOICE, Nature.PAYMENT, Nature.CORRECTION})


@dataclass(frozen=True, slots=True)
class Listed:
    """A receipt of the list. `identical` is how many of its body there are within ten minutes, 1 where it is alone;
    `findings` are codes of what the centre found.
    """

    id: ReceiptId
    issued_at: datetime
    nature: Nature
    total_mongo: int
    vat_mongo: int
    uploaded: bool
    fork: bool
    findings: tuple[str, ...]
    followed_by: Nature | None
    identical: int

    @property
    def voidable(self) -> bool:
        """Whether the shop may void it: nothing has followed it yet."""
        return self.followed_by is None and self.nature in _RECEIPTS

    @property
    def printable(self) -> bool:
        """Whether it is a receipt that somebody may be given again."""
        return self.voidable


class QueueView:
    """Looks at a queue. `near` is for what is quick, `far` for what takes a while, in a thread."""

    def __init__(self, near: Reader, far: Reader) -> None:
        self._near = near
        self._far = far

    def counter(self, chain: ChainAt) -> int:
        """Answer how many links a chain has here: the counter of the next."""
        return self._near.read(lambda connection: listing.read_counter(connection, chain))

    def link_hash(self, chain: ChainAt, counter: int) -> bytes | None:
        """Answer the hash of a chain's link; None where it is not here (any more)."""
        return self._near.read(lambda connection: listing.read_link_hash(connection, chain, counter))

    def numbers_left(self, chain: ChainAt, day: date) -> int:
        """Answer how many more numbers a terminal can give on a business day."""
        found = self._near.read(lambda connection: listing.read_numbering(connection, chain))
        given = found[1] if found is not None and found[0] == (day - DAY_ZERO).days else 0
        return NUMBERS_A_DAY - given

    async def last_of_day(self, day: date, same: Iterable[SameBodies], *, most: int = LISTED_MAX) -> list[Listed]:
        """Answer a business day's last receipts, the newest first; `same` are the day's identical ones. The start and
        the end of a chain are no receipts.
        """
        number = (day - DAY_ZERO).days
        rows = await self._far.read_aside(lambda connection: listing.read_last_of_day(connection, number, most=most))
        count = {receipt: len(bodies.receipts) for bodies in same for receipt in bodies.receipts}
        listed = [_listed(row, count) for row in rows]
        return [one for one in listed if one.nature not in {Nature.START, Nature.CLOSING}]


def _listed(row: ListedRow, count: dict[ReceiptId, int]) -> Listed:
    receipt = ReceiptId(row.seller, row.branch, row.day, row.number, row.terminal)
    return Listed(
        id=receipt,
        issued_at=instant(row.issued_at),
        nature=_nature(row.kind),
        total_mongo=row.total_mongo,
        vat_mongo=row.vat_mongo,
        uploaded=row.findings is not None,
        fork=bool(row.fork),
        findings=tuple((row.findings or "").split()),
        followed_by=None if row.successor_kind is None else _nature(row.successor_kind),
        identical=count.get(receipt, 1),
    )


def _nature(bits: int) -> Nature:
    kind = Kind.of_int(bits)
    assert kind is not None
    return kind.nature
