import sys

import polars as pl
import pytest

from analytics.facts import seller_month_facts
from analytics.frames import FINDINGS
from analytics.rules import RULES, Rule
from analytics.rules.declared_below_receipts import declared_below_receipts
from analytics.rules.own_history import own_history
from analytics.rules.sector_peers import sector_peers
from analytics.rules.vat_against_turnover import vat_against_turnover
from analytics.rules.voids_after_claims import voids_after_claims
from kernel.clock import Month
from tests.analytics.lakes import FIRST_SELLER, MARCH, Parts, Town, honest_town


def said(rule: Rule, town: Town) -> pl.DataFrame:
    lake = town.lake()
    found = rule(seller_month_facts(lake).collect(), lake)
    assert found.schema == FINDINGS
    return found


def levels(rule: Rule, town: Town) -> dict[int, str]:
    return dict(said(rule, town).select("seller", "level").iter_rows())


def accused(rule: Rule, town: Town) -> list[int]:
    return [seller for seller, level in levels(rule, town).items() if level == "finding"]


@pytest.fixture
def town() -> Town:
    return honest_town()


class TestEveryRule:
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    def test_accuses_nobody_in_an_honest_town(self, rule, town):
        assert accused(rule, town) == []

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    def test_says_nothing_in_an_empty_town(self, rule):
        assert said(rule, Town()).is_empty()

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    def test_says_nothing_of_a_lone_honest_shop(self, rule):
        town = Town()
        town.add_shop()
        assert said(rule, town).is_empty()

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    def test_states_effect_and_source(self, rule):
        assert "Effect:" in rule.__doc__
        assert "Source:" in rule.__doc__ + sys.modules[rule.__module__].__doc__

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
    def test_changes_nothing_that_it_is_given(self, rule, town):
        lake = town.lake()
        facts = seller_month_facts(lake).collect()
        before = facts.clone()
        rule(facts, lake)
        assert facts.equals(before)


class TestDeclaredBelowReceipts:
    def test_finds_who_declares_a_tenth_less(self, town):
        cheat = town.add_shop(share=0.9)
        assert accused(declared_below_receipts, town) == [cheat]

    def test_names_effect_threshold_and_receipts(self, town):
        cheat = town.add_shop(receipts=30, net_mongo=1_000_00, share=0.75)
        [row] = said(declared_below_receipts, town).rows(named=True)
        assert (row["seller"], row["effect"], row["unit"], row["sample"]) == (cheat, "-25.0", "%", 30)
        assert -15.0 < float(row["threshold"]) <= -7.0
        assert row["score"] >= 100
        assert len(row["receipts"]) == 20
        assert all(text.startswith(f"{cheat:012d}") and len(text) == 33 for text in row["receipts"])
        assert "22,500 ₮" in row["reason_en"]
        assert "22,500 ₮" in row["reason_mn"]

    def test_does_not_accuse_who_declares_more(self, town):
        town.add_shop(share=1.5)
        assert said(declared_below_receipts, town).is_empty()

    @pytest.mark.parametrize(("receipts", "level"), [(19, "note"), (20, "finding")])
    def test_only_notes_who_has_few_receipts(self, town, receipts, level):
        few = town.add_shop(receipts=receipts, share=0.5)
        assert levels(declared_below_receipts, town) == {few: level}
        score = said(declared_below_receipts, town)["score"].item()
        assert score == 99 if level == "note" else score > 500

    @pytest.mark.parametrize("share", [0.94, 0.96])
    def test_never_accuses_below_seven_per_cent(self, share):
        town = Town()
        for _ in range(40):
            town.add_shop()
        town.add_shop(share=share)
        assert accused(declared_below_receipts, town) == []

    def test_takes_nothing_declared_for_all_kept_silent(self, town):
        silent = town.add_shop(share=0)
        assert accused(declared_below_receipts, town) == [silent]

    def test_passes_over_who_has_not_declared_yet(self, town):
        late = town.add_shop()
        town.declared = [one for one in town.declared if one[:2] != (late, MARCH)]
        assert said(declared_below_receipts, town).is_empty()

    def test_finds_cheats_where_most_cheat_a_little(self):
        town = Town()
        for _ in range(30):
            town.add_shop(share=0.88)
        bold = town.add_shop(share=0.6)
        assert bold in accused(declared_below_receipts, town)

    def test_judges_a_small_town_by_the_widest_scatter(self):
        town = Town()
        for _ in range(5):
            town.add_shop()
        town.add_shop(share=0.9)
        bold = town.add_shop(share=0.7)
        assert accused(declared_below_receipts, town) == [bold]


class TestVatAgainstTurnover:
    def test_finds_who_declares_the_revenue_and_not_its_vat(self, town):
        cheat = town.add_shop(receipts=40)
        town.redeclare(cheat, 40 * 100_00, vat_mongo=300_00)
        [row] = said(vat_against_turnover, town).rows(named=True)
        assert (row["seller"], row["level"], row["effect"]) == (cheat, "finding", "-25.0")

    def test_leaves_who_declares_too_little_of_both_to_the_other_rule(self, town):
        town.add_shop(share=0.5)
        assert said(vat_against_turnover, town).is_empty()

    def test_measures_a_seller_of_exempt_goods_by_its_own_mix(self, town):
        mixed = town.add_shop(receipts=40)
        town.parts.append(Parts(mixed, 40, 100_00, 0, tax_type=1, first_number=1_000))
        town.redeclare(mixed, 80 * 100_00, vat_mongo=400_00)
        assert said(vat_against_turnover, town).is_empty()

    def test_passes_over_who_is_not_registered(self, town):
        exempt = town.add_shop(receipts=40)
        town.redeclare(exempt, 40 * 100_00, vat_mongo=0)
        assert accused(vat_against_turnover, town) == [exempt]
        town.vat_payers[exempt] = False
        assert said(vat_against_turnover, town).is_empty()


