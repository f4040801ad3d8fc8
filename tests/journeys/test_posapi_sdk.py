"""A shop's POS software is the PyPI package ebarimt-pos-sdk, unmodified: every call of it, waiting and not waiting, and
its second client for the look-ups, against the till and against the centre.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import pytest
from ebarimt_pos_sdk import (
    ApiClientSettings,
    CreateReceiptRequest,
    CreateReceiptResponse,
    DeleteReceiptRequest,
    EbarimtApiClient,
    EbarimtRestClient,
    Item,
    Payment,
    PaymentCardData,
    PosApiHttpError,
    ReceiptItemData,
    RestClientSettings,
    SubReceipt,
    TaxType,
)
from ebarimt_pos_sdk.clients.base_client import EbarimtBaseClient

from tests.journeys.shops import LESSEE, SHOP, Shop


class Call(Protocol):
    """Calls a method of a resource, as `call("receipt", "create", payload)`."""

    def __call__(self, resource: str, method: str, *given: Any, **named: Any) -> Any: ...


def calling(make: Callable[[], EbarimtBaseClient], *, waits: bool) -> Call:
    """The SDK's way of waiting for an answer, or of not waiting for it."""

    def wait(resource: str, method: str, *given: Any, **named: Any) -> Any:
        with make() as client:
            return getattr(getattr(client, resource), method)(*given, **named)

    async def ask(resource: str, method: str, *given: Any, **named: Any) -> Any:
        async with make() as client:
            return await getattr(getattr(client, resource), f"a{method}")(*given, **named)

    return wait if waits else lambda *given, **named: asyncio.run(ask(*given, **named))


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def call(request: pytest.FixtureRequest, shop: Shop) -> Call:
    """The SDK's client of the till."""
    settings = RestClientSettings(base_url=shop.url)
    return calling(lambda: EbarimtRestClient(settings), waits=request.param)


@pytest.fixture(params=["till", "centre"])
def look_up(request: pytest.FixtureRequest, shop: Shop) -> tuple[Call, Call]:
    """The SDK's client of the look-ups, waiting and not."""
    settings = ApiClientSettings(base_url=shop.url if request.param == "till" else shop.centre.url)
    waiting, not_waiting = (calling(lambda: EbarimtApiClient(settings), waits=waits) for waits in (True, False))
    return waiting, not_waiting


def bread(**changes: Any) -> Item:
    usual: dict[str, Any] = {
        "name": "Талх", "bar_code": "19059010880001", "bar_code_type": "GS1", "classification_code": "2349010",
        "measure_unit": "ш", "qty": 2, "unit_price": 2800, "total_amount": 5600, "total_vat": 500,
        "total_city_tax": 100,
    }  # fmt: skip
    return Item(**usual | changes)


def sale(**changes: Any) -> CreateReceiptRequest:
    """A sale of two loaves, written with the SDK's own words."""
    part = SubReceipt(
        total_amount=5600, total_vat=500, total_city_tax=100, tax_type="VAT_ABLE", merchant_tin=SHOP, items=[bread()]
    )
    usual: dict[str, Any] = {
        "branch_no": "001", "district_code": "2501", "merchant_tin": SHOP, "pos_no": "001", "type": "B2C_RECEIPT",
        "bill_id_suffix": "01", "total_amount": 5600, "total_vat": 500, "total_city_tax": 100, "receipts": [part],
        "payments": [Payment(code="CASH", status="PAID", paid_amount=5600)],
    }  # fmt: skip
    return CreateReceiptRequest(**usual | changes)


def plain(part_type: str, total: int, **changes: Any) -> SubReceipt:
    """A sub-receipt without VAT."""
    codes = {"VAT_FREE": "320", "VAT_ZERO": "502", "NO_VAT": "0000414"}
    item = bread(tax_product_code=codes[part_type], qty=1, unit_price=total, total_amount=total, total_vat=0,
                 total_city_tax=0)  # fmt: skip
    return SubReceipt(total_amount=total, tax_type=part_type, merchant_tin=SHOP, items=[item], **changes)


def total_of(parts: list[SubReceipt]) -> dict[str, Any]:
    """The header's figures of some sub-receipts, paid in cash."""
    total, vat, city = (
        sum((Decimal(getattr(part, name) or 0) for part in parts), Decimal())
        for name in ("total_amount", "total_vat", "total_city_tax")
    )
    paid = [Payment(code="CASH", status="PAID", paid_amount=total)]
    return {"receipts": parts, "total_amount": total, "total_vat": vat, "total_city_tax": city, "payments": paid}


