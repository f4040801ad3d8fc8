"""Sub-receipts and their items as PosAPI states them, read one by one; nothing is added up yet."""

import re
from decimal import Decimal
from typing import Final

from msgspec import Struct

from kernel.identity import parse_tin
from kernel.refusal import Fault, Malformed
from pos_gateway.posapi.body import Fields, mongo_of
from pos_gateway.posapi.spelling import TAX_TYPES
from pos_gateway.wire import NAME_MAX, UNIT_MAX
from receipts.document import Line
from receipts.ids import ReceiptId
from receipts.receipt import TaxType
from receipts.submission import LINES_MAX

Echo = dict[str, object]
"""What an answer repeats of a request, by PosAPI's names."""
_QUANTITY: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)
_QUANTITY_MAX: Final = Decimal(10**9)
_MILLIONTH: Final = Decimal("0.000001")
_BARCODE: Final = re.compile(r"[\x21-\x7e]{1,32}")


class Item(Struct, frozen=True, gc=False):
    """An article as it is stated. `line` is what the document says of it."""

    place: str
    line: Line
    vat_mongo: int | None
    city_tax_mongo: int | None
    echo: Echo


class SubReceipt(Struct, frozen=True, gc=False):
    """A sub-receipt as it is stated. It is `sound` where all that its amounts follow from could be read."""

    place: str
    sound: bool
    merchant_tin: str
    tax_type: TaxType
    total_mongo: int
    vat_mongo: int | None
    city_tax_mongo: int | None
    buyer_tin: str | None
    pays_invoice: ReceiptId | None
    items: tuple[Item, ...]
    echo: Echo


def read_sub_receipt(fields: Fields, *, seller_tin: str | None, items_max: int = LINES_MAX) -> SubReceipt:
    """Read a sub-receipt; who states no merchant means the header's. More items than a receipt may still have are a
    fault, and are not read.
    """
    named = read_tin(fields, "merchantTin")
    tax_type = fields.choice("taxType", TAX_TYPES)
    total = fields.amount("totalAmount", required=True)
    vat, city_tax = fields.amount("totalVAT"), fields.amount("totalCityTax")
    listed = fields.objects("items", most=items_max, required=True)
    items = [read_item(item) for item in listed]
    merchant = named or seller_tin
    sound = None not in {merchant, tax_type, total} and bool(items) and None not in items
    buyer = fields.text("customerTin")
    return SubReceipt(
        place=fields.place,
        sound=sound,
        merchant_tin=merchant or "",
        tax_type=TaxType.NO_VAT if tax_type is None else tax_type,
        total_mongo=total or 0,
        vat_mongo=vat,
        city_tax_mongo=city_tax,
        buyer_tin=buyer,
        pays_invoice=read_id(fields, "invoiceId"),
        items=tuple(item for item in items if item is not None),
        echo={
            "customerTin": buyer,
            "bankAccountNo": fields.text("bankAccountNo"),
            "iBan": fields.text("iBan"),
            "invoiceId": fields.digits("invoiceId", 33),
            "data": fields.free("data"),
        },
    )


def read_item(fields: Fields) -> Item | None:
    """Read an item; None where its amounts are not known, and then a fault says why."""
    name = fields.text("name", longest=NAME_MAX, required=True)
    unit = fields.text("measureUnit", longest=UNIT_MAX, required=True)
    quantity, price = fields.decimal("qty", required=True), fields.decimal("unitPrice")
    total = fields.amount("totalAmount", required=True)
    vat, city_tax = fields.amount("totalVAT"), fields.amount("totalCityTax")
    classification = _code(fields, "classificationCode", "classification_form", r"[0-9]{7}", 7)
    tax_product = _code(fields, "taxProductCode", "tax_product_form", r"[0-9]{3,10}", 0)
    barcode = fields.text("barCode")
    echo: Echo = {
        "barCode": barcode,
        "barCodeType": (fields.text("barCodeType") or "").upper(),
        "classificationCode": classification,
        "taxProductCode": tax_product,
        "qty": quantity,
        "unitPrice": price,
        "totalBonus": fields.decimal("totalBonus"),
        "data": fields.free("data"),
    }
    if total is None:
        return None
    line = Line(
        name or "",
        _quantity(fields, quantity),
        unit or "",
        total,
        unit_price_mongo=None if price is None else mongo_of(price),
        city_tax=bool(city_tax),
        classification=classification,
        tax_product=tax_product,
        barcode=barcode if barcode and _BARCODE.fullmatch(barcode) else None,
    )
    return Item(fields.place, line, vat, city_tax, echo)


def read_tin(fields: Fields, name: str) -> str | None:
    """Answer a TIN, which many clients state as a number."""
    text = fields.digits(name, 11)
    try:
        return None if text is None else parse_tin(text, fields.at(name))
    except Malformed as malformed:
        fields.faults += malformed.faults
        return None


def read_id(fields: Fields, name: str) -> ReceiptId | None:
    """Answer a receipt id of 33 digits."""
    text = fields.digits(name, 33)
    try:
        return None if text is None else ReceiptId.parse(text, fields.at(name))
    except Malformed as malformed:
        fields.faults += malformed.faults
        return None


def _quantity(fields: Fields, quantity: Decimal | None) -> str:
    """Answer a quantity as the document says it: as the client wrote it where that is a plain decimal, else rounded."""
    if quantity is None or quantity >= _QUANTITY_MAX:
        if quantity is not None:
            fields.faults.append(Fault("out_of_range", fields.at("qty"), "0–999999999"))
        return "0"
    written = fields.value("qty")
    assert isinstance(written, str)
    if _QUANTITY.fullmatch(written):
        return str.__str__(written)
    rounded = f"{quantity.quantize(_MILLIONTH):f}"
    return rounded.rstrip("0").rstrip(".")


FORM_CODES: Final = ("classification_form", "tax_product_form")


def _code(fields: Fields, name: str, code: str, pattern: str, width: int) -> str | None:
    assert code in FORM_CODES
    text = fields.digits(name, width)
    if text is None or re.fullmatch(pattern, text, re.ASCII):
        return text
    fields.faults.append(Fault(code, fields.at(name), "7 digits" if width else "3 to 10 digits"))
    return None
