from datetime import datetime

import msgspec
import pytest

from barimt.demo.cast import PLACES, Seller
from barimt.demo.retail import Basket, SoldLine
from barimt.demo.submissions import LineTax, Sale, body_of, correction_of, line_tax
from barimt.demo.world import World
from kernel.clock import ULAANBAATAR
from receipts.receipt import TaxType
from tests.changing import replace

SELLER = Seller(
    store_id=5,
    tin="90000000005",
    name="Ногоон уул №5",
    sector="4711",
    place=PLACES[0],
    vat_payer=True,
    city_tax_payer=True,
    states_vat=True,
    terminals=(10_000_051, 10_000_052),
)
BREAD = SoldLine("Талх", 1000, "ш", 111_000, "2349011", TaxType.VAT_ABLE, None, city_tax=False)
BEER = SoldLine("Шар айраг", 3000, "ш", 1_110_000, "2431000", TaxType.VAT_ABLE, None, city_tax=True)
MILK = SoldLine("Сүү", 2000, "ш", 488_000, "2211000", TaxType.VAT_FREE, "320", city_tax=False)
FUEL = SoldLine("Шатахуун", 40_113, "л", 6_100_000, "3331112", TaxType.VAT_ABLE, None, city_tax=False)
AT = datetime(2017, 3, 1, 9, 30, 5, tzinfo=ULAANBAATAR)
SALE = Sale(Basket(1001, 5, 9, AT, (BREAD, MILK, BEER)), SELLER)


class TestLineTax:
    @pytest.mark.parametrize(
        ("seller", "line", "vat_mongo", "city_tax_mongo"),
        [
            (SELLER, BREAD, 10_091, 0),  # 111,000 x 100 / 1100 = 10,090.9
            (SELLER, BEER, 100_000, 10_000),
            (replace(SELLER, city_tax_payer=False), BEER, 100_909, 0),
            (replace(SELLER, vat_payer=False, city_tax_payer=False), BEER, 0, 0),
            (SELLER, MILK, 0, 0),
            (SELLER, replace(BREAD, total_mongo=0), 0, 0),
            (SELLER, replace(BREAD, total_mongo=5), 0, 0),  # 0.4545
            (SELLER, replace(BREAD, total_mongo=6), 1, 0),  # 0.5454
        ],
    )
    def test_is_on_the_net_price_half_up(
        self, seller: Seller, line: SoldLine, vat_mongo: int, city_tax_mongo: int
    ) -> None:
        assert line_tax(seller, line) == LineTax(vat_mongo, city_tax_mongo)


class TestBodyOf:
    def test_is_exactly_the_body_of_the_contract(self) -> None:
        assert body_of(SALE) == {
            "type": "B2C_RECEIPT",
            "seller_tin": "90000000005",
            "terminal": "10000052",
            "district": "2501",
            "sold_at": "2017-03-01T09:30:05+08:00",
            "reference": "1001",
            "parts": [
                {
                    "tax_type": "VAT_ABLE",
                    "total_mongo": 1_221_000,
                    "vat_mongo": 110_091,
                    "city_tax_mongo": 10_000,
                    "lines": [
                        {
                            "name": "Талх",
                            "quantity": "1.000",
                            "unit": "ш",
                            "unit_price_mongo": 111_000,
                            "total_mongo": 111_000,
                            "classification": "2349011",
                        },
                        {
                            "name": "Шар айраг",
                            "quantity": "3.000",
                            "unit": "ш",
                            "unit_price_mongo": 370_000,
                            "total_mongo": 1_110_000,
                            "classification": "2431000",
                            "city_tax": True,
                        },
                    ],
                },
                {
                    "tax_type": "VAT_FREE",
                    "total_mongo": 488_000,
                    "vat_mongo": 0,
                    "city_tax_mongo": 0,
                    "lines": [
                        {
                            "name": "Сүү",
                            "quantity": "2.000",
                            "unit": "ш",
                            "unit_price_mongo": 244_000,
                            "total_mongo": 488_000,
                            "classification": "2211000",
                            "tax_product": "320",
                        }
                    ],
                },
            ],
            "payments": [{"method": "CASH", "amount_mongo": 1_709_000}],
        }

    def test_a_business_buyer_makes_it_b2b(self) -> None:
        body = body_of(replace(SALE, buyer_tin="90100000001"))
        assert (body["type"], body["buyer_tin"]) == ("B2B_RECEIPT", "90100000001")

    def test_most_tills_leave_the_taxes_to_the_centre(self) -> None:
        [*parts] = body_of(replace(SALE, seller=replace(SELLER, states_vat=False)))["parts"]  # type: ignore[misc]
        assert [set(part) for part in parts] == [{"tax_type", "total_mongo", "lines"}] * 2

    def test_a_seller_outside_the_city_tax_marks_no_line(self) -> None:
        body = body_of(replace(SALE, seller=replace(SELLER, city_tax_payer=False)))
        assert b'city_tax"' not in msgspec.json.encode(body)

    def test_a_unit_price_is_stated_only_where_it_is_exact(self) -> None:
        body = body_of(replace(SALE, basket=replace(SALE.basket, lines=(FUEL,))))
        [line] = body["parts"][0]["lines"]  # type: ignore[index]
        assert (line["quantity"], line["unit"]) == ("40.113", "л")
        assert "unit_price_mongo" not in line

    def test_what_cost_nothing_was_paid_with_nothing(self) -> None:
        free = replace(SALE, basket=replace(SALE.basket, lines=(replace(BREAD, total_mongo=0),)))
        assert body_of(free)["payments"] == []
        assert free.claimable is False

    def test_business_purchases_are_not_claimable(self) -> None:
        assert (SALE.claimable, replace(SALE, buyer_tin="90100000001").claimable) == (True, False)

    def test_every_body_of_the_month_adds_up_within_the_limits(self, world: World) -> None:
        for sale in world.plan.sales:
            body = body_of(sale)
            parts: list[dict[str, object]] = body["parts"]  # type: ignore[assignment]
            lines = [line for part in parts for line in part["lines"]]  # type: ignore[attr-defined]
            assert sum(part["total_mongo"] for part in parts) == sale.basket.total_mongo  # type: ignore[misc]
            assert all(part["total_mongo"] == sum(line["total_mongo"] for line in part["lines"]) for part in parts)  # type: ignore[attr-defined]
            assert len({part["tax_type"] for part in parts}) == len(parts) <= 100
            assert len(lines) == len(sale.basket.lines) <= 500
            assert sum(paid["amount_mongo"] for paid in body["payments"]) == sale.basket.total_mongo  # type: ignore[attr-defined]
            assert len(msgspec.json.encode(body)) < 256 * 1024


class TestCorrectionOf:
    def test_is_the_sale_without_the_line_that_came_back(self) -> None:
        later = AT.replace(day=2)
        body = correction_of(SALE, 1, receipt_id="090000000005001062630000010000052", at=later)
        [part] = body["parts"]  # type: ignore[misc]
        assert (body["corrects"], body["sold_at"]) == (
            "090000000005001062630000010000052",
            "2017-03-02T09:30:05+08:00",
        )
        assert (part["tax_type"], part["total_mongo"]) == ("VAT_ABLE", 1_221_000)
        assert body["payments"] == [{"method": "CASH", "amount_mongo": 1_221_000}]

    @pytest.mark.parametrize("line", [-1, 3])
    def test_takes_only_a_line_of_the_sale(self, line: int) -> None:
        with pytest.raises(AssertionError):
            correction_of(SALE, line, receipt_id="0" * 33, at=AT)
