"""POST and DELETE /rest/receipt over real HTTP: who is answered what, and never a 5xx for what was issued."""

import asyncio
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from ebarimt_pos_sdk import EbarimtRestClient, RestClientSettings

from pos_gateway.till.installation import Installation
from pos_gateway.till.outcomes import Issued
from pos_gateway.till.receipt_call import BODY_BYTES_MAX
from pos_gateway.till.refusals import Suspension
from pos_gateway.till.seat import Seat
from receipts.ids import NUMBERS_A_DAY
from tests.pos_gateway.posapi.bodies import LESSEE, OFFICIAL, SHOP, changed
from tests.pos_gateway.till.serving_till import Service, bread, locked, read_answer, request_of, served_till
from tests.pos_gateway.till.test_clocks import stand_before_the_days_end
from tests.pos_gateway.till.tilling import Activations

PAGE = "https://pos.example.mn"


class Uploader:
    """Notes what it is told, and says that everybody has his receipt."""

    def __init__(self) -> None:
        self.told: list[Issued] = []

    def issued(self, issued: Issued) -> None:
        self.told.append(issued)

    async def easy(self, issued: Issued) -> bool:
        await asyncio.sleep(0)
        return issued in self.told


def accounts(tin: str) -> Mapping[str, int]:
    """A look-up that fails when it is asked of one seller."""
    assert tin != LESSEE
    return {"4990037827": 302195}


@pytest.fixture
def seat(till: Installation, activations: Activations) -> Seat:
    return till.add_seat(activations.activated(city_tax_payer=True))


@pytest.fixture
def uploader() -> Uploader:
    return Uploader()


@pytest.fixture
def service(till: Installation, seat: Seat, uploader: Uploader) -> Iterator[Service]:
    assert till.seats == (seat,)
    with served_till(till, after=uploader, bank_account_ids=accounts) as serving:
        yield serving


