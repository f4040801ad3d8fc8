"""The vendor-neutral SDK, unmodified, and whatever else real clients send, against a till over real HTTP."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from ebarimt_pos_sdk import CreateReceiptRequest, EbarimtRestClient, PosApiHttpError, RestClientSettings

from pos_gateway.till.installation import Installation
from pos_gateway.till.outcomes import Issued
from pos_gateway.till.seat import Seat
from receipts import qr
from receipts.document import Document, decode_document
from receipts.ids import ReceiptId
from tests.pos_gateway.posapi.bodies import BUYER, LESSEE, OFFICIAL, SHOP, changed, octets, plain
from tests.pos_gateway.till.serving_till import Service, served_till
from tests.pos_gateway.till.tilling import Activations

SALE: dict[str, Any] = {name: value for name, value in OFFICIAL.items() if value is not None}


@pytest.fixture
def seat(till: Installation, activations: Activations) -> Seat:
    return till.add_seat(activations.activated(city_tax_payer=True))


@pytest.fixture
def service(till: Installation, seat: Seat) -> Iterator[Service]:
    assert seat.tin == SHOP
    with served_till(till) as serving:
        yield serving


@pytest.fixture
def client(service: Service) -> Iterator[EbarimtRestClient]:
    with EbarimtRestClient(RestClientSettings(base_url=service.url)) as opened:
        yield opened


def issued(service: Service, receipt_id: str) -> Issued:
    found = service.till.find(ReceiptId.parse(receipt_id))
    assert found is not None
    return found


def document_of(service: Service, receipt_id: str) -> Document:
    return decode_document(issued(service, receipt_id).link.document)


class TestSdk:
    def test_sells(self, service: Service, client: EbarimtRestClient) -> None:
        answer = client.receipt.create(SALE)
        assert (answer.status, answer.easy, answer.total_vat, answer.pos_no) == ("SUCCESS", False, 500, "001")
        assert answer.lottery is not None
        assert answer.qr_data == qr.encode_text(issued(service, answer.id).link.cose)
        assert document_of(service, answer.id).parts[0].lines[0].name == "Талх"

    def test_sells_with_decimals_and_models(self, client: EbarimtRestClient) -> None:
        answer = client.receipt.create(CreateReceiptRequest.model_validate(SALE | {"total_vat": "500.00"}))
        assert answer.total_amount == 5600

    def test_sells_for_several_merchants_and_tax_types(self, service: Service, client: EbarimtRestClient) -> None:
        milk = {"name": "Сүү", "measureUnit": "л", "qty": "0.5", "unitPrice": 2000, "totalAmount": 1000}
        more = [
            {"taxType": "VAT_FREE", "merchantTin": SHOP, "totalAmount": 1000,
             "items": [milk | {"taxProductCode": "320"}]},
            {"taxType": "VAT_ABLE", "merchantTin": LESSEE, "totalAmount": 1000, "totalVAT": 0, "items": [milk]},
        ]  # fmt: skip
        sale = SALE | {"totalAmount": 7600, "receipts": [*SALE["receipts"], *more], "payments": []}
        answer = client.receipt.create(sale)
        assert [part.merchant_tin for part in document_of(service, answer.id).parts] == [SHOP, SHOP, LESSEE]
        assert [int(sub.id[20:25]) - int(answer.id[20:25]) for sub in answer.receipts] == [1, 2, 3]

    def test_sells_to_a_business_and_on_account(self, service: Service, client: EbarimtRestClient) -> None:
        to_business = SALE | {"type": "B2B_RECEIPT", "customerTin": BUYER}
        answer = client.receipt.create(to_business)
        assert (answer.lottery, document_of(service, answer.id).buyer_tin) == (None, BUYER)
        invoices = [client.receipt.create(to_business | {"type": "B2B_INVOICE"}).id for _ in range(2)]
        paid = client.receipt.create(to_business | {"invoiceId": invoices[0]})
        assert str(document_of(service, paid.id).pays_invoice) == invoices[0]
        part = SALE["receipts"][0]
        both = to_business | {
            "totalAmount": 11200, "totalVAT": 1000, "totalCityTax": 200, "payments": [],
            "receipts": [part | {"invoiceId": invoice} for invoice in invoices],
        }  # fmt: skip
        paid = client.receipt.create(both)
        assert [str(one.pays_invoice) for one in document_of(service, paid.id).parts] == invoices
        with pytest.raises(PosApiHttpError) as refused:
            client.receipt.create(to_business | {"invoiceId": paid.id})
        assert "нэхэмжлэх" in str(refused.value)

    def test_corrects_and_voids(self, service: Service, client: EbarimtRestClient) -> None:
        first = client.receipt.create(SALE)
        second = client.receipt.create(SALE | {"inactiveId": first.id})
        third = client.receipt.create(SALE | {"inactiveId": second.id})
        assert first.lottery == second.lottery == third.lottery
        with pytest.raises(PosApiHttpError) as refused:
            client.receipt.create(SALE | {"inactiveId": first.id})
        assert third.id in str(refused.value)
        client.receipt.delete({"id": third.id, "date": third.date})
        assert service.till.backlog(service.till.seats[0]).count == 5
        with pytest.raises(PosApiHttpError):
            client.receipt.delete({"id": third.id})

    def test_reads_every_fault_in_one_message(self, client: EbarimtRestClient) -> None:
        with pytest.raises(PosApiHttpError) as refused:
            client.receipt.create(SALE | {"districtCode": "0000", "totalVAT": 1})
        assert refused.value.status == "ERROR"
        assert "districtCode: " in str(refused.value)

    async def test_sells_and_voids_asynchronously(self, service: Service) -> None:
        async with EbarimtRestClient(RestClientSettings(base_url=service.url)) as client:
            answers = await asyncio.gather(*(client.receipt.acreate(SALE | {"billIdSuffix": str(n)}) for n in range(8)))
            assert len({answer.id for answer in answers}) == 8
            await client.receipt.adelete({"id": answers[0].id, "date": answers[0].date})
        assert service.links(service.till.seats[0]) == 9


class TestOthers:
    def test_ask_with_a_question_mark_and_no_media_type(self, service: Service) -> None:
        answer = httpx2.post(f"{service.url}/rest/receipt?", content=octets(OFFICIAL))
        assert (answer.status_code, answer.json()["status"]) == (200, "SUCCESS")

    @pytest.mark.parametrize("date", ["2000-01-01 00:00:00", "", None, 5])
    def test_void_with_any_date(self, service: Service, date: object) -> None:
        sold = service.post(octets(plain(1100))).json()["id"]
        request = {"method": "DELETE", "url": f"{service.url}/rest/receipt"}
        answer = httpx2.request(**request, content=json.dumps({"id": sold, "date": date}))
        assert (answer.status_code, answer.json()) == (200, {"success": True, "status": 200, "message": ""})

    def test_keep_nothing_personal(self, service: Service) -> None:
        card = {"terminalID": "T9", "rrn": "998877665544", "maskedCardNumber": "999999XXXXXX9999", "easy": True}
        body = changed(consumerNo="88776655", p0_code="PAYMENT_CARD", p0_data=card)
        sold = issued(service, service.post(octets(body)).json()["id"])
        kept = service.till.request_of(sold)
        assert kept is not None
        assert json.loads(kept) == body | {"consumerNo": None, "payments": [body["payments"][0] | {"data": None}]}
        for path in service.till.dir.root.glob("queue.sqlite*"):
            for gone in (b"998877665544", b"999999XXXXXX9999"):
                assert gone not in path.read_bytes()

    @pytest.mark.needs("shared data")
    def test_get_words_whatever_they_send(self, service: Service, shared_data: Path) -> None:
        with httpx2.Client(base_url=service.url) as http:
            for path in sorted((shared_data / "malicious" / "json").glob("*.json")):
                for method in ("POST", "DELETE"):
                    answer = http.request(method, "/rest/receipt", content=path.read_bytes())
                    assert answer.status_code == 400, path.name
                    assert answer.json()["status"] == "ERROR"
            texts = json.loads((shared_data / "malicious" / "blns.json").read_bytes())
            for some in (texts[at : at + 20] for at in range(0, len(texts), 20)):
                body = plain(*[1100] * len(some), posNo=some[0], billIdSuffix=some[1], data=dict.fromkeys(some, some))
                for item, text in zip(body["receipts"][0]["items"], some, strict=True):
                    item |= {"name": f"a{text}", "measureUnit": f"a{text}", "barCode": text}
                assert http.post("/rest/receipt", content=octets(body)).json()["status"] == "SUCCESS", some