class TestReceipts:
    def test_are_issued_and_come_back_whole(self, call: Call) -> None:
        receipt: CreateReceiptResponse = call("receipt", "create", sale())
        assert receipt.status == "SUCCESS"
        assert (receipt.total_amount, receipt.total_vat, receipt.total_city_tax) == (5600, 500, 100)
        assert (receipt.merchant_tin, receipt.branch_no, receipt.district_code) == (SHOP, "001", "2501")
        assert receipt.id.startswith(f"0{SHOP}001")
        assert receipt.qr_data.startswith("MB1:")
        assert receipt.lottery
        assert not receipt.easy
        [part] = receipt.receipts
        assert int(part.id) == int(receipt.id) + 10**8
        assert part.items == [bread()]
        assert receipt.payments == [Payment(code="CASH", status="PAID", paid_amount=5600)]

    def test_are_issued_from_a_dict_as_well(self, call: Call) -> None:
        body = json.loads(sale().model_dump_json(by_alias=True, exclude_none=True))
        assert call("receipt", "create", body).status == "SUCCESS"

    def test_may_have_several_tax_types(self, call: Call) -> None:
        parts = [sale().receipts[0], plain("VAT_FREE", 3000), plain("VAT_ZERO", 2000), plain("NO_VAT", 1000)]
        receipt = call("receipt", "create", sale(**total_of(parts)))
        assert [part.tax_type for part in receipt.receipts] == [kind.value for kind in TaxType]
        numbers = [int(part.id[20:25]) for part in receipt.receipts]
        assert numbers == list(range(int(receipt.id[20:25]) + 1, int(receipt.id[20:25]) + 5))
        assert receipt.total_vat == 500

    def test_may_have_several_merchants(self, call: Call) -> None:
        item = bread(total_amount=1100, total_vat=100, total_city_tax=0)
        other = SubReceipt(total_amount=1100, total_vat=100, tax_type="VAT_ABLE", merchant_tin=LESSEE, items=[item])
        receipt = call("receipt", "create", sale(**total_of([*sale().receipts, other])))
        assert [part.id[:12] for part in receipt.receipts] == [f"0{SHOP}", f"0{LESSEE}"]
        assert {part.id[-8:] for part in receipt.receipts} == {receipt.id[-8:]}

    def test_of_the_tills_other_merchant_have_a_chain_of_their_own(self, call: Call) -> None:
        part = sale().receipts[0].model_copy(update={"merchant_tin": LESSEE})
        receipt = call("receipt", "create", sale(merchant_tin=LESSEE, receipts=[part]))
        assert receipt.id.startswith(f"0{LESSEE}")
        assert receipt.pos_id == int(receipt.id[-8:])

    def test_for_a_business_have_no_lottery_number(self, call: Call) -> None:
        receipt = call("receipt", "create", sale(type="B2B_RECEIPT", customer_tin=LESSEE))
        assert receipt.lottery is None
        assert receipt.customer_tin == LESSEE

    def test_keep_the_data_of_goods_and_nothing_of_cards(self, call: Call) -> None:
        stamps = ReceiptItemData(stockQR=["BF6B1FBA86FB4C41ADDBB01C09C024F5"], lotNo="A-17")
        card = PaymentCardData(terminal_id="1", rrn="123456789012", masked_card_number="123456XXXXXX7890", easy=False)
        part = sale().receipts[0].model_copy(update={"items": [bread(data=stamps)]})
        paid = [Payment(code="PAYMENT_CARD", status="PAID", paid_amount=5600, data=card)]
        receipt = call("receipt", "create", sale(receipts=[part], payments=paid))
        assert receipt.receipts[0].items[0].data == stamps
        assert receipt.payments[0].data is None


class TestInvoices:
    @pytest.mark.parametrize("kind", ["B2C_INVOICE", "B2B_INVOICE"])
    def test_are_issued_without_a_lottery_number_and_paid_later(self, call: Call, kind: str) -> None:
        part = sale().receipts[0].model_copy(update={"bank_account_no": "4990037827", "iban": "10001004990037827"})
        buyer = LESSEE if kind.startswith("B2B") else None
        invoice = call("receipt", "create", sale(type=kind, customer_tin=buyer, receipts=[part], payments=[]))
        assert invoice.lottery is None
        assert invoice.receipts[0].iban == "10001004990037827"
        paid = call("receipt", "create", sale(type=kind.replace("INVOICE", "RECEIPT"), customer_tin=buyer,
                                              invoice_id=invoice.id))  # fmt: skip
        assert paid.invoice_id == invoice.id
        assert (paid.lottery is None) is (buyer is not None)


class TestCorrections:
    def test_take_the_place_of_the_receipt_before_and_keep_its_lottery_number(self, call: Call) -> None:
        sold = call("receipt", "create", sale())
        half = bread(qty=1, total_amount=2800, total_vat=250, total_city_tax=50)
        left = SubReceipt(total_amount=2800, total_vat=250, total_city_tax=50, tax_type="VAT_ABLE", merchant_tin=SHOP,
                          items=[half])  # fmt: skip
        corrected = call("receipt", "create", sale(inactive_id=sold.id, **total_of([left])))
        assert corrected.inactive_id == sold.id
        assert corrected.lottery in (None, sold.lottery)
        with pytest.raises(PosApiHttpError, match=r"(?s)400.*ERROR"):
            call("receipt", "create", sale(inactive_id=sold.id))

    @pytest.mark.parametrize("dated", [True, False])
    def test_void_by_id(self, call: Call, dated: bool) -> None:  # noqa: FBT001 - a parameter of the test
        sold = call("receipt", "create", sale())
        date = datetime(2026, 1, 1) if dated else None  # noqa: DTZ001 - as the SDK wants it, and not the receipt's
        assert call("receipt", "delete", DeleteReceiptRequest(id=sold.id, date=date)) is None
        with pytest.raises(PosApiHttpError):
            call("receipt", "delete", {"id": sold.id})
        with pytest.raises(PosApiHttpError):
            call("receipt", "create", sale(inactive_id=sold.id))


