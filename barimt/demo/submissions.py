"""What tills send: a basket becomes the JSON body of `POST /v1/receipts`, a return becomes its correction.

The tills are outsiders: those that state taxes work them out here, by the rule of 2017 that every till vendor was told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from barimt.demo.cast import Seller
from barimt.demo.retail import MILLI, Basket, SoldLine
from kernel.clock import format_instant
from kernel.identity import format_terminal
from kernel.money import half_up
from receipts.receipt import TaxType

VAT_PER_MILLE, CITY_TAX_PER_MILLE = 100, 10
"""In force through 2017, on the net price."""

Body = dict[str, object]


@dataclass(frozen=True, slots=True)
class Sale:
    """A basket that a till of a seller posts; a sale with a `buyer_tin` is one business selling to another."""

    basket: Basket
    seller: Seller
    buyer_tin: str | None = None

    @property
    def key(self) -> str:
        """The idempotency key under which the sale is posted; unique in a demo."""
        return f"basket-{self.basket.basket_id}"

    @property
    def terminal(self) -> int:
        """The till at which it was paid."""
        return self.seller.terminal_of(self.basket.basket_id)

    @property
    def claimable(self) -> bool:
        """Whether the household may claim it: sold to a consumer, and for money."""
        return self.buyer_tin is None and self.basket.total_mongo > 0


@dataclass(frozen=True, slots=True)
class LineTax:
    """The taxes inside a line's total, in möngö."""

    vat_mongo: int
    city_tax_mongo: int


def line_tax(seller: Seller, line: SoldLine) -> LineTax:
    """Take the taxes out of a price: base = total / (1 + rates), each tax half up to a möngö."""
    vat = VAT_PER_MILLE if seller.vat_payer and line.tax_type is TaxType.VAT_ABLE else 0
    city = CITY_TAX_PER_MILLE if seller.city_tax_payer and line.city_tax else 0
    divisor = 1000 + vat + city
    return LineTax(half_up(line.total_mongo * vat, divisor), half_up(line.total_mongo * city, divisor))


def body_of(sale: Sale) -> Body:
    """Answer the body that posts a sale."""
    return _body(sale, sale.basket.lines, sold_at=sale.basket.sold_at)


def correction_of(sale: Sale, returned_line: int, *, receipt_id: str, at: datetime) -> Body:
    """Answer the body that corrects the receipt `receipt_id` of a sale when one line was brought back at `at`."""
    lines = sale.basket.lines
    kept = lines[:returned_line] + lines[returned_line + 1 :]
    assert len(kept) == len(lines) - 1
    return {**_body(sale, kept, sold_at=at), "corrects": receipt_id}


def _body(sale: Sale, lines: Iterable[SoldLine], *, sold_at: datetime) -> Body:
    sold = tuple(lines)
    total_mongo = sum(line.total_mongo for line in sold)
    body: Body = {
        "type": "B2C_RECEIPT" if sale.buyer_tin is None else "B2B_RECEIPT",
        "seller_tin": sale.seller.tin,
        "terminal": format_terminal(sale.terminal),
        "district": sale.seller.place.district,
        "sold_at": format_instant(sold_at),
        "reference": str(sale.basket.basket_id),
        "parts": [_part(sale.seller, tax_type, sold) for tax_type in sorted({line.tax_type for line in sold})],
        "payments": [{"method": method_of(sale.basket), "amount_mongo": total_mongo}] if total_mongo else [],
    }
    if sale.buyer_tin is not None:
        body["buyer_tin"] = sale.buyer_tin
    return body


def method_of(basket: Basket) -> str:
    """Answer how a basket was paid: two of five in cash, by the basket's number."""
    return "CASH" if basket.basket_id // 10 % 5 < 2 else "PAYMENT_CARD"  # noqa: PLR2004 - two of five


def _part(seller: Seller, tax_type: TaxType, sold: Iterable[SoldLine]) -> Body:
    lines = [line for line in sold if line.tax_type is tax_type]
    part: Body = {
        "tax_type": tax_type.name,
        "total_mongo": sum(line.total_mongo for line in lines),
        "lines": [_line(seller, line) for line in lines],
    }
    if seller.states_vat:
        taxes = [line_tax(seller, line) for line in lines]
        part["vat_mongo"] = sum(tax.vat_mongo for tax in taxes)
        part["city_tax_mongo"] = sum(tax.city_tax_mongo for tax in taxes)
    return part


def _line(seller: Seller, line: SoldLine) -> Body:
    body: Body = {
        "name": line.name,
        "quantity": f"{line.quantity_milli // MILLI}.{line.quantity_milli % MILLI:03d}",
        "unit": line.unit,
        "total_mongo": line.total_mongo,
        "classification": line.classification,
    }
    unit_price_mongo, rest = divmod(line.total_mongo * MILLI, line.quantity_milli)
    if not rest:
        body["unit_price_mongo"] = unit_price_mongo
    if line.city_tax and seller.city_tax_payer:
        body["city_tax"] = True
    if line.tax_product is not None:
        body["tax_product"] = line.tax_product
    return body
