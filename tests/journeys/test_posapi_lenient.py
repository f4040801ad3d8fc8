"""What real clients send, beyond the SDK, once more over real HTTP: spellings, types, and what they leave out."""

import copy
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.journeys.shops import LESSEE, SHOP, Shop
from tests.pos_gateway.posapi.bodies import OFFICIAL

Body = dict[str, Any]
NO_CONSUMER = OFFICIAL | {"consumerNo": ""}
"""The vendor's own example, without the consumer who wants his receipt at once."""


def respelled(value: Any, words: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {words.get(name, name): respelled(item, words) for name, item in value.items()}
    return [respelled(item, words) for item in value] if isinstance(value, list) else value


def as_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_texts(item) for item in value]
    return f"{value}.00" if isinstance(value, int) else value


def with_header(**fields: Any) -> Callable[[Body], Body]:
    return lambda body: body | fields


def without(*names: str) -> Callable[[Body], Body]:
    return lambda body: {name: value for name, value in body.items() if name not in names}


def in_part(**fields: Any) -> Callable[[Body], Body]:
    return lambda body: body | {"receipts": [body["receipts"][0] | fields]}


def in_item(**fields: Any) -> Callable[[Body], Body]:
    return lambda body: in_part(items=[body["receipts"][0]["items"][0] | fields])(body)


def no_vat(body: Body) -> Body:
    part = body["receipts"][0]
    item = part["items"][0] | {"totalVAT": 0, "totalCityTax": 0, "taxProductCode": "0000414"}
    untaxed = part | {"taxType": "NOT_VAT", "totalVAT": 0, "totalCityTax": 0, "items": [item]}
    return body | {"receipts": [untaxed], "totalVAT": 0, "totalCityTax": 0}


SENT: dict[str, Callable[[Body], Body]] = {
    "totalVat, totalCitytax": lambda body: respelled(body, {"totalVAT": "totalVat", "totalCityTax": "totalCitytax"}),
    "inActiveId, Status, Data": lambda body: respelled(
        in_item(data={"lotNo": "7"})(body), {"inactiveId": "inActiveId", "status": "Status", "data": "Data"}
    ),
    "numbers as texts": as_texts,
    "TINs as numbers": lambda body: in_part(merchantTin=int(SHOP))(body | {"merchantTin": int(SHOP)}),
    "unknown keys": lambda body: in_item(colour="red")(body | {"totalBonus": 0, "bankAccount": "5041466217"}),
    "empty texts": with_header(customerTin="", inactiveId="", invoiceId="", reportMonth="", districtCode=""),
    "nulls": with_header(customerTin=None, inactiveId=None, invoiceId=None, totalVAT=None, totalCityTax=None),
    "the least": without("totalVAT", "totalCityTax", "districtCode", "customerTin", "consumerNo", "inactiveId",
                         "reportMonth", "billIdSuffix", "payments"),
    "no suffix": without("billIdSuffix"),
    "a buyer on B2C": with_header(customerTin=LESSEE),
    "payments null": with_header(payments=None),
    "payments empty": with_header(payments=[]),
    "NOT_VAT": no_vat,
    "thirteen decimals": lambda body: in_item(
        unitPrice=1666.6666666666667, qty=3, totalVAT=500.0000000000004
    )(in_part(totalVAT=499.9999999999996)(body)),
    "header VAT off by a hundredth": with_header(totalVAT=500.01),
    "quantity times price is not the total": in_item(qty=3, unitPrice=1),
    "branch 7": with_header(branchNo="7"),
    "no merchant below": lambda body: body | {"receipts": [without("merchantTin")(body["receipts"][0])]},
}  # fmt: skip
VOIDS: dict[str, Callable[[Body], Any]] = {
    "as documented": lambda sold: {"id": sold["id"], "date": sold["date"]},
    "no date": lambda sold: {"id": sold["id"]},
    "a date that is empty": lambda sold: {"id": sold["id"], "date": ""},
    "another date": lambda sold: {"id": sold["id"], "date": "2001-01-01 00:00:00"},
    "a date with a zone": lambda sold: {"id": sold["id"], "date": "2026-02-12T15:31:42.000Z"},
    "ID": lambda sold: {"ID": sold["id"], "Date": sold["date"]},
}


def post(shop: Shop, body: Any, path: str = "/rest/receipt", **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return httpx2.post(shop.url + path, content=content, headers=headers, timeout=20)


def issued(answer: httpx2.Response) -> Body:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


class TestAReceipt:
    @pytest.mark.parametrize("change", SENT.values(), ids=SENT)
    def test_is_issued_for(self, shop: Shop, change: Callable[[Body], Body]) -> None:
        answer = post(shop, change(copy.deepcopy(NO_CONSUMER)))
        receipt = issued(answer)
        assert receipt["status"] == "SUCCESS"
        assert (receipt["totalAmount"], receipt["merchantTin"]) == (5600, SHOP)
        assert receipt["receipts"][0]["items"][0]["name"] == "Талх"
        assert isinstance(receipt["qrData"], str)
        assert "null" not in answer.text
        assert ".0," not in answer.text
        assert not {"message", "billIdSuffix"} & set(receipt)

    def test_is_issued_behind_a_lonely_question_mark(self, shop: Shop) -> None:
        request = b"POST /rest/receipt? HTTP/1.1"
        assert b" 200 " in shop.raw(request, json.dumps(NO_CONSUMER).encode())

    @pytest.mark.parametrize("kind", ["", "text/plain", "application/json; charset=utf-8", "application/soap+xml"])
    def test_is_issued_whatever_the_content_type_says(self, shop: Shop, kind: str) -> None:
        issued(post(shop, NO_CONSUMER, **({"Content-Type": kind} if kind else {})))

    def test_is_another_one_for_the_next_customer_with_the_same_bread_and_suffix(self, shop: Shop) -> None:
        body = json.dumps(NO_CONSUMER).encode()
        with httpx2.Client(base_url=shop.url) as line:
            ids = [issued(line.post("/rest/receipt", content=body))["id"] for _ in range(3)]
        assert len(set(ids)) == 3

    def test_of_a_browser_is_issued_and_may_be_read(self, shop: Shop) -> None:
        asked = {"Origin": "https://pos.example", "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "content-type"}  # fmt: skip
        assert httpx2.options(f"{shop.url}/rest/receipt", headers=asked).status_code == 200
        answer = post(shop, NO_CONSUMER, Origin="https://pos.example")
        assert answer.headers["access-control-allow-origin"] == "*"

    @pytest.mark.parametrize("words", VOIDS.values(), ids=VOIDS)
    def test_is_voided_by(self, shop: Shop, words: Callable[[Body], Any]) -> None:
        sold = issued(post(shop, NO_CONSUMER))
        answer = httpx2.request("DELETE", f"{shop.url}/rest/receipt", content=json.dumps(words(sold)), timeout=20)
        assert answer.json() == {"success": True, "status": 200, "message": ""}


class TestSendData:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("path", ["/rest/sendData", "/rest/send"])
    def test_is_done_either_way_and_answered_in_json(self, shop: Shop, method: str, path: str) -> None:
        answer = httpx2.request(method, shop.url + path, timeout=20)
        assert (answer.status_code, answer.json()["success"]) == (200, True)
