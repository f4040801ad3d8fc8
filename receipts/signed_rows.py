"""The rows in which links that tills signed are kept: as the QR and the document say it, right or wrong. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from kernel.identity import parse_tin, seller_number_of
from kernel.refusal import Malformed
from receipts.chunk import Bundle
from receipts.ids import ReceiptId
from receipts.link_findings import BARE, Content
from receipts.receipt import Nature
from receipts.signed_link import SignedLink
from receipts.stored import PartAmounts, StoredReceipt
from receipts.submission import payments_text

NOBODY = 0
"""The merchant of a part whose TIN is none, or too long to be its own number and not enrolled."""


class _Numbered(Protocol):
    @property
    def seller(self) -> int: ...


class Fork(Struct, frozen=True, gc=False):
    """A row of pos.forks, the fields in the order of its columns."""

    seller: int
    receipt_hash: bytes
    terminal: int
    day: int
    number: int
    branch: int
    issued_at: datetime
    received_at: datetime
    kind: int
    counter: int
    total_mongo: int
    vat_mongo: int
    turnover_mongo: int
    previous_hash: bytes
    cose: bytes
    document: bytes
    payments: str | None

    @property
    def id(self) -> ReceiptId:
        """The id that it states, which is mostly another receipt's."""
        return ReceiptId(self.seller, self.branch, self.day, self.number, self.terminal)


def fork_of(link: SignedLink, previous_hash: bytes, *, received_at: datetime, turnover_mongo: int) -> Fork:
    """Answer the row of a link that came second."""
    payload = link.payload
    at = payload.id
    return Fork(
        at.seller,
        link.receipt_hash,
        at.terminal,
        at.day,
        at.number,
        at.branch,
        link.issued_at,
        received_at,
        payload.kind_bits,
        payload.counter,
        payload.total_mongo,
        payload.vat_mongo,
        turnover_mongo,
        previous_hash,
        link.verified.cose,
        link.encoded,
        payments_text(link.payments),
    )


def accepted_receipt(
    link: SignedLink,
    content: Content,
    amounts: Sequence[PartAmounts],
    *,
    received_at: datetime,
    turnover_mongo: int,
    bundle: Bundle | None,
) -> StoredReceipt:
    """Answer the row of the next link of a chain; without a bundle that it follows it is its own root. Total and VAT
    are the QR's, the parts the document's, or of a void the voided ones taken back.
    """
    root = None if bundle is None else bundle.root
    computed_vat_mongo = content.computed_vat_mongo
    if bundle is not None and link.kind.nature is Nature.VOID:
        computed_vat_mongo = -bundle.latest.computed_vat_mongo
    payload = link.payload
    at = payload.id
    return StoredReceipt(
        at.seller,
        at.terminal,
        at.day,
        at.number,
        at.branch,
        root.terminal if root else at.terminal,
        root.day if root else at.day,
        root.number if root else at.number,
        link.issued_at,
        received_at,
        payload.kind_bits,
        payload.counter,
        payload.total_mongo,
        payload.vat_mongo,
        sum([part.city_tax_mongo for part in amounts]),
        turnover_mongo,
        link.verified.cose,
        link.receipt_hash,
        link.encoded,
        link.document_hash,
        content.reference,
        payments_text(link.payments),
        computed_vat_mongo,
        [part.merchant for part in amounts],
        [part.tax_type for part in amounts],
        [part.total_mongo for part in amounts],
        [part.vat_mongo for part in amounts],
        [part.city_tax_mongo for part in amounts],
    )


def amounts_of(
    link: SignedLink, merchants: Mapping[str, _Numbered], *, voided: StoredReceipt | None
) -> list[PartAmounts]:
    """Answer what the parts of a link come to. A void takes the voided ones back, and nothing where nobody knows what
    it voids; a start and a closing have none.
    """
    if link.kind.nature is Nature.VOID and voided is not None:
        return [_negated(part) for part in voided.amounts]
    if link.kind.nature in BARE:
        return []
    return [
        PartAmounts(
            merchant_number(part.merchant_tin, merchants),
            part.tax_type,
            part.total_mongo,
            part.vat_mongo,
            part.city_tax_mongo,
        )
        for part in link.document.parts
    ]


def _negated(part: PartAmounts) -> PartAmounts:
    return PartAmounts(part.merchant, part.tax_type, -part.total_mongo, -part.vat_mongo, -part.city_tax_mongo)


def merchant_number(tin: str, merchants: Mapping[str, _Numbered]) -> int:
    """Answer the seller number of a part's TIN, `NOBODY` where it has none."""
    merchant = merchants.get(tin)
    if merchant is not None:
        return merchant.seller
    try:
        return seller_number_of(parse_tin(tin)) or NOBODY
    except Malformed:
        return NOBODY
