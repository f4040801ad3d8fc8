"""Base45 writes every byte string in one way and reads no other."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipts import base45


def by_the_letter(octets: bytes) -> str:
    """RFC 9285, section 4, as it stands there."""
    text = ""
    for at in range(0, len(octets), 2):
        piece = octets[at : at + 2]
        number = int.from_bytes(piece)
        for _ in range(len(piece) + 1):
            text += base45.ALPHABET[number % 45]
            number //= 45
    return text


class TestEncode:
    @pytest.mark.parametrize(
        ("plain", "text"), [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"", "")]
    )
    def test_agrees_with_the_examples_of_the_rfc(self, plain: bytes, text: str) -> None:
        assert base45.encode(plain) == text

    def test_agrees_with_the_letter_for_every_pair(self) -> None:
        every_pair = b"".join(number.to_bytes(2) for number in range(65536))
        assert base45.encode(every_pair) == by_the_letter(every_pair)

    @given(st.binary(max_size=150))
    def test_agrees_with_the_letter_for_any_length(self, octets: bytes) -> None:
        assert base45.encode(octets) == by_the_letter(octets)


class TestDecode:
    @given(st.binary(max_size=150))
    def test_reads_what_encode_writes(self, octets: bytes) -> None:
        assert base45.decode(base45.encode(octets)) == octets

    def test_reads_every_pair(self) -> None:
        every_pair = b"".join(number.to_bytes(2) for number in range(65536))
        assert base45.decode(by_the_letter(every_pair)) == every_pair

    @given(st.text(base45.ALPHABET, max_size=12))
    def test_reads_no_text_that_encode_would_not_write(self, text: str) -> None:
        octets = base45.decode(text)
        assert octets is None or base45.encode(octets) == text

    @given(st.binary(min_size=1, max_size=30), st.data())
    def test_answers_other_bytes_when_a_character_changes(self, octets: bytes, draw: st.DataObject) -> None:
        text = base45.encode(octets)
        at = draw.draw(st.integers(0, len(text) - 1))
        other = draw.draw(st.sampled_from(base45.ALPHABET.replace(text[at], "")))
        assert base45.decode(text[:at] + other + text[at + 1 :]) != octets

    def test_refuses_every_triple_beyond_two_bytes(self) -> None:
        alphabet = base45.ALPHABET
        for number in range(65536, 45**3):
            triple = alphabet[number % 45] + alphabet[number // 45 % 45] + alphabet[number // 2025]
            assert base45.decode(triple) is None
            if number % 1000 == 0:
                assert base45.decode("000" + triple + "000") is None

    def test_refuses_every_last_pair_beyond_a_byte(self) -> None:
        for number in range(256, 45**2):
            assert base45.decode("000" + base45.ALPHABET[number % 45] + base45.ALPHABET[number // 45]) is None

    @pytest.mark.parametrize(
        "text", ["0", "0000", "bb8", "BB_", "B\u0412 8", "ＢＢ８", "BB8\n", "\ud800B8", "BB\xff", "?00"]
    )
    def test_refuses_what_is_not_base45(self, text: str) -> None:
        assert base45.decode(text) is None

    def test_agrees_with_collected_vectors(self, shared_data: Path) -> None:
        vectors = json.loads((shared_data / "crypto" / "base45_vectors.json").read_text())
        valid = [(case["plain"].encode(), case["encoded"]) for case in vectors["valid_text"]]
        valid += [(bytes.fromhex(case["hex"]), case["encoded"]) for case in vectors["valid_hex"]]
        assert len(valid) == 12
        for octets, text in valid:
            assert (base45.encode(octets), base45.decode(text)) == (text, octets)
        assert [base45.decode(case["encoded"]) for case in vectors["invalid"]] == [None] * 10
