"""Taxes inside a price, half up to a möngö."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.money import MONGO_MAX
from receipts.receipt import TaxType
from receipts.rules import rules_on
from receipts.tax import Split, refund, split_line, split_plain, vat_rate
from tests.receipts.examples import NOON

RULES = rules_on(NOON.date())
RATES = st.sampled_from([0, 10, 20, 100])


class TestSplitLine:
    @pytest.mark.parametrize(
        ("total", "vat", "city", "split"),
        [
            (560000, 100, 20, Split(50000, 10000)),
            (560000, 100, 0, Split(50909, 0)),
            (560000, 0, 20, Split(0, 10980)),
            (560000, 0, 0, Split(0, 0)),
            (0, 100, 20, Split(0, 0)),
            (1, 100, 20, Split(0, 0)),
            (5, 100, 0, Split(0, 0)),
            (6, 100, 0, Split(1, 0)),
            (55, 100, 0, Split(5, 0)),
            (-560000, 100, 20, Split(-50000, -10000)),
            (-6, 100, 0, Split(-1, 0)),
        ],
    )
    def test_takes_both_taxes_out_of_a_total(self, total: int, vat: int, city: int, split: Split) -> None:
        assert split_line(total, vat_per_mille=vat, city_tax_per_mille=city) == split

    def test_agrees_with_the_published_clients(self, shared_data: Path) -> None:
        cases = json.loads((shared_data / "fiscal" / "ebarimt_tax_split_vectors.json").read_text())["cases"]
        assert len(cases) == 6
        for case in cases:
            total, vat, city = (int(Decimal(case[name]) * 100) for name in ("total", "vat", "city_tax_amount"))
            split = split_line(
                total,
                vat_per_mille=100 if case["vat_able"] else 0,
                city_tax_per_mille=20 if case["city_tax"] else 0,
            )
            assert split == Split(vat, city), case

    @given(st.integers(-MONGO_MAX, MONGO_MAX), RATES, RATES)
    def test_is_the_exact_tax_within_half_a_mongo(self, total: int, vat: int, city: int) -> None:
        split = split_line(total, vat_per_mille=vat, city_tax_per_mille=city)
        base = Fraction(total * 1000, 1000 + vat + city)
        assert abs(split.vat_mongo - base * vat / 1000) <= Fraction(1, 2)
        assert abs(split.city_tax_mongo - base * city / 1000) <= Fraction(1, 2)

    @given(st.integers(0, MONGO_MAX), RATES, RATES)
    def test_leaves_something_for_the_seller(self, total: int, vat: int, city: int) -> None:
        split = split_line(total, vat_per_mille=vat, city_tax_per_mille=city)
        assert 0 <= split.vat_mongo + split.city_tax_mongo <= total

    @given(st.integers(0, MONGO_MAX), RATES, RATES)
    def test_is_the_same_with_the_other_sign_for_a_void(self, total: int, vat: int, city: int) -> None:
        split = split_line(total, vat_per_mille=vat, city_tax_per_mille=city)
        voided = split_line(-total, vat_per_mille=vat, city_tax_per_mille=city)
        assert voided == Split(-split.vat_mongo, -split.city_tax_mongo)


class TestVatRate:
    @pytest.mark.parametrize("tax_type", TaxType)
    @pytest.mark.parametrize("vat_payer", [True, False])
    def test_is_ten_per_cent_for_a_payers_taxable_part_alone(self, tax_type: TaxType, *, vat_payer: bool) -> None:
        expected = 100 if vat_payer and tax_type is TaxType.VAT_ABLE else 0
        assert vat_rate(tax_type, vat_payer=vat_payer, rules=RULES) == expected


class TestRefund:
    @pytest.mark.parametrize(("vat", "share"), [(0, 0), (1, 0), (4, 0), (5, 1), (9, 1), (10, 2), (50909, 10181)])
    def test_is_a_fifth_rounded_down(self, vat: int, share: int) -> None:
        assert refund(vat, RULES) == share

    def test_is_never_asked_for_less_than_nothing(self) -> None:
        with pytest.raises(AssertionError):
            refund(-1, RULES)


class TestSplitPlain:
    @given(st.lists(st.integers(0, MONGO_MAX), max_size=8), RATES)
    def test_is_the_sum_of_the_lines(self, totals: list[int], vat: int) -> None:
        lines = [split_line(total, vat_per_mille=vat, city_tax_per_mille=0) for total in totals]
        assert split_plain(totals, vat_per_mille=vat) == sum(line.vat_mongo for line in lines)
