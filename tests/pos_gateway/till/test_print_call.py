"""A receipt of the till on paper, over real HTTP."""

import asyncio
import io
import json
from collections.abc import Iterator
from typing import Any

import apsw
import httpx2
import pytest
from PIL import Image

from pos_gateway.till.installation import Installation
from pos_gateway.till.refusals import QueueTampered
from pos_gateway.till.seat import Seat
from receipts.ids import ReceiptId
from receipts.orders import UnknownReceipt
from receipts.paper import Roll
from receipts.printed import PrintedPayment
from receipts.receipt import Nature, TaxType
from tests.changing import replace
from tests.pos_gateway.till.serving_till import Service, served_till
from tests.pos_gateway.till.tilling import SHOP_TIN, TERMINAL, Activations, sale, sell
from tests.receipts.printed_samples import read_by_zbar, read_by_zxing
from tests.receipts.virtual_printer import BYTE, VirtualPrinter


@pytest.fixture
def service(till: Installation, seat: Seat) -> Iterator[Service]:
    """The till, served, with the shop's seat."""
    assert till.seats == (seat,)
    with served_till(till) as served:
        yield served


def printing(service: Service, receipt: object, *, headers: dict[str, str] | None = None, **query: Any) -> Any:
    url = f"{service.url}/rest/receipt/{receipt}/print"
    return httpx2.get(url, params=query, headers=headers or {}, timeout=20)


class TestPrintCall:
    @pytest.mark.parametrize("roll", Roll)
    async def test_gives_a_picture_as_wide_as_the_print_head(self, service: Service, seat: Seat, roll: Roll) -> None:
        issued = await sell(service.till, seat)
        answer = await asyncio.to_thread(printing, service, issued.id, width=int(roll), format="png")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert answer.headers["cache-control"] == "no-store"
        picture = Image.open(io.BytesIO(answer.content))
        assert picture.width == roll.dots
        assert read_by_zbar(picture) == read_by_zxing(picture) == [issued.qr]

    @pytest.mark.parametrize("roll", Roll)
    @pytest.mark.parametrize(("code", "version"), [("native", 11), ("picture", 0)])
    async def test_gives_bytes_for_the_printer(
        self, service: Service, seat: Seat, roll: Roll, code: str, version: int
    ) -> None:
        issued = await sell(service.till, seat)
        query = {"width": int(roll), "format": "escpos", "code": code}
        answer = await asyncio.to_thread(printing, service, issued.id, **query)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
        printer = VirtualPrinter(roll.dots, BYTE)
        assert read_by_zbar(printer.run(answer.content)) == [issued.qr]
        assert printer.version == version

    async def test_gives_a_picture_for_80_mm_where_nothing_is_said(self, service: Service, seat: Seat) -> None:
        issued = await sell(service.till, seat)
        answer = await asyncio.to_thread(printing, service, issued.id)
        assert Image.open(io.BytesIO(answer.content)).width == Roll.MM_80.dots

    @pytest.mark.parametrize("query", [{"width": "57"}, {"format": "pdf"}, {"code": "none"}, {"width": ""}])
    async def test_says_what_it_can_do(self, service: Service, seat: Seat, query: dict[str, str]) -> None:
        issued = await sell(service.till, seat)
        answer = await asyncio.to_thread(printing, service, issued.id, **query)
        assert answer.status_code == 400
        assert [fault["code"] for fault in answer.json()["faults"]] == ["print_form"]

    async def test_says_that_a_receipt_is_not_here(self, service: Service, seat: Seat) -> None:
        issued = await sell(service.till, seat)
        other = ReceiptId(issued.id.seller, 1, issued.id.day, 999, issued.id.terminal)
        start = ReceiptId(issued.id.seller, 1, issued.id.day, 0, issued.id.terminal)
        for named in (other, start, issued.parts[0].id):
            answer = await asyncio.to_thread(printing, service, named)
            assert (answer.status_code, answer.json()["faults"][0]["code"]) == (400, "unknown_receipt")
        answer = await asyncio.to_thread(printing, service, "12")
        assert (answer.status_code, answer.json()["faults"][0]["code"]) == (400, "receipt_id_form")

    @pytest.mark.parametrize(
        ("headers", "given"),
        [
            ({}, True),
            ({"Origin": "http://{host}"}, True),
            ({"Origin": "https://pos.shop.example"}, True),
            ({"Origin": "https://elsewhere.example"}, False),
            ({"Origin": "null"}, False),
            ({"Host": "elsewhere.example:7080"}, False),
            ({"Host": "elsewhere.example:7080", "Origin": "http://elsewhere.example:7080"}, False),
            ({"Host": "till:7080"}, True),
            ({"Host": "till.local:7080"}, True),
            ({"Host": "localhost:7080"}, True),
            ({"Host": "[::1]:7080"}, True),
        ],
    )
    async def test_is_for_no_page_of_another_site(
        self, till: Installation, seat: Seat, headers: dict[str, str], *, given: bool
    ) -> None:
        issued = await sell(till, seat)
        with served_till(till, origins=["*", "https://pos.shop.example"]) as service:
            host = "{}:{}".format(*service.address)
            asked = {name: value.replace("{host}", host) for name, value in headers.items()}
            answer = await asyncio.to_thread(printing, service, issued.id, headers=asked)
        assert (answer.status_code, answer.content.startswith(b"\x89PNG")) == (200 if given else 400, given)
        if not given:
            assert json.loads(answer.content)["faults"][0]["code"] == "other_site"


