import polars as pl
import pytest

from analytics.facts import seller_month_facts
from analytics.frames import DAILY, FACTS, HISTORY, HOURLY
from analytics.profiles import daily_sales, hourly_sales, month_history
from tests.analytics.lakes import MARCH, TERMINAL, Parts, Town


def facts_of(town: Town, seller: int) -> dict[str, object]:
    facts = seller_month_facts(town.lake()).collect()
    assert facts.schema == FACTS
    return facts.row(by_predicate=pl.col("seller") == seller, named=True)


@pytest.fixture
def town() -> Town:
    return Town()


class TestSellerMonthFacts:
    def test_adds_up_parts_by_their_merchant(self, town):
        shop = town.add_shop(receipts=3, net_mongo=1_000)
        town.parts.append(Parts(shop, 1, 500, 0, tax_type=1, business=True, first_number=100))
        facts = facts_of(town, shop)
        assert (facts["receipts"], facts["gross_mongo"], facts["vat_mongo"]) == (4, 3_800, 300)
        assert (facts["net_mongo"], facts["vatable_net_mongo"], facts["b2b_net_mongo"]) == (3_500, 3_000, 500)

    def test_takes_voids_and_the_old_parts_of_corrections_away(self, town):
        shop = town.add_shop(receipts=3, net_mongo=1_000)
        town.parts += [
            Parts(shop, 1, -1_000, -100, nature=4, first_number=100),
            Parts(shop, 1, 700, 70, nature=3, first_number=102),
            Parts(shop, 1, -1_000, -100, nature=3, counts=False, first_number=102),
        ]
        facts = facts_of(town, shop)
        assert (facts["receipts"], facts["voids"], facts["corrections"]) == (3, 1, 1)
        assert (facts["gross_mongo"], facts["voids_mongo"]) == (3_300 - 1_100 + 770 - 1_100, 1_100)

    def test_counts_a_bundle_with_several_parts_once(self, town):
        shop = town.add_shop(receipts=2, net_mongo=1_000)
        town.parts.append(Parts(shop, 2, 500, 0, tax_type=1, counts=False))
        assert facts_of(town, shop)["receipts"] == 2

    def test_gives_a_seller_without_receipts_zeros_and_every_day(self, town):
        shop = town.add_shop(receipts=0)
        facts = facts_of(town, shop)
        assert (facts["receipts"], facts["net_mongo"], facts["open_days"]) == (0, 0, 31)

    def test_leaves_what_nobody_declared_null(self, town):
        town.declared.clear()
        shop = town.add_shop(receipts=1)
        town.declared.clear()
        facts = facts_of(town, shop)
        assert facts["declared_net_mongo"] is None
        assert (facts["previous_months"], facts["previous_declared_net_mongo"]) == (0, None)

    def test_takes_the_highest_version_whatever_the_order(self, town):
        shop = town.add_shop(receipts=1)
        town.declare(shop, 777, version=3)
        town.declare(shop, 555, version=2)
        facts = facts_of(town, shop)
        assert (facts["declared_net_mongo"], facts["declared_version"]) == (777, 3)

    def test_takes_the_median_of_a_year_before_and_no_more(self, town):
        shop = town.add_shop(receipts=1)
        town.declared.clear()
        for back, amount in ((1, 10), (2, 1_000), (12, 31), (13, 9_000_000)):
            town.declare(shop, amount, month=MARCH.plus(-back))
        town.declare(shop, 8_000_000, month=MARCH.plus(1))
        facts = facts_of(town, shop)
        assert (facts["previous_months"], facts["previous_declared_net_mongo"]) == (3, 31)

    def test_remembers_the_receipts_of_the_months_before(self, town):
        shop = town.add_shop(receipts=1)
        town.parts.append(Parts(shop, 5, 1_000, 0, month=MARCH.plus(-1)))
        facts = facts_of(town, shop)
        assert (facts["previous_receipts_net_mongo"], facts["receipts"]) == (5_000, 1)

    @pytest.mark.parametrize(
        ("days", "open_days"),
        [
            (tuple(range(31)), 31),
            (tuple(range(10)), 10),
            (tuple(range(21, 31)), 10),
            (tuple(range(8)) + tuple(range(23, 31)), 16),
            (tuple(range(0, 31, 2)), 31),
        ],
        ids=["every day", "closed for good", "opened late", "renovated", "every other day"],
    )
    def test_counts_silences_that_are_no_chance_out_of_the_open_days(self, town, days, open_days):
        shop = town.add_shop(receipts=60)
        town.resell(shop, days=days)
        assert facts_of(town, shop)["open_days"] == open_days

    def test_believes_a_small_shop_its_silences(self, town):
        shop = town.add_shop(receipts=3)
        town.resell(shop, days=(0, 1, 2))
        assert facts_of(town, shop)["open_days"] == 3 + 28 - 28
        town.resell(shop, days=(0, 10, 20))
        assert facts_of(town, shop)["open_days"] == 31

    def test_counts_claims_of_roots_and_voids_that_came_after_them(self, town):
        shop = town.add_shop(receipts=4)
        at = MARCH.starts_at
        town.link(shop, 1, 1_100, claimed_at=at)
        town.link(shop, 2, 1_100)
        town.link(shop, 3, -1_100, nature=4, root_number=1, claimed_at=at)
        town.link(shop, 4, -1_100, nature=4, root_number=2)
        town.link(shop, 5, 900, nature=3, root_number=1, claimed_at=at)
        facts = facts_of(town, shop)
        assert (facts["claims"], facts["voids_after_claim"]) == (1, 1)

    def test_does_not_count_a_void_before_the_claim(self, town):
        shop = town.add_shop(receipts=1)
        town.link(shop, 3, -1_100, nature=4, root_terminal=TERMINAL, root_number=1, claimed_at=MARCH.ends_at)
        assert facts_of(town, shop)["voids_after_claim"] == 0

    def test_lists_sellers_in_order(self, town):
        for _ in range(5):
            town.add_shop(receipts=1)
        sellers = seller_month_facts(town.lake()).collect()["seller"].to_list()
        assert sellers == sorted(sellers)
        assert len(sellers) == 5


class TestProfiles:
    def test_the_days_add_up_to_the_month(self, town):
        shop = town.add_shop(receipts=40, net_mongo=1_000)
        town.parts.append(Parts(shop, 1, -1_000, -100, nature=4, first_number=100))
        daily = daily_sales(town.lake()).collect()
        facts = facts_of(town, shop)
        assert daily.schema == DAILY
        assert (daily["net_mongo"].sum(), daily["receipts"].sum()) == (facts["net_mongo"], facts["receipts"])
        assert (str(daily["date"].min()), str(daily["date"].max())) == ("2017-03-01", "2017-03-31")

    def test_the_hours_are_those_of_ulaanbaatar(self, town):
        shop = town.add_shop(receipts=1, net_mongo=1_000)
        hourly = hourly_sales(town.lake()).collect()
        assert hourly.schema == HOURLY
        assert hourly.rows() == [(shop, 3, 0, 1_000, 1)]

    def test_the_history_has_what_was_declared_and_what_was_shown(self, town):
        shop = town.add_shop(receipts=2, net_mongo=1_000)
        town.parts.append(Parts(shop, 3, 1_000, 0, month=MARCH.plus(-3)))
        history = month_history(town.lake()).collect()
        assert history.schema == HISTORY
        assert history.rows() == [
            (shop, "2016-12", None, 3_000),
            (shop, "2017-01", 2_000, None),
            (shop, "2017-02", 2_000, None),
            (shop, "2017-03", 2_000, 2_000),
        ]
