"""What would make a wrong tax document is refused, with every fault at once by its place: one test a refusal."""

import json
import time
from datetime import date
from typing import Any

import pytest

from kernel.refusal import Fault, Malformed, Unavailable
from pos_gateway.posapi.refused import refused_body
from receipts.orders import AlreadyVoid, NotLatest
from tests.pos_gateway.posapi.bodies import (
    AN_ID,
    ANOTHER_ID,
    BREAD,
    BUYER,
    GONE,
    LESSEE,
    OFFICIAL,
    SHOP,
    changed,
    octets,
    plain,
    refused,
)

SUB: Any = OFFICIAL["receipts"][0]
FREE = {"name": "Сүү", "measureUnit": "л", "qty": 1, "totalAmount": 1000}
B2B = {"type": "B2B_RECEIPT", "customerTin": BUYER, "consumerNo": None}


def two(*subs: Any, **header: Any) -> dict[str, Any]:
    total = sum(sub["totalAmount"] for sub in subs)
    return changed(totalAmount=total, totalVAT=GONE, totalCityTax=GONE, receipts=list(subs), payments=[], **header)


CASES: list[tuple[str, Any, tuple[str, str, str | None]]] = [
    ("VAT of a sub-receipt", changed(totalVAT=GONE, r0_totalVAT=500.02),
     ("vat_mismatch", "receipts[0].totalVAT", "500")),
    ("VAT of an item", changed(r0_i0_totalVAT=400), ("vat_mismatch", "receipts[0].items[0].totalVAT", "500")),
    ("VAT of the header", changed(totalVAT=500.02), ("vat_mismatch", "totalVAT", "500")),
    ("no VAT where it is due", plain(3500, totalVAT=0), ("vat_mismatch", "receipts[0].totalVAT", "318.18")),
    ("VAT that a small seller does not pay",
     two({**SUB, "merchantTin": LESSEE, "totalCityTax": 0, "items": [{**BREAD, "totalCityTax": 0, "totalVAT": 0}]}),
     ("vat_mismatch", "receipts[0].totalVAT", "0")),
    ("city tax of a sub-receipt", changed(totalCityTax=GONE, r0_totalCityTax=99),
     ("city_tax_mismatch", "receipts[0].totalCityTax", "100")),
    ("city tax of an item", changed(r0_i0_totalCityTax=50),
     ("city_tax_mismatch", "receipts[0].items[0].totalCityTax", "100")),
    ("city tax of the header", changed(totalCityTax=99.98), ("city_tax_mismatch", "totalCityTax", "100")),
    ("items that do not add up", changed(r0_i0_totalAmount=5500, r0_i0_totalVAT=0, r0_i0_totalCityTax=0),
     ("lines_mismatch", "receipts[0].totalAmount", "5500")),
    ("sub-receipts that do not add up", changed(totalAmount=5600.02, payments=[]),
     ("lines_mismatch", "totalAmount", "5600")),
    ("payments that do not add up", changed(p0_paidAmount=5599.98), ("payments_mismatch", "payments", "5600")),
    ("no type", changed(type=None), ("missing_field", "type", "this field")),
    ("another type", changed(type="STOCK_QR"),
     ("not_in_list", "type", "B2C_RECEIPT, B2B_RECEIPT, B2C_INVOICE, B2B_INVOICE")),
    ("no tax type", changed(r0_taxType=GONE), ("missing_field", "receipts[0].taxType", "this field")),
    ("another tax type", changed(r0_taxType="VAT"),
     ("not_in_list", "receipts[0].taxType", "VAT_ABLE, VAT_FREE, VAT_ZERO, NO_VAT, NOT_VAT")),
    ("no merchant", changed(merchantTin=""), ("missing_field", "merchantTin", "this field")),
    ("a merchant's register number", changed(r0_merchantTin="99119911"),
     ("tin_form", "receipts[0].merchantTin", "11 to 14 digits; a 12-digit one may not start with 99")),
    ("a seller without a place on this till", changed(merchantTin="11000000009", r0_merchantTin=SHOP),
     ("merchant_unknown", "merchantTin", "an activated seller")),
    ("a merchant whose number nobody knows", changed(r0_merchantTin="12345678901234"),
     ("merchant_unknown", "receipts[0].merchantTin", "an enrolled seller")),
    ("no buyer", changed(type="B2B_RECEIPT"),
     ("buyer_missing", "customerTin", "the buyer's TIN on every B2B document")),
    ("a buyer's register number", changed(type="B2B_INVOICE", customerTin="99119911"),
     ("tin_form", "customerTin", "11 to 14 digits; a 12-digit one may not start with 99")),
    ("a report month of a consumer's receipt", changed(reportMonth="2026-01-31"),
     ("report_month_not_due", "reportMonth", "null")),
    ("a report month on the eighth", changed(**B2B, reportMonth="2026-01"),
     ("report_month_not_due", "reportMonth", "null")),
    ("a report month in no form", changed(**B2B, reportMonth="January"), ("date_form", "reportMonth", "YYYY-MM-DD")),
    ("no receipts", changed(receipts=[]), ("missing_field", "receipts", "this field")),
    ("receipts that are none", changed(receipts=[1]), ("wrong_type", "receipts", "[{…}]")),
    ("no items", changed(r0_items=None), ("missing_field", "receipts[0].items", "this field")),
    ("no name", changed(r0_i0_name=" "), ("missing_field", "receipts[0].items[0].name", "this field")),
    ("no unit", changed(r0_i0_measureUnit=None), ("missing_field", "receipts[0].items[0].measureUnit", "this field")),
    ("no quantity", changed(r0_i0_qty=GONE), ("missing_field", "receipts[0].items[0].qty", "this field")),
    ("no total", changed(totalAmount=GONE), ("missing_field", "totalAmount", "this field")),
    ("a total of an item that is no number", changed(r0_i0_totalAmount="5,600.00"),
     ("wrong_type", "receipts[0].items[0].totalAmount", "0.00")),
    ("true for a number", changed(totalVAT=True), ("wrong_type", "totalVAT", "0.00")),
    ("an amount below nothing", changed(r0_i0_totalAmount=-5600),
     ("out_of_range", "receipts[0].items[0].totalAmount", "0–1407374883553.27")),
    ("an amount beyond all", changed(r0_totalAmount="1e30"),
     ("out_of_range", "receipts[0].totalAmount", "0–1407374883553.27")),
    ("a quantity beyond all", changed(r0_i0_qty=1e9), ("out_of_range", "receipts[0].items[0].qty", "0–999999999")),
    ("text that is a list", changed(r0_iBan=["1"]), ("wrong_type", "receipts[0].iBan", '"…"')),
    ("another district", changed(districtCode="9999"),
     ("district_unknown", "districtCode", "a code of the district list, as 2501")),
    ("another branch", changed(branchNo="1234"), ("branch_form", "branchNo", "001")),
    ("a classification of other length", changed(r0_i0_classificationCode="234901"),
     ("classification_form", "receipts[0].items[0].classificationCode", "7 digits")),
    ("a tax product of other form", changed(r0_i0_taxProductCode="3"),
     ("tax_product_form", "receipts[0].items[0].taxProductCode", "3 to 10 digits")),
    ("no tax product of what is free", two({"taxType": "VAT_ZERO", "totalAmount": 1000, "items": [FREE]}),
     ("tax_product_missing", "receipts[0].items[0].taxProductCode", "501, 502, 503, 504, 505, 506, 507")),
    ("a tax product of another tax type",
     two({"taxType": "VAT_ZERO", "totalAmount": 1000, "items": [FREE | {"taxProductCode": "320"}]}),
     ("tax_product_unknown", "receipts[0].items[0].taxProductCode", "501, 502, 503, 504, 505, 506, 507")),
    ("a tax product of what is taxed", changed(r0_i0_taxProductCode="320"),
     ("tax_product_unknown", "receipts[0].items[0].taxProductCode", "null")),
    ("two sub-receipts of one kind", two(SUB, SUB),
     ("part_repeated", "receipts[1]", "one part for each merchant and tax type")),
    ("an id of 32 digits", changed(inactiveId=AN_ID[1:]), ("receipt_id_form", "inactiveId", "33 digits")),
    ("an invoice that pays one", changed(type="B2C_INVOICE", invoiceId=AN_ID),
     ("invoice_pays", "invoiceId", "B2C_RECEIPT, B2B_RECEIPT")),
    ("a correction that pays", changed(inactiveId=AN_ID, invoiceId=ANOTHER_ID),
     ("corrects_and_pays", "invoiceId", "either corrects or pays_invoice")),
    ("an invoice of the header and another below", changed(invoiceId=AN_ID, r0_invoiceId=ANOTHER_ID),
     ("invoices_incomplete", "invoiceId", AN_ID)),
    ("an invoice for one sub-receipt of two",
     two({**SUB, "invoiceId": AN_ID}, {"taxType": "NO_VAT", "totalAmount": 1000, "items": [FREE]}),
     ("invoices_incomplete", "receipts", "an invoice in every part, or one for all of them in the header")),
    ("a payment without its means", changed(p0_code=None), ("missing_field", "payments[0].code", "this field")),
    ("means that are no word", changed(p0_code="бэлэн"), ("method_form", "payments[0].code", "CASH, PAYMENT_CARD")),
    ("a payment of another status", changed(p0_status="DONE"),
     ("not_in_list", "payments[0].status", "PAID, PAY, REVERSED, ERROR")),
    ("a payment without an amount", changed(payments=[{"code": "CASH"}]),
     ("missing_field", "payments[0].paidAmount", "this field")),
]  # fmt: skip


