"""How long a till waits for a centre that does not answer."""

from hypothesis import given
from hypothesis import strategies as st

from pos_gateway.till.backoff import ASKED_FOR_MAX_S, FIRST_S, LONGEST_S, wait_s

jitters = st.floats(min_value=0, max_value=1, exclude_max=True)


class TestWait:
    def test_doubles_up_to_two_minutes(self) -> None:
        waits = [wait_s(failures, 0.999999) for failures in range(1, 12)]
        assert [round(wait) for wait in waits] == [1, 2, 4, 8, 16, 32, 64, 120, 120, 120, 120]

    @given(st.integers(min_value=1, max_value=10**9), jitters)
    def test_is_spread_over_the_upper_half(self, failures: int, jitter: float) -> None:
        whole = min(FIRST_S * 2 ** min(failures - 1, 16), LONGEST_S)
        assert whole / 2 <= wait_s(failures, jitter) <= whole

    @given(st.integers(min_value=1, max_value=100), jitters, st.floats(min_value=0, max_value=1e9))
    def test_is_at_least_what_the_centre_asked_for_but_not_for_days(
        self, failures: int, jitter: float, asked: float
    ) -> None:
        wait = wait_s(failures, jitter, retry_after_s=asked)
        assert min(asked, ASKED_FOR_MAX_S) <= wait <= ASKED_FOR_MAX_S * 1.25

    def test_a_negative_wish_is_none(self) -> None:
        assert wait_s(1, 0.0, retry_after_s=-5) == FIRST_S / 2
