"""The reader of deterministic CBOR takes one form and no other."""

import unicodedata

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipts import cbor
from receipts.cbor import NotDeterministic
from tests.receipts.examples import TEXTS

INTEGERS = st.integers(-(2**64), 2**64 - 1)
VALUES = st.recursive(
    INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 2**64 - 1), inner, max_size=4),
    max_leaves=12,
)
EDGES = [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1]


def deterministic(value: cbor.Value) -> bytes:
    """What a library writes canonically."""
    return cbor2.dumps(value, canonical=True)


class TestRead:
    @given(VALUES)
    def test_reads_what_a_library_writes_canonically(self, value: cbor.Value) -> None:
        assert cbor.read(deterministic(value)) == value

    @pytest.mark.parametrize("number", [sign for edge in EDGES for sign in (edge, -1 - edge)])
    def test_reads_integers_at_their_edges(self, number: int) -> None:
        assert cbor.read(deterministic(number)) == number

    @given(st.binary(max_size=30))
    def test_reads_nothing_that_a_library_would_not_write_so(self, octets: bytes) -> None:
        try:
            value = cbor.read(octets)
        except ValueError:
            return
        assert deterministic(value) == octets

    @given(VALUES, st.data())
    def test_answers_something_else_when_a_byte_changes(self, value: cbor.Value, draw: st.DataObject) -> None:
        octets = bytearray(deterministic(value))
        octets[draw.draw(st.integers(0, len(octets) - 1))] ^= draw.draw(st.integers(1, 255))
        try:
            changed = cbor.read(bytes(octets))
        except ValueError:
            return
        assert deterministic(changed) != deterministic(value)

    @pytest.mark.parametrize(
        ("octets", "why"),
        [
            ("", "nothing"),
            ("00 00", "more than one value"),
            ("18 17", "23 in two bytes"),
            ("19 00ff", "255 in three bytes"),
            ("1a 0000ffff", "65535 in five bytes"),
            ("1b 00000000ffffffff", "2^32-1 in nine bytes"),
            ("18", "a head cut short"),
            ("19 ff", "a head cut short"),
            ("1b 01000000000000", "a head cut short"),
            ("1c", "a reserved head"),
            ("1f", "a reserved head"),
            ("40", "a byte string"),
            ("c0 00", "a tag"),
            ("c2 41 01", "a big number"),
            ("f4", "false"),
            ("f6", "null"),
            ("f9 3c00", "a float"),
            ("61", "text cut short"),
            ("62 61", "text cut short"),
            ("7f 61 61 ff", "text of indefinite length"),
            ("61 ff", "text that is not UTF-8"),
            ("63 65 cc 81", "text that is not NFC"),
            ("61 00", "U+0000"),
            ("63 ed a0 80", "a lone surrogate"),
            ("81", "an array cut short"),
            ("9b 7fffffffffffffff 00", "an array longer than the bytes"),
            ("9f ff", "an array of indefinite length"),
            ("a1 00", "a map cut short"),
            ("bb 7fffffffffffffff 00 00", "a map longer than the bytes"),
            ("bf ff", "a map of indefinite length"),
            ("a2 00 00 00 00", "a key twice"),
            ("a2 01 00 00 00", "keys in descending order"),
            ("a1 20 00", "a negative key"),
            ("a1 61 61 00", "a key of text"),
        ],
    )
    def test_refuses(self, octets: str, why: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - NotDeterministic or UnicodeDecodeError
            cbor.read(bytes.fromhex(octets))

    @pytest.mark.parametrize("head", ["81", "a1 00"])
    def test_refuses_what_is_nested_too_deeply(self, head: str) -> None:
        nested = bytes.fromhex(head) * cbor.DEPTH_MAX + b"\0"
        cbor.read(nested)
        for deeper in (1, 100_000):
            with pytest.raises(NotDeterministic):
                cbor.read(bytes.fromhex(head) * deeper + nested)

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
    def test_takes_text_in_nfc_alone(self, text: str) -> None:
        good = unicodedata.normalize("NFC", text) == text and "\0" not in text
        try:
            assert cbor.read(cbor2.dumps(text)) == text
        except NotDeterministic:
            assert not good
        else:
            assert good
