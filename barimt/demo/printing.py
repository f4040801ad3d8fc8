"""What a till prints after the answer has come: its own sale, and the id, taxes, lottery number and QR it was given."""

from collections.abc import Mapping
from typing import Any

from barimt.demo.retail import MILLI, Basket, SoldLine
from barimt.demo.submissions import Sale, method_of
from kernel.clock import parse_instant
from kernel.identity import format_terminal
from receipts.printed import PrintedLine, PrintedPayment, PrintedReceipt, PrintedSection, PrintedTax, Shop
from receipts.receipt import TaxType


def printed_receipt(sale: Sale, answer: Mapping[str, Any], *, test: bool = False) -> PrintedReceipt:
    """Put a posted sale and the JSON answer of `POST /v1/receipts` together on paper."""
    return PrintedReceipt(
        shop=Shop(sale.seller.tin, sale.seller.name, sale.seller.place.name),
        terminal=format_terminal(sale.terminal),
        receipt_id=answer["id"],
        issued_at=parse_instant(answer["issued_at"], "/issued_at"),
        total_mongo=answer["total_mongo"],
        vat_mongo=answer["vat_mongo"],
        sections=(
            PrintedSection(
                lines=tuple(map(_printed_line, sale.basket.lines)),
                taxes=tuple(map(_printed_tax, answer["parts"])),
            ),
        ),
        payments=_payments(sale.basket),
        qr_text=answer["qr"],
        lottery=answer["lottery"],
        buyer_tin=sale.buyer_tin,
        test=test,
    )


def _printed_line(line: SoldLine) -> PrintedLine:
    unit_price_mongo, rest = divmod(line.total_mongo * MILLI, line.quantity_milli)
    return PrintedLine(
        name=line.name,
        quantity=f"{line.quantity_milli // MILLI}.{line.quantity_milli % MILLI:03d}",
        unit=line.unit,
        total_mongo=line.total_mongo,
        tax_type=line.tax_type,
        unit_price_mongo=None if rest else unit_price_mongo,
    )


def _printed_tax(part: Mapping[str, Any]) -> PrintedTax:
    return PrintedTax(TaxType[part["tax_type"]], part["total_mongo"], part["vat_mongo"], part["city_tax_mongo"])


def _payments(basket: Basket) -> tuple[PrintedPayment, ...]:
    return (PrintedPayment(method_of(basket), basket.total_mongo),) if basket.total_mongo else ()
