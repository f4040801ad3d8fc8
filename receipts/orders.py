"""Orders that wait to be issued, how they can end, and every rule that can say no to them."""

from collections.abc import Callable

from msgspec import Struct

from kernel.refusal import Refusal
from receipts.chain import ChainKey
from receipts.ids import ReceiptId
from receipts.stored import StoredReceipt
from receipts.submission import Priced, Submission


class TerminalUnknown(Refusal):
    """No such terminal belongs to this client."""

    code = "terminal_unknown"


class TerminalClosed(Refusal):
    """The terminal was closed for ever."""

    code = "terminal_closed"


class TerminalSuspended(Refusal):
    """The terminal is suspended until an officer has looked at it."""

    code = "terminal_suspended"


class WrongSigner(Refusal):
    """The terminal signs its receipts itself; the centre does not sign for it."""

    code = "wrong_signer"


class ClockAhead(Refusal):
    """`sold_at` lies ahead of the centre's clock."""

    code = "clock_ahead"


class TooLate(Refusal):
    """`sold_at` is older than the late-issue limit of the rules."""

    code = "too_late"


class KeyReused(Refusal):
    """The idempotency key stands for another content; `field` is the first that differs."""

    code = "key_reused"


class UnknownReceipt(Refusal):
    """No such receipt of this seller."""

    code = "unknown_receipt"


class AlreadyVoid(Refusal):
    """The receipt was voided; nothing can follow."""

    code = "already_void"


class NotLatest(Refusal):
    """The receipt was corrected already; `latest` is the one to correct or void."""

    code = "not_latest"


class NotCorrectable(Refusal):
    """Only sales, invoices, payments and corrections can be corrected or voided, by the same type of document."""

    code = "not_correctable"


class InvoiceUnknown(Refusal):
    """No invoice of this seller has that id."""

    code = "invoice_unknown"


class SaleOrder(Struct, frozen=True, gc=False):
    """A judged submission that waits to be issued."""

    client_id: str
    key: str
    content_hash: bytes
    seller: int
    terminal: int
    submission: Submission
    priced: Priced


class VoidOrder(Struct, frozen=True, gc=False):
    """A receipt that waits to be voided. `terminal` issues the void link: the receipt's own."""

    client_id: str
    key: str
    content_hash: bytes
    seller: int
    terminal: int
    receipt: ReceiptId
    reason: str


Order = SaleOrder | VoidOrder


class Issued(Struct, frozen=True, gc=False):
    """A stored receipt; `repeated` when the same order had been issued before."""

    receipt: StoredReceipt
    root_hash: bytes
    repeated: bool


Outcome = Issued | Refusal
ChainKeys = Callable[[int, int, int], ChainKey]
"""Answers what signs and seals for (seller, terminal, epoch)."""