FALLS = [own_history, sector_peers]


class TestFallingTrade:
    @pytest.mark.parametrize("rule", FALLS)
    def test_finds_who_posts_a_third_of_its_sales(self, town, rule):
        cheat = town.add_shop(receipts=120)
        town.resell(cheat, count=40)
        town.redeclare(cheat, 40 * 100_00)
        [row] = [row for row in said(rule, town).rows(named=True) if row["level"] == "finding"]
        assert row["seller"] == cheat
        assert float(row["effect"]) == pytest.approx(-66.7, abs=1.5)

    @pytest.mark.parametrize("rule", FALLS)
    def test_does_not_accuse_where_all_fall_alike(self, rule):
        town = Town()
        for _ in range(30):
            shop = town.add_shop(receipts=120)
            town.resell(shop, count=40)
            town.redeclare(shop, 40 * 100_00)
        assert said(rule, town).is_empty()

    @pytest.mark.parametrize("rule", FALLS)
    def test_does_not_accuse_who_closed_for_good(self, town, rule):
        closed = town.add_shop(receipts=120)
        town.resell(closed, count=40, days=tuple(range(10)))
        town.redeclare(closed, 40 * 100_00)
        assert closed not in accused(rule, town)

    @pytest.mark.parametrize("rule", FALLS)
    @pytest.mark.parametrize(("receipts", "left"), [(120, 19), (39, 20)], ids=["too few posted", "too few expected"])
    def test_does_not_accuse_on_few_receipts(self, town, rule, receipts, left):
        small = town.add_shop(receipts=receipts)
        town.resell(small, count=left)
        assert small not in accused(rule, town)

    @pytest.mark.parametrize("rule", FALLS)
    def test_does_not_judge_by_one_month_before(self, town, rule):
        young = town.add_shop(receipts=120)
        town.resell(young, count=40)
        town.declared = [one for one in town.declared if one[:2] != (young, MARCH.plus(-2))]
        assert young not in levels(rule, town)

    @pytest.mark.parametrize("rule", FALLS)
    def test_judges_nobody_among_few(self, rule):
        town = Town()
        for _ in range(5):
            town.add_shop(receipts=200)
        town.resell(FIRST_SELLER, count=40)
        assert said(rule, town).is_empty()

    @pytest.mark.parametrize("rule", FALLS)
    def test_believes_who_declares_what_was_sold_elsewhere(self, town, rule):
        open_book = town.add_shop(receipts=120)
        town.resell(open_book, count=40)
        assert open_book not in levels(rule, town)

    def test_the_sector_is_the_measure_of_its_own(self):
        town = honest_town(shops=20)
        for _ in range(20):
            fuel = town.add_shop(receipts=120, sector="4730")
            town.resell(fuel, count=50)
        assert accused(sector_peers, town) == []

    def test_a_sector_of_few_is_measured_by_all(self):
        town = honest_town(shops=20)
        for _ in range(3):
            fuel = town.add_shop(receipts=120, sector="4730")
            town.resell(fuel, count=40)
            town.redeclare(fuel, 40 * 100_00)
        assert len(accused(sector_peers, town)) == 3


def claim_and_void(town: Town, shop: int, claims: int, voids: int) -> None:
    """Let a shop have claimed receipts and void some of them afterwards."""
    at = MARCH.starts_at
    for number in range(claims):
        town.link(shop, number, 1_100, claimed_at=at)
    for number in range(voids):
        total = -1_100 - number
        town.link(shop, claims + number, total, nature=4, root_number=number, claimed_at=at)


class TestVoidsAfterClaims:
    @pytest.fixture
    def town(self) -> Town:
        town = honest_town()
        for shop in list(town.sectors):
            claim_and_void(town, shop, 40, shop % 2)
        return town

    def test_finds_who_voids_a_third_of_what_was_claimed(self, town):
        cheat = town.add_shop()
        claim_and_void(town, cheat, 40, 12)
        [row] = said(voids_after_claims, town).rows(named=True)
        assert (row["seller"], row["level"], row["effect"], row["sample"]) == (cheat, "finding", "30.0", 40)
        assert 5.0 <= float(row["threshold"]) < 30.0

    def test_names_the_largest_voids(self, town):
        cheat = town.add_shop()
        claim_and_void(town, cheat, 40, 25)
        [row] = said(voids_after_claims, town).rows(named=True)
        numbers = [int(text[20:25]) for text in row["receipts"]]
        assert numbers == list(range(64, 44, -1))

    def test_never_accuses_on_four(self, town):
        shop = town.add_shop()
        claim_and_void(town, shop, 4, 4)
        assert levels(voids_after_claims, town) == {shop: "note"}

    def test_the_threshold_is_where_it_begins_to_accuse(self, town):
        cheat = town.add_shop()
        claim_and_void(town, cheat, 100, 30)
        [row] = said(voids_after_claims, town).rows(named=True)
        least = round(float(row["threshold"]))
        for voids, expected in ((least, [cheat + 1]), (least - 1, [])):
            other = honest_town()
            for shop in list(other.sectors):
                claim_and_void(other, shop, 40, shop % 2)
            other.add_shop()
            again = other.add_shop()
            assert again == cheat + 1
            claim_and_void(other, again, 100, voids)
            assert accused(voids_after_claims, other) == expected


def test_the_month_is_written_into_every_finding(town):
    town.add_shop(share=0.7)
    assert said(declared_below_receipts, town)["month"].to_list() == [str(Month(2017, 3))]
