import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receipts.lettering import HUGE, LARGE, PLAIN, SMALL, STRONG, Style, balanced, font_of, printable, width_of, wrap
from receipts.paper import Roll

WIDTH = Roll.MM_80.dots
TEXTS = st.text(max_size=80)


class TestWidth:
    @settings(deadline=None)
    @given(
        text=st.text(
            "АБВГДЕЁЖЗИЙКЛМНОӨПРСТУҮФХЦЧШЩЪЫЬЭЮЯабвгдеёжзийклмноөпрстуүфхцчшщъыьэюя₮№×…0123456789-., WQj", min_size=1
        ),
        style=st.sampled_from([SMALL, PLAIN, STRONG, LARGE, HUGE]),
    )
    def test_no_letter_stands_out(self, text: str, style: Style) -> None:
        """A row that ends at the last dot of the head would lose what stands out."""
        left, _, right, _ = font_of(style).getbbox(text)
        assert left >= -max(2, style.dots // 15)  # the tail of a j
        assert right <= width_of(text, style) + 1


class TestWrap:
    @settings(deadline=None)
    @given(text=TEXTS, width=st.integers(60, WIDTH), rows_max=st.integers(1, 4))
    def test_no_row_is_too_wide_and_none_too_many(self, text: str, width: int, rows_max: int) -> None:
        rows = wrap(text, SMALL, width=width, rows_max=rows_max)
        assert len(rows) <= rows_max
        assert all(width_of(row, SMALL) <= width for row in rows)

    def test_breaks_at_spaces(self) -> None:
        assert wrap("Баримтаа уншуулж сугалаанд оролцоорой", PLAIN, width=250) == [
            "Баримтаа уншуулж",
            "сугалаанд оролцоорой",
        ]

    def test_says_that_something_is_left_out(self) -> None:
        [only] = wrap("a " * 400, PLAIN, width=WIDTH, rows_max=1)
        assert only.endswith("…")

    def test_keeps_what_fits(self) -> None:
        assert wrap("Сүү, Milk", PLAIN, width=WIDTH) == ["Сүү, Milk"]

    def test_prints_no_control_character(self) -> None:
        assert printable("a\n\u202eb\x00 \t c") == "a b c"


class TestBalanced:
    @settings(deadline=None)
    @given(text=TEXTS, width=st.integers(60, WIDTH), rows_max=st.integers(1, 4))
    def test_says_the_same_in_as_many_rows(self, text: str, width: int, rows_max: int) -> None:
        rows, wrapped = (breaking(text, SMALL, width=width, rows_max=rows_max) for breaking in (balanced, wrap))
        assert len(rows) == len(wrapped)
        assert "".join(rows).replace(" ", "") == "".join(wrapped).replace(" ", "")
        assert all(width_of(row, SMALL) <= width for row in rows)

    @pytest.mark.parametrize("roll", Roll)
    def test_leaves_no_word_alone(self, roll: Roll) -> None:
        text = "Баримтаа уншуулж НӨАТ-ын буцаан олголтоо авч, сугалаанд оролцоорой"
        rows = balanced(text, SMALL, width=roll.dots, rows_max=3)
        assert len(rows) == 2
        assert min(width_of(row, SMALL) for row in rows) > 0.7 * max(width_of(row, SMALL) for row in rows)

    def test_leaves_a_text_that_fits(self) -> None:
        assert balanced("Өргөн сүмбэр №7", LARGE, width=WIDTH, rows_max=3) == ["Өргөн сүмбэр №7"]
