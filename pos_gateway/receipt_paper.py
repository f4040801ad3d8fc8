"""A receipt of the centre on paper, for tills that draw nothing themselves."""

import asyncio
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from pos_gateway.gateway import gateway_of
from pos_gateway.lookups import Caller, own_receipt
from receipts.document import Document, decode_document
from receipts.orders import UnknownReceipt
from receipts.paper import Roll
from receipts.printed import PrintedReceipt, Shop, payments_of, printed_receipt
from receipts.receipt import Nature
from receipts.receipt_image import receipt_png
from receipts.store import issuing, reading
from receipts.stored import StoredReceipt

router = APIRouter(prefix="/v1/receipts", tags=["receipts"])
_ON_NO_PAPER = frozenset({Nature.START, Nature.CLOSING})


@router.get(
    "/{id}/receipt.png",
    summary="The whole receipt as a picture",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"contentMediaType": "image/png"}}}}},
)
async def get_receipt_png(
    request: Request,
    id: str,  # noqa: A002 - the path's name
    caller: Caller,
    width: Annotated[Literal["58", "80"], Query(description="of the paper in mm")] = "80",
) -> Response:
    """Answer the receipt as it is printed, QR and lottery number included: a PNG of one bit a dot at 203 dpi, as wide
    as the print head of a printer for 80 mm (576 dots) or 58 mm (384 dots). Print it dot for dot, never scaled.
    """
    receipt = await own_receipt(request, id, caller)
    if receipt.kind_of.nature in _ON_NO_PAPER:
        raise UnknownReceipt
    paper = await _printed(gateway_of(request.app).database, receipt)
    png = await asyncio.to_thread(receipt_png, paper, Roll(int(width)))
    return Response(png, media_type="image/png")


async def _printed(database: Any, receipt: StoredReceipt) -> PrintedReceipt:
    document = decode_document(receipt.document)
    latest = await issuing.find_latest(database, [receipt.root_key])
    wanted = {receipt.root_key, *latest.values()}
    found = await issuing.find_receipts(database, wanted)
    paper = printed_receipt(
        receipt.cose,
        document,
        root_hash=found[receipt.root_key].receipt_hash,
        shop=await _shop(database, receipt.seller, document),
        payments=payments_of(receipt.payments),
    )
    last = found.get(latest.get(receipt.root_key, receipt.root_key), receipt)
    return replace(paper, voided=last.kind_of.nature is Nature.VOID and last.key != receipt.key)


async def _shop(database: Any, seller: int, document: Document) -> Shop:
    tins = {part.merchant_tin for part in document.parts}
    known = {one.tin: one for one in await reading.find_sellers(database, tins=tins, numbers=[seller])}
    [own] = [one for one in known.values() if one.seller == seller]
    return Shop(own.tin, own.name, names={tin: one.name for tin, one in known.items()})
