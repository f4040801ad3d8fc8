"""PosAPI's calls beside receipts: `/rest/info`, `/rest/sendData` (and `/rest/send`), `/rest/bankAccounts`, and the
public look-ups, from the centre or from memory; the code lists come along with the till.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kernel.identity import parse_tin
from kernel.refusal import Fault, Malformed
from pos_gateway.posapi.lookups import branches_answer, classification_answer, tax_products_answer
from pos_gateway.till.ask_centre import CentreRefused
from pos_gateway.till.look_up import TAXPAYER_PATH, TIN_PATH, look_up_accounts, look_up_taxpayer, look_up_tin
from pos_gateway.till.overview import failure_words
from pos_gateway.till.rest_info import info_answer
from pos_gateway.till.till_service import TillService

SEND_S: Final = 6.0
"""How long `/rest/sendData` uploads before it answers: clients give up after eight seconds, and the rest goes on."""
_REG_NO: Final = re.compile(r"[0-9]{7,8}", re.ASCII)
JSON: Final = "application/json; charset=utf-8"
NOT_KEPT: Final = {"Cache-Control": "no-store"}
_write: Final = msgspec.json.Encoder(decimal_format="number").encode


def json_answer(body: Any, *, status: int = 200) -> Response:
    """Answer JSON, numbers as PosAPI writes them; nobody keeps a copy."""
    return Response(_write(body), status, media_type=JSON, headers=NOT_KEPT)


def link_routes(service: TillService) -> list[Route]:
    """Answer the routes of a till."""
    return [
        Route("/rest/info", partial(get_info, service)),
        Route("/rest/sendData", partial(send_data, service), methods=["GET", "POST"]),
        Route("/rest/send", partial(send_data, service), methods=["GET", "POST"]),
        Route("/rest/bankAccounts", partial(get_bank_accounts, service)),
        Route(TAXPAYER_PATH, partial(get_taxpayer, service)),
        Route(TIN_PATH, partial(get_tin, service)),
        Route("/api/info/check/getBranchInfo", get_branches),
        Route("/api/receipt/receipt/getProductTaxCode", get_tax_products),
        Route("/api/info/check/barcode/v2", get_classification),
        Route("/api/info/check/barcode/v2/{path:path}", get_classification),
    ]


async def get_info(service: TillService, _request: Request) -> Response:
    """Answer the documented fields, and beside them state, what waits, deadline, last error and warnings."""
    overview = service.overview()
    left = service.view.numbers_left(overview.open[0].seat.chain, service.today()) if overview.open else 0
    return json_answer(info_answer(overview, left=left, data_dir=service.installation.dir.root, here=Path.cwd()))


async def send_data(service: TillService, _request: Request) -> Response:
    """Upload what waits, for some seconds at most; what is left goes on by itself. Merchants' names and bank accounts
    are asked for again.
    """
    return json_answer(await send_now(service))


async def send_now(service: TillService) -> dict[str, Any]:
    """Upload for a while and answer how that went, in PosAPI's words and ours."""
    waiting = None if service.uploader is None else await service.uploader.send_now(within_s=SEND_S)
    service.refresh_soon()
    overview = service.overview()
    code = "centre_unset" if waiting is None else overview.error and overview.error.code
    words = failure_words(code, overview.error.detail if overview.error else "") if code else {}
    sent = {"success": code is None, "status": 200, "message": " ".join(words.values())}
    how = {"waiting": overview.waiting, "state": overview.state.value}
    return sent | how | ({} if code is None else {"code": code})


async def get_bank_accounts(service: TillService, request: Request) -> Response:
    """Answer a seller's bank accounts as the centre knows them; without it as they were asked for last."""
    tin = parse_tin(request.query_params.get("tin", ""), "/tin")
    return _as_it_is(await look_up_accounts(service.installation, service.centre, tin))


async def get_taxpayer(service: TillService, request: Request) -> Response:
    """Answer getInfo: who a TIN is."""
    tin = parse_tin(request.query_params.get("tin", ""), "/tin")
    return _as_it_is(await look_up_taxpayer(service.installation, service.centre, tin))


async def get_tin(service: TillService, request: Request) -> Response:
    """Answer getTinInfo: the TIN of a register number. One that nobody has is 404, as at the centre."""
    reg_no = request.query_params.get("regNo", "")
    if not _REG_NO.fullmatch(reg_no):
        raise HTTPException(404)
    try:
        return _as_it_is(await look_up_tin(service.installation, service.centre, reg_no))
    except CentreRefused as refused:
        raise HTTPException(refused.status) from refused


async def get_branches(_request: Request) -> Response:
    """Answer getBranchInfo: the districts."""
    return _as_it_is(branches_answer())


async def get_tax_products(_request: Request) -> Response:
    """Answer getProductTaxCode."""
    return _as_it_is(tax_products_answer())


async def get_classification(request: Request) -> Response:
    """Answer barcode/v2: one level of the classification of goods and services."""
    path = str(request.path_params.get("path", "")).strip("/")
    return _as_it_is(classification_answer(path.split("/") if path else []))


def _as_it_is(body: bytes) -> Response:
    return Response(body, media_type=JSON, headers=NOT_KEPT)


def read_object(body: bytes) -> Mapping[str, Any]:
    """Read a JSON object. Raises `Malformed` with `json_invalid`."""
    try:
        found = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        found = None
    if not isinstance(found, dict):
        raise Malformed(Fault("json_invalid", "", "a JSON object"))
    return found
