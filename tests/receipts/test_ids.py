"""The receipt id is 33 digits, each at its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.refusal import Malformed
from receipts.ids import ID_DIGITS, NUMBERS_A_DAY, ReceiptId
from tests.changing import replace
from tests.receipts.examples import RECEIPT_IDS

RECORDED = "037900846788001095330000010012619"
LAST = ReceiptId(10**12 - 1, 999, 99_999, 99_999, 99_999_999)


class TestReceiptId:
    def test_takes_a_recorded_id_apart(self) -> None:
        assert ReceiptId.parse(RECORDED) == ReceiptId(37900846788, 1, 9533, 0, 10012619)

    def test_puts_a_recorded_id_together(self) -> None:
        assert str(ReceiptId(37900846788, 1, 9533, 0, 10012619)) == RECORDED

    def test_has_all_nines_for_the_last_one(self) -> None:
        assert str(LAST) == "9" * ID_DIGITS

    def test_has_all_zeros_for_the_first_one(self) -> None:
        assert str(ReceiptId(0, 0, 0, 0, 0)) == "0" * ID_DIGITS

    def test_has_five_digits_for_the_numbers_of_a_day(self) -> None:
        assert LAST.number == NUMBERS_A_DAY - 1

    @given(RECEIPT_IDS)
    def test_reads_what_it_writes(self, receipt_id: ReceiptId) -> None:
        assert ReceiptId.parse(str(receipt_id)) == receipt_id

    @given(RECEIPT_IDS)
    def test_comes_back_from_its_integer(self, receipt_id: ReceiptId) -> None:
        assert ReceiptId.of_int(receipt_id.to_int()) == receipt_id

    @given(st.integers(0, 2**112 - 1))
    def test_goes_back_to_every_integer_of_a_qr(self, value: int) -> None:
        assert ReceiptId.of_int(value).to_int() == value

    @given(RECEIPT_IDS, st.integers(0, ID_DIGITS - 1), st.integers(1, 9))
    def test_is_another_one_when_any_digit_changes(self, receipt_id: ReceiptId, at: int, add: int) -> None:
        text = str(receipt_id)
        changed = text[:at] + str((int(text[at]) + add) % 10) + text[at + 1 :]
        assert ReceiptId.parse(changed) != receipt_id

    @given(RECEIPT_IDS, RECEIPT_IDS)
    def test_is_ordered_as_its_text(self, one: ReceiptId, other: ReceiptId) -> None:
        assert (one < other) == (str(one) < str(other))

    @pytest.mark.parametrize(
        "text",
        ["", "0" * 32, "0" * 34, "0" * 32 + " ", " " + "0" * 32, "0" * 33 + "\n", "-" + "0" * 32, "0" * 32 + "a",
         "٠" * 33, "０" * 33],
    )  # fmt: skip
    def test_refuses_what_is_not_33_digits(self, text: str) -> None:
        with pytest.raises(Malformed) as caught:
            ReceiptId.parse(text, "/corrects")
        [fault] = caught.value.faults
        assert (fault.code, fault.path, fault.expected) == ("receipt_id_form", "/corrects", "33 digits")

    def test_says_where_an_id_stands_by_default(self) -> None:
        with pytest.raises(Malformed) as caught:
            ReceiptId.parse("1")
        assert caught.value.faults[0].path == "/id"

    @pytest.mark.parametrize(
        "fields",
        [{"branch": 1000}, {"branch": -1}, {"day": 100_000}, {"day": -1}, {"number": 100_000}, {"number": -1},
         {"terminal": 100_000_000}, {"terminal": -1}],
    )  # fmt: skip
    def test_is_never_written_with_a_field_that_spills_into_the_next(self, fields: dict[str, int]) -> None:
        with pytest.raises(AssertionError):
            str(replace(LAST, **fields))
