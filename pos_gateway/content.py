"""What a request says, as one keyed digest, and where a request differs from the one that used its key before.

Content is compared after parsing: spaces, the order of fields, absent defaults, the offset of a time and the form of
Unicode do not count. The digest is keyed (BLAKE2b) because it is stored where the tills' side can read it: a consumer
number of eight digits could else be found by trying them all, and who bought what would be known.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from receipts.document import Line, Part, decode_document
from receipts.ids import ReceiptId
from receipts.orders import Order, VoidOrder
from receipts.receipt import Nature
from receipts.stored import StoredReceipt
from receipts.submission import StatedPart, Submission

LINE_FIELDS = (
    "name", "quantity", "unit", "unit_price_mongo", "total_mongo", "city_tax", "classification", "tax_product",
    "barcode",
)  # fmt: skip
_encode = msgspec.msgpack.Encoder().encode
Digest = Callable[[Submission], bytes]


def digest_key(secret: bytes) -> bytes:
    """Answer the key of the digests, derived from a secret that all workers share."""
    return blake2b(b"content of requests", key=secret, digest_size=32).digest()


def sale_digest(submission: Submission, key: bytes) -> bytes:
    """Answer the 32 bytes that stand for everything a submission says."""
    return blake2b(_encode(submission), key=key, digest_size=32).digest()


def void_digest(receipt: ReceiptId, reason: str, key: bytes) -> bytes:
    """Answer the 32 bytes that stand for a void of `receipt` for `reason`."""
    return blake2b(_encode((str(receipt), reason)), key=key, digest_size=32).digest()


def first_difference(order: Order, stored: StoredReceipt, *, content_hash: bytes, digest: Digest) -> str:
    """Answer the JSON Pointer of the first field in which an order differs from the request that used its key first.

    `stored` is the receipt that was issued then and `content_hash` the digest of that request. What is not stored is
    told by trying: the terminal, the branch and the taxes may have been stated or left to us. What then is left is the
    consumer number, which no receipt keeps.
    """
    document = decode_document(stored.document)
    if isinstance(order, VoidOrder):
        return "/reason" if document.previous_id == order.receipt else "/id"
    submission = order.submission
    for path, differs in (
        ("/type", _type_differs(submission, stored)),
        ("/terminal", submission.terminal not in {None, stored.terminal}),
        ("/branch", submission.branch not in {None, stored.branch}),
        ("/district", submission.district != document.district),
        ("/sold_at", submission.sold_at != document.sold_at),
        ("/reference", submission.reference != document.reference),
        ("/buyer_tin", submission.buyer_tin != document.buyer_tin),
        ("/corrects", submission.corrects != document.previous_id),
        ("/pays_invoice", submission.pays_invoice != document.pays_invoice),
        ("/report_month", submission.report_month != document.report_month),
    ):
        if differs:
            return path
    stated = _difference_in_parts(submission.parts, document.parts) or _difference_in_payments(submission, stored)
    if stated is not None:
        return stated
    tried = (path for path, variant in _variants(submission, stored, document.parts) if digest(variant) == content_hash)
    return next(tried, "/consumer_no")


def _type_differs(submission: Submission, stored: StoredReceipt) -> bool:
    kind = stored.kind_of
    return (
        submission.business is not kind.business
        or kind.nature is Nature.VOID
        or (submission.nature is Nature.INVOICE) is not (kind.nature is Nature.INVOICE)
    )


def _difference_in_parts(asked: tuple[StatedPart, ...], stored: tuple[Part, ...]) -> str | None:
    if len(asked) != len(stored):
        return "/parts"
    for at, (new, old) in enumerate(zip(asked, stored, strict=True)):
        for name, differs in (
            ("seller_tin", new.seller_tin != old.merchant_tin),
            ("tax_type", new.tax_type is not old.tax_type),
            ("total_mongo", new.total_mongo != old.total_mongo),
            ("vat_mongo", new.vat_mongo not in {None, old.vat_mongo}),
            ("city_tax_mongo", new.city_tax_mongo not in {None, old.city_tax_mongo}),
        ):
            if differs:
                return f"/parts/{at}/{name}"
        if (path := _difference_in_lines(new.lines, old.lines)) is not None:
            return f"/parts/{at}/lines{path}"
    return None


def _difference_in_lines(asked: tuple[Line, ...], stored: tuple[Line, ...]) -> str | None:
    if len(asked) != len(stored):
        return ""
    for at, (new, old) in enumerate(zip(asked, stored, strict=True)):
        for name in LINE_FIELDS:
            if getattr(new, name) != getattr(old, name):
                return f"/{at}/{name}"
    return None


def _difference_in_payments(submission: Submission, stored: StoredReceipt) -> str | None:
    before = [payment.split(" ") for payment in (stored.payments or "").split(";") if payment]
    if len(before) != len(submission.payments):
        return "/payments"
    for at, (payment, (method, amount)) in enumerate(zip(submission.payments, before, strict=True)):
        if payment.method != method:
            return f"/payments/{at}/method"
        if str(payment.amount_mongo) != amount:
            return f"/payments/{at}/amount_mongo"
    return None


def _variants(
    submission: Submission, stored: StoredReceipt, parts: tuple[Part, ...]
) -> Iterator[tuple[str, Submission]]:
    """Answer the submission with one unstored field stated that was not, or the other way round, under its path."""
    yield "/terminal", replace(submission, terminal=_other(submission.terminal, stored.terminal))
    yield "/branch", replace(submission, branch=_other(submission.branch, stored.branch))
    for at, (new, old) in enumerate(zip(submission.parts, parts, strict=True)):
        before, after = submission.parts[:at], submission.parts[at + 1 :]
        vat = replace(new, vat_mongo=_other(new.vat_mongo, old.vat_mongo))
        yield f"/parts/{at}/vat_mongo", replace(submission, parts=(*before, vat, *after))
        city = replace(new, city_tax_mongo=_other(new.city_tax_mongo, old.city_tax_mongo))
        yield f"/parts/{at}/city_tax_mongo", replace(submission, parts=(*before, city, *after))


def _other(stated: int | None, stored: int) -> int | None:
    return stored if stated is None else None
