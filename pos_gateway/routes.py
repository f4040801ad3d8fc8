"""The tills' HTTP. Issuing routes are raw Starlette routes (no validation layer between the bytes and the pool); they
are documented in `openapi.py` all the same. Look-ups are ordinary routes.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from kernel.clock import business_day, parse_instant
from kernel.identity import parse_terminal
from kernel.refusal import Fault, Malformed, Refusal, Unavailable
from pos_gateway import wire
from pos_gateway.answers import receipt_answer, stored_answer
from pos_gateway.gateway import Gateway, gateway_of, require_key
from pos_gateway.pool import OutcomeUnknown
from receipts import qr_image
from receipts.ids import ReceiptId
from receipts.issue_receipts import receipt_key
from receipts.orders import SaleOrder, UnknownReceipt
from receipts.qr import encode_text
from receipts.receipt import Nature
from receipts.store import issuing, reading
from receipts.store.reading import Client
from receipts.stored import StoredReceipt
from runtime.http_errors import problem_of
from runtime.messages import Language, language_of

JSON = "application/json"
NDJSON = "application/x-ndjson"
_encode = msgspec.json.Encoder().encode
LISTED_MAX = 500


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Read a body, no further than its limit. Raises `Malformed` with `too_large`."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise Malformed(Fault("too_large", "", f"at most {bytes_max} bytes"))
        chunks.append(chunk)
    return b"".join(chunks)


async def post_receipt(request: Request) -> Response:
    """Issue one receipt: 201, or 200 when the same key and content were issued before."""
    gateway = gateway_of(request.app)
    client = await gateway.authenticate(request.headers.get("authorization"))
    key = require_key(request.headers.get("idempotency-key"))
    body = wire.read_receipt(await read_body(request, wire.RECEIPT_BYTES_MAX))
    order = await gateway.sale_order(client, key, body)
    issued = await gateway.issue(order)
    answer = receipt_answer(issued, None if issued.repeated else order.priced.parts)
    return Response(_encode(answer), 200 if issued.repeated else 201, media_type=JSON)


async def post_void(request: Request) -> Response:
    """Void a receipt: the void is a link of its own, and is answered as one."""
    gateway = gateway_of(request.app)
    client = await gateway.authenticate(request.headers.get("authorization"))
    receipt = ReceiptId.parse(request.path_params["id"])
    key = require_key(request.headers.get("idempotency-key", f"void:{receipt}"))
    body = wire.read_void(await read_body(request, wire.RECEIPT_BYTES_MAX))
    issued = await gateway.issue(gateway.void_order(client, key, receipt, body))
    return Response(_encode(receipt_answer(issued)), 200 if issued.repeated else 201, media_type=JSON)


async def post_batch(request: Request) -> Response:
    """Issue up to a thousand receipts, one NDJSON line each; a line that fails does not touch the others."""
    gateway = gateway_of(request.app)
    client = await gateway.authenticate(request.headers.get("authorization"))
    body = await read_body(request, wire.BATCH_BYTES_MAX)
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not 1 <= len(lines) <= wire.BATCH_LINES_MAX:
        raise Malformed(Fault("batch_lines", "", f"1 to {wire.BATCH_LINES_MAX} lines"))
    gateway.pool.require_room(len(lines))
    language = language_of(request.headers.get("accept-language"))
    verdicts = [await _begin(gateway, client, _Line(at, line, language)) for at, line in enumerate(lines, 1)]
    return StreamingResponse(_in_order(verdicts), media_type=NDJSON)


@dataclass(slots=True)
class _Line:
    """A line of a batch: its place from 1, its bytes, the language of its verdict, and its key once it is read."""

    at: int
    content: bytes
    language: Language
    key: str | None = None

    def verdict(self, **said: Any) -> bytes:
        """Answer the line's verdict as one line of NDJSON."""
        return bytes(_encode({"line": self.at, "key": self.key, **said}) + b"\n")

    def refused(self, fault: Malformed | Refusal | Unavailable) -> bytes:
        """Answer the verdict that the line was not issued."""
        problem = problem_of(fault, self.language)
        return self.verdict(status=problem.status, problem=problem.body)


async def _begin(gateway: Gateway, client: Client, line: _Line) -> asyncio.Task[bytes]:
    """Judge a line and put it into the pool. Lines are begun one after another, so that each terminal's sales are
    issued in the order in which they were sent.
    """
    try:
        if len(line.content) > wire.RECEIPT_BYTES_MAX:
            raise Malformed(Fault("too_large", "", f"at most {wire.RECEIPT_BYTES_MAX} bytes a line"))  # noqa: TRY301
        body = wire.read_batch_line(line.content)
        line.key = body.key
        order = await gateway.sale_order(client, body.key, body.receipt)
    except (Malformed, Refusal, Unavailable) as fault:
        return asyncio.create_task(_said(line.refused(fault)))
    return asyncio.create_task(_issued(gateway, line, order))


async def _said(verdict: bytes) -> bytes:
    return verdict


