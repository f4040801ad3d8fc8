"""Activation codes: sixteen letters that people copy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.refusal import Malformed
from receipts.activation_code import CODE_BYTES, code_of, format_code, parse_code

OCTETS = st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES)


class TestCode:
    def test_is_written_in_crockfords_letters(self) -> None:
        assert code_of(bytes(10)) == "0" * 16
        assert code_of(b"\xff" * 10) == "Z" * 16
        assert code_of(bytes(range(10))) == "000G40R40M30E209"
        assert format_code("000G40R40M30E209") == "000G-40R4-0M30-E209"

    @given(OCTETS, OCTETS)
    def test_differs_where_the_bytes_differ(self, one: bytes, other: bytes) -> None:
        assert (code_of(one) == code_of(other)) == (one == other)

    @given(OCTETS, st.data())
    def test_is_read_as_people_copy_it(self, octets: bytes, draw: st.DataObject) -> None:
        code = code_of(octets)
        alike = {"0": "0oO", "1": "1iIlL"}
        copied = "".join(draw.draw(st.sampled_from(alike.get(letter, letter + letter.lower()))) for letter in code)
        for text in (copied, format_code(copied), f"  {copied[:8]} {copied[8:]}\n", copied.replace("0", "O")):
            assert parse_code(text) == code

    @pytest.mark.parametrize(
        "text", ["", "0" * 15, "0" * 17, "U" * 16, "0" * 15 + "Ж", "0" * 15 + "\0", "0000_0000_0000_0000"]
    )
    def test_is_refused_where_it_is_none(self, text: str) -> None:
        with pytest.raises(Malformed) as caught:
            parse_code(text)
        assert [fault.code for fault in caught.value.faults] == ["activation_code_form"]
