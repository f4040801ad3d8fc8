"""Paper as a till's printer has it: 80 mm wide at 203 dpi, black dots only, row after row.

Everything is drawn with the packaged font Source Sans Pro (SIL OFL 1.1), which has the Mongolian letters and the tugrik
sign, and laid out without the platform's text engine, so that every machine draws the same dots.
"""

import io
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from PIL import Image, ImageDraw, ImageFont

DOTS_PER_MM = 8
"""203 dpi."""
WIDTH = 80 * DOTS_PER_MM
MARGIN = 4 * DOTS_PER_MM
PRINTABLE = WIDTH - 2 * MARGIN
_BLACK, _WHITE = 0, 1
_LEADING_PERCENT = 125
_ELLIPSIS = "…"
_FONTS = "font_source_sans_pro"


@dataclass(frozen=True, slots=True)
class Style:
    """A size in dots and a weight, as the packaged font names it."""

    dots: int
    weight: str = "Regular"

    @property
    def leading(self) -> int:
        """The height of a row of text in dots."""
        return self.dots * _LEADING_PERCENT // 100


SMALL, PLAIN, STRONG = Style(19), Style(22), Style(22, "Semibold")
LARGE, HUGE = Style(32, "Bold"), Style(46, "Bold")


@cache
def _font(style: Style) -> ImageFont.FreeTypeFont:
    file = resources.files(_FONTS) / "files" / f"SourceSansPro-{style.weight}.ttf"
    return ImageFont.truetype(io.BytesIO(file.read_bytes()), style.dots, layout_engine=ImageFont.Layout.BASIC)


def width_of(text: str, style: Style) -> int:
    """Answer how many dots wide a text is."""
    return round(_font(style).getlength(text))


def printable(text: str) -> str:
    """Make any text safe to print in one row: what cannot be printed becomes a space, and spaces are single."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def wrap(text: str, style: Style, *, width: int = PRINTABLE, rows_max: int = 2) -> list[str]:
    """Break a text into rows of at most `width` dots, at spaces where it can; what is left over becomes `…`."""
    rows = [""]
    for word in printable(text).split():
        for piece in _pieces(word, style, width):
            longer = f"{rows[-1]} {piece}".strip()
            if width_of(longer, style) <= width:
                rows[-1] = longer
            else:
                rows.append(piece)
    if len(rows) <= rows_max:
        return rows
    last = rows[rows_max - 1]
    while width_of(last + _ELLIPSIS, style) > width:
        last = last[:-1]
    return [*rows[: rows_max - 1], last + _ELLIPSIS]


def _pieces(word: str, style: Style, width: int) -> list[str]:
    """Cut a word that is wider than a row."""
    if width_of(word, style) <= width:
        return [word]
    pieces = [""]
    for letter in word:
        if width_of(pieces[-1] + letter, style) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


@dataclass(slots=True)
class Paper:
    """A roll that grows downwards with each thing printed; `png` tears it off."""

    _strips: list[Image.Image] = field(default_factory=list)

    def feed(self, dots: int) -> None:
        """Leave an empty stretch."""
        self._strips.append(_strip(dots))

    def centre(self, text: str, style: Style = PLAIN, *, rows_max: int = 2) -> None:
        """Print a text in the middle, wrapped."""
        for row in wrap(text, style, rows_max=rows_max):
            strip = _strip(style.leading)
            _write(strip, (WIDTH - width_of(row, style)) // 2, row, style)
            self._strips.append(strip)

    def columns(self, left: str, right: str, style: Style = PLAIN, *, indent: int = 0) -> None:
        """Print one text at the left, `indent` dots in, wrapped beside the other at the right of its first row."""
        gap = 2 * DOTS_PER_MM
        taken = width_of(right, style)
        for number, row in enumerate(wrap(left, style, width=PRINTABLE - taken - gap - indent)):
            strip = _strip(style.leading)
            _write(strip, MARGIN + indent, row, style)
            if number == 0:
                _write(strip, WIDTH - MARGIN - taken, right, style)
            self._strips.append(strip)

    def cells(self, texts: tuple[str, ...], edges: tuple[int, ...], style: Style = SMALL) -> None:
        """Print a row of a table: the first text at the left, each other one ending at its edge (dots from left)."""
        strip = _strip(style.leading)
        _write(strip, MARGIN, texts[0], style)
        for text, edge in zip(texts[1:], edges, strict=True):
            _write(strip, MARGIN + edge - width_of(text, style), text, style)
        self._strips.append(strip)

    def rule(self) -> None:
        """Print a dashed line across."""
        strip = _strip(2 * DOTS_PER_MM + 2)
        pen = ImageDraw.Draw(strip)
        for x in range(MARGIN, WIDTH - MARGIN, 12):
            pen.rectangle((x, DOTS_PER_MM, x + 6, DOTS_PER_MM + 1), fill=_BLACK)
        self._strips.append(strip)

    def band(self, text: str) -> None:
        """Print a text in white on a black band, to be seen first."""
        strip = _strip(LARGE.leading + DOTS_PER_MM)
        ImageDraw.Draw(strip).rectangle((MARGIN, 0, WIDTH - MARGIN, strip.height), fill=_BLACK)
        _write(strip, (WIDTH - width_of(text, LARGE)) // 2, text, LARGE, top=DOTS_PER_MM // 4, fill=_WHITE)
        self._strips.append(strip)

    def picture(self, picture: Image.Image) -> None:
        """Print a picture in the middle, dot for dot."""
        strip = _strip(picture.height)
        strip.paste(picture, ((WIDTH - picture.width) // 2, 0))
        self._strips.append(strip)

    def png(self) -> bytes:
        """Answer everything printed as one PNG of one bit a dot."""
        whole = _strip(sum(strip.height for strip in self._strips))
        top = 0
        for strip in self._strips:
            whole.paste(strip, (0, top))
            top += strip.height
        file = io.BytesIO()
        whole.save(file, "PNG", dpi=(203, 203))
        return file.getvalue()


def _strip(height: int) -> Image.Image:
    return Image.new("1", (WIDTH, height), _WHITE)


def _write(strip: Image.Image, left: int, text: str, style: Style, *, top: int = 0, fill: int = _BLACK) -> None:
    ImageDraw.Draw(strip).text((left, top), text, font=_font(style), fill=fill)
