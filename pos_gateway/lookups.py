"""What a till may ask of its seller's receipts: ordinary routes."""

import asyncio
import re
from collections.abc import Sequence
from datetime import date as calendar_date
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from fastapi.security import HTTPBearer

from kernel.canonical import canonical_text
from kernel.clock import DAY_ZERO
from kernel.identity import parse_terminal
from kernel.refusal import Fault, Malformed
from pos_gateway.answers import ReceiptsAnswer, StoredAnswer, stored_answer
from pos_gateway.bodies import parse_key
from pos_gateway.gateway import Gateway, gateway_of
from receipts import qr_image
from receipts.ids import NUMBERS_A_DAY, ReceiptId
from receipts.issue_receipts import receipt_key
from receipts.orders import UnknownReceipt
from receipts.qr import encode_text
from receipts.receipt import Nature
from receipts.store import issuing, reading
from receipts.store.reading import Client
from receipts.stored import StoredReceipt

LISTED_MAX = 500
AT_ONCE = 8
"""Receipts written as answers before others get a turn: half a millisecond. All of a list take thirty, and the
framework's own way of writing them, which checks each value against its declaration, takes as long again."""
_encode = msgspec.json.Encoder().encode
router = APIRouter(prefix="/v1/receipts", tags=["receipts"])


TILL_SCHEME = HTTPBearer(
    scheme_name="till",
    bearerFormat="JWT",
    auto_error=False,  # who is asking is told by the gateway; this one is for the documentation
    description="An access token of a till, good for an hour: `barimt admin terminal token`, or POST /v1/oauth/token.",
)


async def current_client(request: Request, _scheme: Annotated[object, Depends(TILL_SCHEME)] = None) -> Client:
    """Answer which seller's client is asking. Raises `Unauthenticated`, `TokenExpired` or
    `RateLimited`.
    """
    gateway = gateway_of(request.app)
    client = await gateway.authenticate(request.headers.get("authorization"))
    gateway.limits.spend(client)
    return client


Caller = Annotated[Client, Depends(current_client)]


@router.get("", summary="Was my sale issued? What did a terminal issue on a day?", response_model=ReceiptsAnswer)
async def find_receipts(
    request: Request,
    caller: Caller,
    key: Annotated[str | None, Query(max_length=128, description="the Idempotency-Key of the sale")] = None,
    reference: Annotated[str | None, Query(max_length=64, description="the till's own number of the sale")] = None,
    terminal: Annotated[str | None, Query(max_length=8, description="8 digits, together with `date`")] = None,
    date: Annotated[str | None, Query(max_length=10, description="of Ulaanbaatar, together with `terminal`")] = None,
    after: Annotated[int, Query(ge=0, le=NUMBERS_A_DAY, description="the last answer's `next_after`")] = 0,
) -> Response:
    """Look receipts up in one of three ways: by the idempotency key of a sale, by the till's own reference, or by
    terminal and day, which comes with the day's totals. A till that got no answer to a sale asks here whether it was
    issued: an empty list means that nothing with this key is durable.
    """
    gateway = gateway_of(request.app)
    found = await _found(gateway, caller, (key, reference, terminal, date), after)
    return Response(_encode(found), media_type="application/json")


async def _found(
    gateway: Gateway, caller: Client, asked: tuple[str | None, str | None, str | None, str | None], after: int
) -> ReceiptsAnswer:
    database = gateway.database
    match asked:
        case str() as key, None, None, None:
            stored = await reading.find_by_key(database, caller.seller, caller.client_id, parse_key(key, "/key"))
            return {"receipts": await _answers(database, [] if stored is None else [stored])}
        case None, str() as reference, None, None:
            several = await reading.find_by_reference(database, caller.seller, _reference(reference))
            return {"receipts": await _answers(database, several)}
        case None, None, str() as terminal, str() as date:
            day = _parse_date(date)
            async with gateway.limits.listing:
                return await _day(database, caller, terminal, day, after)
        case None, None, _, _:
            raise Malformed(Fault("missing_field", "/key", "key, or reference, or terminal and date"))
        case _:
            raise Malformed(Fault("query_ambiguous", "/key", "key, or reference, or terminal and date"))


