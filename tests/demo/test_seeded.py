import statistics

import pytest

from barimt.demo.seeded import Seed

SEED = Seed(7)


class TestSeed:
    def test_draws_the_same_for_the_same_name_for_ever(self) -> None:
        assert [SEED.draw(1000, "x", number) for number in range(4)] == [123, 128, 526, 215]

    def test_draws_otherwise_for_another_seed_or_name(self) -> None:
        assert SEED.draw(2**32, "x") != Seed(8).draw(2**32, "x")
        assert SEED.draw(2**32, "x") != SEED.draw(2**32, "y")

    def test_draws_every_number_below_and_no_other(self) -> None:
        assert {SEED.draw(6, "die", throw) for throw in range(200)} == set(range(6))

    def test_between_reaches_both_ends(self) -> None:
        assert {SEED.between(3, 5, throw) for throw in range(60)} == {3, 4, 5}

    @pytest.mark.parametrize(("per_mille", "low", "high"), [(0, 0, 0), (400, 3700, 4300), (1000, 10_000, 10_000)])
    def test_chance_comes_as_often_as_it_says(self, per_mille: int, low: int, high: int) -> None:
        assert low <= sum(SEED.chance(per_mille, "chance", case) for case in range(10_000)) <= high

    def test_noise_has_its_deviation_around_zero(self) -> None:
        noise = [SEED.noise(20_000, 1_000_000, "noise", case) for case in range(2_000)]
        assert abs(statistics.mean(noise)) < 1_500
        assert 18_500 < statistics.stdev(noise) < 21_500

    def test_noise_is_cut_at_its_limit(self) -> None:
        noise = [SEED.noise(20_000, 10_000, "noise", case) for case in range(200)]
        assert (min(noise), max(noise)) == (-10_000, 10_000)
