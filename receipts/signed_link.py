"""A link as a till sent it: bytes verified, document decoded. Nothing that it says is believed or doubted yet."""

from datetime import UTC, datetime

from msgspec import Struct

from kernel.canonical import sha256
from receipts.document import Document
from receipts.ids import ReceiptId
from receipts.qr import Payload
from receipts.receipt import Kind
from receipts.stored import ReceiptKey
from receipts.submission import Payment
from receipts.verification import Verified


class SignedLink(Struct, frozen=True, gc=False):
    """A genuine link of a till's chain with its document. `payments` and `consumer_no` come beside it, unsigned; of a
    revoked key only bytes that were stored before are taken. `key` is the primary key under which such a receipt is
    stored, `terminal` its seller and terminal, `issued_at` by the till's clock.
    """

    verified: Verified
    document: Document
    encoded: bytes
    id: ReceiptId
    key: ReceiptKey
    terminal: tuple[int, int]
    issued_at: datetime
    payments: tuple[Payment, ...] = ()
    consumer_no: int | None = None

    @property
    def payload(self) -> Payload:
        """What the QR says."""
        return self.verified.payload

    @property
    def kind(self) -> Kind:
        """What kind of link it is."""
        return self.verified.kind

    @property
    def receipt_hash(self) -> bytes:
        """The one name of exactly these bytes."""
        return self.verified.receipt_hash

    @property
    def document_hash(self) -> bytes:
        """SHA-256 of the document, of which the QR carries the first eight bytes."""
        return sha256(self.encoded)

    @property
    def numbers(self) -> int:
        """How many numbers of the day its parts take."""
        return len(self.document.parts)


def signed_link(
    verified: Verified,
    document: Document,
    encoded: bytes,
    *,
    payments: tuple[Payment, ...] = (),
    consumer_no: int | None = None,
) -> SignedLink:
    """Answer a link of which the QR was verified and the document found to be the signed one."""
    at = verified.payload.id
    return SignedLink(
        verified,
        document,
        encoded,
        at,
        (at.seller, at.terminal, at.day, at.number),
        (at.seller, at.terminal),
        datetime.fromtimestamp(verified.payload.issued_at, UTC),
        payments,
        consumer_no,
    )
