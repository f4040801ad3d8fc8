"""Every answer that is not a success, as RFC 9457 problem details in the reader's language.

    {"type": "/problems/<code>", "title", "status", "code", "detail",
     "faults"?: [{"code", "path", "message", "expected"?}]}

`problem_of` is pure and serves raw routes and the lines of a batch as well; `install` puts it behind an app, and
around the app the rim: what nobody foresaw is logged under an incident number and answered without a word of it.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, assert_never

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel.refusal import Fault, Malformed, Refusal, Unavailable
from runtime.faults import faults_of
from runtime.messages import CATALOGUE, Language, fault_text, language_of, text

MEDIA_TYPE = "application/problem+json"
FAULTS_MAX = 1_000
"""Faults listed in one answer: 256 KiB of `[0,0,...]` could hold 131,072, and their list would be a hundred times
as large as what was sent."""

_REFUSED_WITH: Final[Mapping[int, tuple[str, ...]]] = {
    400: ("invalid_request", "unsupported_grant_type"),
    401: ("invalid_client", "token_expired", "unauthenticated"),
    403: (
        "activation_code_unknown",
        "forbidden",
        "foreign_form",
        "forged",
        "other_site",
        "own_seller",
        "wrong_seller",
        "wrong_signer",
    ),
    404: (
        "client_unknown",
        "invoice_unknown",
        "key_shard_unknown",
        "key_unknown",
        "never_looked_up",
        "payout_unknown",
        "seat_unknown",
        "seller_unknown",
        "terminal_unknown",
        "unknown_consumer",
        "unknown_draw",
        "unknown_entry",
        "unknown_receipt",
    ),
    409: (
        "account_exists",
        "activation_untrusted",
        "already_claimed",
        "already_void",
        "beacon_round_was_public",
        "beacon_wrong_randomness",
        "beacon_wrong_round",
        "beacon_wrong_signature",
        "business_receipt",
        "centre_unset",
        "certificate_expired",
        "clock_ahead",
        "clock_far_ahead",
        "draw_already_closed",
        "draw_already_run",
        "draw_cut_off_not_reached",
        "draw_earlier_month_open",
        "draw_later_month_closed",
        "expired",
        "key_revoked",
        "login_numbers_exhausted",
        "not_claimable",
        "not_correctable",
        "not_latest",
        "not_suspended",
        "officer_exists",
        "predecessor_missing",
        "public_key_taken",
        "queue_tampered",
        "receipt_void",
        "reg_no_taken",
        "root_key_revoked",
        "replaces_nothing",
        "seat_suspended",
        "seat_taken",
        "seller_exists",
        "suspended_by_centre",
        "suspended_fork",
        "suspended_tampered",
        "terminal_closed",
        "terminal_day_full",
        "terminal_exists",
        "terminal_numbers_exhausted",
        "terminal_suspended",
        "too_late",
        "too_many_held",
        "training_receipt",
    ),
    422: ("idempotency_key_reused", "key_reused"),
    429: ("rate_limited",),
    504: ("outcome_unknown",),
}
STATUSES: Final[Mapping[str, int]] = {code: status for status, codes in _REFUSED_WITH.items() for code in codes}
"""The one table from a refusal's code to its HTTP status."""

_MALFORMED_STATUSES: Final[Mapping[str, int]] = {"too_large": 413, "unsupported_media_type": 415, "rate_limited": 429}
"""Faults that HTTP has its own status for; all others are 400."""

_HTTP_CODES: Final[Mapping[int, str]] = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    503: "unavailable",
}
"""What the framework itself says, by its status."""
_CODES_OTHERWISE: Final = "http_error"

_FIELDS: Final[Mapping[str, str]] = {
    "retry_after_s": "Retry-After",
    "rate_limit_policy": "RateLimit-Policy",
    "rate_limit": "RateLimit",
}
"""What a refusal knows -> the header field that says it, too."""

