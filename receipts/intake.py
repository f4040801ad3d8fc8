"""What one transaction knows and gathers while it takes links that tills signed. No I/O."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import Struct

from kernel.canonical import sha256
from kernel.refusal import Refusal
from receipts.chain import Head
from receipts.chunk import Bundle, Event, Successor
from receipts.ids import ReceiptId
from receipts.link_findings import Finding
from receipts.signed_link import SignedLink
from receipts.signed_rows import Fork
from receipts.stored import ReceiptKey, StoredReceipt

Terminal = tuple[int, int]
"""Seller and terminal."""


class PredecessorMissing(Refusal):
    """The link before this one has not arrived; `expected` is the counter of the one to send first."""

    code = "predecessor_missing"

    def __init__(self, expected: int) -> None:
        super().__init__(expected=str(expected))
        self.expected = expected


class KeyRevoked(Refusal):
    """The key was revoked, and exactly these bytes were not stored before."""

    code = "key_revoked"


class Enrolment(Struct, frozen=True, gc=False):
    """A terminal as it stands."""

    seller: int
    terminal: int
    client_id: str
    mode: str
    enrolment: bytes
    suspended_at: datetime | None
    closed_at: datetime | None
    forked: bool = False
    """Whether its chain has more than one branch."""


class Known(Struct, frozen=True, gc=False):
    """What is stored under a receipt id: which bytes, and of which bundle."""

    receipt_hash: bytes
    root_key: ReceiptKey


class Accepted(Struct, frozen=True, gc=False):
    """A link that is stored, now or before (`repeated`), with what was found about it. A fork is no receipt of its id:
    it has no root, and nobody can claim it.
    """

    link: SignedLink
    findings: tuple[Finding, ...]
    repeated: bool = False
    fork: bool = False
    suspended: bool = False
    root_key: ReceiptKey | None = None


Outcome = Accepted | Refusal


@dataclass(slots=True)
class Intake:
    """One transaction's state: what was loaded, and what is to be stored."""

    now: datetime
    heads: dict[Terminal, Head]
    enrolments: dict[Terminal, Enrolment]
    test: bool = False
    """Whether receipts of this centre are marked TEST."""
    known: dict[ReceiptKey, Known] = field(default_factory=dict)
    """What is stored under the ids of the links that were delivered."""
    hashes: dict[tuple[int, int, int], list[bytes]] = field(default_factory=lambda: defaultdict(list))
    """The stored links and forks that may be predecessors, by seller, terminal and counter."""
    forked: set[bytes] = field(default_factory=set)
    """Of all these, those that are forks."""
    findings_before: dict[bytes, tuple[Finding, ...]] = field(default_factory=dict)
    bundles: dict[ReceiptId, Bundle] = field(default_factory=dict)
    invoices: set[ReceiptId] = field(default_factory=set)
    receipts: list[StoredReceipt] = field(default_factory=list)
    forks: list[Fork] = field(default_factory=list)
    findings: list[tuple[SignedLink, Sequence[Finding]]] = field(default_factory=list)
    tax_months: list[tuple[ReceiptKey, int]] = field(default_factory=list)
    successors: list[Successor] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    moved: set[Terminal] = field(default_factory=set)
    suspended: set[Terminal] = field(default_factory=set)
    closed: set[Terminal] = field(default_factory=set)

    def is_suspended(self, terminal: Terminal) -> bool:
        """Whether a terminal is suspended, before or in this transaction."""
        return terminal in self.suspended or self.enrolments[terminal].suspended_at is not None

    def suspended_at(self, terminal: Terminal) -> datetime | None:
        """Since when a terminal is suspended."""
        before = self.enrolments[terminal].suspended_at
        return self.now if before is None and terminal in self.suspended else before

    def is_closed(self, terminal: Terminal) -> bool:
        """Whether a terminal is closed, before or in this transaction."""
        return terminal in self.closed or self.enrolments[terminal].closed_at is not None

    def predecessor(self, link: SignedLink) -> bytes | None:
        """Answer the hash of the stored link, or fork, on which a link builds; for a first one that of the enrolment.
        None where it is not here.
        """
        seller, terminal = link.terminal
        counter, chain = link.payload.counter, link.payload.chain
        if counter == 0:
            before = [sha256(self.enrolments[link.terminal].enrolment)]
        else:
            before = self.hashes.get((seller, terminal, counter - 1), [])
        return next((digest for digest in before if digest[:8] == chain), None)

    def remember(self, link: SignedLink) -> None:
        """Note that a link is here, so that others of this transaction can build on it."""
        self.hashes[*link.terminal, link.payload.counter].append(link.receipt_hash)
