"""What a link of a chain is, and its lottery number."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipts.receipt import KIND_MAX, Kind, LotteryNumber, Nature, lottery_number

KINDS = st.builds(
    Kind, st.sampled_from(Nature), st.booleans(), st.booleans(), st.booleans(), st.booleans()
)  # fmt: skip


class TestNature:
    def test_has_the_numbers_of_the_format(self) -> None:
        assert [nature.name for nature in sorted(Nature)] == [
            "SALE", "INVOICE", "PAYMENT", "CORRECTION", "VOID", "TRAINING", "START", "CLOSING",
        ]  # fmt: skip
        assert list(map(int, Nature)) == list(range(8))

    def test_adds_turnover_where_goods_change_hands(self) -> None:
        adds = {nature for nature in Nature if nature.adds_turnover}
        assert adds == {Nature.SALE, Nature.INVOICE, Nature.CORRECTION}

    def test_is_claimable_where_a_consumer_pays(self) -> None:
        assert {nature for nature in Nature if nature.claimable} == {Nature.SALE, Nature.PAYMENT}


class TestKind:
    @pytest.mark.parametrize(
        ("kind", "bits"),
        [
            (Kind(Nature.SALE), 0x00),
            (Kind(Nature.CLOSING), 0x07),
            (Kind(Nature.SALE, business=True), 0x10),
            (Kind(Nature.SALE, by_till=True), 0x20),
            (Kind(Nature.SALE, test=True), 0x40),
            (Kind(Nature.SALE, lottery=True), 0x80),
        ],
    )
    def test_has_each_mark_at_its_bit(self, kind: Kind, bits: int) -> None:
        assert (kind.to_int(), Kind.of_int(bits)) == (bits, kind)

    @given(KINDS)
    def test_reads_what_it_writes(self, kind: Kind) -> None:
        assert Kind.of_int(kind.to_int()) == kind

    @given(KINDS, st.integers(0, 15))
    def test_is_another_one_when_any_bit_changes(self, kind: Kind, bit: int) -> None:
        assert Kind.of_int(kind.to_int() ^ 1 << bit) != kind

    def test_refuses_every_other_bit_and_nature(self) -> None:
        good = {bits for bits in range(2**16) if Kind.of_int(bits) is not None}
        assert good == {bits for bits in range(KIND_MAX + 1) if bits & 0x0F < 8}


class TestLotteryNumber:
    def test_is_derived_from_the_root_hash(self) -> None:
        digest = hashlib.sha256(b"lottery" + bytes(32)).digest()
        letters = "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[octet % 26] for octet in digest[:2])
        digits = int.from_bytes(digest[2:10]) % 100_000_000
        assert lottery_number(bytes(32)) == LotteryNumber(letters, f"{digits:08}")

    def test_is_fixed_by_an_example(self) -> None:
        assert str(lottery_number(bytes(range(32)))) == "FH 92085088"

    @given(st.binary(min_size=32, max_size=32))
    def test_is_two_letters_and_eight_digits(self, root_hash: bytes) -> None:
        assert re.fullmatch(r"[A-Z]{2} [0-9]{8}", str(lottery_number(root_hash)))

    def test_uses_every_letter_and_leading_zeros(self) -> None:
        numbers = [lottery_number(seed.to_bytes(32)) for seed in range(2000)]
        assert {number.letters[at] for number in numbers for at in (0, 1)} == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        assert {number.digits[0] for number in numbers} == set("0123456789")
