import csv

import pytest

from barimt.demo.goods import REST, good_of, goods
from receipts.receipt import TaxType
from tests.needs import SHARED_DATA

CODES = SHARED_DATA / "codes"
needs_codes = pytest.mark.needs("shared data")


def rows(name: str) -> list[dict[str, str]]:
    with (CODES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class TestGoodOf:
    @pytest.mark.parametrize(
        ("department", "category", "classification", "tax_type", "tax_product"),
        [
            ("GROCERY", "FLUID MILK PRODUCTS", "2211000", TaxType.VAT_FREE, "320"),
            ("GROCERY", "a category not in the table", "2399191", TaxType.VAT_ABLE, None),
            ("DRUG GM", "TICKETS", "6424391", TaxType.VAT_ZERO, "502"),
            ("a department not in the table", "", "3899991", TaxType.VAT_ABLE, None),
            ("", "", "3899991", TaxType.VAT_ABLE, None),
        ],
    )
    def test_answers_the_most_exact_row(
        self, department: str, category: str, classification: str, tax_type: TaxType, tax_product: str | None
    ) -> None:
        good = good_of(department, category)
        assert (good.classification, good.tax_type, good.tax_product) == (classification, tax_type, tax_product)

    def test_alcohol_tobacco_and_restaurants_carry_city_tax_and_nothing_else_does(self) -> None:
        assert {good.word for good in goods().values() if good.city_tax} == {
            "Шар айраг", "Дарс", "Согтууруулах ундаа", "Янжуур тамхи", "Тамхи", "Хоолны газар",
        }  # fmt: skip


class TestGoods:
    def test_every_department_of_a_category_has_its_rest(self) -> None:
        departments = {department for department, category in goods() if category != REST}
        assert departments - {department for department, category in goods() if category == REST} == {"PHOTO & VIDEO"}

    def test_exactly_the_untaxed_name_a_tax_product(self) -> None:
        assert {
            key for key, good in goods().items() if (good.tax_product is None) != (good.tax_type is TaxType.VAT_ABLE)
        } == set()

    def test_all_three_tax_types_that_a_shop_meets_occur(self) -> None:
        assert {good.tax_type for good in goods().values()} == {TaxType.VAT_ABLE, TaxType.VAT_FREE, TaxType.VAT_ZERO}

    @needs_codes
    def test_classifications_are_rows_of_the_official_list(self) -> None:
        official = {row["code"] for row in rows("ebarimt_product_classification.csv")}
        assert {good.classification for good in goods().values()} - official == set()

    @needs_codes
    def test_tax_products_are_rows_of_the_official_list_under_the_same_tax_type(self) -> None:
        official = {(row["taxProductCode"], row["taxTypeName"]) for row in rows("ebarimt_product_tax_codes_api.csv")}
        ours = {(good.tax_product, good.tax_type.name) for good in goods().values() if good.tax_product is not None}
        assert ours - official == set()

    @needs_codes
    def test_tax_products_were_in_force_in_2017(self) -> None:
        since = {row["taxProductCode"]: row["startDate"] for row in rows("ebarimt_product_tax_codes_api.csv")}
        assert all(since[good.tax_product] < "2017" for good in goods().values() if good.tax_product is not None)
