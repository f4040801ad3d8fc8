"""One printed receipt of each kind, and the two readers that must read their codes."""

import hashlib
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import zxingcpp
from PIL import Image
from pyzbar import pyzbar

from kernel.money import MONGO_MAX
from receipts.printed import PrintedLine, PrintedPayment, PrintedReceipt, PrintedSection, PrintedTax, Shop
from receipts.qr import COSE_LENGTH, encode_text
from receipts.receipt import Nature, TaxType
from tests.changing import replace

Reader = Callable[[Image.Image], list[str]]
TEXT = encode_text(hashlib.shake_256(b"a receipt").digest(COSE_LENGTH))
PREVIOUS = "090000000007001062630000710000071"
SECTION = PrintedSection(
    lines=(
        PrintedLine("Талх, Bread", "1.000", "ш", 244_000, TaxType.VAT_ABLE, 244_000),
        PrintedLine("Сүү, Milk", "2.000", "ш", 488_000, TaxType.VAT_FREE, 244_000),
        PrintedLine("Шатахуун", "40.113", "л", 6_100_000, TaxType.VAT_ABLE),
    ),
    taxes=(
        PrintedTax(TaxType.VAT_ABLE, 6_344_000, 576_727, 0),
        PrintedTax(TaxType.VAT_FREE, 488_000, 0, 0),
    ),
    merchant_tin="90000000007",
    merchant_name="Өргөн сүмбэр №7",
)
SALE = PrintedReceipt(
    shop=Shop("90000000007", "Өргөн сүмбэр №7", "Улаанбаатар, Сүхбаатар дүүрэг, 1-р хороо"),
    terminal="10000071",
    receipt_id="090000000007001062630000010000071",
    issued_at=datetime(2017, 3, 1, 1, 30, tzinfo=UTC),
    total_mongo=6_832_000,
    vat_mongo=576_727,
    sections=(SECTION,),
    payments=(PrintedPayment("CASH", 6_832_000),),
    qr_text=TEXT,
    lottery="SN 47461258",
)
LESSEE = PrintedSection(
    lines=(
        PrintedLine("Хөлсний машины үйлчилгээ", "1", "удаа", 1_500_000, TaxType.VAT_ZERO),
        PrintedLine("Тамхи", "3", "хайрцаг", 3_360_000, TaxType.VAT_ABLE, 1_120_000),
    ),
    taxes=(
        PrintedTax(TaxType.VAT_ABLE, 3_360_000, 300_000, 60_000),
        PrintedTax(TaxType.VAT_ZERO, 1_500_000, 0, 0),
    ),
    merchant_tin="61200064714",
    merchant_name="Түрээслэгч Ганбаатарын Мөнхцэцэг ХХК",
)
NAMELESS = PrintedSection(
    lines=(PrintedLine("Ном", "1", "ш", 1, TaxType.NO_VAT),),
    taxes=(PrintedTax(TaxType.NO_VAT, 1, 0, 0),),
    merchant_tin="37900846788",
)
LONGEST = PrintedSection(
    lines=(
        PrintedLine(
            "Өндөр уулын цэвэр агаарт өссөн малын мах " * 6, "1.5", "кг", MONGO_MAX, TaxType.VAT_ABLE, MONGO_MAX
        ),
        PrintedLine("W" * 255, "1", "ш", 1, TaxType.VAT_FREE),
        PrintedLine("x", "1234567.891234", "метр квадрат", 999_999, TaxType.NO_VAT, 1),
    ),
    taxes=tuple(PrintedTax(kind, MONGO_MAX, MONGO_MAX // 11, MONGO_MAX // 55) for kind in TaxType),
)
SAMPLES = {
    "sale": SALE,
    "business": replace(SALE, lottery=None, buyer_tin="90100000001"),
    "invoice": replace(SALE, nature=Nature.INVOICE, lottery=None, buyer_tin="90100000001", payments=()),
    "payment": replace(SALE, nature=Nature.PAYMENT, invoice_ids=(PREVIOUS,)),
    "correction": replace(SALE, nature=Nature.CORRECTION, previous_id=PREVIOUS),
    "void": replace(
        SALE, nature=Nature.VOID, previous_id=PREVIOUS, sections=(), payments=(), lottery=None,
        total_mongo=-6_832_000, vat_mongo=-576_727, reason="Худалдан авагч бараагаа буцаав",
    ),
    "voided": replace(SALE, voided=True),
    "test": replace(SALE, test=True),
    "training": replace(SALE, nature=Nature.TRAINING, lottery=None),
    "registered": replace(SALE, registered=True),
    "no lottery": replace(SALE, lottery=None),
    "merchants": replace(
        SALE, sections=(SECTION, LESSEE, NAMELESS), total_mongo=11_692_001, vat_mongo=876_727,
        payments=(
            PrintedPayment("PAYMENT_CARD", 10_000_000), PrintedPayment("EMD", 692_001),
            PrintedPayment("WALLET_OF_SOMEBODY_WITH_A_LONG_NAME", 1_000_000),
        ),
    ),
    "longest words": replace(
        SALE, sections=(LONGEST,), total_mongo=MONGO_MAX, payments=(PrintedPayment("BANK_TRANSFER", MONGO_MAX),),
        shop=Shop("90000000007", "Нөхөрлөл Их Наяд Эрдэнэсийн Хайпермаркет Худалдааны Төв ХХК салбар " * 3, "W" * 255),
    ),
    "500 lines": replace(
        SALE, sections=(replace(SECTION, lines=tuple(itertools.islice(itertools.cycle(SECTION.lines), 500))),)
    ),
}  # fmt: skip


def read_by_zbar(picture: Image.Image) -> list[str]:
    return [code.data.decode() for code in pyzbar.decode(picture.convert("L"))]


def read_by_zxing(picture: Image.Image) -> list[str]:
    return [code.text for code in zxingcpp.read_barcodes(picture.convert("L"))]
