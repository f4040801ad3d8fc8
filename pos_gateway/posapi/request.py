"""`POST /rest/receipt` and `DELETE /rest/receipt` as values: what a till signs, what stays private, what is answered.

Everything that real clients send is taken (docs/decisions/0034-what-posapi-may-say.md); refused is only what would make
a wrong tax document, and then with every fault at once, each by its place in the body: receipts[0].items[1].totalVAT.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from msgspec import Struct

from kernel.refusal import Fault, Malformed
from pos_gateway.posapi.body import Fields, read_fields
from pos_gateway.posapi.header import Header, echo_of, read_header, read_payments
from pos_gateway.posapi.parts import Echo, SubReceipt, read_id, read_sub_receipt
from pos_gateway.posapi.spelling import in_posapi_words
from pos_gateway.posapi.taxes import (
    SellerOf,
    header_fault,
    item_faults,
    merchants_of,
    stated_part,
    with_stated_taxes,
)
from pos_gateway.posapi.totals import fit_payments, fit_sub_receipts
from receipts.ids import ReceiptId
from receipts.receipt import Nature
from receipts.rules import rules_on
from receipts.submission import LINES_MAX, PARTS_MAX, Payment, Priced, Submission, price

FAULTS_MAX: Final = 100
VOID_REASON: Final = "Буцаалт"
"""What a void says for its reason: PosAPI's clients state none."""


class PosRequest(Struct, frozen=True, gc=False):
    """A judged sale, invoice, payment or correction. `submission` and `priced` are what `document_of` wants; terminal
    and time are never stated, branch and district where the client left them to the till are None. `invoice` says
    whether the type was an invoice's: a correction must correct the like. `echo` is for the answer.
    """

    submission: Submission
    priced: Priced
    invoice: bool
    echo: "Echoes"

    @property
    def consumer_no(self) -> int | None:
        """Whose receipt it is to be at once. In no document."""
        return self.submission.consumer_no

    @property
    def payments(self) -> tuple[Payment, ...]:
        """How it was paid; nothing of a card. In no document."""
        return self.submission.payments


class Echoes(Struct, frozen=True, gc=False):
    """What an answer repeats of the request, by PosAPI's names: of the header, each sub-receipt with its items, and the
    payments.
    """

    header: Echo
    sub_receipts: tuple[SubReceipt, ...]
    payments: tuple[Echo, ...]


class PosVoid(Struct, frozen=True, gc=False):
    """A receipt to be voided, and what the document of the void says for a reason."""

    receipt: ReceiptId
    reason: str


def read_request(body: bytes, *, seller_of: SellerOf, day: date) -> PosRequest:
    """Read and judge a body under the rules of its business day. `seller_of` answers a TIN's number and tax status,
    None where the till knows nothing of it: then the stated taxes are trusted, but the header's seller must be known.
    Raises `Malformed` with every fault.
    """
    faults: list[Fault] = []
    fields = read_fields(body, faults)
    header = read_header(fields, day)
    payments, paid = read_payments(fields)
    subs = _read_sub_receipts(fields, header)
    if header.seller_tin is not None and seller_of(header.seller_tin) is None:
        faults.append(Fault("merchant_unknown", "merchantTin", "an activated seller"))
    sound = len(subs) > 0 and all(sub.sound for sub in subs)
    if sound:
        subs = fit_sub_receipts(subs, total_mongo=header.total_mongo, faults=faults)
    subs = with_stated_taxes(subs, vat_mongo=header.vat_mongo, city_tax_mongo=header.city_tax_mongo)
    judged = _judge(header, [sub for sub in subs if sub.sound], paid if sound else (), seller_of, day, faults)
    if faults or judged is None:
        raise Malformed(*faults[:FAULTS_MAX])
    submission, priced = judged
    return PosRequest(submission, priced, header.invoice, Echoes(echo_of(fields, header), subs, payments))


def read_void(body: bytes) -> PosVoid:
    """Read which receipt is to be voided; the date that PosAPI wants beside it says nothing that the id does not, and
    clients send wrong ones. Raises `Malformed`.
    """
    faults: list[Fault] = []
    fields = read_fields(body, faults)
    receipt = read_id(fields, "id")
    if receipt is None:
        if not faults:
            fields.missing("id")
        raise Malformed(*faults)
    return PosVoid(receipt, VOID_REASON)


