"""The picture of a QR text: version 8, error correction M, alphanumeric, one fixed mask; the same bytes every time.

The text looks random to every mask, so choosing the best of eight gains nothing and takes five sixths of the time.
"""

import io

import qrcode
from PIL import Image
from qrcode.constants import ERROR_CORRECT_M
from qrcode.util import MODE_ALPHA_NUM, QRData

from receipts.qr import TEXT_LENGTH

QR_VERSION = 8
MODULES = 49
"""Modules a side of version 8."""
QUIET_ZONE = 4
"""Empty modules around it that ISO/IEC 18004 asks for."""
SIDE = MODULES + 2 * QUIET_ZONE
_MASK = 0
_DARK, _LIGHT = 0, 255


def qr_modules(text: str) -> tuple[tuple[bool, ...], ...]:
    """Answer the 49 rows of 49 modules, dark ones true, without the quiet zone. `text` must have 220 characters."""
    assert len(text) == TEXT_LENGTH
    code = qrcode.QRCode(version=QR_VERSION, error_correction=ERROR_CORRECT_M, mask_pattern=_MASK)
    code.add_data(QRData(text.encode("ascii"), mode=MODE_ALPHA_NUM))
    code.make(fit=False)
    return tuple(tuple(map(bool, row)) for row in code.modules)


def qr_picture(text: str, *, module_px: int) -> Image.Image:
    """Draw it in black and white with its quiet zone, each module `module_px` pixels a side."""
    margin = bytes([_LIGHT]) * QUIET_ZONE
    rows = [margin + bytes(_DARK if dark else _LIGHT for dark in row) + margin for row in qr_modules(text)]
    empty = [bytes([_LIGHT]) * SIDE] * QUIET_ZONE
    small = Image.frombytes("L", (SIDE, SIDE), b"".join(empty + rows + empty))
    return small.resize((SIDE * module_px, SIDE * module_px), Image.Resampling.NEAREST).convert("1")


def qr_png(text: str, *, module_px: int = 8) -> bytes:
    """Answer the picture as PNG."""
    file = io.BytesIO()
    qr_picture(text, module_px=module_px).save(file, "PNG")
    return file.getvalue()


def qr_svg(text: str) -> str:
    """Answer the picture as SVG, one unit a module: each run of dark modules in a row is one rectangle of a path."""
    runs = "".join(
        f"M{start + QUIET_ZONE} {y + QUIET_ZONE}h{length}v1h-{length}z"
        for y, row in enumerate(qr_modules(text))
        for start, length in _dark_runs(row)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{SIDE}v{SIDE}H0z"/><path d="{runs}"/></svg>\n'
    )


def _dark_runs(row: tuple[bool, ...]) -> list[tuple[int, int]]:
    """Answer (start, length) of each run of dark modules."""
    starts = [x for x, dark in enumerate(row) if dark and (x == 0 or not row[x - 1])]
    ends = [x for x, dark in enumerate(row) if dark and (x == len(row) - 1 or not row[x + 1])]
    return [(start, end - start + 1) for start, end in zip(starts, ends, strict=True)]
