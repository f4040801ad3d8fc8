"""The shopkeeper's page at `/web/`, and what it asks for. Three files, no build step, Mongolian and English.

A page of somebody else's can make a shopkeeper's browser post to this machine. So whatever changes something wants the
form token, which stands in our page; and the page, whose token nobody else may read, is given only to a browser that
was told this machine's own name (not a domain that somebody pointed at it) and does not ask for another's page.
"""

import html
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from hmac import compare_digest
from importlib.resources import files
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kernel.clock import format_instant
from kernel.identity import format_terminal
from kernel.refusal import Fault, Malformed, Refusal, Unavailable
from pos_gateway.till.activate_till import Activation, activate_till, replace_till
from pos_gateway.till.ask_centre import AskCentre, CentreFailure, open_http, parse_centre_url
from pos_gateway.till.certification import parse_kid
from pos_gateway.till.day_sheet import parse_day
from pos_gateway.till.link_routes import json_answer, read_object, send_now
from pos_gateway.till.overview import failure_words, notices_json, overview_json
from pos_gateway.till.own_site import is_asked_from_here
from pos_gateway.till.till_service import CentreUnset, TillService
from receipts.ids import ReceiptId
from runtime.clock import real_now
from runtime.http_errors import problem_of
from runtime.messages import Language

TOKEN_HEADER: Final = "x-till-token"  # noqa: S105 - a name
BODY_MAX: Final = 4 * 1024
NOTICES_SHOWN: Final = 50
REPLACE_S: Final = 60.0
"""How long a replacement uploads before the new seat is taken; what is left then goes on being uploaded."""
VOIDED_HERE: Final = "кассын хуудас"
"""The reason of a void from the page."""
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; form-action 'none';"
    " base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_TYPES: Final = {"till.css": "text/css", "till.js": "text/javascript"}


class ForeignForm(Refusal):
    """The request does not come from this till's own page."""

    code = "foreign_form"


def page_routes(service: TillService) -> list[Route]:
    """Answer the routes of a till's page."""
    return [
        Route("/", to_page),
        Route("/web", to_page),
        Route("/web/", partial(get_page, service)),
        Route("/web/{name}", partial(get_file, service)),
        Route("/web/{name}", partial(post_form, service), methods=["POST"]),
    ]


async def to_page(_request: Request) -> Response:
    """Lead to the page."""
    return RedirectResponse("/web/", 307)


async def get_page(service: TillService, request: Request) -> Response:
    """Answer the page with its form token."""
    _require_own_name(request)
    page = _file("index.html").replace("{token}", html.escape(service.form_token))
    return Response(page, media_type="text/html; charset=utf-8", headers=_HEADERS)


async def get_file(service: TillService, request: Request) -> Response:
    """Answer the page's style and script, or what it shows."""
    _require_own_name(request)
    name = request.path_params["name"]
    if name == "standing":
        doubted = service.installation.doubts_clock()
        return json_answer(overview_json(service.overview()) | {"clock_doubted": doubted})
    if name == "notices":
        return json_answer(notices_json(service.installation.notices(most=NOTICES_SHOWN)))
    if name == "day":
        asked = request.query_params.get("date")
        day = parse_day(asked) if asked else service.today()
        return json_answer(await service.sheets.of(day))
    if name not in _TYPES:
        return Response(status_code=404)
    return Response(_file(name), media_type=f"{_TYPES[name]}; charset=utf-8", headers=_HEADERS)


async def post_form(service: TillService, request: Request) -> Response:
    """Do what the page's forms ask for: `send`, `void` `{"id"}`, `activate` `{"code", "centre"?, "root"?}`, `replace`
    `{"code"}`, and what a command beside asks for, `reload`. What is refused is answered in both languages.
    """
    form = _FORMS.get(request.path_params["name"])
    if form is None:
        return Response(status_code=404)
    try:
        _require_own_page(service, request)
        return json_answer(await form(service, read_object(await _body(request))))
    except (Malformed, Refusal, Unavailable) as failure:
        problem = problem_of(failure, Language.ENGLISH)
        said = {language.value: _sentence(failure, language) for language in Language}
        return json_answer({"code": problem.body["code"]} | said, status=problem.status)
    except CentreFailure as failure:
        return json_answer({"code": failure.code} | failure_words(failure.code, failure.detail), status=502)


