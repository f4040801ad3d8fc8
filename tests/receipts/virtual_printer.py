"""A receipt printer that takes ESC/POS bytes and gives paper: the commands of Epson's reference, and no others.

It knows nothing of our code. Whatever it does not know, it refuses, and so it does what a real one would silently leave
out: a raster row or a QR symbol that is wider than its head. Its QR is in the one mode that it was made with, for some
printers take byte mode for everything; `counts_quiet_zone` makes it one that wants room for the quiet zone, too.
"""

from dataclasses import dataclass, field

import qrcode
from PIL import Image
from qrcode.constants import ERROR_CORRECT_H, ERROR_CORRECT_L, ERROR_CORRECT_M, ERROR_CORRECT_Q
from qrcode.util import MODE_8BIT_BYTE, MODE_ALPHA_NUM, QRData

ALPHANUMERIC, BYTE = MODE_ALPHA_NUM, MODE_8BIT_BYTE
_LEVELS = {48: ERROR_CORRECT_L, 49: ERROR_CORRECT_M, 50: ERROR_CORRECT_Q, 51: ERROR_CORRECT_H}
_LINE_DOTS = 30
_QUIET_MODULES = 4


class CannotPrint(Exception):  # noqa: N818 - a refusal
    """What a real printer would print as rubbish, or not at all."""


@dataclass
class VirtualPrinter:
    """One job at a time: `run` answers what the head printed; `version` is that of the last QR."""

    head_dots: int
    mode: int = ALPHANUMERIC
    counts_quiet_zone: bool = True
    version: int = 0
    cuts: int = 0
    rasters: int = 0
    _rows: list[Image.Image] = field(default_factory=list)
    _qr: dict[str, int] = field(default_factory=dict)
    _stored: bytes | None = None
    _justification: int = 0

    def run(self, job: bytes) -> Image.Image:
        """Print a job; raises `CannotPrint`."""
        rest = memoryview(job)
        while rest:
            rest = rest[self._command(rest) :]
        paper = Image.new("1", (self.head_dots, sum(row.height for row in self._rows)), 255)
        top = 0
        for row in self._rows:
            paper.paste(row, (0, top))
            top += row.height
        return paper

    def _command(self, rest: memoryview) -> int:
        """Do the first command and answer how long it is."""
        head = bytes(rest[:3])
        if head[:2] == b"\x1b@":
            self._qr, self._stored, self._justification = {}, None, 0
            return 2
        if head[:2] == b"\x1ba" and head[2] <= 2:
            self._justification = head[2]
            return 3
        if head[:2] == b"\x1bd":
            self._rows.append(Image.new("1", (self.head_dots, head[2] * _LINE_DOTS), 255))
            return 3
        if head == b"\x1dv0":
            return self._raster(rest)
        if head == b"\x1d(k":
            return self._two_dimensional(rest)
        if head == b"\x1dVB":
            self.cuts += 1
            return 4
        raise CannotPrint(f"unknown command {head.hex(' ')}")

    def _raster(self, rest: memoryview) -> int:
        mode, octets, rows = rest[3], _low_high(rest[4:6]), _low_high(rest[6:8])
        end = 8 + octets * rows
        if mode not in {0, 48} or not octets or not rows or len(rest) < end:
            raise CannotPrint("a raster without a size, scaled, or cut off")
        if octets * 8 > self.head_dots:
            raise CannotPrint(f"a raster of {octets * 8} dots on a head of {self.head_dots}")
        black = bytes(octet ^ 0xFF for octet in rest[8:end])
        self._place(Image.frombytes("1", (octets * 8, rows), black))
        self.rasters += 1
        return end

    def _two_dimensional(self, rest: memoryview) -> int:
        length = _low_high(rest[3:5])
        body = bytes(rest[5 : 5 + length])
        if len(body) != length or length < 3 or body[0] != 49:
            raise CannotPrint("no QR function, or one cut off")
        match body[1], body[2:]:
            case 65, arguments if arguments == b"2\x00":
                self._qr["model"] = 2
            case 67, arguments if len(arguments) == 1 and 1 <= arguments[0] <= 16:
                self._qr["module_dots"] = arguments[0]
            case 69, arguments if len(arguments) == 1 and arguments[0] in _LEVELS:
                self._qr["level"] = _LEVELS[arguments[0]]
            case 80, arguments if arguments[:1] == b"0" and len(arguments) > 1:
                self._stored = arguments[1:]
            case 81, arguments if arguments == b"0":
                self._place(self._symbol())
            case function, arguments:
                raise CannotPrint(f"QR function {function} {arguments.hex(' ')}")
        return 5 + length

    def _symbol(self) -> Image.Image:
        """Draw what is stored, in the smallest version that holds it."""
        if self._stored is None or set(self._qr) != {"model", "module_dots", "level"}:
            raise CannotPrint("nothing stored, or model, size or level left to the printer")
        code = qrcode.QRCode(error_correction=self._qr["level"], box_size=self._qr["module_dots"], border=0)
        code.add_data(QRData(self._stored, mode=self.mode))
        code.make(fit=True)
        self.version = code.version
        quiet = 2 * _QUIET_MODULES if self.counts_quiet_zone else 0
        if (code.modules_count + quiet) * code.box_size > self.head_dots:
            raise CannotPrint(f"a symbol of version {code.version} does not fit")
        return code.make_image().get_image().convert("1")

    def _place(self, drawn: Image.Image) -> None:
        row = Image.new("1", (self.head_dots, drawn.height), 255)
        row.paste(drawn, ((self.head_dots - drawn.width) * self._justification // 2, 0))
        self._rows.append(row)


def _low_high(octets: memoryview) -> int:
    return octets[0] + 256 * octets[1]
