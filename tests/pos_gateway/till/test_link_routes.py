"""PosAPI's calls beside receipts, over real HTTP: about the till itself, uploading now, and look-ups."""

from collections.abc import AsyncIterator

import pytest
from ebarimt_pos_sdk import ApiClientSettings, EbarimtApiClient, EbarimtRestClient, RestClientSettings
from starlette.responses import JSONResponse, Response

from pos_gateway.till.installation import Installation
from pos_gateway.till.merchants import remembered_as
from pos_gateway.till.seat import Seat
from receipts.codes import districts
from tests.pos_gateway.till.shop import Shop, open_shop
from tests.pos_gateway.till.stage_centre import StageCentre, on_stage
from tests.pos_gateway.till.tilling import SHOP_TIN, Activations, Hands

TAXPAYER = {"name": "Шинэ нэр", "vatPayer": False, "cityPayer": True, "found": True, "seller": "037900846788"}


def envelope(content: object) -> Response:
    return JSONResponse({"msg": "Амжилттай", "status": 200, "data": content})


@pytest.fixture
def seat(till: Installation, activations: Activations) -> Seat:
    """A shop that pays the capital city's tax, as the vendor's example does."""
    return till.add_seat(activations.activated(city_tax_payer=True))


@pytest.fixture
async def centre(seat: Seat, hands: Hands) -> AsyncIterator[StageCentre]:
    async with on_stage(StageCentre(hands, seat.enrolment)) as staged:
        yield staged


@pytest.fixture
async def shop(till: Installation, centre: StageCentre, hands: Hands) -> AsyncIterator[Shop]:
    async with open_shop(till, hands.clock, url=centre.url) as opened:
        yield opened


class TestInfo:
    async def test_tells_what_waits_and_why(self, shop: Shop, centre: StageCentre) -> None:
        await shop.http.get("/rest/sendData")
        centre.gone = True
        await shop.sell()
        await shop.http.get("/rest/sendData")
        info = await shop.get("/rest/info")
        assert (info["state"], info["waitingReceipts"], info["waitingAmount"]) == ("OFFLINE", 1, 5600)
        assert info["lastError"]["code"] == "centre_unreachable"
        assert info["leftLotteries"] == 99_997, "the start link, the bundle and its part have numbers"

    async def test_of_a_till_that_is_not_activated(self, till: Installation, hands: Hands) -> None:
        async with open_shop(till, hands.clock) as opened:
            info = await opened.get("/rest/info")
            assert (info["merchants"], info["posNo"], info["waitingReceipts"]) == ([], "", 0)
            sent = await opened.get("/rest/sendData")
            assert (sent["success"], sent["code"]) == (False, "centre_unset")


class TestSendData:
    @pytest.mark.parametrize("path", ["/rest/sendData", "/rest/send", "/rest/sendData?"])
    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_uploads_before_it_answers(self, shop: Shop, centre: StageCentre, path: str, method: str) -> None:
        for number in range(3):
            await shop.sell(billIdSuffix=f"{number:02d}")
        answer = await shop.http.request(method, path)
        assert answer.json() == {"success": True, "status": 200, "message": "", "waiting": 0, "state": "ONLINE"}
        assert centre.counter == 4

    async def test_says_why_nothing_was_sent(self, shop: Shop, centre: StageCentre) -> None:
        centre.gone = True
        answer = await shop.get("/rest/sendData")
        assert (answer["success"], answer["waiting"], answer["state"]) == (False, 1, "OFFLINE")
        assert answer["code"] == "centre_unreachable"
        assert answer["message"].startswith("Төвтэй холбогдож чадсангүй.")

    async def test_a_real_client_understands(self, shop: Shop) -> None:
        with_url = RestClientSettings(base_url=str(shop.http.base_url))
        async with EbarimtRestClient(with_url) as client:
            await client.send_data.asend()
            assert (await client.info.aread()).operator_tin == SHOP_TIN


class TestEasy:
    async def test_tells_the_truth(self, shop: Shop, centre: StageCentre) -> None:
        assert (await shop.sell("10038071"))["easy"] is True
        centre.easy = False
        assert (await shop.sell("10038071", billIdSuffix="02"))["easy"] is False
        assert (await shop.sell(None, billIdSuffix="03"))["easy"] is False
        assert centre.consumers == ["10038071", "10038071"]