class TestRefusals:
    @pytest.mark.parametrize(("body", "fault"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
    def test_each_alone(self, body: Any, fault: tuple[str, str, str | None]) -> None:
        assert refused(body) == [fault]

    def test_a_field_twice_with_two_values(self) -> None:
        raw = octets(OFFICIAL)[:-1] + b', "TotalVat": 400}'
        assert refused(raw)[0] == ("field_repeated", "totalVAT", "each field once")

    @pytest.mark.parametrize("body", [b"", b"[]", b"1", b'"a"', b"{", b"\xff", b"{'a':1}", b'{"a":NaN}', b'{"a":01}'])
    def test_what_is_no_object(self, body: bytes) -> None:
        assert refused(body) == [("json_invalid", "", "one JSON object (RFC 8259) in UTF-8")]

    def test_what_is_nested_too_deeply(self) -> None:
        assert refused(b'{"a":' * 50_000)[0][0] == "too_deep"

    def test_too_many_items(self) -> None:
        found = refused(plain(*[1] * 501))
        assert ("too_long", "receipts[0].items", "≤ 500") in found

    def test_too_many_items_in_all(self) -> None:
        free = {"taxType": "NO_VAT", "totalAmount": 300, "items": [FREE | {"totalAmount": 1}] * 300}
        found = refused(two(free | {"taxType": "VAT_ABLE"}, free))
        assert ("too_long", "receipts[1].items", "≤ 200") in found

    def test_a_flood_is_looked_at_only_so_far(self) -> None:
        began = time.process_time()
        assert len(refused({"receipts": [{"items": [{}] * 500}] * 100})) == 100
        assert time.process_time() - began < 0.5

    def test_no_more_faults_than_anybody_reads(self) -> None:
        assert len(refused(plain(*[1] * 400) | {"receipts": [{"items": [{}] * 400}]})) == 100

    def test_all_at_once(self) -> None:
        body = changed(
            type="B2B_RECEIPT", districtCode="0000", branchNo="x", totalVAT="?", inactiveId="1", r0_totalVAT=1,
            r0_i0_classificationCode="1", r0_i0_qty=None, p0_paidAmount=1, reportMonth="2025-12",
        )  # fmt: skip
        assert {(code, place) for code, place, _ in refused(body, day=date(2026, 2, 3))} == {
            ("buyer_missing", "customerTin"), ("district_unknown", "districtCode"), ("branch_form", "branchNo"),
            ("wrong_type", "totalVAT"), ("receipt_id_form", "inactiveId"), ("vat_mismatch", "receipts[0].totalVAT"),
            ("classification_form", "receipts[0].items[0].classificationCode"),
            ("missing_field", "receipts[0].items[0].qty"), ("payments_mismatch", "payments"),
            ("report_month_not_due", "reportMonth"),
        }  # fmt: skip

    def test_a_sound_sub_receipt_is_judged_beside_one_that_is_not(self) -> None:
        broken = {"taxType": "NO_VAT", "totalAmount": 1, "items": [{}]}
        places = [place for _, place, _ in refused(two(broken, {**SUB, "totalVAT": 1}))]
        assert "receipts[1].totalVAT" in places
        assert "receipts[0].items[0].totalAmount" in places

    def test_city_tax_that_a_seller_does_not_pay(self) -> None:
        assert refused(plain(5600, merchantTin=LESSEE, totalVAT=0, totalCityTax=109.8)) == [
            ("city_tax_mismatch", "receipts[0].totalCityTax", "0"),
            ("city_tax_not_due", "receipts[0].items[0].totalCityTax", "0"),
        ]

    def test_the_month_that_would_be_right_is_named(self) -> None:
        body = changed(**B2B, reportMonth="2025-12-01")
        assert refused(body, day=date(2026, 2, 7)) == [("report_month_not_due", "reportMonth", "2026-01")]


class TestRefusedBody:
    def body_of(self, error: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(refused_body(error))
        assert answer["status"] == "ERROR"
        return answer

    def test_says_mongolian_then_english_with_place_and_expectation(self) -> None:
        answer = self.body_of(Malformed(Fault("vat_mismatch", "receipts[0].items[1].totalVAT", "318.18")))
        assert answer["message"] == (
            "receipts[0].items[1].totalVAT: НӨАТ-ын дүн таарахгүй байна. Шалгуур дүн: 318.18."
            " receipts[0].items[1].totalVAT: The VAT does not match. Expected: 318.18."
        )
        assert answer["faults"] == [
            {"code": "vat_mismatch", "field": "receipts[0].items[1].totalVAT", "expected": "318.18"}
        ]

    def test_adds_an_expectation_that_needs_no_words(self) -> None:
        message = self.body_of(Malformed(Fault("tax_product_missing", "a", "501, 502")))["message"]
        assert "Байх ёстой: 501, 502." in message
        assert message.endswith("Expected: 501, 502.")

    def test_says_a_rules_no(self) -> None:
        answer = self.body_of(NotLatest(latest=AN_ID))
        assert answer["message"].count(AN_ID) == 2
        assert answer["faults"] == [{"code": "not_latest"}]
        assert self.body_of(AlreadyVoid())["faults"] == [{"code": "already_void"}]

    @pytest.mark.parametrize(("reason", "code"), [("pool_full", "pool_full"), ("the disk is full", "unavailable")])
    def test_says_that_nothing_was_issued(self, reason: str, code: str) -> None:
        answer = self.body_of(Unavailable(reason))
        assert answer["faults"] == [{"code": code}]
        assert "disk" not in answer["message"]
