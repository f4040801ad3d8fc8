"""Money, identifiers and canonical bytes."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.canonical import canonical_json, canonical_text, is_canonical
from kernel.identity import format_terminal, parse_terminal, parse_tin, seller_number_of
from kernel.money import format_mnt, half_up
from kernel.refusal import Fault, Malformed


class TestHalfUp:
    @given(st.integers(-(10**15), 10**15), st.integers(1, 10**6))
    def test_is_within_half_a_unit(self, numerator: int, denominator: int) -> None:
        assert abs(half_up(numerator, denominator) - Fraction(numerator, denominator)) <= Fraction(1, 2)

    @pytest.mark.parametrize(("numerator", "rounded"), [(1, 1), (-1, -1), (3, 2), (-3, -2), (0, 0), (2, 1)])
    def test_a_half_goes_away_from_zero(self, numerator: int, rounded: int) -> None:
        assert half_up(numerator, 2) == rounded


class TestFormatMnt:
    @pytest.mark.parametrize(
        ("mongo", "text"),
        [(0, "0 ₮"), (1, "0.01 ₮"), (-1, "-0.01 ₮"), (123450, "1,234.50 ₮"), (9279338056000, "92,793,380,560 ₮")],
    )
    def test_writes_money_as_people_do(self, mongo: int, text: str) -> None:
        assert format_mnt(mongo) == text


class TestTin:
    @pytest.mark.parametrize("text", ["37900846788", "110718991986", "1234567890123", "12345678901234"])
    def test_accepts_eleven_to_fourteen_digits(self, text: str) -> None:
        assert parse_tin(text) == text

    @pytest.mark.parametrize(
        "text", ["", "3790084678", "123456789012345", "3790084678a", "990000000001", "٣٧٩٠٠٨٤٦٧٨٨"]
    )
    def test_refuses_others(self, text: str) -> None:
        with pytest.raises(Malformed) as caught:
            parse_tin(text)
        assert caught.value.faults[0].code == "tin_form"

    def test_a_short_tin_is_its_own_seller_number(self) -> None:
        assert seller_number_of("37900846788") == 37900846788
        assert seller_number_of("1234567890123") is None


class TestTerminal:
    @given(st.integers(0, 99_999_999))
    def test_reads_what_it_writes(self, terminal: int) -> None:
        assert parse_terminal(format_terminal(terminal)) == terminal

    @pytest.mark.parametrize("text", ["", "1", "123456789", "1234567x"])
    def test_refuses_others(self, text: str) -> None:
        with pytest.raises(Malformed):
            parse_terminal(text)


class TestCanonical:
    def test_text_is_nfc(self) -> None:
        assert canonical_text("e\u0301") == "\u00e9"
        assert is_canonical("\u00e9\nТалх")
        assert not is_canonical("Талх\ne\u0301")

    def test_json_is_sorted_and_tight(self) -> None:
        assert canonical_json({"b": [1, "ү"], "a": None}) == '{"a":null,"b":[1,"ү"]}'.encode()

    def test_json_has_no_floats(self) -> None:
        with pytest.raises(AssertionError):
            canonical_json({"a": [1.5]})  # type: ignore[list-item]


class TestMalformed:
    def test_says_all_faults(self) -> None:
        assert str(Malformed(Fault("a", "/x"), Fault("b", ""))) == "a at /x; b at /"
