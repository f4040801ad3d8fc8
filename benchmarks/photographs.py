"""What happens to a printed code between the printer and a telephone's reader, in millimetres and shares of light.

A seeded picture of a strip of paper: creased, faded, turned, out of focus, sampled by a camera. Only Pillow.
"""

import math
from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded

from PIL import Image, ImageChops, ImageDraw, ImageFilter

DOTS_PER_MM = 8
DRAWN_PER_MM = 16
"""Pixels a mm in which paper is distorted, before the camera sees it: two a printed dot."""
INK_SPREAD_MM = 0.05
"""How far a heated dot bleeds into the paper beside it (standard deviation)."""
CREASE_RAGGED_MM = 0.15
TABLE = 110
"""The grey of what the paper lies on."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """How a picture is taken.

    `blur_mm` is the standard deviation of the focus on the paper, `turned` and `tilted` the largest angles in degrees
    (within the picture, and away from its plane), `black` and `white` what print and paper send back (of 255),
    `crease_mm` how wide the coating is broken along a fold through the code, `per_mm` pixels a mm of the camera.
    """

    blur_mm: float = 0.1
    turned: int = 3
    tilted: int = 0
    black: int = 20
    white: int = 235
    crease_mm: float = 0.0
    per_mm: float = 10.0
    noise: int = 8
    """Half the span of a uniform noise a pixel."""


def take(photograph: Photograph, printed: Image.Image, random: Random) -> Image.Image:
    """Answer the picture of a printed strip, whose middle is the code; the same for the same state of `random`."""
    scale = DRAWN_PER_MM // DOTS_PER_MM
    paper = printed.convert("L").resize((printed.width * scale, printed.height * scale), Image.Resampling.NEAREST)
    paper = paper.filter(ImageFilter.GaussianBlur(INK_SPREAD_MM * DRAWN_PER_MM))
    if photograph.crease_mm:
        paper = _creased(paper, photograph.crease_mm, random)
    paper = paper.point([photograph.black + (photograph.white - photograph.black) * v // 255 for v in range(256)])
    paper = _held(paper, photograph, random)
    paper = paper.filter(ImageFilter.GaussianBlur(photograph.blur_mm * DRAWN_PER_MM))
    seen = photograph.per_mm / DRAWN_PER_MM
    picture = paper.resize((round(paper.width * seen), round(paper.height * seen)), Image.Resampling.BOX)
    return _noisy(picture, photograph.noise, random)


def _creased(paper: Image.Image, width_mm: float, random: Random) -> Image.Image:
    """Fold along a line at any angle through the middle two thirds of the code: the coating is gone along it, one half
    stands up to 20 degrees out of the plane and is shorter by that, and up to a quarter darker beside the fold.
    """
    angle = random.uniform(0, 180)
    turned = paper.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    middle = turned.height // 2
    fold = middle + round(random.uniform(-10, 10) * DRAWN_PER_MM)
    pen = ImageDraw.Draw(turned)
    half, ragged = width_mm * DRAWN_PER_MM / 2, CREASE_RAGGED_MM * DRAWN_PER_MM
    for x in range(0, turned.width, 2):
        top, bottom = (half + random.uniform(-ragged, ragged) for _ in range(2))
        if top + bottom > 0:
            pen.rectangle((x, fold - top, x + 1, fold + bottom), fill=255)
    upper, lower = turned.crop((0, 0, turned.width, fold)), turned.crop((0, fold, *turned.size))
    shorter = math.cos(math.radians(random.uniform(0, 20)))
    lower = lower.resize((lower.width, max(1, round(lower.height * shorter))), Image.Resampling.BICUBIC)
    lower = ImageChops.multiply(lower, _shade(lower.size, random.uniform(0, 0.25)))
    folded = Image.new("L", turned.size, 255)
    folded.paste(upper, (0, 0))
    folded.paste(lower, (0, fold))
    return _middle_of(folded.rotate(-angle, Image.Resampling.BICUBIC, fillcolor=255), paper.size)


def _shade(size: tuple[int, int], darkest: float) -> Image.Image:
    """Answer light that is weakest at the fold, at the top, and whole 15 mm away from it."""
    reach = 15 * DRAWN_PER_MM
    column = bytes(round(255 * (1 - darkest * max(0.0, 1 - y / reach))) for y in range(size[1]))
    return Image.frombytes("L", (1, size[1]), column).resize(size, Image.Resampling.NEAREST)


def _held(paper: Image.Image, photograph: Photograph, random: Random) -> Image.Image:
    """Turn the paper, tilt it about an axis at any angle, and lay it on a table."""
    axis, tilt = random.uniform(0, 180), math.radians(random.uniform(0, photograph.tilted))
    margin = 2 * DRAWN_PER_MM
    table = Image.new("L", (paper.width + 2 * margin, paper.height + 2 * margin), TABLE)
    table.paste(paper, (margin, margin))
    if photograph.tilted:
        table = table.rotate(axis, Image.Resampling.BICUBIC, expand=True, fillcolor=TABLE)
        table = table.resize((table.width, round(table.height * math.cos(tilt))), Image.Resampling.BICUBIC)
        table = table.rotate(-axis, Image.Resampling.BICUBIC, fillcolor=TABLE)
        table = _middle_of(table, (paper.width + 2 * margin, paper.height + 2 * margin))
    turned = random.uniform(-photograph.turned, photograph.turned)
    return table.rotate(turned, Image.Resampling.BICUBIC, expand=True, fillcolor=TABLE)


def _middle_of(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    left, top = (picture.width - size[0]) // 2, (picture.height - size[1]) // 2
    return picture.crop((left, top, left + size[0], top + size[1]))


def _noisy(picture: Image.Image, half: int, random: Random) -> Image.Image:
    grains = Image.frombytes("L", picture.size, random.randbytes(picture.width * picture.height))
    grains = grains.point([2 * half * value // 255 for value in range(256)])
    return ImageChops.add(picture, grains, 1, -half)