async def _send(service: TillService, _body: Mapping[str, Any]) -> dict[str, Any]:
    return await send_now(service)


async def _reload(service: TillService, _body: Mapping[str, Any]) -> dict[str, Any]:
    await service.tend()
    return {"state": service.overview().state.value}


async def _clock(service: TillService, _body: Mapping[str, Any]) -> dict[str, str]:
    """Take the shopkeeper's word that the clock is right: a till that was off, without network, for more than a day
    issues nothing before (`known_time`).
    """
    now = service.clock().replace(microsecond=0)
    await service.installation.learn_time(now)
    return {"now": format_instant(now)}


async def _void(service: TillService, body: Mapping[str, Any]) -> dict[str, str]:
    receipt = ReceiptId.parse(str(body.get("id")), "/id")
    issued = await service.installation.void(receipt, reason=VOIDED_HERE)
    service.issued(issued)
    return {"id": str(issued.id)}


async def _activate(service: TillService, body: Mapping[str, Any]) -> dict[str, str]:
    if service.centre is None and not body.get("centre"):
        raise CentreUnset
    root = parse_root(str(body["root"])) if body.get("root") else None
    url = service.centre.url if service.centre else parse_centre_url(str(body["centre"]))
    async with open_http(url) as http:
        centre = AskCentre(http, service.installation.dir.client_key, real_clock=real_now)
        done = await activate_till(
            service.installation, centre, code=str(body.get("code")), clock=service.clock, root_kid=root
        )
    await service.join(url)
    return await _said(service, done)


async def _replace(service: TillService, body: Mapping[str, Any]) -> dict[str, str]:
    if service.centre is None or service.uploader is None:
        raise CentreUnset
    done, _ = await replace_till(
        service.installation,
        service.centre,
        code=str(body.get("code")),
        clock=service.clock,
        upload=partial(service.uploader.send_now, within_s=REPLACE_S),
    )
    return await _said(service, done)


async def _said(service: TillService, done: Activation) -> dict[str, str]:
    await send_now(service)
    return {"name": done.seat.name, "terminal": format_terminal(done.seat.terminal), "root": done.root_kid.hex()}


_FORMS: Final[Mapping[str, Callable[[TillService, Mapping[str, Any]], Awaitable[dict[str, Any]]]]] = {
    "send": _send,
    "void": _void,
    "activate": _activate,
    "replace": _replace,
    "reload": _reload,
    "clock": _clock,
}


def parse_root(text: str, path: str = "/root") -> bytes:
    """Read the kid of a root key. Raises `Malformed` with `root_kid_form`."""
    kid = parse_kid(text)
    if kid is None:
        raise Malformed(Fault("root_kid_form", path, "16 hexadecimal digits"))
    return kid


def _sentence(failure: Malformed | Refusal | Unavailable, language: Language) -> str:
    body = problem_of(failure, language).body
    return " ".join(fault["message"] for fault in body.get("faults", [])) or str(body["detail"])


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_MAX:
            raise Malformed(Fault("too_large", "", f"at most {BODY_MAX} bytes"))
    return body


def _require_own_page(service: TillService, request: Request) -> None:
    _require_own_name(request)
    sent = request.headers.get(TOKEN_HEADER, "")
    if not compare_digest(sent.encode(), service.form_token.encode()):
        raise ForeignForm


def _require_own_name(request: Request) -> None:
    """Raises `ForeignForm` where the browser was told another name than this machine's, or asks for another's page."""
    if not is_asked_from_here(request):
        raise ForeignForm


def _file(name: str) -> str:
    return files("pos_gateway.till").joinpath("web", name).read_text(encoding="utf-8")
