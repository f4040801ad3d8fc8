"""The public look-ups of the centre: who a taxpayer is, and the code lists, in the words of api.ebarimt.mn.

Nobody needs a token; an address may ask as often as `pos_gateway.limits` says. The till answers the same paths from
what it remembers.
"""

import re
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from kernel.clock import business_date
from pos_gateway.failures import reaching_database
from pos_gateway.gateway import gateway_of
from pos_gateway.posapi.lookups import (
    Taxpayer,
    branches_answer,
    classification_answer,
    tax_products_answer,
    taxpayer_answer,
    tin_answer,
)
from receipts.enrol import SellerUnknown
from receipts.store import reading, taxpayers

LISTS_KEPT = {"Cache-Control": "public, max-age=3600"}
"""The lists change with the law."""


class _Out(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TinOut(_Out):
    """A TIN by a register number, as a number."""

    msg: str
    status: int
    data: int


class TaxpayerData(_Out):
    """A taxpayer. `seller` is the number in receipt ids."""

    name: str
    freeProject: bool  # noqa: N815 - PosAPI's spelling, as below
    cityPayer: bool  # noqa: N815
    vatPayer: bool  # noqa: N815
    found: bool
    vatpayerRegisteredDate: str | None  # noqa: N815
    isGovernment: bool | None  # noqa: N815
    seller: str


class TaxpayerOut(_Out):
    """A taxpayer by a TIN; data is null where nobody has it."""

    msg: str
    status: int
    data: TaxpayerData | None


class BranchData(_Out):
    """A district: the two codes together are the district code of a receipt."""

    branchCode: str  # noqa: N815
    branchName: str  # noqa: N815
    subBranchCode: str  # noqa: N815
    subBranchName: str  # noqa: N815


class BranchesOut(_Out):
    """All districts."""

    msg: str
    status: int
    data: list[BranchData]


class TaxProductData(_Out):
    """Why goods are taxed otherwise; 2 is VAT_FREE, 3 VAT_ZERO, 4 NO_VAT."""

    startDate: str  # noqa: N815
    endDate: str | None  # noqa: N815
    taxProductCode: str  # noqa: N815
    taxProductName: str  # noqa: N815
    taxTypeCode: int  # noqa: N815
    taxTypeName: str  # noqa: N815


class TaxProductsOut(_Out):
    """All tax products."""

    msg: str
    status: int
    data: list[TaxProductData]


Classes = Annotated[list[list[str]], Field(description="code and name of each")]


async def count_lookup(request: Request) -> None:
    """Count who asks. Raises `RateLimited`."""
    gateway_of(request.app).limits.ask_lookup(None if request.client is None else request.client.host)


router = APIRouter(prefix="/api", tags=["public"], dependencies=[Depends(count_lookup)])


@router.get(
    "/info/check/getTinInfo",
    summary="The TIN that belongs to a register number",
    response_model=TinOut,
)
async def get_tin_info(
    request: Request,
    reg_no: Annotated[str, Query(alias="regNo", max_length=32, description="a company's number of the state register")],
) -> Response:
    """Answer the TIN of a company by its number of the state register, in PosAPI's envelope. A number that nobody has
    is 404.
    """
    tin = None
    if re.fullmatch(r"[0-9]{7,8}", reg_no, re.ASCII):
        with reaching_database():
            tin = await taxpayers.find_tin(gateway_of(request.app).database, reg_no)
    if tin is None:
        raise SellerUnknown
    return _json(tin_answer(tin))


@router.get("/info/check/getInfo", summary="Who a TIN is", response_model=TaxpayerOut)
async def get_info(
    request: Request,
    tin: Annotated[str, Query(max_length=32, description="11 to 14 digits")],
) -> Response:
    """Answer a taxpayer's name and whether it pays VAT and city tax today, in PosAPI's envelope; `data` is null where
    nobody enrolled has the TIN.
    """
    gateway = gateway_of(request.app)
    found = []
    if re.fullmatch(r"[0-9]{11,14}", tin, re.ASCII):
        with reaching_database():
            found = await reading.find_sellers(gateway.database, tins=[tin])
    today = business_date(gateway.clock())
    return _json(taxpayer_answer(_taxpayer(found[0], today) if found else None))


@router.get("/info/check/getBranchInfo", summary="The districts", response_model=BranchesOut)
async def get_branch_info() -> Response:
    """Answer all districts with their codes in PosAPI's envelope; the two codes together are a `district`."""
    return _json(branches_answer(), LISTS_KEPT)


@router.get("/receipt/receipt/getProductTaxCode", summary="Why goods are not taxed", response_model=TaxProductsOut)
async def get_product_tax_code() -> Response:
    """Answer the codes of goods that are exempt, of zero rate or outside the law, in PosAPI's envelope; what of them is
    in force goes into `tax_product`.
    """
    return _json(tax_products_answer(), LISTS_KEPT)


@router.get("/info/check/barcode/v2", summary="The sectors of the classification", response_model=Classes)
async def get_classification() -> Response:
    """Answer the sectors of the classification of goods and services; a path of codes goes down from there."""
    return _json(classification_answer([]), LISTS_KEPT)


@router.get("/info/check/barcode/v2/{path:path}", summary="One level of the classification", response_model=Classes)
async def get_classification_below(
    path: Annotated[str, Path(max_length=64, description="a code of each level, as 0/01/011")],
) -> Response:
    """Answer what stands one level below a path of codes in the classification of goods and services. Below a code of
    seven digits would be barcodes; there is no open list of them, so that nothing is there.
    """
    return _json(classification_answer(path.rstrip("/").split("/")), LISTS_KEPT)


def _taxpayer(seller: reading.Seller, today: date) -> Taxpayer:
    starts = [first for first, end in seller.registrations if first <= today and (end is None or today < end)]
    return Taxpayer(
        tin=seller.tin,
        seller=seller.seller,
        name=seller.name,
        vat_payer=bool(starts),
        city_tax_payer=seller.city_tax_payer,
        vat_from=starts[0] if starts else None,
    )


def _json(body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, headers=headers, media_type="application/json")