async def _issued(gateway: Gateway, line: _Line, order: SaleOrder) -> bytes:
    """Answer a line's verdict. An unknown outcome is raised: the answer breaks off and says nothing about it."""
    try:
        issued = await gateway.issue(order)
    except OutcomeUnknown:
        raise
    except (Refusal, Unavailable) as fault:
        return line.refused(fault)
    answer = receipt_answer(issued, None if issued.repeated else order.priced.parts)
    return line.verdict(status=200 if issued.repeated else 201, receipt=answer)


async def _in_order(verdicts: list[asyncio.Task[bytes]]) -> AsyncIterator[bytes]:
    """Send the verdicts in the order of the lines, those that are there together."""
    ready: list[bytes] = []
    for verdict in verdicts:
        if ready and not verdict.done():
            yield b"".join(ready)
            ready.clear()
        ready.append(await verdict)
    yield b"".join(ready)


ISSUING_ROUTES = [
    Route("/v1/receipts", post_receipt, methods=["POST"]),
    Route("/v1/receipts/batch", post_batch, methods=["POST"]),
    Route("/v1/receipts/{id}/void", post_void, methods=["POST"]),
]

router = APIRouter(prefix="/v1/receipts", tags=["receipts"])


async def _caller(request: Request) -> Client:
    return await gateway_of(request.app).authenticate(request.headers.get("authorization"))


Caller = Annotated[Client, Depends(_caller)]


@router.get("", summary="Was my sale issued? What did a terminal issue on a day?")
async def find_receipts(
    request: Request,
    caller: Caller,
    key: Annotated[str | None, Query(max_length=128)] = None,
    reference: Annotated[str | None, Query(max_length=64)] = None,
    terminal: Annotated[str | None, Query(max_length=8)] = None,
    date: Annotated[str | None, Query(max_length=10, description="Ulaanbaatar, as 2017-03-01")] = None,
    after: Annotated[int, Query(ge=0, le=99_999, description="continue after this number of the day")] = 0,
) -> dict[str, Any]:
    """Look receipts up by idempotency key, by the till's own reference, or by terminal and day with its totals."""
    database = gateway_of(request.app).database
    if key is not None:
        found = await reading.find_by_key(database, caller.seller, caller.client_id, require_key(key))
        return {"receipts": await _answers(database, [] if found is None else [found])}
    if reference is not None:
        return {
            "receipts": await _answers(
                database, await reading.find_by_reference(database, caller.seller, reference.replace("\0", ""))
            )
        }
    if terminal is None or date is None:
        raise Malformed(Fault("missing_field", "/key", "key, or reference, or terminal and date"))
    day = business_day(parse_instant(f"{date}T12:00:00+08:00", "/date"))
    at = (caller.seller, parse_terminal(terminal), day, after)
    receipts, totals = await reading.list_day(database, at, LISTED_MAX)
    return {
        "date": date,
        "terminal": terminal,
        "totals": [{**row, "nature": Nature(row["nature"]).name} for row in totals],
        "receipts": await _answers(database, receipts),
        "next_after": receipts[-1].number + 1 if len(receipts) == LISTED_MAX else None,
    }


@router.get("/{id}", summary="A receipt of this seller")
async def get_receipt(request: Request, id: str, caller: Caller) -> dict[str, Any]:  # noqa: A002 - the path's name
    """Answer a stored receipt with its lines."""
    database = gateway_of(request.app).database
    return (await _answers(database, [await _own(request, id, caller)]))[0]


@router.get("/{id}/qr.png", summary="The receipt's QR code as a picture", response_class=Response)
async def get_png(request: Request, id: str, caller: Caller) -> Response:  # noqa: A002 - the path's name
    """Answer the QR code as PNG."""
    receipt = await _own(request, id, caller)
    return Response(qr_image.qr_png(encode_text(receipt.cose)), media_type="image/png")


@router.get("/{id}/qr.svg", summary="The receipt's QR code as a drawing", response_class=Response)
async def get_svg(request: Request, id: str, caller: Caller) -> Response:  # noqa: A002 - the path's name
    """Answer the QR code as SVG."""
    receipt = await _own(request, id, caller)
    return Response(qr_image.qr_svg(encode_text(receipt.cose)), media_type="image/svg+xml")


async def _own(request: Request, text: str, caller: Client) -> StoredReceipt:
    receipt_id = ReceiptId.parse(text)
    found = await issuing.find_receipts(gateway_of(request.app).database, [receipt_key(receipt_id)])
    receipt = found.get(receipt_key(receipt_id))
    if receipt is None or receipt.id != receipt_id or receipt_id.seller != caller.seller:
        raise UnknownReceipt
    return receipt


async def _answers(database: Any, receipts: Any) -> list[dict[str, Any]]:
    roots = await issuing.find_receipts(database, {receipt.root_key for receipt in receipts})
    return [stored_answer(receipt, roots[receipt.root_key].receipt_hash) for receipt in receipts]
