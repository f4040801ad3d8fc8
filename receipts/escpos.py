"""A receipt as ESC/POS bytes: text as raster strips, the QR by the printer's own command (docs/decisions/0038).

| bytes                      | command          | what for                                                      |
|----------------------------|------------------|---------------------------------------------------------------|
| 1B 40                      | ESC @            | forget what was set before                                    |
| 1D 76 30 00 xL xH yL yH …  | GS v 0           | x octets a row, y rows; a set bit is a black dot              |
| 1B 61 n                    | ESC a            | 1: in the middle, 0: at the left                              |
| 1D 28 6B 04 00 31 41 32 00 | GS ( k, Fn 165   | QR model 2                                                    |
| 1D 28 6B 03 00 31 43 n     | GS ( k, Fn 167   | n dots a module                                               |
| 1D 28 6B 03 00 31 45 31    | GS ( k, Fn 169   | error correction M                                            |
| 1D 28 6B pL pH 31 50 30 …  | GS ( k, Fn 180   | the text; p counts what follows it                            |
| 1D 28 6B 03 00 31 51 30    | GS ( k, Fn 181   | print it                                                      |
| 1B 64 n                    | ESC d            | feed n lines                                                  |
| 1D 56 42 00                | GS V             | feed to the blade and cut                                     |

Source: Epson's ESC/POS reference. A symbol wider than the print head is not printed at all, and how a printer encodes
is its own affair: one that takes byte mode for the 220 characters needs version 11 in place of 8. So a module is as
large as lets version 11 fit, with its quiet zone, should a printer count that in.
"""

from collections.abc import Iterable
from itertools import groupby

from PIL import Image, ImageChops

from receipts.paper import MODULE_DOTS, Code, Paper, Roll
from receipts.printed import PrintedReceipt
from receipts.qr_image import QUIET_ZONE
from receipts.receipt_image import receipt_paper

BYTE_MODE_SIDE = 61 + 2 * QUIET_ZONE
"""Modules a side of version 11, which 220 octets need at level M, with the quiet zone."""
BAND_ROWS_MAX = 192
"""Rows of one raster command: 9 or 14 kB, so that no printer has to keep much."""
_INIT = bytes.fromhex("1b40")
_LEFT, _MIDDLE = bytes.fromhex("1b6100"), bytes.fromhex("1b6101")
_RASTER = bytes.fromhex("1d763000")
_QR = bytes.fromhex("1d286b")
_END = bytes.fromhex("1b6403 1d564200")
_DOTS_AN_OCTET = 8


def receipt_escpos(receipt: PrintedReceipt, roll: Roll, *, native_code: bool = True) -> bytes:
    """Write a receipt for a printer of this width; the same bytes for the same receipt."""
    return escpos(receipt_paper(receipt, roll), native_code=native_code)


def escpos(paper: Paper, *, native_code: bool = True) -> bytes:
    """Write what was printed on paper for a real printer; without `native_code` the QR is dots like everything else,
    for a printer that has no such command.
    """
    strips = paper.strips if native_code else [paper.picture()]
    octets = [_INIT]
    for drawn, alike in groupby(strips, lambda strip: isinstance(strip, Image.Image)):
        if drawn:
            octets += _bands([strip for strip in alike if isinstance(strip, Image.Image)], paper.roll)
        else:
            octets += [_code(strip.text, paper.roll) for strip in alike if isinstance(strip, Code)]
    return b"".join([*octets, _END])


def module_dots(roll: Roll) -> int:
    """Answer how many dots a side a printer is told to make a module."""
    return min(MODULE_DOTS, roll.dots // BYTE_MODE_SIDE)


def _bands(strips: Iterable[Image.Image], roll: Roll) -> list[bytes]:
    """Join strips and cut them into bands of a size that printers take."""
    rows = b"".join(ImageChops.invert(strip).tobytes() for strip in strips)
    row_octets = roll.dots // _DOTS_AN_OCTET
    step = BAND_ROWS_MAX * row_octets
    return [_raster(rows[start : start + step], row_octets) for start in range(0, len(rows), step)]


def _raster(rows: bytes, row_octets: int) -> bytes:
    return _RASTER + row_octets.to_bytes(2, "little") + (len(rows) // row_octets).to_bytes(2, "little") + rows


def _code(text: str, roll: Roll) -> bytes:
    """Write the printer's own QR, with the quiet zone above and below, which printers leave to who asks."""
    dots = module_dots(roll)
    row_octets = roll.dots // _DOTS_AN_OCTET
    quiet = _raster(bytes(QUIET_ZONE * dots * row_octets), row_octets)
    functions = (b"1A2\x00", b"1C" + bytes([dots]), b"1E1", b"1P0" + text.encode("ascii"), b"1Q0")
    symbol = b"".join(_QR + len(function).to_bytes(2, "little") + function for function in functions)
    return b"".join((quiet, _MIDDLE, symbol, _LEFT, quiet))