def _read_sub_receipts(fields: Fields, header: Header) -> tuple[SubReceipt, ...]:
    subs: list[SubReceipt] = []
    left = LINES_MAX
    for listed in fields.objects("receipts", most=PARTS_MAX, required=True):
        subs.append(read_sub_receipt(listed, seller_tin=header.seller_tin, items_max=left))
        stated = listed.value("items")
        left -= min(left, len(stated) if isinstance(stated, list) else 0)
    return tuple(subs)


def _judge(
    header: Header,
    subs: Sequence[SubReceipt],
    paid: tuple[Payment, ...],
    seller_of: SellerOf,
    day: date,
    faults: list[Fault],
) -> tuple[Submission, Priced] | None:
    """Judge the sub-receipts that could be read, and add what is wrong with them to `faults`."""
    if not subs:
        return None
    merchants = merchants_of(subs, seller_of)
    faults += item_faults(subs, merchants, day)
    submission = _submission(header, subs, paid, faults)
    try:
        priced = price(submission, merchants, rules=rules_on(day), day=day)
    except Malformed as malformed:
        named = {fault.path for fault in faults}
        said = (in_posapi_words(fault, [(sub.place, sub.tax_type) for sub in subs], day) for fault in malformed.faults)
        faults += [fault for fault in said if fault.path not in named]
        return None
    lines = sum(len(sub.items) for sub in subs)
    vat, city_tax = priced.vat_mongo, priced.city_tax_mongo
    if not faults:
        faults += header_fault("totalVAT", "vat_mismatch", stated_mongo=header.vat_mongo, signed_mongo=vat, lines=lines)
        faults += header_fault(
            "totalCityTax", "city_tax_mismatch", stated_mongo=header.city_tax_mongo, signed_mongo=city_tax, lines=lines
        )
    return submission, priced


def _submission(
    header: Header, subs: Sequence[SubReceipt], paid: tuple[Payment, ...], faults: list[Fault]
) -> Submission:
    invoice, by_part = _invoices(header, subs, faults)
    total = sum(sub.total_mongo for sub in subs)
    if header.invoice and (invoice is not None or by_part):
        faults.append(Fault("invoice_pays", "invoiceId", "B2C_RECEIPT, B2B_RECEIPT"))
    if header.corrects is not None:
        nature = Nature.CORRECTION
    elif header.invoice:
        nature = Nature.INVOICE
    else:
        nature = Nature.PAYMENT if invoice is not None or by_part else Nature.SALE
    return Submission(
        nature=nature,
        business=header.business,
        seller_tin=header.seller_tin or "",
        parts=tuple(stated_part(sub, pays_invoice=by_part) for sub in subs),
        payments=fit_payments(paid, total_mongo=total, lines=sum(len(sub.items) for sub in subs)),
        branch=header.branch,
        district=header.district,
        reference=header.reference,
        buyer_tin=header.buyer_tin or _buyer_of(header, subs),
        consumer_no=header.consumer_no,
        corrects=header.corrects,
        pays_invoice=invoice,
        report_month=header.report_month,
    )


def _invoices(header: Header, subs: Sequence[SubReceipt], faults: list[Fault]) -> tuple[ReceiptId | None, bool]:
    """Answer the one invoice that is paid, or whether the sub-receipts pay different ones."""
    named = {sub.pays_invoice for sub in subs}
    if header.pays_invoice is not None:
        if named - {header.pays_invoice, None}:
            faults.append(Fault("invoices_incomplete", "invoiceId", str(header.pays_invoice)))
        return header.pays_invoice, False
    return (named.pop(), False) if len(named) == 1 else (None, True)


def _buyer_of(header: Header, subs: Sequence[SubReceipt]) -> str | None:
    """Answer the buyer that a B2B document names in its sub-receipts alone, where they agree."""
    named = {sub.buyer_tin for sub in subs}
    return named.pop() if header.business and len(named) == 1 else None
