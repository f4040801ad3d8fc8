"""Every sample of the shared data: requests that real clients made, and splits that real clients computed."""

import json
from datetime import date
from typing import Any

import pytest

from kernel.refusal import Malformed
from pos_gateway.posapi.request import read_request, read_void
from receipts.receipt import Nature
from tests.needs import SHARED_DATA
from tests.pos_gateway.posapi.bodies import MERCHANTS, answered, octets, plain, read, refused

pytestmark = pytest.mark.needs("shared data")
DAY = date(2026, 10, 3)
"""On which the report month of one of them is due."""


def sample(group: str, name: str | int) -> Any:
    found = json.loads((SHARED_DATA / "fiscal" / "ebarimt_receipt_samples.json").read_text())[group][name]
    return found["body"] if group == "posapi_spec_examples" else found


class TestRequests:
    @pytest.mark.parametrize(
        ("group", "name", "nature", "total", "vat", "lottery"),
        [
            ("golden_requests", "receipt_a_b2c_city_tax", Nature.SALE, 2800_00, 250_00, True),
            ("golden_requests", "receipt_c_b2b_coupon_split", Nature.SALE, 1572_32, 142_94, False),
            ("posapi_spec_examples", 0, Nature.SALE, 5600_00, 500_00, True),
            ("posapi_spec_examples", 1, Nature.SALE, 5000_00, 0, False),
            ("posapi_spec_examples", 2, Nature.INVOICE, 5000_00, 0, False),
            ("posapi_spec_examples", 3, Nature.INVOICE, 5000_00, 0, False),
            ("posapi_spec_examples", 5, Nature.SALE, 5600_00, 500_00, False),
            ("posapi_spec_examples", 6, Nature.SALE, 5000_00, 0, False),
            ("posapi_spec_examples", 7, Nature.SALE, 5000_00, 0, False),
            ("posapi_spec_examples", 8, Nature.SALE, 5000_00, 0, False),
            ("posapi_spec_examples", 9, Nature.SALE, 5600_00, 500_00, True),
        ],
    )
    def test_are_taken(
        self, group: str, name: str | int, nature: Nature, total: int, vat: int, *, lottery: bool
    ) -> None:
        request = read(sample(group, name), day=DAY)
        priced = request.priced
        assert (request.submission.nature, priced.total_mongo, priced.vat_mongo) == (nature, total, vat)
        assert priced.lottery is lottery
        assert answered(request)["status"] == "SUCCESS"

    def test_one_states_no_vat_and_a_code_that_there_is_not(self) -> None:
        assert refused(sample("golden_requests", "receipt_b_b2c_mixed"), day=DAY) == [
            ("tax_product_form", "receipts[1].items[0].taxProductCode", "3 to 10 digits"),
            ("vat_mismatch", "receipts[0].totalVAT", "318.18"),
        ]

    def test_one_frees_cabbage_by_the_code_of_income_abroad(self) -> None:
        body = sample("posapi_spec_examples", 4)
        assert [fault[:2] for fault in refused(body, day=DAY)] == [
            ("tax_product_unknown", "receipts[0].items[0].taxProductCode")
        ]
        body["receipts"][0]["items"][0]["taxProductCode"] = "320"
        assert read(body, day=DAY).priced.total_mongo == 1100_00


def test_taxes_are_split_as_the_published_client_does() -> None:
    cases = json.loads((SHARED_DATA / "fiscal" / "ebarimt_tax_split_vectors.json").read_text())["cases"]
    for case in cases:
        tax_type = "VAT_ABLE" if case["vat_able"] else "NO_VAT"
        body = plain(
            float(case["total"]), tax_type=tax_type, totalVAT=case["vat"], totalCityTax=case["city_tax_amount"]
        )
        priced = read(body, day=DAY).priced
        assert f"{priced.vat_mongo} {priced.city_tax_mongo}" == (
            f"{round(float(case['vat']) * 100)} {round(float(case['city_tax_amount']) * 100)}"
        )
    assert len(cases) == 6


def hostile() -> list[bytes]:
    if not SHARED_DATA.is_dir():
        return []
    texts = json.loads((SHARED_DATA / "malicious" / "blns.json").read_text())
    return [path.read_bytes() for path in sorted((SHARED_DATA / "malicious" / "json").glob("*.json"))] + [
        octets({field: text}) for text in texts for field in ("merchantTin",)
    ]


class TestHostileInput:
    def test_is_refused_in_words(self) -> None:
        for body in hostile():
            for reader in (lambda raw: read_request(raw, seller_of=MERCHANTS.get, day=DAY), read_void):
                with pytest.raises(Malformed):
                    reader(body)
        assert len(hostile()) > 700

    def test_any_value_in_any_field_is_taken_or_refused(self) -> None:
        values = [json.loads(raw) for raw in hostile() if raw[:1] == b"[" and _is_json(raw)]
        values += json.loads((SHARED_DATA / "malicious" / "blns.json").read_text())
        taken = 0
        for value in values:
            body = plain(1100)
            body |= dict.fromkeys(("posNo", "billIdSuffix", "consumerNo", "data"), value)
            body["receipts"][0]["items"][0] |= {"name": value, "barCode": value, "data": value}
            try:
                answered(read(body, day=DAY))
            except Malformed:
                continue
            taken += 1
        assert taken > 400


def _is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return True