PROBLEM_STATUSES: Final[Mapping[str, int]] = {
    **{code: status for status, code in _HTTP_CODES.items()},
    **_MALFORMED_STATUSES,
    **STATUSES,
    "malformed": 400,
    "pool_full": 503,
    "root_key_away": 503,
    "internal": 500,
}
"""Every code that a problem may bear, with its status; for the documentation."""

PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    family: {
        "description": "Problem details (RFC 9457)",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "code", "detail"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "code": {"type": "string"},
                        "detail": {"type": "string"},
                        "faults": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["code", "path", "message"],
                                "properties": {
                                    name: {"type": "string"} for name in ("code", "path", "message", "expected")
                                },
                            },
                        },
                    },
                }
            }
        },
    }
    for family in ("4XX", "5XX")
}
"""For `FastAPI(responses=...)`: documents the problems, and keeps FastAPI from documenting a 422 that never comes."""

Answerable = Malformed | Refusal | Unavailable | RequestValidationError | HTTPException
"""Every foreseen way in which a request ends without success."""


class Problem(NamedTuple):
    """An answer that is not a success: HTTP status, body of RFC 9457, headers."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    def json(self) -> bytes:
        """Write the body. A lone surrogate, which JSON lets a client send and UTF-8 lets nobody write, becomes `?`."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def problem_of(exception: Answerable, language: Language) -> Problem:
    """Say a foreseen failure in `language`. Pure: needs no app and no request."""
    match exception:
        case Malformed():
            return _of_faults(exception.faults, language)
        case RequestValidationError():
            return _of_faults(faults_of(exception.errors()), language)
        case Unavailable():
            return _of_unavailable(exception, language)
        case Refusal():
            return _of_refusal(exception, language)
        case HTTPException():
            return _of_http(exception, language)
        case _:
            assert_never(exception)


def incident_problem(incident: str, language: Language) -> Problem:
    """Say that something unforeseen happened, and under which number it was logged."""
    return _problem(500, "internal", text("internal", language, incident=incident), language)


def answer(exception: Answerable, request: Request) -> Response:
    """Answer a request with the problem in the language that it asked for."""
    return _response(problem_of(exception, language_of(request.headers.get("accept-language"))))


Tell = Callable[[str, Exception], None]
"""Is told of every problem that is answered: its code, and what happened."""


