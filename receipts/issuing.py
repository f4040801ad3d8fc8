"""What issuing asks of whatever stores: the statements of one open transaction, each over a whole chunk.

PostgreSQL answers them (`receipts.store.issuing`), and so does the memory of the simulation.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from receipts.chunk import Chunk, LockedChain
from receipts.stored import ReceiptKey, StoredReceipt


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What an idempotency key was used for."""

    content_hash: bytes
    receipt: ReceiptKey


class Issuing(Protocol):
    """An open transaction. Nothing that it adds is seen by others before it commits."""

    async def lock_chains(self, terminals: Iterable[tuple[int, int]]) -> dict[tuple[int, int], LockedChain]:
        """Lock chains in one order (seller, terminal) until the end and answer where they stand."""

    async def find_keys(
        self, asked: Iterable[tuple[int, str, str]], received_month: int
    ) -> dict[tuple[str, str], KnownKey]:
        """Answer what idempotency keys (seller, client, key) were used for, by (client, key): received this month, last
        month, or next month, by a clock that has been set back since, or by another machine's that is ahead of ours.
        """

    async def find_receipts(self, keys: Iterable[ReceiptKey], *, lock: bool = False) -> dict[ReceiptKey, StoredReceipt]:
        """Answer receipts by primary key; with `lock` their rows are locked in the order of the key until the end."""

    async def find_latest(self, roots: Iterable[ReceiptKey]) -> dict[ReceiptKey, ReceiptKey]:
        """Answer for each root that has successors the last link of its correction chain."""

    async def add(self, chunk: Chunk, received_month: int) -> None:
        """Store what a chunk gathered: receipts, heads, keys, successors and events."""
