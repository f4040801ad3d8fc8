"""The decisions of one transaction: its orders taken one after another over what was loaded. No I/O.

A `Chunk` starts from locked chains and loaded predecessors, advances them in memory and gathers what is to be stored,
so that two orders of one transaction on one terminal, or on one bundle, see each other. No decision needs a signature:
all links are signed at the end, together, and elsewhere if need be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from kernel.clock import business_date
from receipts.chain import SIGNED_BEFORE, Draft, Head, Unsigned, plan
from receipts.document import Document, decode_document
from receipts.ids import ReceiptId
from receipts.keys import Signer
from receipts.orders import (
    AlreadyVoid,
    ChainKeys,
    ClockAhead,
    InvoiceUnknown,
    Issued,
    KeyReused,
    NotCorrectable,
    NotLatest,
    Order,
    SaleOrder,
    TerminalClosed,
    TerminalSuspended,
    TerminalUnknown,
    TooLate,
    UnknownReceipt,
    VoidOrder,
    WrongSigner,
)
from receipts.receipt import Nature
from receipts.rules import rules_on
from receipts.speedups import Signed
from receipts.stored import PartAmounts, ReceiptKey, StoredReceipt, complete, stored_receipt
from receipts.submission import Submission, document_of, payments_text
from receipts.tax_month import other_month


class LockedChain(Struct, frozen=True, gc=False):
    """A chain locked for this transaction, with its terminal's standing."""

    head: Head
    epoch: int
    mode: str
    suspended: bool
    closed: bool
    branch: int


class Successor(Struct, frozen=True, gc=False):
    """A correction or void of `receipt` by the link `by`."""

    receipt: ReceiptKey
    by: ReceiptKey
    root: ReceiptKey
    nature: int
    issued_at: datetime
    reason: str | None


class Event(Struct, frozen=True, gc=False):
    """Something that a claim must follow: a row of the outbox."""

    root: ReceiptKey
    event: str
    login_no: int | None
    created_at: datetime


@dataclass(slots=True)
class Bundle:
    """Where a root's bundle stands within the transaction: its root row and its last link."""

    root: StoredReceipt
    latest: StoredReceipt


@dataclass(slots=True)
class Chunk:
    """One transaction's state: what was loaded, and what is to be stored."""

    now: datetime
    chain_keys: ChainKeys
    chains: dict[tuple[int, int], LockedChain]
    bundles: dict[ReceiptId, Bundle] = field(default_factory=dict)
    invoices: dict[ReceiptId, StoredReceipt] = field(default_factory=dict)
    heads: dict[tuple[int, int], Head] = field(default_factory=dict)
    signer: Signer | None = None
    """Of all links."""
    packed: list[bytes] = field(default_factory=list)
    after: list[int] = field(default_factory=list)
    """What is to be signed of each receipt, and the place of the one before it in its chain."""
    last: dict[tuple[int, int], int] = field(default_factory=dict)
    """The place of each terminal's last receipt."""
    receipts: list[StoredReceipt] = field(default_factory=list)
    roots: list[StoredReceipt] = field(default_factory=list)
    """Of each receipt the root: itself, or one that is stored already."""
    keys: list[tuple[Order, ReceiptKey]] = field(default_factory=list)
    successors: list[Successor] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    tax_months: list[tuple[ReceiptKey, int]] = field(default_factory=list)
    """Of receipts that count for another month than that of their issue."""


def issue(chunk: Chunk, order: Order) -> StoredReceipt:
    """Issue one order into the chunk and answer its row, which is unsigned until `conclude`. Where a rule says no its
    refusal is raised, and nothing has changed.
    """
    receipt, bundle = _issue_sale(chunk, order) if isinstance(order, SaleOrder) else _issue_void(chunk, order)
    chunk.receipts.append(receipt)
    chunk.roots.append(bundle.root if bundle else receipt)
    chunk.keys.append((order, receipt.key))
    return receipt