def of(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def refused(response: httpx2.Response, status: int = 400) -> str:
    """The first code of an answer in PosAPI's form."""
    said = response.json()
    assert (response.status_code, said["status"]) == (status, "ERROR")
    assert said["message"]
    assert response.headers["content-type"].startswith("application/json")
    return str(said["faults"][0]["code"])


class TestSell:
    @pytest.mark.parametrize("path", ["/rest/receipt", "/rest/receipt?", "/rest/receipt/", "/rest/receipt?a=b"])
    def test_any_spelling_of_the_address_sells(self, service: Service, path: str) -> None:
        answer = httpx2.post(service.url + path, content=bread()).json()
        assert (answer["status"], answer["qrData"][:4], len(answer["id"])) == ("SUCCESS", "MB1:", 33)

    def test_the_header_seller_chooses_the_chain(
        self, service: Service, till: Installation, seat: Seat, activations: Activations
    ) -> None:
        other = till.add_seat(activations.activated(LESSEE, 20000002, city_tax_payer=True))
        answer = service.post(of(changed(merchantTin=LESSEE, r0_merchantTin=SHOP))).json()
        assert (answer["posId"], answer["receipts"][0]["merchantTin"]) == (other.terminal, SHOP)
        assert (till.backlog(other).count, till.backlog(seat).count) == (2, 1)

    def test_the_uploader_is_told_and_easy_says_what_it_says(self, service: Service, uploader: Uploader) -> None:
        assert service.post(of(OFFICIAL)).json()["easy"] is True
        assert service.post(of(changed(consumerNo=None))).json()["easy"] is False
        assert len(uploader.told) == 2

    def test_an_invoice_names_the_account(self, service: Service) -> None:
        invoice = changed(type="B2C_INVOICE", consumerNo=None, r0_bankAccountNo="4990037827")
        assert service.post(of(invoice)).json()["receipts"][0]["bankAccountId"] == 302195

    def test_nothing_personal_is_kept_after_the_upload(self, service: Service, till: Installation, seat: Seat) -> None:
        service.post(of(OFFICIAL))
        kept = till._near.read(
            lambda connection: list(connection.execute("SELECT request FROM receipts WHERE seq = 2"))
        )
        assert json.loads(kept[0][0]) == changed(consumerNo=None)


class TestVoid:
    def test_the_sdk_voids_and_is_told_when_it_cannot(self, service: Service, till: Installation, seat: Seat) -> None:
        with EbarimtRestClient(RestClientSettings(base_url=service.url)) as client:
            sold = client.receipt.create(OFFICIAL)
            client.receipt.delete({"id": sold.id, "date": sold.date})
        assert till.backlog(seat).total_mongo == 0
        again = httpx2.request("DELETE", f"{service.url}/rest/receipt", content=of({"id": sold.id, "date": "x"}))
        assert refused(again) == "already_void"

    def test_a_correction_must_follow_the_latest_and_be_of_the_like(self, service: Service) -> None:
        sold = service.post(bread()).json()["id"]
        corrected = service.post(of(changed(inactiveId=sold))).json()
        assert corrected["lottery"]
        said = service.post(of(changed(inactiveId=sold)))
        assert refused(said) == "not_latest"
        assert corrected["id"] in said.json()["message"]
        invoice = changed(inactiveId=corrected["id"], type="B2C_INVOICE", consumerNo=None, r0_bankAccountNo="1")
        assert refused(service.post(of(invoice))) == "not_correctable"


class TestRefusals:
    def test_says_every_fault_in_both_languages(self, service: Service) -> None:
        said = service.post(of(changed(type="B2X", r0_taxType="VAT_LOW")))
        assert refused(said)
        assert len(said.json()["faults"]) > 1

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"a":' * 2000])
    def test_what_is_no_bill_is_400(self, service: Service, body: bytes) -> None:
        assert refused(service.post(body))

    def test_a_seller_without_a_seat_is_refused(self, service: Service) -> None:
        assert refused(service.post(of(changed(merchantTin="99119911000", r0_merchantTin="99119911000"))))

    def test_a_suspended_seat_is_refused(self, service: Service, till: Installation, seat: Seat) -> None:
        asyncio.run(till.suspend(seat, Suspension.FORK))
        assert refused(service.post(bread())) == "suspended_fork"

    def test_a_full_day_is_refused(self, service: Service, till: Installation, seat: Seat) -> None:
        asyncio.run(stand_before_the_days_end(till, seat, 1))
        assert refused(service.post(bread())) == "terminal_day_full"
        assert NUMBERS_A_DAY == 100_000

    def test_a_locked_queue_is_503_and_means_not_issued(self, service: Service, till: Installation, seat: Seat) -> None:
        till._writer._desk.connection.set_busy_timeout(50)
        with locked(till):
            said = service.post(bread())
            assert refused(said, 503) == "queue_busy"
            assert said.headers["retry-after"] == "1"
        assert till.backlog(seat).count == 1

    @pytest.mark.parametrize("size", [BODY_BYTES_MAX + 1, 3 * BODY_BYTES_MAX])
    def test_a_body_that_is_too_large_is_refused(self, service: Service, size: int) -> None:
        with socket.create_connection(service.address) as connection:
            connection.sendall(
                request_of(b"")[:-2].replace(b"Content-Length: 0", b"Content-Length: %d" % size) + b"\r\n"
            )
            if size < 2 * BODY_BYTES_MAX:
                connection.sendall(b" " * size)
            assert read_answer(connection)["faults"][0]["code"] == "too_large"

    def test_what_comes_compressed_is_refused(self, service: Service) -> None:
        assert refused(service.post(b"x", **{"Content-Encoding": "gzip"})) == "unsupported_media_type"

    def test_a_key_that_is_none_is_refused(self, service: Service) -> None:
        assert refused(service.post(bread(), **{"Idempotency-Key": "a b"})) == "key_form"

    def test_what_nobody_foresaw_is_400_because_a_receipt_may_exist(
        self, service: Service, till: Installation, activations: Activations
    ) -> None:
        other = till.add_seat(activations.activated(LESSEE, 20000002, city_tax_payer=True))
        invoice = changed(
            type="B2C_INVOICE", consumerNo=None, merchantTin=LESSEE, r0_merchantTin=LESSEE, r0_bankAccountNo="1"
        )
        assert refused(service.post(of(invoice))) == "internal"
        assert till.backlog(other).count == 2

    @pytest.mark.parametrize(
        ("path", "status", "code"), [("/rest/receipt", 405, "method_not_allowed"), ("/x", 404, "not_found")]
    )
    def test_other_addresses_answer_in_the_same_form(self, service: Service, path: str, status: int, code: str) -> None:
        assert refused(httpx2.get(service.url + path), status) == code


class TestBrowsers:
    def test_may_ask_first_and_read_the_answer(self, service: Service) -> None:
        asked = httpx2.options(
            f"{service.url}/rest/receipt",
            headers={"Origin": PAGE, "Access-Control-Request-Method": "DELETE",
                     "Access-Control-Request-Headers": "content-type,idempotency-key",
                     "Access-Control-Request-Private-Network": "true"},
        )  # fmt: skip
        assert (asked.status_code, asked.headers["access-control-allow-private-network"]) == (200, "true")
        assert "DELETE" in asked.headers["access-control-allow-methods"]
        for body in (bread(), b"{"):
            assert service.post(body, Origin=PAGE).headers["access-control-allow-origin"] == "*"


class TestClosed:
    def test_a_closed_chain_is_no_seat(self, service: Service, till: Installation, seat: Seat) -> None:
        asyncio.run(till.close_chain(seat))
        assert replace(seat, closed_at=till.clock()) in till.seats
        assert refused(service.post(bread()))