class TestRefusals:
    def test_name_the_field_and_what_would_be_right_in_two_languages(self, call: Call) -> None:
        wrong = sale().receipts[0].model_copy(update={"items": [bread(total_vat=560)], "total_vat": 560})
        with pytest.raises(PosApiHttpError) as refused:
            call("receipt", "create", sale(total_vat=560, receipts=[wrong]))
        assert refused.value.status == "ERROR"
        assert refused.value.response is not None
        assert refused.value.response.status_code == 400
        said = refused.value.message
        assert "totalVAT" in said
        assert "500" in said
        assert said.index("НӨАТ") < said.index("The VAT does not match")

    def test_of_an_unknown_receipt_are_refusals_too(self, call: Call) -> None:
        with pytest.raises(PosApiHttpError, match="400"):
            call("receipt", "delete", {"id": f"0{SHOP}0010972499999" + "1" * 8})


class TestTheOtherCalls:
    def test_info_says_who_the_till_serves(self, call: Call, shop: Shop) -> None:
        info = call("info", "read")
        assert info.operator_tin == SHOP
        assert {merchant.tin for merchant in info.merchants} >= {SHOP, LESSEE}
        assert info.pos_no == shop.terminal
        assert info.pos_id == int(shop.terminal)
        assert info.app_info.work_dir

    def test_send_data_uploads_what_waits(self, call: Call, shop: Shop) -> None:
        call("receipt", "create", sale())
        assert call("send_data", "send") is None
        assert shop.waiting() == 0
        last = datetime.strptime(call("info", "read").last_sent_date, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
        assert abs(last - shop.local_now()) < timedelta(minutes=5)

    def test_bank_accounts_are_the_centres(self, call: Call, shop: Shop) -> None:
        [account] = call("bank_accounts", "read", SHOP)
        assert (account.tin, account.bank_account_no, account.iban) == (SHOP, "4990037827", "10001004990037827")


class TestConsumers:
    def test_who_names_himself_has_the_receipt_at_once_and_easy_tells_the_truth(self, call: Call, shop: Shop) -> None:
        person = shop.centre.add_person()
        receipt = call("receipt", "create", sale(consumer_no=person.login_no))
        assert receipt.easy
        assert person.get("/claims")["claims"][0]["receipt_id"] == receipt.id
        assert not call("receipt", "create", sale(consumer_no="11999999")).easy


class TestLookUps:
    def test_answer_the_same_waiting_and_not_at_the_till_and_at_the_centre(self, look_up: tuple[Call, Call]) -> None:
        waiting, not_waiting = look_up
        for resource, given in (
            ("district_code", ()), ("tin_info", ("99119911",)), ("merchant_info", (SHOP,)), ("product_tax_code", ()),
            ("buna", ()), ("buna", ("3",)), ("buna", ("3", "32", "321", "3212", "32129")),
        ):  # fmt: skip
            assert waiting(resource, "read", *given) == not_waiting(resource, "read", *given)

    def test_know_the_taxpayers(self, look_up: tuple[Call, Call]) -> None:
        call, _ = look_up
        assert call("tin_info", "read", "99119911").data == SHOP
        merchant = call("merchant_info", "read", SHOP).data
        assert (merchant.name, merchant.vat_payer, merchant.city_payer, merchant.found) == ("Дэлгүүр", True, True, True)
        assert call("merchant_info", "read", "11111111111").data is None

    def test_know_the_districts_and_the_codes(self, look_up: tuple[Call, Call]) -> None:
        call, _ = look_up
        districts = call("district_code", "read").data
        assert len(districts) == 533
        assert "2501" in {row.branch_code + row.sub_branch_code for row in districts}
        codes = {row.tax_product_code: row.tax_type_name for row in call("product_tax_code", "read").data}
        assert (codes["320"], codes["502"], codes["0000414"]) == (TaxType.VAT_FREE, TaxType.VAT_ZERO, TaxType.NO_VAT)

    def test_go_down_the_classification(self, look_up: tuple[Call, Call]) -> None:
        call, _ = look_up
        path: list[str] = []
        while rows := call("buna", "read", *path).root:
            assert all(row[0].startswith(path[-1] if path else "") for row in rows)
            path.append(next(row[0] for row in rows if "3212911".startswith(row[0])))
        assert path[-1] == "3212911"
