"""Whatever a client may say is signed as it was said: read, answered, and read again of the answer, it is the same."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pos_gateway.posapi.answer import answer_of
from pos_gateway.posapi.privacy import original_without_personal_data
from receipts.document import decode_document
from receipts.tax import split_line
from tests.pos_gateway.posapi.bodies import AN_ID, BUYER, LESSEE, SHOP, document, issued, octets, read

CODES = {"VAT_ABLE": None, "VAT_FREE": "320", "VAT_ZERO": "501", "NO_VAT": "0000414"}
FORMS = (
    lambda mongo: f"{mongo // 100}.{mongo % 100:02d}",
    lambda mongo: mongo / 100,
    lambda mongo: f"{mongo // 100}.{mongo % 100:02d}00000000049",
    lambda mongo: int(mongo / 100) if mongo % 100 == 0 else mongo / 100,
)


@st.composite
def amounts(draw: st.DrawFn, mongo: int) -> Any:
    """An amount as some client would write it."""
    return draw(st.sampled_from(FORMS))(mongo)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A request with everything that may be there or not, right to a möngö an item."""
    kinds = draw(st.lists(st.sampled_from([(tin, kind) for tin in (SHOP, LESSEE) for kind in CODES]), min_size=1,
                          max_size=4, unique=True))  # fmt: skip
    subs = [draw(sub_receipts(tin, kind)) for tin, kind in kinds]
    total = sum(sub.pop("mongo") for sub in subs)
    body = {
        "type": draw(st.sampled_from(["B2C_RECEIPT", "B2B_RECEIPT", "B2C_INVOICE", "B2B_INVOICE"])),
        "merchantTin": SHOP, "totalAmount": draw(amounts(total)), "receipts": subs, "customerTin": BUYER,
        "payments": draw(st.sampled_from([None, [{"code": "CASH", "paidAmount": total / 100, "status": "PAID"}]])),
    }  # fmt: skip
    optional = {
        "branchNo": "007", "districtCode": "2501", "posNo": "касс 1", "consumerNo": "10038071", "inactiveId": AN_ID,
        "billIdSuffix": "01", "data": {"a": [1.5]}, "unknown": [{}],
    }  # fmt: skip
    for name in draw(st.sets(st.sampled_from(sorted(optional)))):
        body[name] = optional[name]
    return body


@st.composite
def sub_receipts(draw: st.DrawFn, tin: str, kind: str) -> dict[str, Any]:
    items, total, vat = [], 0, 0
    for price in draw(st.lists(st.integers(0, 10**7), min_size=1, max_size=4)):
        taxed = 100 if kind == "VAT_ABLE" and tin == SHOP else 0
        tax = split_line(price, vat_per_mille=taxed, city_tax_per_mille=0).vat_mongo
        item = {
            "name": draw(st.text(min_size=1).map(lambda text: "x" + text)), "measureUnit": "ш",
            "qty": draw(st.sampled_from([1, "2", 0.35])), "totalAmount": draw(amounts(price)),
            "taxProductCode": CODES[kind],
        }  # fmt: skip
        if draw(st.booleans()):
            item["totalVAT"] = draw(amounts(max(tax + draw(st.integers(-1, 1)), 0) if tax else 0))
        total, vat = total + price, vat + tax
        items.append(item)
    sub = {"mongo": total, "taxType": kind, "merchantTin": tin, "totalAmount": draw(amounts(total)), "items": items}
    if draw(st.booleans()):
        sub["totalVAT"] = draw(amounts(vat))
    return sub


class TestRoundTrip:
    @given(bodies())
    def test_what_is_signed_is_what_was_said(self, body: dict[str, Any]) -> None:
        request = read(body)
        link = issued(request)
        signed = decode_document(link.document)
        assert signed == document(request)
        assert sum(part.total_mongo for part in signed.parts) == request.priced.total_mongo
        for part in signed.parts:
            assert sum(line.total_mongo for line in part.lines) == part.total_mongo

    @given(bodies())
    def test_the_answer_reads_as_the_request(self, body: dict[str, Any]) -> None:
        request = read(body)
        answer = json.loads(answer_of(request, issued(request), lottery=None))
        again = read(answer).submission
        first = request.submission
        taxed = [(part.vat_mongo, part.city_tax_mongo) for part in again.parts]
        assert taxed == [(part.vat_mongo, part.city_tax_mongo) for part in request.priced.parts]
        unsaid = {"vat_mongo": None, "city_tax_mongo": None}
        assert [replace(part, **unsaid) for part in again.parts] == [replace(part, **unsaid) for part in first.parts]
        assert (again.nature, again.business, again.buyer_tin, again.consumer_no, again.payments) == (
            first.nature, first.business, first.buyer_tin, first.consumer_no, first.payments
        )  # fmt: skip

    @given(bodies())
    def test_the_original_that_is_kept_reads_as_the_request_without_the_person(self, body: dict[str, Any]) -> None:
        kept = original_without_personal_data(octets(body))
        assert read(kept).submission == replace(read(body).submission, consumer_no=None)
