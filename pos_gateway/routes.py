"""The routes on which tills issue: raw Starlette routes, with no validation layer between the bytes and the pool. They
are documented in `openapi.py` all the same. Single receipts have a lane of their own past the framework's layers
(`lane.py`); what it cannot answer comes to `post_receipt`.
"""

from time import perf_counter

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pos_gateway import lookups, wire
from pos_gateway.answers import receipt_answer
from pos_gateway.batch import post_batch
from pos_gateway.bodies import read_body, read_key, require_key
from pos_gateway.gateway import gateway_of
from pos_gateway.lane import issue
from pos_gateway.signed import post_signed
from receipts.ids import ReceiptId
from runtime.lane import resume_of

JSON = "application/json"
_encode = msgspec.json.Encoder().encode
router = lookups.router


async def post_receipt(request: Request) -> Response:
    """Issue one receipt, signed and durable: 201, or 200 when the same key and content were issued before.

    Say what was sold, in möngö (1/100 MNT) with taxes included; the taxes are computed where you do not state them.
    What is wrong is said all at once. After a time-out, or a 504, send the same key and content again.
    """
    resume = resume_of(request.scope)
    if resume is None:
        began = perf_counter()
        gateway = gateway_of(request.app)
        client = await gateway.authenticate(request.headers.get("authorization"))
        gateway.limits.spend(client)
        key = require_key(request)
        body = wire.read_receipt(await read_body(request, wire.RECEIPT_BYTES_MAX))
        status, content = await issue(gateway, client, key, body, began, perf_counter())
    else:
        status, content = await resume()
    return Response(content, status, media_type=JSON)


async def post_void(request: Request) -> Response:
    """Void a receipt that was issued by mistake or whose goods came back.

    The void is a receipt of its own with the negative total, and is answered as one. A consumer's credit for the sale
    is taken back within a second. The same reason sent again gets the first answer.
    """
    gateway = gateway_of(request.app)
    client = await gateway.authenticate(request.headers.get("authorization"))
    gateway.limits.spend(client)
    receipt = ReceiptId.parse(request.path_params["id"])
    key = read_key(request)
    body = wire.read_void(await read_body(request, wire.RECEIPT_BYTES_MAX))
    issued = await gateway.void(client, key, receipt, body)
    return Response(_encode(receipt_answer(issued)), 200 if issued.repeated else 201, media_type=JSON)


ISSUING_ROUTES = [
    Route("/v1/receipts", post_receipt, methods=["POST"]),
    Route("/v1/receipts/batch", post_batch, methods=["POST"]),
    Route("/v1/receipts/signed", post_signed, methods=["POST"]),
    Route("/v1/receipts/{id}/void", post_void, methods=["POST"]),
]
