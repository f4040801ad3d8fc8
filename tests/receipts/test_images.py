import hashlib
import io
import itertools
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from pyzbar import pyzbar

from receipts.paper import PLAIN, PRINTABLE, SMALL, WIDTH, _font, printable, width_of, wrap
from receipts.qr import COSE_LENGTH, encode_text
from receipts.qr_image import MODULES, QUIET_ZONE, SIDE, qr_modules, qr_picture, qr_png, qr_svg
from receipts.receipt import TaxType
from receipts.receipt_image import (
    _METHOD_WORDS,
    _TAX_WORDS,
    QR_MODULE_DOTS,
    PrintedLine,
    PrintedPayment,
    PrintedReceipt,
    PrintedTax,
    receipt_png,
)
from tests.changing import replace

TEXT = encode_text(hashlib.shake_256(b"a receipt").digest(COSE_LENGTH))
RECEIPT = PrintedReceipt(
    seller_name="Өргөн сүмбэр №7",
    seller_tin="90000000007",
    address="Улаанбаатар, Сүхбаатар дүүрэг, 1-р хороо",
    terminal="10000071",
    receipt_id="090000000007001062630000010000071",
    issued_at=datetime(2017, 3, 1, 1, 30, tzinfo=UTC),
    lines=(
        PrintedLine("Талх, Bread", "1.000", "ш", 244_000, TaxType.VAT_ABLE, 244_000),
        PrintedLine("Сүү, Milk", "2.000", "ш", 488_000, TaxType.VAT_FREE, 244_000),
        PrintedLine("Шатахуун", "40.113", "л", 6_100_000, TaxType.VAT_ABLE),
    ),
    taxes=(
        PrintedTax(TaxType.VAT_ABLE, 6_344_000, 576_727, 0),
        PrintedTax(TaxType.VAT_FREE, 488_000, 0, 0),
    ),
    payments=(PrintedPayment("CASH", 6_832_000),),
    qr_text=TEXT,
    lottery="SN 47461258",
)


def read_by_zbar(picture: Image.Image) -> list[str]:
    return [code.data.decode() for code in pyzbar.decode(picture.convert("L"))]


def read_by_zxing(picture: Image.Image) -> list[str]:
    return [code.text for code in zxingcpp.read_barcodes(picture.convert("L"))]


READERS = pytest.mark.parametrize("read", [read_by_zbar, read_by_zxing])
Reader = Callable[[Image.Image], list[str]]


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


class TestQrImage:
    @READERS
    @pytest.mark.parametrize("module_px", [3, 8])
    def test_is_read_back_from_png(self, read: Reader, module_px: int) -> None:
        assert read(opened(qr_png(TEXT, module_px=module_px))) == [TEXT]

    @READERS
    @settings(max_examples=25, deadline=None)
    @given(cose=st.binary(min_size=COSE_LENGTH, max_size=COSE_LENGTH))
    def test_carries_any_signed_text(self, read: Reader, cose: bytes) -> None:
        if len(set(cose)) > 4:  # runs of one byte are no signature, and qrcode 8.2 fails on a block of zeros
            assert read(qr_picture(encode_text(cose), module_px=4)) == [encode_text(cose)]

    def test_is_version_8_with_error_correction_m_and_mask_0(self) -> None:
        [code] = zxingcpp.read_barcodes(qr_picture(TEXT, module_px=4))
        assert (len(qr_modules(TEXT)), {len(row) for row in qr_modules(TEXT)}) == (MODULES, {MODULES})
        assert code.ec_level == "M"
        assert qr_modules(TEXT)[8][:5] == (True, False, True, False, True)  # ISO/IEC 18004, 7.9: M and mask 000

    def test_has_a_quiet_zone(self) -> None:
        picture = qr_picture(TEXT, module_px=3)
        assert QUIET_ZONE == 4  # ISO/IEC 18004, 5.3.8
        assert picture.size == (3 * SIDE, 3 * SIDE)
        inner = Image.new("1", (3 * MODULES, 3 * MODULES), 255)
        picture.paste(inner, (3 * QUIET_ZONE, 3 * QUIET_ZONE))
        assert picture.getextrema() == (255, 255)

    def test_svg_has_the_same_modules(self) -> None:
        drawn = {
            (int(x) + step - QUIET_ZONE, int(y) - QUIET_ZONE)
            for x, y, length, back in re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", qr_svg(TEXT))
            for step in range(int(length))
            if length == back
        }
        rows = qr_modules(TEXT)
        assert drawn == {(x, y) for x, y in itertools.product(range(MODULES), repeat=2) if rows[y][x]}

    def test_is_the_same_bytes_every_time(self) -> None:
        assert qr_png(TEXT) == qr_png(TEXT)
        assert qr_svg(TEXT) == qr_svg(TEXT)
        dots = bytes(itertools.chain.from_iterable(qr_modules(TEXT)))
        assert hashlib.sha256(dots).hexdigest() == "81a5ca59b8997d1672aea8bf72863543c02e05820722089d6c092bc690149304"

    def test_takes_only_texts_of_220_characters(self) -> None:
        with pytest.raises(AssertionError):
            qr_modules(TEXT[:-1])


