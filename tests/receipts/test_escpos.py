import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from receipts.escpos import BAND_ROWS_MAX, BYTE_MODE_SIDE, escpos, module_dots, receipt_escpos
from receipts.paper import Paper, Roll
from receipts.printed import PrintedReceipt
from receipts.qr_image import MODULES, QUIET_ZONE
from receipts.receipt_image import receipt_paper, receipt_png
from tests.changing import replace
from tests.receipts.printed_samples import SALE, SAMPLES, TEXT, Reader, read_by_zbar, read_by_zxing
from tests.receipts.virtual_printer import ALPHANUMERIC, BYTE, CannotPrint, VirtualPrinter

READERS = pytest.mark.parametrize("read", [read_by_zbar, read_by_zxing])
ROLLS = pytest.mark.parametrize("roll", Roll)
MODES = pytest.mark.parametrize(("mode", "version"), [(ALPHANUMERIC, 8), (BYTE, 11)])
SAMPLE = pytest.mark.parametrize("receipt", SAMPLES.values(), ids=SAMPLES)
TEAR_OFF_DOTS = 90
"""What the virtual printer feeds before it cuts."""


def on_paper(printed: Image.Image, roll: Roll) -> Image.Image:
    """Put what the head printed on the paper, whose edges it does not reach."""
    paper = Image.new("1", (roll.paper_dots, printed.height), 255)
    paper.paste(printed, ((roll.paper_dots - roll.dots) // 2, 0))
    return paper


class TestReceiptEscpos:
    @ROLLS
    @MODES
    @READERS
    @SAMPLE
    def test_is_printed_and_read_back(
        self, roll: Roll, mode: int, version: int, read: Reader, receipt: PrintedReceipt
    ) -> None:
        printer = VirtualPrinter(roll.dots, mode)
        printed = printer.run(receipt_escpos(receipt, roll))
        assert read(on_paper(printed, roll)) == [TEXT]
        assert (printer.version, printer.cuts) == (version, 1)

    @ROLLS
    @SAMPLE
    def test_says_dot_for_dot_what_the_picture_says(self, roll: Roll, receipt: PrintedReceipt) -> None:
        """All but the code, which is the printer's own affair."""
        picture = receipt_paper(replace(receipt, qr_text=TEXT), roll)
        above = [strip for strip in picture.strips if isinstance(strip, Image.Image)]
        printed = VirtualPrinter(roll.dots).run(receipt_escpos(receipt, roll))
        code = BYTE_MODE_SIDE - 61 + MODULES  # modules with the quiet zone above and below
        expected = sum(strip.height for strip in above) + code * module_dots(roll)
        assert printed.height == expected + TEAR_OFF_DOTS
        without_code = Paper(roll, list(above))
        whole = Image.open(io.BytesIO(without_code.png()))
        foot = _height_below_the_code(picture)
        top = whole.height - foot
        assert _same(printed.crop((0, 0, roll.dots, top)), whole.crop((0, 0, roll.dots, top)))
        below = printed.crop((0, expected - foot, roll.dots, expected))
        assert _same(below, whole.crop((0, top, roll.dots, whole.height)))

    @ROLLS
    @MODES
    def test_leaves_the_quiet_zone_around_the_code(self, roll: Roll, mode: int, version: int) -> None:
        printed = VirtualPrinter(roll.dots, mode).run(receipt_escpos(SALE, roll))
        side = (17 + 4 * version) * module_dots(roll)
        quiet = QUIET_ZONE * module_dots(roll)
        bottom = printed.height - TEAR_OFF_DOTS - _height_below_the_code(receipt_paper(SALE, roll))
        left, top = (roll.dots - side) // 2, bottom - quiet - side
        around = printed.crop((left - quiet, top - quiet, left + side + quiet, bottom))
        around.paste(255, (quiet, quiet, quiet + side, quiet + side))
        assert around.getextrema() == (255, 255)
        assert around.size == (side + 2 * quiet, side + 2 * quiet)

    @ROLLS
    def test_makes_the_modules_as_large_as_byte_mode_allows(self, roll: Roll) -> None:
        """One dot more would be too wide on 58 mm, and then such a printer prints no code at all."""
        larger = receipt_escpos(SALE, roll).replace(
            bytes([0x31, 0x43, module_dots(roll)]), bytes([0x31, 0x43, module_dots(roll) + 1])
        )
        printer = VirtualPrinter(roll.dots, BYTE)
        if roll is Roll.MM_58:
            with pytest.raises(CannotPrint, match="version 11"):
                printer.run(larger)
        else:
            printer.run(larger)

    @ROLLS
    def test_fits_a_printer_that_gives_the_quiet_zone_no_room(self, roll: Roll) -> None:
        printer = VirtualPrinter(roll.dots, BYTE, counts_quiet_zone=False)
        assert read_by_zbar(on_paper(printer.run(receipt_escpos(SALE, roll)), roll)) == [TEXT]

    @ROLLS
    def test_draws_the_code_where_a_printer_has_none(self, roll: Roll) -> None:
        printer = VirtualPrinter(roll.dots)
        printed = printer.run(receipt_escpos(SALE, roll, native_code=False))
        picture = Image.open(io.BytesIO(receipt_png(SALE, roll)))
        assert _same(printed.crop((0, 0, *picture.size)), picture)
        assert printer.version == 0

    def test_is_refused_by_a_printer_of_narrower_paper(self) -> None:
        with pytest.raises(CannotPrint, match="576 dots on a head of 384"):
            VirtualPrinter(Roll.MM_58.dots).run(receipt_escpos(SALE, Roll.MM_80))

    @ROLLS
    def test_sends_rasters_of_a_size_that_printers_take(self, roll: Roll) -> None:
        printer = VirtualPrinter(roll.dots)
        printed = printer.run(receipt_escpos(SAMPLES["500 lines"], roll))
        assert printer.rasters >= printed.height // BAND_ROWS_MAX

    def test_is_the_same_bytes_every_time(self) -> None:
        assert receipt_escpos(SALE, Roll.MM_58) == receipt_escpos(SALE, Roll.MM_58)

    def test_prints_paper_without_a_code(self) -> None:
        paper = Paper(Roll.MM_58)
        paper.centre("Өглөөний мэнд")
        printed = VirtualPrinter(Roll.MM_58.dots).run(escpos(paper))
        assert _same(printed.crop((0, 0, 384, printed.height - TEAR_OFF_DOTS)), paper.picture())

    def test_is_what_python_escpos_writes(self, tmp_path: Path) -> None:
        """An independent writer makes the same rasters and the same code commands, byte for byte."""
        paper = Paper(Roll.MM_58)
        paper.band("ХҮЧИНГҮЙ БАРИМТ")
        picture = tmp_path / "band.png"
        picture.write_bytes(paper.png())
        paper.code(TEXT)
        program = (
            "import sys\nfrom escpos.printer import Dummy\nprinter = Dummy(profile='TM-T20II')\n"
            "printer.image(sys.argv[1])\nprinter.qr(sys.argv[2], ec=1, size=5, native=True)\n"
            "sys.stdout.buffer.write(b''.join([*printer._output_list[:1], b'|||', *printer._output_list[1:]]))\n"
        )
        command = [sys.executable, "-c", program, str(picture), TEXT]
        theirs = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "TMPDIR": str(tmp_path)})
        raster, code = theirs.stdout.split(b"|||")
        ours = escpos(paper)
        assert ours.startswith(b"\x1b@" + raster)
        assert code in ours


