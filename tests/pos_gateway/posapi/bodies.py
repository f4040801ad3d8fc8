"""Bodies as PosAPI's clients send them, what is made of them, and the till that answers."""

import copy
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from kernel.refusal import Malformed
from pos_gateway.posapi.answer import answer_of
from pos_gateway.posapi.refused import refused_body
from pos_gateway.posapi.request import PosRequest, read_request
from receipts.chain import Draft, Link, advance
from receipts.document import Document
from receipts.submission import Merchant, document_of
from tests.receipts.examples import BY_TILL, head

DAY = date(2026, 2, 12)
SHOP, LESSEE, STRANGER, BUYER = "37900846788", "61200064714", "11000000001", "61200064714"
MERCHANTS = {
    SHOP: Merchant(37900846788, SHOP, vat_payer=True, city_tax_payer=True),
    "110718991986": Merchant(110718991986, "110718991986", vat_payer=True, city_tax_payer=True),
    LESSEE: Merchant(61200064714, LESSEE, vat_payer=False, city_tax_payer=False),
}
AN_ID = "037900846788001095330000010012619"
ANOTHER_ID = "037900846788001095320000010012619"
BREAD = {
    "name": "Талх", "barCode": "19059010880001", "barCodeType": "GS1", "classificationCode": "2349010",
    "taxProductCode": None, "measureUnit": "senlovesfits", "qty": 1, "unitPrice": 5000, "totalVAT": 500,
    "totalCityTax": 100, "totalAmount": 5600,
}  # fmt: skip
OFFICIAL = {
    "branchNo": "001", "totalAmount": 5600, "totalVAT": 500, "totalCityTax": 100, "districtCode": "2501",
    "merchantTin": SHOP, "posNo": "001", "customerTin": None, "consumerNo": "10038071", "type": "B2C_RECEIPT",
    "inactiveId": None, "reportMonth": None, "billIdSuffix": "01",
    "receipts": [{
        "totalAmount": 5600, "taxType": "VAT_ABLE", "merchantTin": SHOP, "customerTin": None, "totalVAT": 500.0,
        "totalCityTax": 100, "bankAccountNo": "", "invoiceId": None, "iBan": "", "items": [BREAD],
    }],
    "payments": [{"code": "CASH", "status": "PAID", "paidAmount": 5600}],
}  # fmt: skip
"""The vendor's own example, of the test merchant."""
GONE = object()


def changed(body: Mapping[str, Any] = OFFICIAL, **places: Any) -> dict[str, Any]:
    """A body with other values at some places, named as r0_i0_totalVAT; GONE takes the field away."""
    copied = copy.deepcopy(dict(body))
    for place, value in places.items():
        at: Any = copied
        *steps, name = place.split("_", place.count("_")) if place[:2] in {"r0", "r1", "p0"} else [place]
        for step in steps:
            at = at[{"r": "receipts", "i": "items", "p": "payments"}[step[0]]][int(step[1:])]
        if value is GONE:
            del at[name]
        else:
            at[name] = value
    return copied


def plain(*totals: int, tax_type: str = "VAT_ABLE", **header: Any) -> dict[str, Any]:
    """A sale whose taxes are left to the till: one sub-receipt, an item for each total, nothing more than needed."""
    items = [{"name": "Сүү", "measureUnit": "л", "qty": 1, "totalAmount": total} for total in totals]
    sub = {"totalAmount": sum(totals), "taxType": tax_type, "items": items}
    return {"totalAmount": sum(totals), "merchantTin": SHOP, "type": "B2C_RECEIPT", "receipts": [sub]} | header


def octets(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def read(body: object, *, day: date = DAY, merchants: Mapping[str, Merchant] = MERCHANTS) -> PosRequest:
    raw = body if isinstance(body, bytes) else octets(body)
    return read_request(raw, seller_of=merchants.get, day=day)


def refused(body: object, **asked: Any) -> list[tuple[str, str, str | None]]:
    """What is wrong with a body: code, place, what was expected; the answer names all of it, in both languages."""
    with pytest.raises(Malformed) as caught:
        read(body, **asked)
    answer = json.loads(refused_body(caught.value))
    assert answer["status"] == "ERROR"
    for fault in answer["faults"]:
        assert answer["message"].count(fault.get("field", "")) >= 2
    return [(fault["code"], fault.get("field", ""), fault.get("expected")) for fault in answer["faults"]]


def document(request: PosRequest) -> Document:
    return document_of(request.submission, request.priced)


def issued(request: PosRequest) -> Link:
    """The receipt that a till would make of a request, at 15:31:42 on the day of the recorded answer."""
    submission, priced = request.submission, request.priced
    draft = Draft(
        submission.nature, submission.business, priced.lottery, submission.branch or 1, priced.total_mongo,
        priced.vat_mongo, document(request), priced.part_sellers,
    )  # fmt: skip
    return advance(head(), draft, issued_at=datetime(2026, 2, 12, 7, 31, 42, tzinfo=UTC), key=BY_TILL)[0]


def answered(request: PosRequest, **asked: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(answer_of(request, issued(request), lottery="SN 47461258", **asked))
    return answer
