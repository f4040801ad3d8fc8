"""The till's service: PosAPI's words over HTTP, for POS software on this machine, in the shop, or in a browser."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Lifespan
from uvicorn import Config

from kernel.refusal import Malformed, Refusal, Unavailable
from pos_gateway.till.installation import Installation
from pos_gateway.till.receipt_call import (
    AfterIssue,
    Alone,
    BankAccountIds,
    ReceiptCall,
    json_response,
    refusal_response,
)
from pos_gateway.till.watched_connections import watched_protocol
from runtime.http_errors import Rim
from runtime.messages import Language, text

PORT: Final = 7080
RECEIPT: Final = "/rest/receipt"
_HTTP_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_STATUSES: Final = frozenset({404, 405})
"""What HTTP itself says; all else that is wrong is 400, as PosAPI's clients know it."""


def make_app(
    installation: Installation,
    *,
    after: AfterIssue | None = None,
    bank_account_ids: BankAccountIds = lambda _tin: {},
    routes: Sequence[BaseRoute] = (),
    origins: Sequence[str] = ("*",),
    lifespan: Lifespan[Starlette] | None = None,
) -> ASGIApp:
    """Answer the service of an open installation. `after` is told of every receipt (the uploader), `routes` are the
    calls beside `/rest/receipt`, `origins` whose pages may call from a browser, "*" all.
    """
    call = ReceiptCall(installation, after or Alone(), bank_account_ids)
    looking = _while_served(call, lifespan)
    own = [Route(path, call, include_in_schema=False) for path in (RECEIPT, f"{RECEIPT}/")]
    app = Starlette(
        routes=[*own, *routes],
        lifespan=looking,
        exception_handlers={
            HTTPException: _say_http,
            Malformed: _say_no,
            Refusal: _say_no,
            Unavailable: _say_no,
        },
        middleware=[
            Middleware(
                CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST", "DELETE"], allow_headers=["*"],
                allow_private_network=True,
            ),
            Middleware(Rim, say=_say_incident, end=Response(status_code=400)),
        ],
    )  # fmt: skip
    app.router.redirect_slashes = False
    return app


def _while_served(call: ReceiptCall, lifespan: Lifespan[Starlette] | None) -> Lifespan[Starlette]:
    @asynccontextmanager
    async def while_served(app: Starlette) -> AsyncIterator[Any]:
        async with lifespan(app) if lifespan else nullcontext() as state:
            call.enter()
            yield state
            call.leave()

    return while_served


def server_config(app: ASGIApp, *, host: str = "127.0.0.1", port: int = PORT) -> Config:
    """Answer how uvicorn is to serve the till: with connections that tell whether an answer arrived."""
    return Config(
        app, host=host, port=port, http=watched_protocol(), loop="asyncio", ws="none", log_config=None,
        access_log=False, server_header=False, timeout_keep_alive=75,
    )  # fmt: skip


def _say_incident(_request: Request, incident: str) -> Response:
    """Answer 400: a receipt may have been issued, and a 500 makes clients send the same again."""
    return json_response(400, _said("internal", incident=incident))


async def _say_no(_request: Request, exception: Exception) -> Response:
    assert isinstance(exception, Malformed | Refusal | Unavailable)
    return refusal_response(exception)


async def _say_http(_request: Request, exception: Exception) -> Response:
    assert isinstance(exception, HTTPException)
    code = _HTTP_CODES.get(exception.status_code, "http_error")
    status = exception.status_code if exception.status_code in _STATUSES else 400
    return json_response(status, _said(code), exception.headers)


def _said(code: str, **values: str) -> bytes:
    message = " ".join([text(code, language, **values) for language in Language])
    said = {"status": "ERROR", "message": message, "faults": [{"code": code}]}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