class TestPrinted:
    async def test_says_what_the_till_stored(self, till: Installation, seat: Seat) -> None:
        issued = await sell(till, seat, sale(tax_types=(TaxType.VAT_ABLE, TaxType.VAT_FREE)))
        paper = till.printed(issued.id)
        assert (paper.receipt_id, paper.qr_text, paper.lottery) == (str(issued.id), issued.qr, issued.lottery)
        assert (paper.shop.tin, paper.shop.name, paper.terminal) == (SHOP_TIN, "Дэлгүүр", str(TERMINAL))
        assert paper.shop.address == "Сүхбаатар дүүрэг, 1-р хороо"
        assert (paper.total_mongo, paper.payments) == (1_120_000, (PrintedPayment("CASH", 1_120_000),))
        [section] = paper.sections
        assert [tax.tax_type for tax in section.taxes] == [TaxType.VAT_ABLE, TaxType.VAT_FREE]
        assert (paper.voided, paper.registered) == (False, False)

    async def test_names_the_merchants_that_are_here(self, till: Installation, activations: Activations) -> None:
        first = till.add_seat(activations.activated())
        till.add_seat(activations.activated("61200064714", TERMINAL + 1, seller_name="Түрээслэгч"))
        own, lessee = sale().parts[0], sale(tin="61200064714").parts[0]
        issued = await sell(till, first, replace(sale(), parts=(own, lessee), payments=()))
        names = [section.merchant_name for section in till.printed(issued.id).sections]
        assert names == ["Дэлгүүр", "Түрээслэгч"]

    async def test_marks_what_was_taken_back_since(self, till: Installation, seat: Seat) -> None:
        issued = await sell(till, seat)
        corrected = await sell(till, seat, sale(100_000, nature=Nature.CORRECTION, corrects=issued.id))
        assert till.printed(issued.id).voided is False
        void = await till.void(corrected.id, reason="Буцаав")
        assert [till.printed(one.id).voided for one in (issued, corrected, void)] == [True, True, False]
        paper = till.printed(void.id)
        assert (paper.nature, paper.previous_id, paper.reason) == (Nature.VOID, str(corrected.id), "Буцаав")
        assert paper.total_mongo == -100_000

    async def test_has_the_lottery_number_of_the_root(self, till: Installation, seat: Seat) -> None:
        issued = await sell(till, seat)
        corrected = await sell(till, seat, sale(100_000, nature=Nature.CORRECTION, corrects=issued.id))
        assert till.printed(corrected.id).lottery == issued.lottery is not None

    async def test_is_never_of_a_document_that_was_not_signed(self, till: Installation, seat: Seat) -> None:
        one, other = await sell(till, seat), await sell(till, seat, sale(100))
        with apsw.Connection(str(till.dir.queue)) as connection:
            connection.execute(
                "UPDATE receipts SET document = (SELECT document FROM receipts WHERE seq = ?) WHERE seq = ?",
                (other.seq, one.seq),
            )
        with pytest.raises(QueueTampered):
            till.printed(one.id)

    async def test_is_of_no_link_that_is_no_receipt(self, till: Installation, seat: Seat) -> None:
        closing = await till.close_chain(seat)
        with pytest.raises(UnknownReceipt):
            till.printed(closing.id)
