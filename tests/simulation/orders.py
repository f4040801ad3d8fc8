"""Orders as the gateway makes them of what tills post."""

from datetime import datetime

from kernel.clock import business_date
from pos_gateway.content import sale_digest, void_digest
from receipts.document import Line
from receipts.orders import SaleOrder, VoidOrder
from receipts.receipt import Nature, TaxType
from receipts.rules import rules_on
from receipts.stored import StoredReceipt
from receipts.submission import Merchant, StatedPart, Submission, price

CONTENT_KEY = b"content of simulated requests"
REASON = "буцаалт"


def sale_order(
    merchant: Merchant, terminal: int, key: str, *, client_id: str, total_mongo: int, at: datetime,
    nature: Nature = Nature.SALE, **given: object,
) -> SaleOrder:  # fmt: skip
    """Answer the order for a sale of one article; its reference is its key."""
    part = StatedPart(merchant.tin, TaxType.VAT_ABLE, total_mongo, None, None, (Line("Талх", "1", "ш", total_mongo),))
    submission = Submission(
        nature, False, merchant.tin, (part,), terminal=terminal, reference=key, **given  # type: ignore[arg-type]  # noqa: FBT003
    )  # fmt: skip
    day = business_date(at)
    priced = price(submission, {merchant.tin: merchant}, rules=rules_on(day), day=day)
    digest = sale_digest(submission, CONTENT_KEY)
    return SaleOrder(client_id, key, digest, merchant.seller, terminal, submission, priced)


def void_order(receipt: StoredReceipt, key: str, *, client_id: str) -> VoidOrder:
    """Answer the order to void a receipt, on its own terminal."""
    digest = void_digest(receipt.id, REASON, CONTENT_KEY)
    return VoidOrder(client_id, key, digest, receipt.seller, receipt.terminal, receipt.id, REASON)
