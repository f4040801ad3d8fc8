import hashlib
import io
import itertools
import re

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from receipts.qr import COSE_LENGTH, encode_text
from receipts.qr_image import MODULES, QUIET_ZONE, SIDE, qr_modules, qr_picture, qr_png, qr_svg
from tests.receipts.printed_samples import TEXT, Reader, read_by_zbar, read_by_zxing

READERS = pytest.mark.parametrize("read", [read_by_zbar, read_by_zxing])


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