async def _day(database: Any, caller: Client, terminal: str, day: calendar_date, after: int) -> ReceiptsAnswer:
    at = (caller.seller, parse_terminal(terminal), (day - DAY_ZERO).days, after)
    receipts, totals = await reading.list_day(database, at, LISTED_MAX)
    return {
        "date": day.isoformat(),
        "terminal": terminal,
        "totals": [
            {
                "nature": Nature(row["nature"]).name,
                "receipts": row["receipts"],
                "total_mongo": row["total_mongo"],
                "vat_mongo": row["vat_mongo"],
                "city_tax_mongo": row["city_tax_mongo"],
            }
            for row in totals
        ],
        "receipts": await _answers(database, receipts),
        "next_after": receipts[-1].number + 1 if len(receipts) == LISTED_MAX else None,
    }


def _reference(text: str) -> str:
    if "\0" in text:
        raise Malformed(Fault("reference_form", "/reference", "1 to 64 characters, no control ones"))
    return canonical_text(text)


def _parse_date(text: str) -> calendar_date:
    try:
        if re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", text):
            return calendar_date.fromisoformat(text)
    except ValueError:
        pass
    raise Malformed(Fault("date_form", "/date", "YYYY-MM-DD, as 2017-03-01"))


@router.get("/{id}", summary="A receipt of this seller")
async def get_receipt(request: Request, id: str, caller: Caller) -> StoredAnswer:  # noqa: A002 - the path's name
    """Answer a receipt of your own seller with everything that is stored of it, its lines included. Voids and
    corrections are receipts, too.
    """
    database = gateway_of(request.app).database
    return (await _answers(database, [await own_receipt(request, id, caller)]))[0]


@router.get(
    "/{id}/qr.png",
    summary="The receipt's QR code as a picture",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"contentMediaType": "image/png"}}}}},
)
async def get_png(request: Request, id: str, caller: Caller) -> Response:  # noqa: A002 - the path's name
    """Answer the QR code, to be printed on the receipt, as a PNG of one bit a pixel."""
    receipt = await own_receipt(request, id, caller)
    return Response(qr_image.qr_png(encode_text(receipt.cose)), media_type="image/png")


@router.get(
    "/{id}/qr.svg",
    summary="The receipt's QR code as a drawing",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {"schema": {"contentMediaType": "image/svg+xml"}}}}},
)
async def get_svg(request: Request, id: str, caller: Caller) -> Response:  # noqa: A002 - the path's name
    """Answer the QR code as SVG, sharp at any size."""
    receipt = await own_receipt(request, id, caller)
    return Response(qr_image.qr_svg(encode_text(receipt.cose)), media_type="image/svg+xml")


async def own_receipt(request: Request, text: str, caller: Client) -> StoredReceipt:
    """Answer a receipt of the caller's seller by its 33 digits. Raises `Malformed` or `UnknownReceipt`."""
    receipt_id = ReceiptId.parse(text)
    found = await issuing.find_receipts(gateway_of(request.app).database, [receipt_key(receipt_id)])
    receipt = found.get(receipt_key(receipt_id))
    if receipt is None or receipt.id != receipt_id or receipt_id.seller != caller.seller:
        raise UnknownReceipt
    return receipt


async def _answers(database: Any, receipts: Sequence[StoredReceipt]) -> list[StoredAnswer]:
    roots = await issuing.find_receipts(database, {receipt.root_key for receipt in receipts})
    answers: list[StoredAnswer] = []
    for at in range(0, len(receipts), AT_ONCE):
        group = receipts[at : at + AT_ONCE]
        answers += [stored_answer(receipt, roots[receipt.root_key].receipt_hash) for receipt in group]
        await asyncio.sleep(0)
    return answers
