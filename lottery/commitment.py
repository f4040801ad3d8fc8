"""What is published before the randomness exists: every claim of the month as a salted leaf under one root.

A leaf has 37 bytes:

| at | bytes | what                                                                                              |
|----|-------|---------------------------------------------------------------------------------------------------|
| 0  | 1     | status (`lottery.entries.Status`); 0 is eligible                                                  |
| 1  | 4     | eligible: the eight digits of the lottery number in reverse order, as a big-endian integer; else 0 |
| 5  | 32    | ticket = SHA-256(salt ‖ receipt hash of the root)                                                 |

salt = HMAC-SHA-256(the draw's secret, claim as a big-endian u64): its owner can be handed it without telling anything
of another's. Leaves stand in ascending order of their bytes. So the eligible come first, by their reversed digits, and
those that share their last digits stand together.
"""

import hmac
import json
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kernel.canonical import Json, canonical_json, sha256
from kernel.clock import Month, format_instant, parse_instant
from lottery.beacon import Mode
from lottery.entries import Entry, Status
from lottery.prizes import DIGITS
from lottery.tree import Tree
from receipts.receipt import lottery_number

FORMAT = "barimt-draw-commitment-1"
LEAF_BYTES = 37
SECRET_BYTES = 32
_CLAIM_BYTES = 8
_RECORD_BYTES = LEAF_BYTES + _CLAIM_BYTES
_NO_DIGITS = bytes(4)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf taken apart. `digits` are those of the lottery number, empty unless it is eligible."""

    status: Status
    digits: str
    ticket: bytes

    @classmethod
    def of(cls, content: bytes) -> "Leaf":
        """Take the 37 bytes apart."""
        status = Status(content[0])
        number = int.from_bytes(content[1:5])
        return cls(status, f"{number:0{DIGITS}d}"[::-1] if status is Status.ELIGIBLE else "", content[5:])


@dataclass(frozen=True, slots=True)
class Leaves:
    """The leaves in their order, with the claim behind each."""

    content: bytes
    claims: "array[int]"

    def __len__(self) -> int:
        return len(self.claims)

    def at(self, position: int) -> bytes:
        """Answer the 37 bytes of the leaf at a position."""
        return self.content[LEAF_BYTES * position : LEAF_BYTES * (position + 1)]

    def counts(self) -> dict[Status, int]:
        """Answer how many leaves have each status."""
        statuses = self.content[::LEAF_BYTES]
        return {status: statuses.count(status) for status in Status}

    def tree(self) -> Tree:
        """Build the tree over the leaves."""
        return Tree.of(self.at(position) for position in range(len(self)))


def salt_of(secret: bytes, claim: int) -> bytes:
    """Answer the salt of a claim's leaf, to be shown to nobody but its owner."""
    return hmac.digest(secret, claim.to_bytes(_CLAIM_BYTES), "sha256")


def leaf_of(entry: Entry, secret: bytes) -> bytes:
    """Answer the 37 bytes of an entry's leaf."""
    ticket = sha256(salt_of(secret, entry.claim), entry.root_hash)
    eligible = entry.status is Status.ELIGIBLE
    reversed_digits = int(lottery_number(entry.root_hash).digits[::-1]).to_bytes(4) if eligible else _NO_DIGITS
    return bytes((entry.status,)) + reversed_digits + ticket


def leaves_of(entries: Iterable[Entry], secret: bytes) -> Leaves:
    """Make the leaves of all entries and put them in their order."""
    # leaf and claim in one record: half the memory of pairs, and no two leaves are equal
    records = sorted(leaf_of(entry, secret) + entry.claim.to_bytes(_CLAIM_BYTES) for entry in entries)
    claims = array("q", (int.from_bytes(record[LEAF_BYTES:]) for record in records))
    content = bytearray()
    for record in records:
        content += record[:LEAF_BYTES]
    return Leaves(bytes(content), claims)


@dataclass(frozen=True, slots=True)
class Commitment:
    """What the operator can no longer change once it is published."""

    month: Month
    mode: Mode
    cut_off: datetime
    committed_at: datetime
    counts: Mapping[Status, int]
    root: bytes
    rules_hash: bytes
    chain: bytes
    round: int

    @classmethod
    def parse(cls, content: bytes) -> "Commitment":
        """Read a stored commitment; the inverse of `canonical`."""
        paper = json.loads(content)
        return cls(
            month=Month.parse(paper["month"]),
            mode=Mode(paper["mode"]),
            cut_off=parse_instant(paper["cut_off"], "/cut_off"),
            committed_at=parse_instant(paper["committed_at"], "/committed_at"),
            counts={status: paper["counts"][status.word] for status in Status},
            root=bytes.fromhex(paper["root"]),
            rules_hash=bytes.fromhex(paper["rules_hash"]),
            chain=bytes.fromhex(paper["beacon"]["chain"]),
            round=paper["beacon"]["round"],
        )

    @property
    def size(self) -> int:
        """The number of leaves."""
        return sum(self.counts.values())

    def to_json(self) -> dict[str, Json]:
        """Answer the commitment as it is published. No outside witness countersigns it yet."""
        return {
            "format": FORMAT,
            "month": str(self.month),
            "mode": self.mode.value,
            "cut_off": format_instant(self.cut_off),
            "committed_at": format_instant(self.committed_at),
            "counts": {status.word: self.counts[status] for status in Status},
            "root": self.root.hex(),
            "rules_hash": self.rules_hash.hex(),
            "beacon": {"chain": self.chain.hex(), "round": self.round},
            "witnesses": [],
        }

    def canonical(self) -> bytes:
        """Answer the canonical JSON of the commitment: what is published, stored and hashed."""
        return canonical_json(self.to_json())

    def hash(self) -> bytes:
        """Answer the commitment's hash, from which together with the beacon's randomness the numbers are drawn."""
        return sha256(self.canonical())