def conclude(chunk: Chunk, signed: Sequence[Signed]) -> list[Issued]:
    """Put the signatures into what was issued, and answer it in its order."""
    for receipt, signature in zip(chunk.receipts, signed, strict=True):
        complete(receipt, *signature)
    for terminal, place in chunk.last.items():
        chunk.heads[terminal] = replace(chunk.heads[terminal], previous_hash=signed[place][1])
    return [
        Issued(receipt, root.receipt_hash, repeated=False)
        for receipt, root in zip(chunk.receipts, chunk.roots, strict=True)
    ]


def repeat(order: Order, content_hash: bytes, receipt: StoredReceipt, root_hash: bytes) -> Issued:
    """Answer the first receipt again for the same key and content; refuse other content, naming what differs."""
    if content_hash != order.content_hash:
        raise KeyReused(field=first_difference(order, receipt))
    return Issued(receipt, root_hash, repeated=True)


def _issue_sale(chunk: Chunk, order: SaleOrder) -> tuple[StoredReceipt, Bundle | None]:
    submission, priced = order.submission, order.priced
    chain = _chain(chunk, order)
    issued_at = _issued_at(chunk.now, submission.sold_at)
    bundle = None if submission.corrects is None else _correctable(chunk, submission, submission.corrects)
    if submission.pays_invoice is not None:
        _check_invoice(chunk, submission.pays_invoice)
    document = document_of(submission, priced)
    if bundle is not None:
        document = replace(document, root_id=bundle.root.id, previous_id=bundle.latest.id)
    draft = Draft(
        submission.nature,
        submission.business,
        lottery=priced.lottery if bundle is None else bundle.root.kind_of.lottery,
        branch=chain.branch if submission.branch is None else submission.branch,
        total_mongo=priced.total_mongo,
        vat_mongo=priced.vat_mongo,
        document=document,
        part_sellers=priced.part_sellers,
    )
    receipt = stored_receipt(
        _advance(chunk, chain, draft, issued_at),
        [
            PartAmounts(seller, part.tax_type, part.total_mongo, part.vat_mongo, part.city_tax_mongo)
            for seller, part in zip(priced.part_sellers, priced.parts, strict=True)
        ],
        received_at=chunk.now,
        computed_vat_mongo=priced.computed_vat_mongo,
        root=bundle.root if bundle else None,
        reference=submission.reference,
        payments=payments_text(submission.payments),
    )
    if bundle is not None:
        _follow(chunk, bundle, receipt, None)
    elif submission.consumer_no is not None:
        chunk.events.append(Event(receipt.key, "easy", submission.consumer_no, chunk.now))
    if submission.report_month is not None:
        _note_tax_month(chunk, receipt, submission.report_month)
    return receipt, bundle


def _note_tax_month(chunk: Chunk, receipt: StoredReceipt, report_month: str) -> None:
    month = other_month(receipt.issued_at, received_at=chunk.now, report_month=report_month)
    if month is not None:
        chunk.tax_months.append((receipt.key, month.year * 12 + month.number - 1))


def _issue_void(chunk: Chunk, order: VoidOrder) -> tuple[StoredReceipt, Bundle]:
    chain = _chain(chunk, order)
    bundle = _bundle(chunk, order.receipt)
    latest = bundle.latest
    draft = Draft(
        Nature.VOID,
        latest.kind_of.business,
        lottery=False,
        branch=latest.branch,
        total_mongo=-latest.total_mongo,
        vat_mongo=-latest.vat_mongo,
        document=Document(root_id=bundle.root.id, previous_id=latest.id, reason=order.reason),
    )
    receipt = stored_receipt(
        _advance(chunk, chain, draft, chunk.now),
        [
            PartAmounts(part.merchant, part.tax_type, -part.total_mongo, -part.vat_mongo, -part.city_tax_mongo)
            for part in latest.amounts
        ],
        received_at=chunk.now,
        computed_vat_mongo=-latest.computed_vat_mongo,
        root=bundle.root,
    )
    _follow(chunk, bundle, receipt, order.reason)
    return receipt, bundle


def _chain(chunk: Chunk, order: Order) -> LockedChain:
    chain = chunk.chains.get((order.seller, order.terminal))
    if chain is not None and chain.mode == "gateway" and not chain.closed and not chain.suspended:
        return chain
    terminal = f"{order.terminal:08d}"
    if chain is None:
        raise TerminalUnknown(terminal=terminal)
    if chain.mode != "gateway":
        raise WrongSigner(terminal=terminal)
    raise (TerminalClosed if chain.closed else TerminalSuspended)(terminal=terminal)


