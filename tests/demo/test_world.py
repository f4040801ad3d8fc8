from pathlib import Path

import polars as pl
import pytest

from barimt.demo.expected import with_taxes
from barimt.demo.submissions import body_of, correction_of, line_tax
from barimt.demo.world import World, make_world
from kernel.clock import Month


class TestExpected:
    def test_counts_the_whole_month_and_what_is_left_of_it(self, world: World) -> None:
        expected = world.expected
        assert (expected.baskets, expected.total_mongo) == (12_981, 92_793_380_560)
        assert expected.issued == 12_981 - expected.kept_back == len(world.plan.sales)
        assert expected.issued_total_mongo == 92_793_380_560 - expected.kept_back_mongo

    def test_agrees_with_the_bodies_that_are_posted(self, world: World) -> None:
        sales = world.plan.sales
        posted = sum(part["total_mongo"] for sale in sales for part in body_of(sale)["parts"])  # type: ignore[attr-defined]
        taxes = [line_tax(sale.seller, line) for sale in sales for line in sale.basket.lines]
        assert world.expected.issued_total_mongo == posted
        assert world.expected.issued_vat_mongo == sum(tax.vat_mongo for tax in taxes)
        assert world.expected.issued_city_tax_mongo == sum(tax.city_tax_mongo for tax in taxes)

    def test_agrees_with_what_is_voided_and_corrected(self, world: World) -> None:
        total_mongo = world.expected.issued_total_mongo - sum(sale.basket.total_mongo for sale in world.plan.voided)
        for one in world.plan.corrected:
            body = correction_of(one.sale, one.line, receipt_id="0" * 33, at=one.sale.basket.sold_at)
            total_mongo += sum(part["total_mongo"] for part in body["parts"]) - one.sale.basket.total_mongo  # type: ignore[attr-defined]
        assert world.expected.net_total_mongo == total_mongo

    def test_taxes_each_line_as_a_till_does(self, world: World, lines: pl.DataFrame) -> None:
        sellers = {seller.store_id: seller for seller in world.sellers}
        by_line = {
            (basket_id, line): (vat, city)
            for basket_id, line, vat, city in with_taxes(lines, world.sellers)
            .select("basket_id", "line", "vat_mongo", "city_tax_mongo")
            .iter_rows()
        }
        for basket in world.baskets[::20]:
            for place, line in enumerate(basket.lines):
                tax = line_tax(sellers[basket.store_id], line)
                assert by_line[basket.basket_id, place] == (tax.vat_mongo, tax.city_tax_mongo)


class TestMakeWorld:
    def test_is_the_same_every_time(self, folder: Path, world: World) -> None:
        assert make_world(folder) == world

    def test_without_a_plant_everything_is_posted(self, folder: Path) -> None:
        honest = make_world(folder, under_declared=0, keep_back=0)
        assert (honest.planted, honest.expected.issued, honest.expected.kept_back_mongo) == ((), 12_981, 0)

    @pytest.mark.parametrize(("number", "earlier"), [(1, 0), (2, 1), (12, 2)])
    def test_declares_as_many_earlier_months_as_the_data_has(self, folder: Path, number: int, earlier: int) -> None:
        month = Month(2017, number)
        told = {one.month for one in make_world(folder, month).declarations}
        assert told == {month.plus(-back) for back in range(earlier + 1)}
