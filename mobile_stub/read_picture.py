"""Reads the QR of a receipt out of a picture: pyzbar first, zxing-cpp second, and both again on a clearer picture."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import zxingcpp
from PIL import Image, ImageOps, UnidentifiedImageError
from pyzbar import pyzbar

from runtime.unusable import Unusable

FILE_BYTES_MAX = 32 * 1024 * 1024
PIXELS_MAX = 60_000_000
"""A phone's largest picture; more is a decompression bomb."""
SIDE_MAX = 4000
SIDE_SMALL = 900
_QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)


class PictureUnusable(Unusable):
    """The file cannot be read as a picture, or is too large."""


class NoQrFound(Unusable):
    """There is no readable QR code in the picture."""


def read_picture(path: Path) -> str:
    """Answer the text of the QR in a picture; the first beginning with `MB1:` where there are several.

    Raises `PictureUnusable` or `NoQrFound`.
    """
    texts: list[str] = []
    for picture in _clearer(_open(path)):
        texts += _texts(picture)
        receipts = [text for text in texts if text.startswith("MB1:")]
        if receipts:
            return receipts[0]
    if texts:
        return texts[0]
    raise NoQrFound(f"There is no readable QR code in {path}. Take the picture again, closer and in better light.")


def _open(path: Path) -> Image.Image:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise PictureUnusable(f"{path} is larger than {FILE_BYTES_MAX // 2**20} MiB")
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                if opened.width * opened.height > PIXELS_MAX:
                    raise PictureUnusable(f"{path} has more than {PIXELS_MAX:,} pixels")
                return _flattened(ImageOps.exif_transpose(opened))
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureUnusable(f"{path} is not a picture that can be read") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise PictureUnusable(f"{path} cannot be read: {error}") from error


def _flattened(picture: Image.Image) -> Image.Image:
    """Put a picture with transparency on white paper, and take its greys."""
    if "A" in picture.getbands() or "transparency" in picture.info:
        seen = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return picture.convert("L")


def _clearer(grey: Image.Image) -> Iterator[Image.Image]:
    """Answer the picture as it is, then with full contrast, larger or smaller, and inverted."""
    if max(grey.size) > SIDE_MAX:
        grey = ImageOps.contain(grey, (SIDE_MAX, SIDE_MAX))
    yield grey
    clear = ImageOps.autocontrast(grey, cutoff=2)
    yield clear
    if max(grey.size) < SIDE_SMALL:
        yield clear.resize((clear.width * 3, clear.height * 3), Image.Resampling.BICUBIC)
    else:
        yield ImageOps.contain(clear, (clear.width // 2, clear.height // 2))
    yield ImageOps.invert(clear)


def _texts(picture: Image.Image) -> list[str]:
    found = pyzbar.decode(picture, symbols=[pyzbar.ZBarSymbol.QRCODE])
    texts = [one.data.decode("utf-8", "replace") for one in found]
    if not any(text.startswith("MB1:") for text in texts):
        texts += [one.text for one in zxingcpp.read_barcodes(picture, formats=_QR)]
    return texts
