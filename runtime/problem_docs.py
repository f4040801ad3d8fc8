"""Problems as an OpenAPI document says them: by status, with every code that may come and what it means."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from runtime.http_errors import MEDIA_TYPE, PROBLEM_STATUSES
from runtime.messages import Language, text

Json = dict[str, Any]
ALWAYS: Final = ("internal", "unavailable")
"""What may be answered to anything."""
BEARER: Final = ("token_expired", "unauthenticated")
"""What may be answered wherever a token is asked for."""

PROBLEM_SCHEMA: Final[Json] = {
    "title": "Problem",
    "description": "Problem details (RFC 9457). Decide by `code`, which is stable; `title`, `detail` and `message` are"
    " for people, in Mongolian or, where `Accept-Language` asks for it, in English.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "description": "`/problems/<code>`, where the code is explained"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "faults": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
    },
}
FAULT_SCHEMA: Final[Json] = {
    "title": "Fault",
    "description": "One thing wrong with what was sent. `path` is a JSON Pointer into it, or names a header.",
    "type": "object",
    "required": ["code", "path", "message"],
    "properties": {name: {"type": "string"} for name in ("code", "path", "message", "expected")},
    "additionalProperties": False,
}
_RETRY_AFTER: Final[Json] = {"description": "seconds until another try makes sense", "schema": {"type": "integer"}}
_HEADERS: Final[Mapping[int, Json]] = {
    401: {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}},
    429: {
        "Retry-After": _RETRY_AFTER,
        "RateLimit-Policy": {"description": "the limit that was reached", "schema": {"type": "string"}},
        "RateLimit": {"description": "what is left of it", "schema": {"type": "string"}},
    },
    503: {"Retry-After": _RETRY_AFTER},
}


def problem_responses(codes: Iterable[str], faults: Collection[str] = ()) -> Json:
    """Answer the responses for `codes`, status by status. `faults` are the codes of faults that a 400 may list, where
    they are known.
    """
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in sorted(set(codes)):
        by_status[PROBLEM_STATUSES[code]].append(code)
    return {str(status): _response(status, by_status[status], faults) for status in sorted(by_status)}


def _response(status: int, codes: list[str], faults: Collection[str]) -> Json:
    said = [HTTPStatus(status).phrase + ".", *(f"- `{code}`: {text(code, Language.ENGLISH)}" for code in codes)]
    known: Json = {"code": {"enum": codes}}
    if faults and "malformed" in codes:
        said.append("- faults: " + ", ".join(f"`{fault}`" for fault in sorted(faults)))
        known["faults"] = {"items": {"properties": {"code": {"enum": sorted(faults)}}}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "object", "properties": known}]}
    response: Json = {"description": "\n".join(said), "content": {MEDIA_TYPE: {"schema": schema}}}
    return response | ({"headers": _HEADERS[status]} if status in _HEADERS else {})