def _advance(chunk: Chunk, chain: LockedChain, draft: Draft, issued_at: datetime) -> Unsigned:
    at = chain.head.seller, chain.head.terminal
    key = chunk.chain_keys(*at, chain.epoch)
    assert chunk.signer is None or chunk.signer.kid == key.signer.kid, "one transaction, one key of the centre"
    link, chunk.heads[at] = plan(chunk.heads.get(at, chain.head), draft, issued_at=issued_at, key=key)
    chunk.signer = key.signer
    chunk.after.append(chunk.last.get(at, SIGNED_BEFORE))
    chunk.last[at] = len(chunk.packed)
    chunk.packed.append(link.packed)
    return link


def _issued_at(now: datetime, sold_at: datetime | None) -> datetime:
    if sold_at is None:
        return now
    rules = rules_on(business_date(now))
    if sold_at > now + timedelta(seconds=rules.clock_ahead_seconds):
        raise ClockAhead(seconds=str(rules.clock_ahead_seconds))
    if sold_at < now - timedelta(hours=rules.late_issue_hours):
        raise TooLate(hours=str(rules.late_issue_hours))
    return sold_at


def _bundle(chunk: Chunk, named: ReceiptId) -> Bundle:
    bundle = chunk.bundles.get(named)
    if bundle is None:
        raise UnknownReceipt
    if bundle.latest.kind_of.nature is Nature.VOID:
        raise AlreadyVoid
    if bundle.latest.id != named:
        raise NotLatest(latest=str(bundle.latest.id))
    if bundle.root.kind_of.nature in {Nature.TRAINING, Nature.START, Nature.CLOSING}:
        raise NotCorrectable
    return bundle


def _correctable(chunk: Chunk, submission: Submission, named: ReceiptId) -> Bundle:
    bundle = _bundle(chunk, named)
    if bundle.root.kind_of.business is not submission.business:
        raise NotCorrectable
    return bundle


def _check_invoice(chunk: Chunk, named: ReceiptId) -> None:
    invoice = chunk.invoices.get(named)
    if invoice is None or invoice.kind_of.nature is not Nature.INVOICE:
        raise InvoiceUnknown


def _follow(chunk: Chunk, bundle: Bundle, receipt: StoredReceipt, reason: str | None) -> None:
    nature = receipt.kind_of.nature
    chunk.successors.append(
        Successor(bundle.latest.key, receipt.key, bundle.root.key, nature, receipt.issued_at, reason)
    )
    event = "void" if nature is Nature.VOID else "correction"
    chunk.events.append(Event(bundle.root.key, event, None, chunk.now))
    bundle.latest = receipt
    chunk.bundles[receipt.id] = bundle


def first_difference(order: Order, receipt: StoredReceipt) -> str:
    """Answer the JSON Pointer of the first field in which an order differs from the receipt of the same key."""
    stored = decode_document(receipt.document)
    if isinstance(order, VoidOrder):
        return "/reason" if stored.previous_id == order.receipt else "/id"
    submission = order.submission
    if stored.reason is not None or stored.previous_id != submission.corrects:
        return "/corrects"
    asked = document_of(submission, order.priced)
    for name in ("sold_at", "reference", "buyer_tin", "pays_invoice", "district", "report_month"):
        if getattr(stored, name) != getattr(asked, name):
            return f"/{name}"
    if (path := _first_difference_in_parts(stored, asked)) is not None:
        return path
    return "/payments" if receipt.payments != payments_text(submission.payments) else "/consumer_no"


def _first_difference_in_parts(stored: Document, asked: Document) -> str | None:
    if len(stored.parts) != len(asked.parts):
        return "/parts"
    for at, (old, new) in enumerate(zip(stored.parts, asked.parts, strict=True)):
        for name in ("merchant_tin", "tax_type", "total_mongo", "vat_mongo", "city_tax_mongo", "lines"):
            if getattr(old, name) != getattr(new, name):
                return f"/parts/{at}/{'seller_tin' if name == 'merchant_tin' else name}"
    return None