class TestReceiptImage:
    @READERS
    def test_is_read_back(self, read: Reader) -> None:
        assert read(opened(receipt_png(RECEIPT))) == [TEXT]

    @READERS
    def test_is_read_back_from_a_poor_photograph(self, read: Reader) -> None:
        paper = opened(receipt_png(RECEIPT)).convert("L")
        photograph = (
            paper.rotate(4, expand=True, fillcolor=160).resize((520, 960)).filter(ImageFilter.GaussianBlur(0.8))
        )
        assert read(photograph.point([60 + value // 2 for value in range(256)])) == [TEXT]

    @READERS
    def test_is_read_back_at_the_length_of_the_longest_receipt(self, read: Reader) -> None:
        long = replace(RECEIPT, lines=tuple(itertools.islice(itertools.cycle(RECEIPT.lines), 500)))
        assert read(opened(receipt_png(long))) == [TEXT]

    def test_is_as_wide_as_the_paper_and_of_black_dots_only(self) -> None:
        picture = opened(receipt_png(RECEIPT))
        assert (picture.width, picture.mode, round(picture.info["dpi"][0])) == (WIDTH, "1", 203)
        assert QR_MODULE_DOTS >= 3

    def test_is_the_same_bytes_every_time(self) -> None:
        assert receipt_png(RECEIPT) == receipt_png(RECEIPT)

    @pytest.mark.parametrize("mark", [{"test": True}, {"void": True}])
    def test_marks_stand_in_black_across_the_top(self, mark: dict[str, bool]) -> None:
        def dark_at_the_top(receipt: PrintedReceipt) -> int:
            return opened(receipt_png(receipt)).crop((0, 0, WIDTH, 60)).convert("L").histogram()[0]

        assert dark_at_the_top(replace(RECEIPT, **mark)) > 5 * dark_at_the_top(RECEIPT)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "change",
        [
            {"lottery": None},
            {"buyer_tin": "90100000001"},
            {"corrects": "090000000007001062630000010000071"},
            {"seller_name": "Баян цэцэг №8"},
            {"terminal": "10000072"},
            {"issued_at": datetime(2017, 3, 1, 1, 31, tzinfo=UTC)},
            {"payments": (PrintedPayment("QR WALLET", 6_832_000),)},
            {"lines": RECEIPT.lines[:2]},
            {"taxes": RECEIPT.taxes[:1]},
        ],
    )
    def test_shows_every_field(self, change: dict[str, object]) -> None:
        assert receipt_png(replace(RECEIPT, **change)) != receipt_png(RECEIPT)  # type: ignore[arg-type]

    def test_says_how_many_only_where_it_is_not_one(self) -> None:
        one, two = (replace(RECEIPT, lines=(replace(RECEIPT.lines[0], quantity=number),)) for number in ("1.000", "2"))
        assert opened(receipt_png(two)).height - opened(receipt_png(one)).height == SMALL.leading

    @READERS
    @pytest.mark.parametrize(
        "name",
        ["", " ", "\n\t\x00", "W" * 255, "Ө" * 255, "я " * 127, "\u202eabc", "😀" * 9, "\ud800", "مرحبا", "=1+1"],
    )
    def test_takes_any_name(self, read: Reader, name: str) -> None:
        line = PrintedLine(name, "1", "ш", 100, TaxType.NO_VAT)
        assert read(opened(receipt_png(replace(RECEIPT, seller_name=name, lines=(line,))))) == [TEXT]

    def test_font_has_every_letter_that_is_printed(self) -> None:
        words = "".join(itertools.chain(*_TAX_WORDS.values(), _METHOD_WORDS.values()))
        letters = words + "АБВГДЕЁЖЗИЙКЛМНОӨПРСТУҮФХЦЧШЩЪЫЬЭЮЯабвгдеёжзийклмноөпрстуүфхцчшщъыьэюя₮№×…0123456789"
        font = _font(PLAIN)
        missing = bytes(font.getmask("\uffff"))
        assert [letter for letter in letters if letter != " " and bytes(font.getmask(letter)) == missing] == []


class TestWrap:
    @settings(deadline=None)
    @given(text=st.text(max_size=80), width=st.integers(60, PRINTABLE), rows_max=st.integers(1, 4))
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
        [only] = wrap("a " * 400, PLAIN, rows_max=1)
        assert only.endswith("…")

    def test_keeps_what_fits(self) -> None:
        assert wrap("Сүү, Milk", PLAIN) == ["Сүү, Milk"]

    def test_prints_no_control_character(self) -> None:
        assert printable("a\n\u202eb\x00 \t c") == "a b c"