def install(app: FastAPI, tell: Tell = lambda _code, _failure: None) -> None:
    """Answer every failure of `app` with a problem, put the rim around it, and explain the codes under `/problems`.

    `tell` is told of each but those that nobody foresaw.

    Give the app `responses=PROBLEM_RESPONSES` so that its documentation says the same.
    """

    async def handle(request: Request, exception: Exception) -> Response:
        assert isinstance(exception, Answerable)
        if isinstance(exception, HTTPException) and exception.status_code < 400:  # noqa: PLR2004 - no problem at all
            return Response(status_code=exception.status_code, headers=exception.headers)
        if isinstance(exception, Unavailable):
            structlog.get_logger().warning("unavailable", reason=str(exception))
        problem = problem_of(exception, language_of(request.headers.get("accept-language")))
        tell(problem.body["code"], exception)
        return _response(problem)

    for kind in (Malformed, Refusal, Unavailable, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
    app.add_middleware(Rim)
    app.add_api_route(
        "/problems/{code}", explain, methods=["GET"], tags=["operation"], summary="What a problem's code means"
    )


async def explain(code: str) -> dict[str, str]:
    """Answer the texts of a code in both languages: what a problem's `type` points to."""
    if code not in CATALOGUE:
        raise HTTPException(404)
    return {"code": code} | {language.value: said for language, said in CATALOGUE[code].items()}


class Rim:
    """The outermost edge: whatever nobody foresaw is logged under a random incident number and answered 500.

    The exception's own words are not logged, because a driver puts the refused row into them: its type and the
    places in our code are. When the answer has begun, the connection is broken off, so that half an answer never
    looks whole.

    Args:
        app: what stands within.
        new_incident: draws the number.
        say: answers a request that met an incident.
        end: answers a client that left before its answer began, where the server wants an answer all the same.
    """

    def __init__(
        self,
        app: ASGIApp,
        new_incident: Callable[[], str] = lambda: "i" + secrets.token_hex(8),
        *,
        say: "Callable[[Request, str], Response] | None" = None,
        end: Response | None = None,
    ) -> None:
        self._app = app
        self._new_incident = new_incident
        self._say = say or _say_incident
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer for it when that fails."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            if self._end is not None and not begun:
                await self._end(scope, receive, send)
        except Exception as exception:  # noqa: BLE001 - this is the rim
            incident = self._new_incident()
            structlog.get_logger().error("incident", incident=incident, exc_info=exception)
            if begun:
                raise AnswerBrokenOff(incident) from None
            await self._say(Request(scope), incident)(scope, receive, send)


def _say_incident(request: Request, incident: str) -> Response:
    return _response(incident_problem(incident, language_of(request.headers.get("accept-language"))))


class AnswerBrokenOff(Exception):  # noqa: N818 - named by what happened
    """The answer had begun when something unforeseen happened; tells the server to break the connection."""


def _of_faults(faults: tuple[Fault, ...], language: Language) -> Problem:
    special = next((fault.code for fault in faults if fault.code in _MALFORMED_STATUSES), None)
    first = fault_text(faults[0], language)
    detail = first if len(faults) == 1 else text("malformed", language, count=str(len(faults)), first=first)
    problem = _problem(_MALFORMED_STATUSES.get(special or "", 400), special or "malformed", detail, language)
    problem.body["faults"] = [_fault_body(fault, language) for fault in faults[:FAULTS_MAX]]
    return problem


def _fault_body(fault: Fault, language: Language) -> dict[str, str]:
    body = {"code": fault.code, "path": fault.path, "message": fault_text(fault, language)}
    return body if fault.expected is None else {**body, "expected": fault.expected}


def _of_refusal(refusal: Refusal, language: Language) -> Problem:
    problem = _problem(STATUSES[refusal.code], refusal.code, text(refusal.code, language, **refusal.values), language)
    problem.headers.update({field: refusal.values[name] for name, field in _FIELDS.items() if name in refusal.values})
    return problem


def _of_unavailable(unavailable: Unavailable, language: Language) -> Problem:
    """Some reasons are codes with a text of their own (`pool_full`); the others are for the log alone."""
    code = str(unavailable) if str(unavailable) in CATALOGUE else "unavailable"
    seconds = str(unavailable.retry_after_s)
    problem = _problem(503, code, text(code, language, retry_after_s=seconds), language)
    problem.headers["Retry-After"] = seconds
    return problem


def _of_http(exception: HTTPException, language: Language) -> Problem:
    """The framework's own words are not repeated: they may quote the request."""
    if exception.status_code == 503:  # noqa: PLR2004 - Service Unavailable
        return _of_unavailable(Unavailable("unavailable"), language)
    code = _HTTP_CODES.get(exception.status_code, _CODES_OTHERWISE)
    problem = _problem(exception.status_code, code, text(code, language), language)
    problem.headers.update(exception.headers or {})
    return problem


def _problem(status: int, code: str, detail: str, language: Language) -> Problem:
    title = f"title_{status}" if f"title_{status}" in CATALOGUE else f"title_{status // 100}00"
    body = {
        "type": f"/problems/{code}",
        "title": text(title, language),
        "status": status,
        "code": code,
        "detail": detail,
    }
    headers = {"Content-Language": language.value, "Vary": "Accept-Language", "Cache-Control": "no-store"}
    if status == 401:  # noqa: PLR2004 - RFC 9110 11.6.1 wants the scheme named
        headers["WWW-Authenticate"] = "Bearer"
    return Problem(status, body, headers)


def _response(problem: Problem) -> Response:
    return Response(problem.json(), problem.status, problem.headers, media_type=MEDIA_TYPE)
