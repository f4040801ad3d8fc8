"""The header and the payments of a request as PosAPI states them; nothing is judged yet."""

import re
from datetime import date
from typing import Final

from msgspec import Struct

from kernel.clock import Month
from kernel.refusal import Fault
from pos_gateway.posapi.body import Fields
from pos_gateway.posapi.parts import Echo, read_id, read_tin
from pos_gateway.posapi.spelling import PAID_STATUSES, TYPES
from pos_gateway.wire import PAYMENTS_MAX, REFERENCE_MAX
from receipts.ids import ReceiptId
from receipts.submission import Payment

_CONSUMER_NO: Final = re.compile(r"[0-9]{8}", re.ASCII)
_METHOD: Final = re.compile(r"[A-Z][A-Z0-9_]{0,31}", re.ASCII)
_REPORT_MONTH: Final = re.compile(r"(20[0-9]{2})-?(0[1-9]|1[0-2])(?:-?[0-9]{2})?(?:[T ].*)?", re.ASCII)


class Header(Struct, gc=False):
    """The header as it is stated."""

    business: bool
    invoice: bool
    seller_tin: str | None
    total_mongo: int | None
    vat_mongo: int | None
    city_tax_mongo: int | None
    branch: int | None
    district: str | None
    buyer_tin: str | None
    consumer_no: int | None
    corrects: ReceiptId | None
    pays_invoice: ReceiptId | None
    report_month: str | None
    reference: str | None


def read_header(fields: Fields, day: date) -> Header:
    """Read the header; `day` is the business day, of which the month needs no report month."""
    business, invoice = fields.choice("type", TYPES) or (False, False)
    seller = read_tin(fields, "merchantTin")
    if fields.value("merchantTin") is None:
        fields.missing("merchantTin")
    consumer = fields.digits("consumerNo", 8)
    claims = not business and not invoice and consumer is not None and _CONSUMER_NO.fullmatch(consumer) is not None
    return Header(
        business=business,
        invoice=invoice,
        seller_tin=seller,
        total_mongo=fields.amount("totalAmount", required=True),
        vat_mongo=fields.amount("totalVAT"),
        city_tax_mongo=fields.amount("totalCityTax"),
        branch=_branch(fields),
        district=_district(fields),
        buyer_tin=read_tin(fields, "customerTin") if business else None,
        consumer_no=int(consumer) if claims and consumer else None,
        corrects=read_id(fields, "inactiveId"),
        pays_invoice=read_id(fields, "invoiceId"),
        report_month=_report_month(fields, day),
        reference=fields.text("billIdSuffix", longest=REFERENCE_MAX),
    )


def _branch(fields: Fields) -> int | None:
    text = fields.text("branchNo")
    if text is None or re.fullmatch(r"[0-9]{1,3}", text, re.ASCII):
        return None if text is None else int(text)
    fields.faults.append(Fault("branch_form", fields.at("branchNo"), "001"))
    return None


def _district(fields: Fields) -> str | None:
    text = fields.text("districtCode")
    return None if text is None else text.zfill(4)


def _report_month(fields: Fields, day: date) -> str | None:
    """Answer the month that a document counts for instead of its own; who names its own has named none."""
    text = fields.text("reportMonth")
    found = _REPORT_MONTH.fullmatch(text) if text else None
    if text and found is None:
        fields.faults.append(Fault("date_form", fields.at("reportMonth"), "YYYY-MM-DD"))
    month = f"{found[1]}-{found[2]}" if found else None
    return None if month == str(Month(day.year, day.month)) else month


def read_payments(fields: Fields) -> tuple[tuple[Echo, ...], tuple[Payment, ...]]:
    """Answer the payments for the answer, and those of them that count. Of a card's data nothing is read."""
    echoes: list[Echo] = []
    paid = []
    for payment in fields.objects("payments", most=PAYMENTS_MAX):
        method = (payment.text("code", required=True) or "").upper()
        if method and not _METHOD.fullmatch(method):
            payment.faults.append(Fault("method_form", payment.at("code"), "CASH, PAYMENT_CARD"))
        counts = payment.choice("status", PAID_STATUSES) if payment.value("status") is not None else True
        amount = payment.amount("paidAmount", required=True)
        if counts and amount is not None:
            paid.append(Payment(method, amount))
        echoes.append({
            "code": method,
            "exchangeCode": payment.text("exchangeCode"),
            "paidAmount": payment.decimal("paidAmount"),
            "status": (payment.text("status") or "PAID").upper(),
        })  # fmt: skip
    return tuple(echoes), tuple(paid)


def echo_of(fields: Fields, header: Header) -> Echo:
    """Answer what an answer repeats of the header, in the order of the recorded one."""
    return {
        "districtCode": header.district,
        "merchantTin": header.seller_tin,
        "posNo": fields.text("posNo"),
        "customerTin": fields.text("customerTin"),
        "consumerNo": fields.digits("consumerNo", 8),
        "type": (fields.text("type") or "").upper(),
        "inactiveId": None if header.corrects is None else str(header.corrects),
        "invoiceId": None if header.pays_invoice is None else str(header.pays_invoice),
        "reportMonth": fields.text("reportMonth"),
        "data": fields.free("data"),
    }
