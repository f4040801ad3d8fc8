from datetime import timedelta

import pytest

from analytics.facts import seller_month_facts
from analytics.rules.chain import sightings_altered, sightings_unreported, turnover_gap
from analytics.rules.chains_forked import chains_forked
from tests.analytics.lakes import AS_OF, MARCH, Town


@pytest.fixture
def town() -> Town:
    """One shop that reported the sales 1 to 3 of 1,000, 2,000 and 3,000 möngö, the second of which was voided."""
    town = Town()
    shop = town.add_shop()
    for counter, total in enumerate((100_000, 200_000, 300_000), 1):
        town.link(shop, counter, total)
    town.link(shop, 4, -200_000, nature=4, root_number=2)
    return town


@pytest.fixture
def shop(town: Town) -> int:
    return next(iter(town.sectors))


def rows(rule, town):
    lake = town.lake()
    return rule(seller_month_facts(lake).collect(), lake).rows(named=True)


class TestSightingsUnreported:
    @pytest.mark.parametrize(("seen", "level"), [(1, "note"), (2, "note"), (3, "finding"), (4, "finding")])
    def test_notes_one_and_two_and_accuses_from_three_on(self, town, shop, seen, level):
        for counter in range(5, 5 + seen):
            town.sight(shop, counter, 0, total_mongo=500_000, stored="none")
        [row] = rows(sightings_unreported, town)
        assert (row["level"], row["effect"], len(row["receipts"])) == (level, str(seen), seen)
        assert (row["score"] >= 100) == (level == "finding")

    def test_waits_until_a_till_must_have_been_online(self, town, shop):
        for counter in range(5, 9):
            town.sight(shop, counter, 0, total_mongo=500_000, stored="none")
        town.as_of = MARCH.starts_at + timedelta(days=1, hours=71, minutes=59)
        assert rows(sightings_unreported, town) == []
        town.as_of += timedelta(minutes=1)
        assert len(rows(sightings_unreported, town)) == 1

    def test_says_nothing_of_what_was_reported(self, town, shop):
        town.sight(shop, 1, 100_000, total_mongo=100_000)
        assert rows(sightings_unreported, town) == []


class TestSightingsAltered:
    def test_accuses_on_one(self, town, shop):
        town.sight(shop, 1, 100_000, total_mongo=900_000, stored="other")
        [row] = rows(sightings_altered, town)
        assert (row["level"], row["score"], row["effect"]) == ("finding", 100, "1")
        assert row["receipts"][0][20:25] == "00001"

    def test_waits_until_the_till_may_have_reported_a_second_branch(self, town, shop):
        town.sight(shop, 1, 100_000, total_mongo=900_000, stored="other")
        town.as_of = MARCH.starts_at + timedelta(days=1, hours=71, minutes=59)
        assert rows(sightings_altered, town) == []

    def test_says_nothing_of_a_second_branch(self, town, shop):
        town.sight(shop, 1, 100_000, total_mongo=900_000, stored="fork")
        assert rows(sightings_altered, town) == []


class TestChainsForked:
    def test_notes_and_never_accuses(self, town, shop):
        for counter in (2, 3, 4):
            town.fork(shop, counter, 900_000)
        [row] = rows(chains_forked, town)
        assert (row["level"], row["score"], row["effect"], len(row["receipts"])) == ("note", 99, "3", 3)
        assert {one["name"]: one["value"] for one in row["evidence"]} == {
            "count": "3", "terminals": "1", "total_mongo": "2700000",
        }  # fmt: skip

    def test_says_nothing_where_no_chain_has_two_branches(self, town):
        assert rows(chains_forked, town) == []


class TestTurnoverGap:
    def test_compares_no_counters_of_two_branches(self, town, shop):
        town.sight(shop, 1, 100_000, total_mongo=100_000)
        town.sight(shop, 9, 1_500_000, total_mongo=250_000, stored="fork")
        assert len(rows(turnover_gap, town)) == 1
        town.fork(shop, 2, 900_000)
        assert rows(turnover_gap, town) == []

    def test_says_nothing_where_the_counter_is_what_was_reported(self, town, shop):
        town.sight(shop, 1, 100_000, total_mongo=100_000)
        town.sight(shop, 3, 600_000, total_mongo=300_000)
        town.sight(shop, 4, 600_000, total_mongo=-200_000)
        assert rows(turnover_gap, town) == []

    def test_finds_the_money_between_two_honest_customers(self, town, shop):
        town.sight(shop, 1, 100_000, total_mongo=100_000)
        town.sight(shop, 9, 1_500_000, total_mongo=250_000, stored="none")
        [row] = rows(turnover_gap, town)
        # the counter rose by 1,400,000, of which 500,000 is stored and 250,000 is what the second customer holds
        assert (row["level"], row["effect"], row["unit"]) == ("finding", "6500.00", "MNT")
        assert {one["name"]: one["value"] for one in row["evidence"]} == {
            "passed_mongo": "1400000",
            "stored_mongo": "500000",
            "seen_mongo": "250000",
            "hidden_mongo": "650000",
        }

    def test_does_not_take_the_one_receipt_that_a_dead_till_kept_for_more(self, town, shop):
        town.sight(shop, 1, 100_000, total_mongo=100_000)
        town.sight(shop, 5, 850_000, total_mongo=250_000, stored="none")
        assert rows(turnover_gap, town) == []

    @pytest.mark.parametrize(("hidden", "found"), [(99, 0), (100, 1)])
    def test_begins_at_one_tugrik(self, town, shop, hidden, found):
        town.sight(shop, 1, 100_000, total_mongo=100_000)
        town.sight(shop, 5, 850_000 + hidden, total_mongo=250_000, stored="none")
        assert sum(row["level"] == "finding" for row in rows(turnover_gap, town)) == found

    def test_one_customer_alone_unmasks_nothing(self, town, shop):
        town.sight(shop, 9, 9_900_000, total_mongo=1, stored="none")
        assert rows(turnover_gap, town) == []

    def test_two_tills_are_never_held_against_each_other(self, town, shop):
        town.sight(shop, 1, 100_000, total_mongo=100_000)
        town.sight(shop, 9, 9_900_000, total_mongo=1, stored="none")
        town.sightings[-1]["terminal"] += 1
        assert rows(turnover_gap, town) == []

    def test_waits_for_what_may_still_be_uploaded(self, town, shop):
        town.sight(shop, 1, 100_000, total_mongo=100_000)
        town.sight(shop, 9, 1_500_000, total_mongo=250_000, stored="none")
        town.sightings[-1]["seen_at"] = AS_OF - timedelta(hours=71)
        assert rows(turnover_gap, town) == []
