"""A till's printer: the sale that the till knows and the answer that it got become a picture."""

from datetime import datetime
from pathlib import Path
from typing import Any

from barimt.demo.submissions import Sale, method_of
from receipts.receipt import TaxType
from receipts.receipt_image import PrintedLine, PrintedPayment, PrintedReceipt, PrintedTax, receipt_png

MILLI = 1000


def print_receipt(path: Path, sale: Sale, receipt: dict[str, Any]) -> None:
    """Draw the receipt of a sale into a PNG file."""
    path.write_bytes(receipt_png(printed(sale, receipt)))


def printed(sale: Sale, receipt: dict[str, Any]) -> PrintedReceipt:
    """Answer what stands on the paper."""
    return PrintedReceipt(
        seller_name=sale.seller.name,
        seller_tin=sale.seller.tin,
        address=sale.seller.place.name,
        terminal=f"{sale.terminal:08d}",
        receipt_id=receipt["id"],
        issued_at=datetime.fromisoformat(receipt["issued_at"]),
        lines=tuple(
            PrintedLine(
                line.name,
                f"{line.quantity_milli // MILLI}.{line.quantity_milli % MILLI:03d}",
                line.unit,
                line.total_mongo,
                line.tax_type,
            )
            for line in sale.basket.lines
        ),
        taxes=tuple(
            PrintedTax(TaxType[part["tax_type"]], part["total_mongo"], part["vat_mongo"], part["city_tax_mongo"])
            for part in receipt["parts"]
        ),
        payments=(PrintedPayment(method_of(sale.basket), sale.basket.total_mongo),),
        qr_text=receipt["qr"],
        lottery=receipt["lottery"],
        buyer_tin=sale.buyer_tin,
    )
