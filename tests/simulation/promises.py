"""What the gateway said to tills, held against what is stored: at once where that is possible, and at the end."""

from dataclasses import dataclass, field

from kernel.refusal import Refusal
from pos_gateway.pool import OutcomeUnknown
from receipts.orders import Issued, Order, VoidOrder
from receipts.stored import StoredReceipt
from tests.simulation.chance import History
from tests.simulation.memory_database import MemoryDatabase

Said = Issued | Refusal | Exception
"""What a request came to: issued, refused, unknown (`OutcomeUnknown`), not issued (`Unavailable`), or an incident."""


class BrokenPromise(Exception):  # noqa: N818 - named by what it is
    """Something was said that is not so, or is stored that must not be. `kind` is one of a few names."""

    def __init__(self, kind: str, what: object) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


@dataclass(slots=True)
class Promises:
    """Takes down every answer as it leaves a worker. `breaches` is empty as long as everything is true."""

    database: MemoryDatabase
    history: History
    acknowledged: dict[tuple[str, str], StoredReceipt] = field(default_factory=dict)
    voids: list[tuple[Order, StoredReceipt]] = field(default_factory=list)
    denied: dict[int, Order] = field(default_factory=dict)
    """Very orders of which it was said that they were not issued; kept, so that no other takes their identity."""
    breaches: list[BrokenPromise] = field(default_factory=list)

    def said(self, order: Order, said: Said) -> None:
        """Judge an answer in the moment in which it is given. `order` is this request's very own."""
        if isinstance(said, Issued):
            self.history.note("issued" if not said.repeated else "repeated", order.key, said.receipt.receipt_hash.hex())
            self._issued(order, said)
            return
        self.history.note(getattr(said, "code", type(said).__name__), order.key)
        if not isinstance(said, OutcomeUnknown):
            self.denied[id(order)] = order
            if id(order) in self.database.committed:
                self._broken("said not issued, but it is stored", order.key)

    def _issued(self, order: Order, said: Issued) -> None:
        receipt, stored = said.receipt, self.database.receipts
        if stored.get(receipt.key) != receipt:
            self._broken("answered before the commit", order.key)
            return
        if stored[receipt.root_key].receipt_hash != said.root_hash:
            self._broken("answered with another root", order.key)
        first = self.acknowledged.setdefault((order.client_id, order.key), receipt)
        if first != receipt:
            self._broken("a second receipt for one key", order.key)
        if not isinstance(order, VoidOrder) and receipt.total_mongo != order.priced.total_mongo:
            self._broken("answered with another's receipt", order.key)
        if isinstance(order, VoidOrder) and not said.repeated:
            self.voids.append((order, receipt))

    def _broken(self, kind: str, what: object) -> None:
        self.breaches.append(BrokenPromise(kind, what))
