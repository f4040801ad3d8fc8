"""How many printed codes a telephone still reads, after blur, rotation, low contrast and a crease.

    python -m benchmarks.bench_paper [--pictures 100] [--seed 1] [--json]

Receipts are printed by a virtual printer from their ESC/POS bytes (and as the picture), cut out around the code with
the words above and below it, distorted as benchmarks/photographs.py says, and read by pyzbar, by zxing-cpp, and by
`barimt scan`, which tries both on a clearer picture, too: one picture, where a telephone takes many a second. Every
text is genuine and another one in each picture. A reading counts when it is the text. What only looks like a receipt
(`wrong`) makes exit 1; anything else that a reader saw in a blur (`nonsense`) falls at the first step of verification.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from tempfile import TemporaryDirectory

import zxingcpp
from PIL import Image
from pyzbar import pyzbar

from benchmarks.photographs import Photograph, take
from benchmarks.receipts_made import texts
from mobile_stub.read_picture import NoQrFound, read_picture
from receipts.escpos import escpos
from receipts.paper import Paper, Roll
from receipts.qr import PREFIX
from tests.receipts.virtual_printer import ALPHANUMERIC, BYTE, VirtualPrinter

TEXTS = 100


@dataclass(frozen=True, slots=True)
class Print:
    """A code on paper: from the picture where `mode` is None, else by a printer's own command in this mode."""

    name: str
    roll: Roll
    mode: int | None


PRINTS = (
    Print("58 mm, picture", Roll.MM_58, None),
    Print("58 mm, native, alphanumeric", Roll.MM_58, ALPHANUMERIC),
    Print("58 mm, native, byte mode", Roll.MM_58, BYTE),
    Print("80 mm, native, byte mode", Roll.MM_80, BYTE),
)
ALL_LIGHT = Photograph(blur_mm=0.2, turned=180, tilted=15, black=50, white=190, crease_mm=0.3)
ALL_HARD = Photograph(blur_mm=0.3, turned=180, tilted=30, black=90, white=150, crease_mm=0.6)
CASES = {
    "clean": ("in focus, within 3° of upright, 10 pixels a mm", Photograph()),
    "blur 0.2": ("out of focus: standard deviation 0.2 mm on the paper", Photograph(blur_mm=0.2)),
    "blur 0.3": ("… 0.3 mm, half a module of 58 mm paper", Photograph(blur_mm=0.3)),
    "blur 0.4": ("… 0.4 mm", Photograph(blur_mm=0.4)),
    "turned": ("held at any angle, and up to 15° out of the plane", Photograph(turned=180, tilted=15)),
    "turned 45": ("… up to 45° out of the plane", Photograph(turned=180, tilted=45)),
    "faded 20 %": (
        "print and paper differ by 20 % of full scale, the least of grade D in ISO/IEC 15415",
        Photograph(black=100, white=151),
    ),
    "faded 10 %": ("… by 10 %: a receipt that lay in the sun", Photograph(black=120, white=146)),
    "crease 0.3": ("a fold through the code, its coating gone 0.3 mm wide", Photograph(crease_mm=0.3)),
    "crease 0.6": ("… 0.6 mm, a module wide", Photograph(crease_mm=0.6)),
    "crease 1.2": ("… 1.2 mm, two modules wide", Photograph(crease_mm=1.2)),
    "far": ("5 pixels a mm: the paper is 300 pixels wide", Photograph(per_mm=5)),
    "farther": ("4 pixels a mm", Photograph(per_mm=4)),
    "all, light": ("blur 0.2, any angle and 15°, 55 % contrast, crease 0.3", ALL_LIGHT),
    "all, hard": ("blur 0.3, any angle and 30°, 24 % contrast, crease 0.6", ALL_HARD),
}
_QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)


@cache
def _texts() -> list[str]:
    return texts(TEXTS)


