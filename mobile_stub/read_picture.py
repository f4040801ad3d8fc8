"""Reads the QR out of a picture of a receipt: pyzbar first, zxing-cpp where it sees nothing."""

from pathlib import Path

import zxingcpp
from PIL import Image
from pyzbar import pyzbar


class NoQrFound(Exception):  # noqa: N818 - named by what is wrong
    """There is no readable QR code in the picture."""


def read_picture(path: Path) -> str:
    """Answer the text of the QR in a picture. Raises `NoQrFound`."""
    with Image.open(path) as picture:
        grey = picture.convert("L")
    for found in pyzbar.decode(grey, symbols=[pyzbar.ZBarSymbol.QRCODE]):
        return str(found.data.decode())
    for read in zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)):
        return str(read.text)
    raise NoQrFound(path.name)
