"""The three ways a request ends without success."""

import pytest

from kernel.refusal import Fault, Malformed, Refusal, Unavailable


class AlreadyEaten(Refusal):
    code = "already_eaten"


class TestMalformed:
    def test_carries_every_fault(self) -> None:
        faults = Fault("a", "/x"), Fault("b", "/y", "z", (("limit", "3"),))
        assert Malformed(*faults).faults == faults

    def test_has_at_least_one_fault(self) -> None:
        with pytest.raises(AssertionError):
            Malformed()


class TestRefusal:
    def test_carries_what_the_catalogue_fills_in(self) -> None:
        refused = AlreadyEaten(by="the dog")
        assert refused.values == {"by": "the dog"}
        assert str(refused) == "already_eaten {'by': 'the dog'}"

    def test_is_its_code_without_values(self) -> None:
        assert str(AlreadyEaten()) == "already_eaten"


class TestUnavailable:
    def test_says_when_to_try_again(self) -> None:
        assert Unavailable("pool full").retry_after_s == 1
        assert Unavailable("pool full", retry_after_s=30).retry_after_s == 30
        assert str(Unavailable("pool full")) == "pool full"
