"""Paper as a till's printer has it: 58 or 80 mm wide at 203 dpi, black dots only, row after row.

What is printed is kept as strips as wide as the print head, and the QR by itself, because a printer draws that one on
its own (`receipts.escpos`). A picture joins them all.
"""

import io
from dataclasses import dataclass, field
from enum import IntEnum

from PIL import Image, ImageDraw

from receipts.lettering import LARGE, PLAIN, SMALL, Style, balanced, font_of, widest_word, width_of, wrap
from receipts.qr_image import SIDE, qr_picture

DOTS_PER_MM = 8
"""203 dpi."""
DPI = 203
MODULE_DOTS = 6
"""A module of the QR where the paper has the room: 0.75 mm, twice what a telephone needs, for thermal paper that fades
and pockets that crumple.
"""
GAP = 2 * DOTS_PER_MM
"""What stays empty between two texts in one row."""
_BLACK, _WHITE = 0, 255
_LONG_ROWS_MAX = 3


class Roll(IntEnum):
    """A width of paper in mm."""

    MM_58 = 58
    MM_80 = 80

    @property
    def dots(self) -> int:
        """How wide the print head is, and with it everything printed: 48 mm of the one paper, 72 mm of the other."""
        return _HEAD_DOTS[self]

    @property
    def paper_dots(self) -> int:
        """How wide the paper is; what the head does not reach is at both its edges."""
        return self * DOTS_PER_MM


_HEAD_DOTS = {Roll.MM_58: 384, Roll.MM_80: 576}


@dataclass(frozen=True, slots=True)
class Code:
    """A QR text, printed in the middle with its quiet zone."""

    text: str


Strip = Image.Image | Code


@dataclass(slots=True)
class Paper:
    """A roll that grows downwards with each thing printed; `png` tears it off."""

    roll: Roll = Roll.MM_80
    strips: list[Strip] = field(default_factory=list)

    def feed(self, dots: int) -> None:
        """Leave an empty stretch."""
        self._strip(dots)

    def centre(self, text: str, style: Style = PLAIN) -> None:
        """Print a text in the middle, in rows of much the same width."""
        for row in balanced(text, style, width=self.roll.dots, rows_max=_LONG_ROWS_MAX):
            _write(self._strip(style.leading), (self.roll.dots - width_of(row, style)) // 2, row, style)

    def columns(self, left: str, right: str, style: Style = PLAIN, *, indent: int = 0) -> None:
        """Print one text at the left, `indent` dots in, wrapped beside the other at the right of its first row; where a
        word would have to be cut for that, the other has a row of its own.
        """
        taken = width_of(right, style)
        room = self.roll.dots - taken - GAP - indent
        alone = bool(right) and widest_word(left, style) > room
        if alone:
            room = self.roll.dots - indent
        for number, row in enumerate(wrap(left, style, width=room, rows_max=_LONG_ROWS_MAX)):
            strip = self._strip(style.leading)
            _write(strip, indent, row, style)
            if number == 0 and not alone:
                _write(strip, self.roll.dots - taken, right, style)
        if alone:
            _write(self._strip(style.leading), self.roll.dots - taken, right, style)

    def cells(self, texts: tuple[str, ...], edges: tuple[int, ...], style: Style = SMALL) -> None:
        """Print a row of a table: the first text at the left, each other one ending at its edge (dots from left)."""
        strip = self._strip(style.leading)
        _write(strip, 0, texts[0], style)
        for text, edge in zip(texts[1:], edges, strict=True):
            _write(strip, edge - width_of(text, style), text, style)

    def rule(self) -> None:
        """Print a dashed line across."""
        strip = self._strip(2 * DOTS_PER_MM + 2)
        pen = ImageDraw.Draw(strip)
        for x in range(0, self.roll.dots, 12):
            pen.rectangle((x, DOTS_PER_MM, x + 6, DOTS_PER_MM + 1), fill=_BLACK)

    def band(self, text: str) -> None:
        """Print a text in white on a black band, to be seen first."""
        rows = wrap(text, LARGE, width=self.roll.dots - GAP)
        strip = self._strip(len(rows) * LARGE.leading + DOTS_PER_MM)
        ImageDraw.Draw(strip).rectangle((0, 0, *strip.size), fill=_BLACK)
        for number, row in enumerate(rows):
            left, top = (self.roll.dots - width_of(row, LARGE)) // 2, number * LARGE.leading + DOTS_PER_MM // 4
            _write(strip, left, row, LARGE, top=top, fill=_WHITE)

    def code(self, text: str) -> None:
        """Print a QR text."""
        self.strips.append(Code(text))

    def picture(self, *, edges: bool = False) -> Image.Image:
        """Answer everything printed, as wide as the print head; with `edges`, as wide as the paper."""
        drawn = [self._drawn(strip) for strip in self.strips]
        width = self.roll.paper_dots if edges else self.roll.dots
        whole = Image.new("1", (width, sum(strip.height for strip in drawn)), _WHITE)
        top = 0
        for strip in drawn:
            whole.paste(strip, ((width - strip.width) // 2, top))
            top += strip.height
        return whole

    def png(self, *, edges: bool = False) -> bytes:
        """Answer the picture as PNG of one bit a dot, to be printed dot for dot."""
        file = io.BytesIO()
        self.picture(edges=edges).save(file, "PNG", dpi=(DPI, DPI))
        return file.getvalue()

    def _strip(self, height: int) -> Image.Image:
        strip = Image.new("1", (self.roll.dots, height), _WHITE)
        self.strips.append(strip)
        return strip

    def _drawn(self, strip: Strip) -> Image.Image:
        if isinstance(strip, Code):
            return qr_picture(strip.text, module_px=min(MODULE_DOTS, self.roll.dots // SIDE))
        return strip


def _write(strip: Image.Image, left: int, text: str, style: Style, *, top: int = 0, fill: int = _BLACK) -> None:
    ImageDraw.Draw(strip).text((left, top), text, font=font_of(style), fill=fill)