class TestBankAccounts:
    async def test_come_from_the_centre_and_then_from_memory(self, shop: Shop, centre: StageCentre) -> None:
        asked = await shop.get("/rest/bankAccounts", tin=SHOP_TIN)
        assert asked == [{"id": 1, "tin": SHOP_TIN, "bankAccountNo": "4990037827"}]
        centre.gone = True
        assert await shop.get("/rest/bankAccounts", tin=SHOP_TIN) == asked

    async def test_never_looked_up_is_said_so(self, shop: Shop, centre: StageCentre) -> None:
        centre.gone = True
        answer = await shop.http.get("/rest/bankAccounts", params={"tin": "61200064714"})
        assert (answer.status_code, answer.json()["status"]) == (400, "ERROR")
        assert answer.json()["faults"] == [{"code": "never_looked_up"}]

    @pytest.mark.parametrize("tin", ["", "abc", "1", "../../etc"])
    async def test_refuses_what_is_no_tin(self, shop: Shop, tin: str) -> None:
        answer = await shop.http.get("/rest/bankAccounts", params={"tin": tin})
        assert (answer.status_code, answer.json()["faults"][0]["field"]) == (400, "/tin")


class TestTaxpayers:
    async def test_are_asked_for_and_remembered(self, shop: Shop, centre: StageCentre) -> None:
        centre.answers["/api/info/check/getInfo"] = envelope(TAXPAYER)
        for gone in (False, True):
            centre.gone = gone
            answer = await shop.get("/api/info/check/getInfo", tin="61200064714")
            assert answer["data"] == TAXPAYER
        assert shop.till.remembered(remembered_as("61200064714")) is not None

    async def test_nobody_is_not_remembered(self, shop: Shop, centre: StageCentre) -> None:
        centre.answers["/api/info/check/getInfo"] = envelope(None)
        assert (await shop.get("/api/info/check/getInfo", tin="61200064714"))["data"] is None
        assert shop.till.remembered(remembered_as("61200064714")) is None

    async def test_a_portals_page_is_no_answer(self, shop: Shop, centre: StageCentre) -> None:
        centre.answers["/api/info/check/getInfo"] = Response("<h1>Wi-Fi</h1>")
        answer = await shop.http.get("/api/info/check/getInfo", params={"tin": "61200064714"})
        assert answer.json()["faults"] == [{"code": "never_looked_up"}]

    async def test_a_register_number_leads_to_a_tin(self, shop: Shop, centre: StageCentre) -> None:
        centre.answers["/api/info/check/getTinInfo"] = envelope(int(SHOP_TIN))
        for gone in (False, True):
            centre.gone = gone
            assert (await shop.get("/api/info/check/getTinInfo", regNo="9911991"))["data"] == int(SHOP_TIN)

    async def test_a_register_number_of_nobody_is_404(self, shop: Shop, centre: StageCentre) -> None:
        centre.answers["/api/info/check/getTinInfo"] = JSONResponse({"code": "seller_unknown"}, status_code=404)
        for number in ("9911991", "x"):
            answer = await shop.http.get("/api/info/check/getTinInfo", params={"regNo": number})
            assert answer.status_code == 404

    async def test_the_sellers_own_name_and_taxes_are_followed(self, shop: Shop, centre: StageCentre) -> None:
        centre.answers["/api/info/check/getInfo"] = envelope(TAXPAYER)
        await shop.get("/rest/sendData")
        await shop.service.tend()
        seat = shop.till.seat_of(SHOP_TIN)
        assert seat is not None
        assert (seat.name, seat.vat_payer, seat.city_tax_payer) == ("Шинэ нэр", False, True)
        assert shop.service.bank_account_ids(SHOP_TIN) == {"4990037827": 1}


class TestLists:
    async def test_come_along_with_the_till(self, shop: Shop, centre: StageCentre) -> None:
        centre.gone = True
        assert len((await shop.get("/api/info/check/getBranchInfo"))["data"]) == len(districts())
        assert (await shop.get("/api/receipt/receipt/getProductTaxCode"))["data"]
        sectors = await shop.get("/api/info/check/barcode/v2")
        below = await shop.get(f"/api/info/check/barcode/v2/{sectors[0][0]}")
        assert below[0][0].startswith(sectors[0][0])

    async def test_a_real_client_reads_them(self, shop: Shop) -> None:
        with_url = ApiClientSettings(base_url=str(shop.http.base_url))
        async with EbarimtApiClient(with_url) as client:
            assert len((await client.district_code.aread()).data) == len(districts())
