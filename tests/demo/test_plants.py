import json
from collections import Counter

import pytest

from barimt.demo.expected import revenue_of, standing, with_taxes, without_baskets
from barimt.demo.plants import (
    Cheat,
    Declaration,
    Planted,
    kept_back,
    plant,
    planted_json,
    told_declarations,
    true_declarations,
)
from barimt.demo.retail import data_folder, read_lines
from barimt.demo.seeded import Seed
from barimt.demo.world import World
from kernel.clock import Month

MARCH = Month(2017, 3)
SEEDS = pytest.mark.parametrize("seed", [Seed(value) for value in range(20)])


class TestPlant:
    @SEEDS
    def test_plants_four_of_each_kind_among_sellers_of_sixty_baskets(self, world: World, seed: Seed) -> None:
        planted = plant(seed, world.sellers, world.baskets)
        counts = Counter(basket.store_id for basket in world.baskets)
        assert Counter(one.cheat for one in planted) == {Cheat.UNDER_DECLARED: 4, Cheat.KEPT_BACK: 4}
        assert len({one.seller.tin for one in planted}) == 8
        assert min(counts[one.seller.store_id] for one in planted) >= 60

    @SEEDS
    def test_hides_as_much_as_the_kind_says(self, world: World, seed: Seed) -> None:
        counts = Counter(basket.store_id for basket in world.baskets)
        for one in plant(seed, world.sellers, world.baskets):
            if one.cheat is Cheat.UNDER_DECLARED:
                assert 100 <= one.share_per_mille <= 400
                assert one.kept_back == frozenset()
            else:
                assert 300 <= 1000 * len(one.kept_back) / counts[one.seller.store_id] <= 600

    def test_keeps_back_only_its_own_baskets(self, world: World) -> None:
        store_of = {basket.basket_id: basket.store_id for basket in world.baskets}
        for one in world.planted:
            assert {store_of[basket] for basket in one.kept_back} <= {one.seller.store_id}

    def test_another_seed_plants_others(self, world: World) -> None:
        chosen = {frozenset(one.seller.tin for one in plant(Seed(s), world.sellers, world.baskets)) for s in range(5)}
        assert len(chosen) == 5

    def test_can_plant_nobody(self, world: World) -> None:
        planted = plant(Seed(1), world.sellers, world.baskets, under_declared=0, kept_back=0)
        assert (planted, kept_back(planted)) == ((), frozenset())


class TestToldDeclarations:
    def test_the_planted_ones_tell_exactly_what_they_planned(self, world: World) -> None:
        first, second = (next(one for one in world.planted if one.cheat is cheat) for cheat in Cheat)
        under = Planted(first.seller, Cheat.UNDER_DECLARED, 250)
        true = [Declaration(one.seller.tin, MARCH, 1_000_001, 90_003) for one in (first, second)]
        told = told_declarations(Seed(1), true, [under, second])
        assert told == (Declaration(first.seller.tin, MARCH, 750_001, 67_502), true[1])

    @SEEDS
    def test_the_honest_slip_by_two_per_cent_and_never_by_more_than_five(self, world: World, seed: Seed) -> None:
        true = [Declaration(seller.tin, MARCH, 10**9, 10**8) for seller in world.sellers]
        slips = [one.net_revenue_mongo - 10**9 for one in told_declarations(seed, true, [])]
        assert max(map(abs, slips)) <= 50_000_000
        assert 16_000_000 < (sum(slip**2 for slip in slips) / len(slips)) ** 0.5 < 24_000_000

    def test_both_figures_slip_together(self) -> None:
        [told] = told_declarations(Seed(1), [Declaration("90000000001", MARCH, 10**9, 10**8)], [])
        assert abs(told.net_revenue_mongo - 10 * told.vat_mongo) <= 5


class TestDeclarationsOfTheWorld:
    def test_months_before_are_told_as_they_were(self, world: World) -> None:
        for month in (Month(2017, 1), Month(2017, 2)):
            lines = read_lines(data_folder(), month)
            stores = [seller.store_id for seller in world.sellers]
            taxed = with_taxes(lines.filter(lines["store_id"].is_in(stores)), world.sellers)
            assert true_declarations(month, world.sellers, revenue_of(taxed)) == tuple(
                one for one in world.declarations if one.month == month
            )

    def test_who_keeps_sales_back_declares_what_was_posted_and_stood(self, world: World) -> None:
        posted = without_baskets(with_taxes(read_lines(data_folder(), MARCH), world.sellers), kept_back(world.planted))
        nets = dict(revenue_of(standing(posted, world.plan)).select("store_id", "net_mongo").rows())
        told = {one.seller_tin: one.net_revenue_mongo for one in world.declarations if one.month == MARCH}
        for one in world.planted:
            share = 1000 - one.share_per_mille if one.cheat is Cheat.UNDER_DECLARED else 1000
            assert abs(told[one.seller.tin] * 1000 - nets[one.seller.store_id] * share) <= 500

    def test_everybody_who_sold_in_the_month_declares_it_once(self, world: World) -> None:
        tins = [one.seller_tin for one in world.declarations if one.month == MARCH]
        assert sorted(tins) == sorted(seller.tin for seller in world.sellers)

    def test_who_does_not_pay_vat_declares_none(self, world: World) -> None:
        outside = {seller.tin for seller in world.sellers if not seller.vat_payer}
        assert {one.vat_mongo for one in world.declarations if one.seller_tin in outside} == {0}


class TestPlantedJson:
    def test_says_who_how_and_how_much(self, world: World) -> None:
        content = json.loads(json.dumps(planted_json(world.seed, MARCH, world.planted, world.baskets)))
        assert (content["seed"], content["month"], len(content["planted"])) == (2017, "2017-03", 8)
        assert sum(one["kept_back"] for one in content["planted"]) == world.expected.kept_back
        assert sum(one["kept_back_mongo"] for one in content["planted"]) == world.expected.kept_back_mongo
