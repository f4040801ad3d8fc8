"""Who may not claim what: one refusal a rule, and the checks that need nothing but values."""

from datetime import datetime

from kernel.clock import business_date
from kernel.refusal import Refusal
from receipts.receipt import Kind, Nature
from receipts.rules import claim_deadline


class UnknownReceipt(Refusal):
    """No stored receipt has that id and that lottery number, or the centre never stored what its key signed."""

    code = "unknown_receipt"


class TrainingReceipt(Refusal):
    """A till's exercise, or a receipt of a test key: no sale."""

    code = "training_receipt"


class BusinessReceipt(Refusal):
    """Issued to a business, which deducts the VAT itself."""

    code = "business_receipt"


class NotClaimable(Refusal):
    """Neither a sale nor the payment of an invoice, or nothing was paid."""

    code = "not_claimable"


class AlreadyClaimed(Refusal):
    """Another consumer has claimed it. The first one keeps it."""

    code = "already_claimed"


class ReceiptVoid(Refusal):
    """The receipt was voided."""

    code = "receipt_void"


class OwnSeller(Refusal):
    """The consumer belongs to a seller of the bundle."""

    code = "own_seller"


class Expired(Refusal):
    """The deadline of the receipt's period has passed (`receipts.rules.claim_deadline`)."""

    code = "expired"


class TooManyHeld(Refusal):
    """The consumer holds as many unreported receipts of this terminal as the rules let one person hold."""

    code = "too_many_held"


def check_kind(kind: Kind) -> None:
    """Refuse a root that nobody can claim, by its kind."""
    if kind.nature is Nature.TRAINING or kind.test:
        raise TrainingReceipt
    if kind.business:
        raise BusinessReceipt
    if not kind.nature.claimable:
        raise NotClaimable


def is_claimable(kind: Kind) -> bool:
    """Whether a bundle whose root is of this kind can be claimed by anybody."""
    return kind.nature.claimable and not kind.business and not kind.test


def check_total(total_mongo: int) -> None:
    """Refuse a bundle for which nothing was paid."""
    if total_mongo <= 0:
        raise NotClaimable


def check_deadline(issued_at: datetime, now: datetime) -> None:
    """Refuse a receipt whose period is over."""
    if claim_deadline(business_date(issued_at)) <= now:
        raise Expired
