"""What PosAPI answers: the request again in the vendor's order and spelling, with what the receipt added to it.

The order and the rules are those of a recorded answer of PosAPI 3.2.39: keys that are null or empty are left out, whole
numbers are written without a point, the date is Ulaanbaatar's without a zone, and `billIdSuffix` and `message` are not
there. Amounts are those that were signed. Nothing of a payment card is repeated.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from kernel.clock import ULAANBAATAR
from kernel.identity import format_terminal
from pos_gateway.posapi.parts import Echo, Item, SubReceipt
from pos_gateway.posapi.request import PosRequest
from receipts import qr
from receipts.chain import Link
from receipts.document import Part
from receipts.ids import ReceiptId

VERSION: Final = "3.2.48-barimt"
"""The PosAPI that is spoken, and by whom."""
DONE: Final = b'{"success":true,"status":200,"message":""}'
"""What a void and an upload are answered: the vendor documents nothing, and clients read these words."""
_NO_ACCOUNTS: Final[Mapping[str, int]] = {}
_write = msgspec.json.Encoder(decimal_format="number").encode


def answer_of(
    request: PosRequest,
    link: Link,
    *,
    lottery: str | None,
    easy: bool = False,
    bank_account_ids: Mapping[str, int] = _NO_ACCOUNTS,
) -> bytes:
    """Answer the body for a receipt that was issued. `lottery` is the number of the receipt's root, None where the
    receipt carries none; `easy` whether the consumer has it already; `bank_account_ids` are by account number.
    """
    header, priced = request.echo.header, request.priced
    subs = zip(request.echo.sub_receipts, priced.parts, link.part_ids, strict=True)
    receipts = [_sub_receipt(sub, part, part_id, bank_account_ids) for sub, part, part_id in subs]
    return _write(
        _kept({
            "id": str(link.id),
            "version": VERSION,
            "totalAmount": _amount(priced.total_mongo),
            "totalVAT": _amount(priced.vat_mongo),
            "totalCityTax": _amount(priced.city_tax_mongo),
            "branchNo": f"{link.id.branch:03d}",
            **header,
            "posNo": header["posNo"] or format_terminal(link.id.terminal),
            "receipts": receipts,
            "payments": [_kept(payment) for payment in request.echo.payments],
            "posId": link.id.terminal,
            "status": "SUCCESS",
            "qrData": qr.encode_text(link.cose),
            "lottery": lottery,
            "date": link.issued_at.astimezone(ULAANBAATAR).strftime("%Y-%m-%d %H:%M:%S"),
            "easy": easy,
        })
    )  # fmt: skip


def _sub_receipt(sub: SubReceipt, part: Part, part_id: ReceiptId, bank_account_ids: Mapping[str, int]) -> Echo:
    return _kept({
        "id": str(part_id),
        "totalAmount": _amount(part.total_mongo),
        "taxType": part.tax_type.name,
        "items": [_item(item) for item in sub.items],
        "merchantTin": part.merchant_tin,
        "totalVAT": _amount(part.vat_mongo),
        "totalCityTax": _amount(part.city_tax_mongo),
        **sub.echo,
        "bankAccountId": bank_account_ids.get(str(sub.echo["bankAccountNo"])),
    })  # fmt: skip


def _item(item: Item) -> Echo:
    line, echo = item.line, item.echo
    return _kept({
        "name": line.name,
        "barCode": echo["barCode"],
        "barCodeType": echo["barCodeType"],
        "classificationCode": echo["classificationCode"],
        "taxProductCode": echo["taxProductCode"],
        "measureUnit": line.unit,
        "qty": echo["qty"],
        "unitPrice": echo["unitPrice"],
        "totalBonus": echo["totalBonus"],
        "totalAmount": _amount(line.total_mongo),
        "totalVAT": _amount(item.vat_mongo),
        "totalCityTax": _amount(item.city_tax_mongo),
        "data": echo["data"],
    })  # fmt: skip


def _kept(fields: Echo) -> Echo:
    """Answer the fields that are there, as JSON has them. Free content is left as it was written."""
    return {
        name: _number(value) if isinstance(value, Decimal) else value
        for name, value in fields.items()
        if value is not None and value not in ("", [], {})
    }


def _amount(mongo: int | None) -> Decimal | None:
    return None if mongo is None else Decimal(mongo).scaleb(-2)


def _number(number: Decimal) -> int | Decimal:
    """Answer a number without a point where it is whole, else without zeros at its end."""
    return int(number) if number == number.to_integral_value() else number.normalize()
