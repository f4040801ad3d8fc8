"""Letters as dots: the packaged font Source Sans Pro (SIL OFL 1.1), which has the Mongolian letters and the tugrik.

Laid out without the platform's text engine, so that every machine draws the same dots.
"""

import io
from dataclasses import dataclass
from functools import cache
from importlib import resources

from PIL import ImageFont

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
def font_of(style: Style) -> ImageFont.FreeTypeFont:
    """Answer the packaged font in this size and weight."""
    file = resources.files(_FONTS) / "files" / f"SourceSansPro-{style.weight}.ttf"
    return ImageFont.truetype(io.BytesIO(file.read_bytes()), style.dots, layout_engine=ImageFont.Layout.BASIC)


def width_of(text: str, style: Style) -> int:
    """Answer how many dots wide a text is."""
    return round(font_of(style).getlength(text))


def printable(text: str) -> str:
    """Make any text safe to print in one row: what cannot be printed becomes a space, and spaces are single."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def wrap(text: str, style: Style, *, width: int, rows_max: int = 2) -> list[str]:
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


def balanced(text: str, style: Style, *, width: int, rows_max: int) -> list[str]:
    """Break a text into as few rows as `wrap` does, but of much the same width, so that none is a single word."""
    rows = wrap(text, style, width=width, rows_max=rows_max)
    if len(rows) == 1 or rows[-1].endswith(_ELLIPSIS):
        return rows
    narrowest = width_of(printable(text), style) // len(rows)
    tried = (wrap(text, style, width=room, rows_max=rows_max + 1) for room in range(narrowest, width, style.dots))
    return next((found for found in tried if len(found) == len(rows)), rows)


def widest_word(text: str, style: Style) -> int:
    """Answer how many dots the widest word of a text takes: in a narrower room it would have to be cut."""
    return max((width_of(word, style) for word in printable(text).split()), default=0)


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
