"""Quotas: what fits, what does not, when it fits again, and that nobody is remembered for nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import rate_limits
from runtime.rate_limits import Policy, Quotas, RateLimited


class StopWatch:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> int:
        return int(self.seconds * 1e9)


@pytest.fixture
def watch() -> StopWatch:
    return StopWatch()


@pytest.fixture
def quotas(watch: StopWatch) -> Quotas:
    """Ten in ten seconds."""
    return Quotas(Policy("terminal", 10, 10), watch)


def refused(quotas: Quotas, name: object, amount: int = 1, factor: int = 1) -> dict[str, str]:
    with pytest.raises(RateLimited) as raised:
        quotas.spend(name, amount, factor=factor)
    return raised.value.values


class TestPolicy:
    def test_of_a_rate(self) -> None:
        assert Policy.per_second("x", 100, window_s=60) == Policy("x", 6_000, 60)
        assert Policy.per_second("x", 0.5, window_s=60) == Policy("x", 30, 60)

    def test_nothing_is_no_limit(self) -> None:
        assert Policy.per_second("x", 0, window_s=60) is None

    def test_holds_what_comes_in_one_piece(self) -> None:
        assert Policy.per_second("x", 1, window_s=60, quota_min=1_000) == Policy("x", 1_000, 1_000)
        assert Policy.per_second("x", 0.001, window_s=60) == Policy("x", 1, 1_000)


class TestQuotas:
    def test_gives_the_quota_at_once_and_no_more(self, quotas: Quotas) -> None:
        for _ in range(10):
            quotas.spend("a")
        refused(quotas, "a")

    def test_refills_steadily(self, quotas: Quotas, watch: StopWatch) -> None:
        quotas.spend("a", 10)
        for _ in range(5):
            refused(quotas, "a")
            watch.seconds += 1
            quotas.spend("a")

    def test_what_is_refused_costs_nothing(self, quotas: Quotas) -> None:
        quotas.spend("a", 4)
        refused(quotas, "a", 7)
        quotas.spend("a", 6)

    def test_never_holds_more_than_the_quota(self, quotas: Quotas, watch: StopWatch) -> None:
        quotas.spend("a")
        watch.seconds += 1_000
        refused(quotas, "a", 11)
        quotas.spend("a", 10)

    def test_each_name_has_its_own(self, quotas: Quotas) -> None:
        quotas.spend("a", 10)
        quotas.spend("b", 10)

    def test_a_factor_makes_it_so_many_times_as_large(self, quotas: Quotas) -> None:
        quotas.spend("a", 30, factor=3)
        assert refused(quotas, "a", factor=3)["rate_limit_policy"] == '"terminal";q=30;w=10'

    def test_says_in_the_words_of_the_draft_what_is_left_and_when_it_fits(
        self, quotas: Quotas, watch: StopWatch
    ) -> None:
        quotas.spend("a", 8)
        assert refused(quotas, "a", 5) == {
            "retry_after_s": "3", "rate_limit_policy": '"terminal";q=10;w=10', "rate_limit": '"terminal";r=2;t=3',
        }  # fmt: skip
        watch.seconds += 3
        quotas.spend("a", 5)

    @given(st.lists(st.tuples(st.integers(1, 10), st.floats(0, 5)), max_size=40))
    def test_after_the_time_it_names_it_gives(self, asked: list[tuple[int, float]]) -> None:
        watch = StopWatch()
        quotas = Quotas(Policy("x", 10, 10), watch)
        for amount, pause_s in asked:
            watch.seconds += pause_s
            try:
                quotas.spend("a", amount)
            except RateLimited as refusal:
                left = re.fullmatch(r'"x";r=([0-9]+);t=[0-9]+', refusal.values["rate_limit"])
                assert left is not None
                assert int(left[1]) < amount
                watch.seconds += int(refusal.values["retry_after_s"])
                quotas.spend("a", amount)

    def test_remembers_so_many_names_and_no_more(
        self, quotas: Quotas, watch: StopWatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rate_limits, "NAMES_MAX", 8)
        quotas.spend("deep", 10)
        for name in range(100):
            quotas.spend(name)
            assert len(quotas) <= 8
        refused(quotas, "deep")
        watch.seconds += 2
        for name in range(100, 109):
            quotas.spend(name)
        assert len(quotas) <= 8
        refused(quotas, "deep", 3)
