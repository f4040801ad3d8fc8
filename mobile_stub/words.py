"""The words of the consumers' HTTP: what is sent and what is answered."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from receipts.claim import ClaimState


class ClaimIn(BaseModel):
    """Either the QR text, or by hand the receipt id and the lottery number."""

    model_config = ConfigDict(extra="forbid")
    qr: Annotated[str, Field(max_length=1024, description="the text of the QR code, 220 characters")] | None = None
    receipt_id: Annotated[str, Field(max_length=64, description="33 digits, as printed")] | None = None
    lottery: Annotated[str, Field(max_length=32, description="as AB 12345678")] | None = None


class Seller(BaseModel):
    """Who sold."""

    tin: str
    name: str


class ClaimOut(BaseModel):
    """A claim and what it brought; amounts in möngö. `state` is `provisional` until the shop has reported the receipt,
    then `final`; `lapsed` when it never does, `void` when the sale was voided.
    """

    claim: str
    state: ClaimState
    seller: Seller
    receipt_id: str
    total_mongo: int
    vat_mongo: int
    credit_mongo: int
    lottery: str | None
    draw_date: str | None


class MeOut(BaseModel):
    """A consumer."""

    consumer_id: str
    login_no: str
    since: str


class ListedClaim(BaseModel):
    """A claim in a list; `seller` is the seller's name."""

    claim: str
    state: ClaimState
    receipt_id: str
    seller: str
    claimed_at: str
    issued_at: str
    total_mongo: int


class ClaimsOut(BaseModel):
    """Claims, newest first; `next_before` asks for the ones before them."""

    claims: list[ListedClaim]
    next_before: str | None