@cache
def strip(kind: Print, text: str) -> Image.Image:
    """Answer the paper around a code: its whole width, 8 mm above and below, with words there as on a receipt."""
    paper = Paper(kind.roll)
    paper.centre("Баримтаа уншуулж НӨАТ-ын буцаан")
    paper.code(text)
    paper.centre("олголтоо авч, сугалаанд оролцоорой")
    paper.feed(24)
    if kind.mode is None:
        return paper.picture(edges=True)
    printed = VirtualPrinter(kind.roll.dots, kind.mode).run(escpos(paper))
    whole = Image.new("1", (kind.roll.paper_dots, printed.height - 80), 255)
    whole.paste(printed, ((kind.roll.paper_dots - kind.roll.dots) // 2, 0))
    return whole


def by_zbar(picture: Image.Image) -> list[str]:
    """Read once by zbar."""
    return [code.data.decode() for code in pyzbar.decode(picture, symbols=[pyzbar.ZBarSymbol.QRCODE])]


def by_zxing(picture: Image.Image) -> list[str]:
    """Read once by zxing-cpp."""
    return [code.text for code in zxingcpp.read_barcodes(picture, formats=_QR)]


def by_scan(picture: Image.Image) -> list[str]:
    """Read as `barimt scan` does: as both read it, and then again on clearer pictures."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "photograph.png")
        picture.save(path, compress_level=1)
        try:
            return [read_picture(path)]
        except NoQrFound:
            return []


READERS = ("zbar", "zxing", "scan")


def read(kind: Print, case: str, count: int, seed: int) -> Counter[str]:
    """Take so many pictures and read each; answer how many each reader read, and how many one of them took for another
    receipt (`wrong`) or for anything else (`nonsense`).
    """
    random = Random(f"{seed} {kind.name} {case}")
    ended = Counter[str]()
    for _ in range(count):
        text = random.choice(_texts())
        picture = take(CASES[case][1], strip(kind, text), random)
        found = {"zbar": by_zbar(picture), "zxing": by_zxing(picture)}
        found["scan"] = found["zbar"] or found["zxing"] or by_scan(picture)
        ended.update(name for name, said in found.items() if said == [text])
        misread = {one for said in found.values() for one in said} - {text}
        wrong = any(one.startswith(PREFIX) for one in misread)
        ended["wrong"] += wrong
        ended["nonsense"] += bool(misread) and not wrong
    return ended


def measure(count: int, seed: int, workers: int = 1) -> dict[str, dict[str, Counter[str]]]:
    """Answer the counts by case and print."""
    work = [(case, kind) for case in CASES for kind in PRINTS]
    cases, kinds = [case for case, _ in work], [kind for _, kind in work]
    told: dict[str, dict[str, Counter[str]]] = {case: {} for case in CASES}
    with ProcessPoolExecutor(workers) as pool:
        counted = pool.map(read, kinds, cases, [count] * len(work), [seed] * len(work))
        for (case, kind), ended in zip(work, counted, strict=True):
            told[case][kind.name] = ended
    return told


def table(told: dict[str, dict[str, Counter[str]]], count: int) -> Iterator[str]:
    """Answer the rows of a Markdown table: per cent read by zbar, zxing-cpp and `barimt scan`."""
    yield f"| distortion | {' | '.join(kind.name for kind in PRINTS)} |"
    yield "|---|" + "---|" * len(PRINTS)
    for case, kinds in told.items():
        cells = [" / ".join(_percent(ended[name], count) for name in READERS) for ended in kinds.values()]
        yield f"| {case}: {CASES[case][0]} | {' | '.join(cells)} |"


def _percent(read: int, count: int) -> str:
    """Write a share; only all of them are 100."""
    return f"{min(1000 * read // count, 999 if read < count else 1000) / 10:g}"


def main() -> int:
    """Print the table and answer the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=100, help="of each print under each distortion")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    began = time.perf_counter()
    told = measure(given.pictures, given.seed, os.cpu_count() or 1)
    wrong, nonsense = (
        sum(ended[name] for kinds in told.values() for ended in kinds.values()) for name in ("wrong", "nonsense")
    )
    if given.json:
        print(json.dumps({"pictures": given.pictures, "seconds": round(time.perf_counter() - began), "read": told}))
    else:
        print("\n".join(table(told, given.pictures)))
        print(
            f"\n{given.pictures} pictures each; wrong {wrong}, nonsense {nonsense}; {time.perf_counter() - began:.0f} s"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
