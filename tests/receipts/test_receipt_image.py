import io
from datetime import UTC, datetime

import pytest
from PIL import Image, ImageFilter

from kernel.money import MONGO_MAX
from receipts import receipt_image
from receipts.lettering import PLAIN, SMALL, Style, font_of
from receipts.paper import MODULE_DOTS, Paper, Roll
from receipts.printed import PrintedLine, PrintedPayment, PrintedReceipt, PrintedTax, Shop
from receipts.receipt import Nature, TaxType
from receipts.receipt_image import receipt_png
from tests.changing import replace
from tests.receipts.printed_samples import (
    PREVIOUS,
    SALE,
    SAMPLES,
    SECTION,
    TEXT,
    Reader,
    read_by_zbar,
    read_by_zxing,
)

READERS = pytest.mark.parametrize("read", [read_by_zbar, read_by_zxing])
ROLLS = pytest.mark.parametrize("roll", Roll)
SAMPLE = pytest.mark.parametrize("receipt", SAMPLES.values(), ids=SAMPLES)


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def with_lines(*lines: PrintedLine) -> PrintedReceipt:
    return replace(SALE, sections=(replace(SECTION, lines=lines),))


class TestReceiptImage:
    @ROLLS
    @READERS
    @SAMPLE
    def test_is_read_back(self, roll: Roll, read: Reader, receipt: PrintedReceipt) -> None:
        assert read(opened(receipt_png(receipt, roll))) == [TEXT]
        assert read(opened(receipt_png(receipt, roll, edges=True))) == [TEXT]

    @ROLLS
    @READERS
    def test_is_read_back_from_a_poor_photograph(self, roll: Roll, read: Reader) -> None:
        paper = opened(receipt_png(SALE, roll, edges=True)).convert("L")
        smaller = (paper.width * 4 // 5, paper.height * 4 // 5)
        photograph = paper.rotate(4, expand=True, fillcolor=160).resize(smaller).filter(ImageFilter.GaussianBlur(0.8))
        assert read(photograph.point([60 + value // 2 for value in range(256)])) == [TEXT]

    @pytest.mark.parametrize(
        ("roll", "edges", "width"),
        [(Roll.MM_58, False, 384), (Roll.MM_80, False, 576), (Roll.MM_58, True, 464), (Roll.MM_80, True, 640)],
    )
    def test_is_as_wide_as_the_head_or_the_paper_and_of_black_dots_only(
        self, roll: Roll, *, edges: bool, width: int
    ) -> None:
        picture = opened(receipt_png(SALE, roll, edges=edges))
        assert (picture.width, picture.mode, round(picture.info["dpi"][0])) == (width, "1", 203)

    @ROLLS
    def test_code_has_six_dots_a_module(self, roll: Roll) -> None:
        with_code, without = Paper(roll), Paper(roll)
        for paper in (with_code, without):
            paper.feed(1)
        with_code.code(TEXT)
        assert MODULE_DOTS == 6
        assert with_code.picture().height - without.picture().height == 57 * 6

    @ROLLS
    def test_is_the_same_bytes_every_time(self, roll: Roll) -> None:
        assert receipt_png(SALE, roll) == receipt_png(SALE, roll)

    @ROLLS
    @pytest.mark.parametrize(
        "mark", [{"test": True}, {"voided": True}, {"nature": Nature.VOID}, {"nature": Nature.TRAINING}]
    )
    def test_marks_stand_in_black_across_the_top(self, roll: Roll, mark: dict[str, object]) -> None:
        def dark_at_the_top(receipt: PrintedReceipt) -> int:
            return opened(receipt_png(receipt, roll)).crop((0, 0, roll.dots, 60)).convert("L").histogram()[0]

        assert dark_at_the_top(replace(SALE, **mark)) > 4 * dark_at_the_top(SALE)

    @ROLLS
    def test_says_in_words_that_a_test_is_no_tax_document(self, roll: Roll) -> None:
        words = _words(replace(SALE, test=True), roll)
        assert {"ТУРШИЛТЫН БАРИМТ", "Татварын баримт биш"} <= words
        assert any(text.startswith("TEST") for text in words)
        assert not any("Баримтаа уншуулж" in text for text in words)

    def test_says_no_lottery_number_of_a_receipt_that_was_taken_back(self) -> None:
        assert "SN 47461258" in _words(SALE)
        assert "SN 47461258" not in _words(replace(SALE, voided=True))

    def test_asks_nobody_to_scan_what_is_registered(self) -> None:
        assert not any("Баримтаа уншуулж" in text for text in _words(replace(SALE, registered=True)))

    def test_names_every_merchant_where_there_are_several(self) -> None:
        words = _words(SAMPLES["merchants"])
        assert {"Түрээслэгч Ганбаатарын Мөнхцэцэг ХХК", "ТТД 61200064714", "ТТД 37900846788"} <= words
        assert "Борлуулагч" in words  # the one whose name nobody knows
        assert "Борлуулагч" not in _words(SALE)

    @pytest.mark.parametrize(
        "change",
        [
            {"lottery": None},
            {"buyer_tin": "90100000001"},
            {"previous_id": PREVIOUS},
            {"invoice_ids": (PREVIOUS,)},
            {"invoice_ids": (PREVIOUS, SALE.receipt_id)},
            {"shop": Shop("90000000008", "Өргөн сүмбэр №7")},
            {"shop": Shop("90000000007", "Баян цэцэг №8")},
            {"shop": Shop("90000000007", "Өргөн сүмбэр №7", "Дархан")},
            {"terminal": "10000072"},
            {"issued_at": datetime(2017, 3, 1, 1, 31, tzinfo=UTC)},
            {"payments": (PrintedPayment("QR WALLET", 6_832_000),)},
            {"sections": (replace(SECTION, lines=SECTION.lines[:2]),)},
            {"sections": (replace(SECTION, taxes=SECTION.taxes[:1]),)},
            {"total_mongo": 6_832_001},
            {"reason": "Буруу бичсэн"},
            {"report_month": "2017-02"},
            {"nature": Nature.INVOICE},
            {"nature": Nature.PAYMENT},
            {"nature": Nature.CORRECTION},
        ],
    )
    def test_shows_every_field(self, change: dict[str, object]) -> None:
        assert receipt_png(replace(SALE, **change)) != receipt_png(SALE)

    def test_says_how_many_only_where_it_is_not_one(self) -> None:
        one, two = (with_lines(replace(SECTION.lines[0], quantity=number)) for number in ("1.000", "2"))
        assert opened(receipt_png(two)).height - opened(receipt_png(one)).height == SMALL.leading

    def test_gives_a_tax_type_two_rows_where_its_amounts_need_them(self) -> None:
        small, large = (
            replace(SALE, sections=(replace(SECTION, taxes=(PrintedTax(TaxType.VAT_ABLE, amount, amount, amount),)),))
            for amount in (100, MONGO_MAX)
        )
        assert "НХАТ" in _words(small, Roll.MM_80)
        assert "НХАТ" not in _words(large, Roll.MM_80)
        assert "НХАТ" not in _words(small, Roll.MM_58)

    @ROLLS
    @READERS
    @pytest.mark.parametrize(
        "name",
        ["", " ", "\n\t\x00", "W" * 255, "Ө" * 255, "я " * 127, "\u202eabc", "😀" * 9, "\ud800", "مرحبا", "=1+1"],
    )
    def test_takes_any_name(self, roll: Roll, read: Reader, name: str) -> None:
        receipt = with_lines(PrintedLine(name, "1", name or "ш", 100, TaxType.NO_VAT))
        named = replace(receipt, shop=Shop("90000000007", name, name), reason=name)
        assert read(opened(receipt_png(named, roll))) == [TEXT]

    def test_font_has_every_letter_that_is_printed(self) -> None:
        words = "".join(_constants())
        letters = words + "АБВГДЕЁЖЗИЙКЛМНОӨПРСТУҮФХЦЧШЩЪЫЬЭЮЯабвгдеёжзийклмноөпрстуүфхцчшщъыьэюя₮№×…0123456789"
        font = font_of(PLAIN)
        missing = bytes(font.getmask("\uffff"))
        assert [letter for letter in letters if letter != " " and bytes(font.getmask(letter)) == missing] == []


def _constants() -> list[str]:
    """Answer every text that the layout prints of its own."""
    found: list[str] = []
    for value in vars(receipt_image).values():
        values = value.values() if isinstance(value, dict) else [value]
        for one in values:
            found += [text for text in (one if isinstance(one, tuple) else [one]) if isinstance(text, str)]
    return [text for text in found if text.isprintable()]


def _words(receipt: PrintedReceipt, roll: Roll = Roll.MM_80) -> set[str]:
    """Answer the texts that are printed, each as it was handed to the paper."""
    said: set[str] = set()

    class Listening(Paper):
        def centre(self, text: str, style: Style = PLAIN) -> None:
            said.add(text)
            super().centre(text, style)

        def columns(self, left: str, right: str, style: Style = PLAIN, *, indent: int = 0) -> None:
            said.update({left, right})
            super().columns(left, right, style, indent=indent)

        def cells(self, texts: tuple[str, ...], edges: tuple[int, ...], style: Style = SMALL) -> None:
            said.update(texts)
            super().cells(texts, edges, style)

        def band(self, text: str) -> None:
            said.add(text)
            super().band(text)

    paper = Listening(roll)
    receipt_image.print_receipt(paper, receipt)
    return said
