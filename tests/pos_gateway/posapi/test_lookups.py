"""The public look-ups: what the SDK's second client asks, of a centre behind a real socket, sync and async."""

import csv
from datetime import date

import pytest
from ebarimt_pos_sdk import ApiClientSettings, EbarimtApiClient, PosApiHttpError, TaxType

from kernel.refusal import Refusal
from pos_gateway.limits import LOOKUPS_PER_SECOND, UNLIMITED, WINDOW_S, Limits
from pos_gateway.posapi.lookups import (
    Taxpayer,
    branches_answer,
    classification_answer,
    tax_products_answer,
    taxpayer_answer,
    tin_answer,
)
from receipts.codes import classification_below
from receipts.enrol import NewSeller, add_seller
from runtime.database import Role
from tests.needs import SHARED_DATA
from tests.serving import Centre


def client_of(centre: Centre) -> EbarimtApiClient:
    return EbarimtApiClient(ApiClientSettings(base_url=str(centre.http.base_url)))


class TestSdk:
    def test_asks_who_a_taxpayer_is(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        with client_of(shared_centre) as client:
            found = client.merchant_info.read(till.tin).data
            assert client.merchant_info.read("11000000000").data is None
            for nobody in ("no TIN", "\0", "٣" * 11, "1' OR '1'='1"):
                assert client.merchant_info.read(nobody).data is None
        assert found is not None
        assert (found.found, found.vat_payer, found.city_payer) == (True, True, False)
        assert found.vatpayer_registered_date == date(2016, 1, 1)

    def test_asks_for_a_tin_by_a_register_number(self, shared_centre: Centre) -> None:
        sellers = {"99119911": "37900846788", "2657457": "37900846789"}  # the first is the vendor's test merchant
        with shared_centre.database.transaction(Role.JOBS) as connection:
            for reg_no, tin in sellers.items():
                seller = NewSeller(tin, "Дэлгүүр", "4711", "2501", reg_no=reg_no)
                add_seller(connection, shared_centre.clock, seller=seller)
        with client_of(shared_centre) as client:
            for reg_no, tin in sellers.items():
                answer = client.tin_info.read(reg_no)
                assert (answer.status, answer.data) == (200, tin)
            for nobody in ("1234567", "\0", "УБ12345678"):
                with pytest.raises(PosApiHttpError) as refused:
                    client.tin_info.read(nobody)
                assert refused.value.status == 404

    def test_reads_the_lists(self, shared_centre: Centre) -> None:
        with client_of(shared_centre) as client:
            districts = {f"{one.branch_code}{one.sub_branch_code}" for one in client.district_code.read().data}
            products = {one.tax_product_code: one for one in client.product_tax_code.read().data}
        assert (len(districts), "2501" in districts) == (533, True)
        assert len(products) == 66
        assert (products["320"].tax_type_name, products["320"].tax_type_code) == (TaxType.VAT_FREE, 2)
        assert products["43401"].end_date is not None

    def test_goes_down_the_classification(self, shared_centre: Centre) -> None:
        levels: list[str] = []
        with client_of(shared_centre) as client:
            for code in ("0", "01", "011", "0111", "01111", "0111100"):
                assert code in [row[0] for row in client.buna.read(*levels).root]
                levels.append(code)
            assert client.buna.read(*levels).root == []

    async def test_asks_asynchronously(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        async with client_of(shared_centre) as client:
            found = (await client.merchant_info.aread(till.tin)).data
            assert len((await client.buna.aread()).root) == 10
            assert len((await client.district_code.aread()).data) == 533
        assert found is not None
        assert found.vat_payer


class TestLimit:
    def test_an_address_is_stopped_that_asks_for_all(self) -> None:
        limits = Limits(UNLIMITED, elapsed_ns=lambda: 0)
        for _ in range(LOOKUPS_PER_SECOND * WINDOW_S):
            limits.ask_lookup("203.0.113.7")
        with pytest.raises(Refusal):
            limits.ask_lookup("203.0.113.7")
        limits.ask_lookup("203.0.113.8")

    def test_counts_every_look_up(self, centre: Centre) -> None:
        paths = ("info/check/getInfo?tin=1", "info/check/getTinInfo?regNo=1", "info/check/getBranchInfo",
                 "info/check/barcode/v2/0", "receipt/receipt/getProductTaxCode", "info/check/barcode/v2")  # fmt: skip
        for at in range(LOOKUPS_PER_SECOND * WINDOW_S):
            centre.http.get(f"/api/{paths[at % len(paths)]}")
        assert any(centre.http.get("/api/info/check/getBranchInfo").status_code == 429 for _ in range(300))


class TestAnswers:
    def test_a_small_seller(self) -> None:
        ganaa = Taxpayer("12345678901234", 990000000001, "Ганаа", vat_payer=False, city_tax_payer=True, vat_from=None)
        answer = taxpayer_answer(ganaa)
        assert answer.decode() == (
            '{"msg":"Амжилттай","status":200,"data":{"name":"Ганаа","freeProject":false,"cityPayer":true,'
            '"vatPayer":false,"found":true,"vatpayerRegisteredDate":null,"isGovernment":null,"seller":"990000000001"}}'
        )

    def test_nobody(self) -> None:
        assert taxpayer_answer(None).decode() == '{"msg":"Олдсонгүй","status":200,"data":null}'

    def test_a_tin_is_a_number(self) -> None:
        assert tin_answer("00000000017").decode() == '{"msg":"Амжилттай","status":200,"data":17}'

    @pytest.mark.parametrize(
        "path", [["x"], ["0", "11"], ["01"], ["0", "01", "011", "0111", "01111", "0111100", "1"], [""], ["0", ""]]
    )
    def test_below_what_there_is_not_is_nothing(self, path: list[str]) -> None:
        assert classification_answer(path) == b"[]"

    def test_lists_say_what_the_captured_ones_say(self) -> None:
        assert branches_answer().count(b"branchCode") == 533
        assert tax_products_answer().count(b'"VAT_ZERO"') == 7


@pytest.mark.needs("shared data")
def test_the_classification_holds_every_name_of_the_source() -> None:
    levels = ("sector", "subsector", "group", "class", "subclass")
    with (SHARED_DATA / "codes" / "ebarimt_product_classification.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["code"] for row in rows}) == 4959
    for row in rows:
        codes = ["", *(row[level] for level in levels), row["code"]]
        names = [*(row[f"{level}_name"] for level in levels), row["name"]]
        for above, code, name in zip(codes, codes[1:], names, strict=False):
            assert (code, " ".join(name.split())) in classification_below(above)