class TestVirtualPrinter:
    """It must be able to refuse, or it proves nothing."""

    @pytest.mark.parametrize(
        "job",
        [
            b"\x1bE\x01",  # a command that no receipt needs
            b"plain words",
            b"\x1dv0\x00\x31\x00\x01\x00" + bytes(49),  # 392 dots
            b"\x1dv0\x00\x30\x00\x02\x00" + bytes(95),  # an octet short
            b"\x1dv0\x03\x30\x00\x01\x00" + bytes(48),  # doubled
            b"\x1d(k\x03\x001Q0",  # nothing stored
            b"\x1d(k\x03\x001C\x11",  # 17 dots a module
            b"\x1d(k\x07\x001P0M",  # shorter than it says
        ],
    )
    def test_refuses(self, job: bytes) -> None:
        with pytest.raises(CannotPrint):
            VirtualPrinter(384).run(job)

    def test_refuses_what_alphanumeric_mode_cannot_say(self) -> None:
        with pytest.raises(ValueError, match="can not be represented"):
            VirtualPrinter(384).run(receipt_escpos(replace(SALE, qr_text=TEXT.lower()), Roll.MM_58))


def _height_below_the_code(paper: Paper) -> int:
    heights = [strip.height if isinstance(strip, Image.Image) else -1 for strip in paper.strips]
    return sum(heights[heights.index(-1) + 1 :])


def _same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one.convert("L"), other.convert("L")).getbbox() is None
