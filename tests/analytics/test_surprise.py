import math
import random  # noqa: TID251 - a seeded generator of its own

import pytest

from analytics.surprise import binomial_tail, chance_of, critical_surprise, robust_scale, surprise_of


class TestRobustScale:
    def test_is_the_standard_deviation_of_normal_values(self):
        normal = random.Random(1)
        assert robust_scale(normal.gauss(0, 0.02) for _ in range(20_000)) == pytest.approx(0.02, rel=0.03)

    def test_is_not_bent_by_a_third_of_cheats(self):
        normal = random.Random(2)
        honest = [normal.gauss(0, 1) for _ in range(2_000)]
        assert robust_scale([*honest, *[40.0] * 1_000]) < 2 * robust_scale(honest)


class TestSurprise:
    @pytest.mark.parametrize("chance", [0.5, 0.025, 1e-6, 1e-100])
    def test_undoes_the_chance(self, chance):
        assert chance_of(surprise_of(chance)) == pytest.approx(chance, rel=1e-6)

    @pytest.mark.parametrize("chance", [0.0, 1.0])
    def test_is_finite_at_the_ends(self, chance):
        assert math.isfinite(surprise_of(chance))

    def test_knows_the_five_per_cent_of_every_table(self):
        assert surprise_of(0.05) == pytest.approx(1.6449, abs=1e-4)


class TestCriticalSurprise:
    def test_rises_with_the_number_of_tests(self):
        assert critical_surprise(1, 0.05) < critical_surprise(100, 0.05) < critical_surprise(10_000, 0.05)

    def test_bounds_the_chance_of_any_false_alarm(self):
        normal, critical = random.Random(3), critical_surprise(50, 0.1)
        alarms = sum(any(normal.gauss(0, 1) >= critical for _ in range(50)) for _ in range(2_000))
        assert 0.06 < alarms / 2_000 < 0.12


class TestBinomialTail:
    @pytest.mark.parametrize("successes", range(9))
    def test_is_the_sum_of_the_terms(self, successes):
        terms = (math.comb(8, count) * 0.3**count * 0.7 ** (8 - count) for count in range(successes, 9))
        assert binomial_tail(successes, 8, 0.3) == pytest.approx(sum(terms))

    def test_survives_large_numbers(self):
        assert binomial_tail(500_000, 1_000_000, 0.5) == pytest.approx(0.5, abs=0.001)
