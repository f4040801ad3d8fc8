"""The body of `POST /v1/receipts` as a pydantic model: the declarations of `pos_gateway.wire`, word for word."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kernel.money import MONGO_MAX
from pos_gateway.wire import NAME_MAX, PAYMENTS_MAX, UNIT_MAX
from receipts.submission import LINES_MAX, PARTS_MAX


def _form(pattern: str) -> StringConstraints:
    return StringConstraints(pattern=f"^(?:{pattern})$")


Tin = Annotated[str, _form(r"[0-9]{11}|(?:[0-8][0-9]|9[0-8])[0-9]{10}|[0-9]{13,14}")]
Amount = Annotated[int, Field(ge=0, le=MONGO_MAX)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX)]
Unit = Annotated[str, StringConstraints(min_length=1, max_length=UNIT_MAX)]
Reference = Annotated[str, _form(r"[^\x00-\x1f\x7f]{1,64}")]
Terminal = Annotated[str, _form(r"[0-9]{8}")]
Branch = Annotated[str, _form(r"[0-9]{3}")]
District = Annotated[str, _form(r"[0-9]{4}")]
ConsumerNo = Annotated[str, _form(r"[0-9]{8}")]
Id = Annotated[str, _form(r"[0-9]{33}")]
Quantity = Annotated[str, _form(r"[0-9]{1,9}(\.[0-9]{1,6})?")]
Classification = Annotated[str, _form(r"[0-9]{7}")]
TaxProduct = Annotated[str, _form(r"[0-9]{3,10}")]
Barcode = Annotated[str, _form(r"[\x21-\x7e]{1,32}")]
Method = Annotated[str, _form(r"[A-Z][A-Z0-9_]{0,31}")]
ReportMonth = Annotated[str, _form(r"20[0-9]{2}-(0[1-9]|1[0-2])")]
Instant = Annotated[str, StringConstraints(max_length=40)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Line(_Body):
    """One article."""

    name: Name
    quantity: Quantity
    unit: Unit
    total_mongo: Amount
    unit_price_mongo: Amount | None = None
    city_tax: bool = False
    classification: Classification | None = None
    tax_product: TaxProduct | None = None
    barcode: Barcode | None = None


class Part(_Body):
    """What one merchant sold under one tax type."""

    tax_type: Literal["VAT_ABLE", "VAT_FREE", "VAT_ZERO", "NO_VAT"]
    total_mongo: Amount
    lines: Annotated[list[Line], Field(min_length=1, max_length=LINES_MAX)]
    seller_tin: Tin | None = None
    vat_mongo: Amount | None = None
    city_tax_mongo: Amount | None = None


class Payment(_Body):
    """How much was paid by which means."""

    method: Method
    amount_mongo: Amount


class Receipt(_Body):
    """The body of `POST /v1/receipts`."""

    type: Literal["B2C_RECEIPT", "B2B_RECEIPT", "B2C_INVOICE", "B2B_INVOICE"]
    seller_tin: Tin
    parts: Annotated[list[Part], Field(min_length=1, max_length=PARTS_MAX)]
    payments: Annotated[list[Payment], Field(max_length=PAYMENTS_MAX)] = []
    terminal: Terminal | None = None
    branch: Branch | None = None
    district: District | None = None
    sold_at: Instant | None = None
    reference: Reference | None = None
    buyer_tin: Tin | None = None
    consumer_no: ConsumerNo | None = None
    corrects: Id | None = None
    pays_invoice: Id | None = None
    report_month: ReportMonth | None = None
