from barimt.demo.plan import lanes, plan_month
from barimt.demo.plants import kept_back
from barimt.demo.seeded import Seed
from barimt.demo.submissions import Sale
from barimt.demo.world import World


def keys(sales: tuple[Sale, ...]) -> set[str]:
    return {sale.key for sale in sales}


class TestPlanMonth:
    def test_posts_every_basket_that_is_not_kept_back_once_and_in_order(self, world: World) -> None:
        hidden = kept_back(world.planted)
        posted = [sale.basket for sale in world.plan.sales]
        assert posted == [basket for basket in world.baskets if basket.basket_id not in hidden]

    def test_posts_each_sale_either_singly_or_in_a_batch(self, world: World) -> None:
        singles, batches = keys(world.plan.singles), keys(world.plan.batches)
        assert singles | batches == keys(world.plan.sales)
        assert singles & batches == set()
        assert 600 <= len(singles) < 1200

    def test_no_till_does_both(self, world: World) -> None:
        singly = {sale.terminal for sale in world.plan.singles}
        assert singly & {sale.terminal for sale in world.plan.batches} == set()

    def test_prints_240_receipts_all_of_which_are_claimed(self, world: World) -> None:
        assert len(world.plan.printed) == 240
        assert keys(world.plan.printed) <= keys(world.plan.claimed)

    def test_some_40_per_cent_of_what_can_be_claimed_is(self, world: World) -> None:
        claimable = sum(sale.claimable for sale in world.plan.sales)
        assert all(sale.claimable for sale in world.plan.claimed)
        assert 0.38 < len(world.plan.claimed) / claimable < 0.42

    def test_voids_and_corrects_about_one_per_cent_claimed_ones_among_them(self, world: World) -> None:
        plan = world.plan
        corrected = tuple(one.sale for one in plan.corrected)
        assert 90 <= len(plan.voided) <= 170
        assert 70 <= len(corrected) <= 170
        assert keys(plan.voided) & keys(corrected) == set()
        assert len(keys(plan.voided) & keys(plan.claimed)) > 10
        assert len(keys(corrected) & keys(plan.claimed)) > 10

    def test_what_is_brought_back_cost_something_and_leaves_something(self, world: World) -> None:
        for one in world.plan.corrected:
            assert 0 < one.sale.basket.lines[one.line].total_mongo < one.sale.basket.total_mongo

    def test_some_are_bought_by_businesses_and_none_of_those_for_nothing(self, world: World) -> None:
        business = [sale for sale in world.plan.sales if sale.buyer_tin is not None]
        assert 300 <= len(business) <= 460
        assert min(sale.basket.total_mongo for sale in business) > 0

    def test_the_same_seed_plans_the_same_and_another_does_not(self, world: World) -> None:
        def plan(seed: int) -> object:
            return plan_month(Seed(seed), world.sellers, world.baskets, world.planted)

        assert plan(world.seed.value) == world.plan
        assert plan(1) != world.plan

    def test_a_month_with_too_few_sales_goes_singly_altogether(self, world: World) -> None:
        plan = plan_month(world.seed, world.sellers, world.baskets[:50], ())
        assert (len(plan.singles), plan.batches) == (50, ())


class TestLanes:
    def test_keep_each_till_together_and_in_order(self, world: World) -> None:
        shared = lanes(world.plan.batches, 4)
        tills = [{sale.terminal for sale in lane} for lane in shared]
        assert sum(map(len, tills)) == len(set().union(*tills))
        assert sum(map(len, shared)) == len(world.plan.batches)
        for lane in shared:
            assert [sale.basket.sold_at for sale in lane] == sorted(sale.basket.sold_at for sale in lane)

    def test_share_the_work_about_evenly(self, world: World) -> None:
        sizes = [len(lane) for lane in lanes(world.plan.batches, 4)]
        assert max(sizes) < 1.3 * min(sizes)
