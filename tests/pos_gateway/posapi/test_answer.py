"""The answer of a recorded PosAPI, from the same request, but for what only the vendor's till can make."""

import json
from typing import Any

import pytest
from ebarimt_pos_sdk.resources.rest.receipt.schema import CreateReceiptRequest, CreateReceiptResponse

from pos_gateway.posapi.answer import VERSION, answer_of
from receipts import qr
from tests.needs import SHARED_DATA
from tests.pos_gateway.posapi.bodies import BUYER, OFFICIAL, answered, changed, issued, plain, read

OURS = ("id", "version", "posId", "qrData")
"""What the vendor's till makes by itself, or of its own: all else of the recorded answer is equal byte for byte."""


def samples() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SHARED_DATA / "fiscal" / "ebarimt_receipt_samples.json").read_text())
    return found


class TestRecordedAnswer:
    @pytest.mark.needs("shared data")
    def test_is_ours_byte_for_byte(self) -> None:
        request = read(OFFICIAL)
        link = issued(request)
        recorded = samples()["api_response_captured"]["SUCCESS_RESPONSE"]
        recorded |= {"id": str(link.id), "version": VERSION, "posId": 10012619, "qrData": qr.encode_text(link.cose)}
        assert set(OURS) < set(recorded)
        recorded["receipts"][0]["id"] = str(link.part_ids[0])
        answer = answer_of(request, link, lottery="SN 47461258", easy=True)
        assert answer.decode() == json.dumps(recorded, ensure_ascii=False, separators=(",", ":"))

    @pytest.mark.needs("shared data")
    def test_has_our_ids_in_its_form(self) -> None:
        recorded = samples()["api_response_captured"]["SUCCESS_RESPONSE"]
        answer = answered(read(OFFICIAL))
        assert answer["id"] == recorded["id"]
        assert answer["receipts"][0]["id"] == recorded["receipts"][0]["id"]
        assert len(answer["qrData"]) == 220


class TestAnswer:
    def test_leaves_out_what_is_null_or_empty(self) -> None:
        answer = answer_of(read(changed(data={}, customerTin="")), issued(read(OFFICIAL)), lottery=None).decode()
        assert "null" not in answer
        assert '""' not in answer
        assert "{}" not in answer
        assert not {"lottery", "message", "billIdSuffix", "customerTin", "data"} & set(json.loads(answer))

    def test_writes_whole_numbers_without_a_point(self) -> None:
        body = changed(r0_i0_qty="1.000", r0_i0_unitPrice="5000.00", r0_totalVAT="500.00", p0_paidAmount=5600.0)
        assert answered(read(body)) | {"qrData": ""} == answered(read(OFFICIAL)) | {"qrData": ""}
        assert ".0" not in answer_of(read(body), issued(read(body)), lottery=None).decode()

    @pytest.mark.parametrize(
        ("stated", "written"),
        [("0.35", "0.35"), ("1.50", "1.5"), ("1e2", "100"), ("0.0000001", "1E-7"), ("12345.678900", "12345.6789")],
    )
    def test_writes_other_numbers_as_they_are(self, stated: str, written: str) -> None:
        request = read(changed(r0_i0_unitPrice=stated))
        assert f'"unitPrice":{written},' in answer_of(request, issued(request), lottery=None).decode()

    def test_says_what_was_signed(self) -> None:
        answer = answered(read(plain(28.004)))
        assert (answer["totalAmount"], answer["totalVAT"], answer["totalCityTax"]) == (28, 2.55, 0)
        assert answer["receipts"][0]["items"][0]["totalAmount"] == 28

    def test_names_till_branch_and_account_where_the_request_does_not(self) -> None:
        body = plain(1100, type="B2C_INVOICE")
        body["receipts"][0]["bankAccountNo"] = "4990037827"
        answer = answered(read(body), bank_account_ids={"4990037827": 302195})
        assert (answer["branchNo"], answer["posNo"], answer["easy"]) == ("001", "10012619", False)
        assert answer["receipts"][0]["bankAccountId"] == 302195

    def test_repeats_all_that_was_stated(self) -> None:
        body = changed(
            type="B2B_RECEIPT", customerTin=BUYER, reportMonth="2026-02-01", data={"a": [1.50, {"b": None}]},
            r0_bankAccountNo="1", r0_iBan="2", r0_data={"location": ["GPS"]}, r0_i0_totalBonus=3, p0_exchangeCode="X",
        )  # fmt: skip
        answer = answered(read(body))
        assert {name: answer[name] for name in ("customerTin", "reportMonth", "data")} == {
            "customerTin": BUYER, "reportMonth": "2026-02-01", "data": {"a": [1.5, {"b": None}]}
        }  # fmt: skip
        sub = answer["receipts"][0]
        assert (sub["bankAccountNo"], sub["iBan"], sub["data"]) == ("1", "2", {"location": ["GPS"]})
        assert (sub["items"][0]["totalBonus"], answer["payments"][0]["exchangeCode"]) == (3, "X")

    def test_is_what_the_sdk_reads(self) -> None:
        stated = {name: value for name, value in OFFICIAL.items() if value is not None}
        sent = CreateReceiptRequest.model_validate(stated).model_dump(mode="json", by_alias=True, exclude_none=True)
        received = CreateReceiptResponse.model_validate(answered(read(sent), easy=True))
        assert (received.easy, received.status, received.date.hour) == (True, "SUCCESS", 15)
        assert received.receipts[0].items[0].total_vat == 500
