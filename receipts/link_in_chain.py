"""A stored link, read at its place in its chain for judgement: bytes verified, turnover opened, document decoded.

The signed bytes are the truth. A chain goes on over a link whose bytes are not genuine by what is stored beside them,
so that the links after it can still be judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from kernel.canonical import sha256
from kernel.refusal import Malformed
from receipts import qr
from receipts.chain import Head, first_head
from receipts.document import Document, decode_document
from receipts.keys import Keyring, KeyRole, turnover_key
from receipts.link_findings import Finding, places_after
from receipts.qr import Payload
from receipts.receipt import Nature
from receipts.signed_link import SignedLink, signed_link
from receipts.stored import StoredReceipt
from receipts.verification import AskTheCentre, NotGenuine, Verified, verify_cose

NATURE_BITS = 0x0F


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A terminal, and the head that is stored of its chain."""

    seller: int
    terminal: int
    mode: str
    epoch: int
    enrolment: bytes
    enrolled_at: datetime
    head: Head | None

    @property
    def first_head(self) -> Head:
        """Where its chain stood before the first link."""
        return first_head(
            seller=self.seller, terminal=self.terminal, enrolment=self.enrolment, enrolled_at=self.enrolled_at
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What links are judged by: the published keys, the turnover secrets by epoch, and the seller numbers that
    enrolment gave to TINs too long to be one.
    """

    keyring: Keyring
    masters: Mapping[int, bytes]
    given_numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StoredLink:
    """A row with what stands beside it: what was found about a link that a till signed, and the month for which the
    receipt counts where that is not the month of its issue.
    """

    row: StoredReceipt
    findings: tuple[Finding, ...] = ()
    tax_month: int | None = None


@dataclass(frozen=True, slots=True)
class LinkInChain:
    """A stored link, read for judgement. `verified` is None where the bytes are not genuine, `document` where it is not
    the signed one in its one form, `turnover_mongo` (opened) where it cannot be opened, `before` where nobody knows.
    """

    stored: StoredLink
    terminal: Enrolled | None
    before: Head | None
    verified: Verified | None
    document: Document | None
    document_hash: bytes
    turnover_mongo: int | None
    given_numbers: Mapping[str, int]

    @property
    def row(self) -> StoredReceipt:
        """The row itself."""
        return self.stored.row

    def has(self, code: str, path: str | None = None) -> bool:
        """Whether a finding of this code is recorded, at a path or anywhere."""
        return any(found.code == code and path in {None, found.path} for found in self.stored.findings)

    @property
    def signed(self) -> SignedLink:
        """The link as its till sent it; only for invariants that need a genuine one with its document."""
        assert self.verified is not None
        return signed_link(self.verified, self.content, self.row.document)

    @property
    def place(self) -> str:
        """The receipt id, written even where a damaged column makes it one that cannot be."""
        row = self.row
        return f"{row.seller:012d}{row.branch:03d}{row.day:05d}{row.number:05d}{row.terminal:08d}"

    @property
    def is_void(self) -> bool:
        """Whether the row says that it voids another."""
        return self.row.kind & NATURE_BITS == Nature.VOID

    @property
    def payload(self) -> Payload:
        """What the QR says; only for invariants that need a genuine one."""
        assert self.verified is not None
        return self.verified.payload

    @property
    def stood(self) -> Head:
        """Where the chain stood before; only for invariants that need an enrolled terminal."""
        assert self.before is not None
        return self.before

    @property
    def content(self) -> Document:
        """The document; only for invariants that need one."""
        assert self.document is not None
        return self.document


def read_link(
    stored: StoredLink, terminal: Enrolled | None, before: Head | None, evidence: Evidence, key: "SealingKeys"
) -> LinkInChain:
    """Read a link at its place in its chain: verify the bytes, open the turnover, decode the document."""
    row = stored.row
    verified = genuine(row.cose, evidence.keyring, received_at=row.received_at)
    document_hash = sha256(row.document)
    signed = verified is not None and document_hash[:8] == verified.payload.document
    return LinkInChain(
        stored=stored,
        terminal=terminal,
        before=before,
        verified=verified,
        document=_document(row.document) if signed else None,
        document_hash=document_hash,
        turnover_mongo=None if verified is None or terminal is None else key.open(verified, terminal),
        given_numbers=evidence.given_numbers,
    )


def genuine(cose: bytes, keyring: Keyring, *, received_at: datetime) -> Verified | None:
    """Answer what stored bytes say, None where they are not genuine. What a revoked key signed counts where it was
    stored before the revocation.
    """
    try:
        return verify_cose(cose, keyring)
    except AskTheCentre as asked:
        revoked_at = asked.verified.key.revoked_at
        return asked.verified if revoked_at is not None and received_at < revoked_at else None
    except NotGenuine:
        return None


def _document(encoded: bytes) -> Document | None:
    try:
        return decode_document(encoded)
    except Malformed:
        return None


class SealingKeys:
    """The K of the chain that is being walked, derived once."""

    def __init__(self, masters: Mapping[int, bytes]) -> None:
        self._masters = masters
        self._of: tuple[int, int, int] | None = None
        self._key = b""

    def open(self, verified: Verified, terminal: Enrolled) -> int | None:
        """Open the sealed turnover by the epoch of the key's certificate (a till's) or of the enrolment; None where
        the epoch has no secret.
        """
        epoch = verified.key.epoch if verified.key.role is KeyRole.TILL else terminal.epoch
        if epoch not in self._masters:
            return None
        at = (terminal.seller, terminal.terminal, epoch)
        if at != self._of:
            self._of = at
            self._key = turnover_key(self._masters[epoch], seller=at[0], terminal=at[1], epoch=epoch)
        payload = verified.payload
        return qr.open_turnover(payload.turnover_sealed, turnover_key=self._key, id=payload.id)


def head_after(link: LinkInChain) -> Head:
    """Answer where the chain stands after a link: by its signed bytes, or where these are not genuine by its row."""
    row = link.row
    if link.verified is None:
        number_after = row.number + 1 + numbers_of_parts(link)
        return Head(row.seller, row.terminal, row.counter + 1, row.receipt_hash, row.turnover_mongo, row.day,
                    number_after, row.issued_at)  # fmt: skip
    payload, parts = link.payload, numbers_of_parts(link)
    day, next_number = payload.id.day, payload.id.number + 1 + parts
    if link.verified.kind.by_till and link.before is not None:
        day, next_number = places_after(payload.id, link.before, parts=parts)
    return Head(
        seller=row.seller,
        terminal=row.terminal,
        counter=payload.counter + 1,
        previous_hash=link.verified.receipt_hash,
        turnover_mongo=row.turnover_mongo if link.turnover_mongo is None else link.turnover_mongo,
        day=day,
        next_number=next_number,
        last_issued_at=datetime.fromtimestamp(payload.issued_at, UTC),
    )


def numbers_of_parts(link: LinkInChain) -> int:
    """Answer how many numbers of the day its parts take. A void repeats amounts of parts that keep their numbers."""
    if link.document is not None:
        return len(link.document.parts)
    return 0 if link.is_void else len(link.row.part_merchants)
