"""What the OpenAPI document says of the raw routes, which FastAPI does not know: a token, a sale, a batch, a void.

Bodies are described by the declarations that read them (`wire`), answers by those that are written (`answers`), so
that the document cannot say anything else than the code does.
"""

import re
from typing import Any, Final

import msgspec
from pydantic import TypeAdapter

from pos_gateway import activation, batch, explain, oauth, routes, signed, wire
from pos_gateway.activation import ActivationAnswer
from pos_gateway.answers import ReceiptAnswer
from receipts.link_findings import FINDING_CODES
from runtime.problem_docs import ALWAYS, BEARER, problem_responses
from runtime.tokens.assertion import ASSERTION_TYPE

Json = dict[str, Any]
SHAPE_FAULTS: Final = (
    *explain.FORM_CODES, "field_repeated", "header_repeated", "json_invalid", "missing_field", "not_in_list",
    "out_of_range", "too_deep", "too_long", "too_short", "unknown_field", "wrong_form", "wrong_type",
)  # fmt: skip
"""Faults of any JSON body, whatever it means."""
SALE_FAULTS: Final = (
    *SHAPE_FAULTS, "buyer_missing", "city_tax_mismatch", "city_tax_not_due", "consumer_on_business",
    "corrects_and_pays", "corrects_invoice_type", "district_unknown", "invoices_incomplete", "lines_mismatch",
    "merchant_unknown", "part_repeated", "payments_mismatch", "report_month_not_due", "tax_product_missing",
    "tax_product_unknown", "time_form", "too_many_lines", "vat_mismatch",
)  # fmt: skip
"""Faults of a sale: those of its shape, and those that the law finds."""
_BODY: Final = ("malformed", "too_large", "unsupported_media_type")
_ISSUING: Final = (
    *ALWAYS, "already_void", "key_reused", "not_correctable", "not_latest", "outcome_unknown", "pool_full",
    "rate_limited", "terminal_closed", "terminal_day_full", "terminal_suspended", "terminal_unknown",
    "unknown_receipt", "wrong_signer",
)  # fmt: skip
_SALE: Final = (*_ISSUING, "clock_ahead", "invoice_unknown", "too_late", "wrong_seller")
_SIGNED: Final = (
    *ALWAYS, "forged", "key_revoked", "malformed", "outcome_unknown", "predecessor_missing", "wrong_signer"
)  # fmt: skip
_SCHEMAS: Final = "#/components/schemas/"
_TILL: Final[list[Json]] = [{"till": []}]
_ID: Final[Json] = {
    "name": "id", "in": "path", "required": True, "description": "the receipt's id, 33 digits",
    "schema": {"type": "string", "pattern": "^[0-9]{33}$"},
}  # fmt: skip


def issuing_paths() -> Json:
    """Answer the paths of the raw routes: path -> `{"post": operation}`."""
    return {
        oauth.TOKEN_PATH: {"post": _token()},
        "/v1/receipts": {"post": _sale()},
        "/v1/receipts/batch": {"post": _batch()},
        "/v1/receipts/signed": {"post": _signed()},
        "/v1/receipts/{id}/void": {"post": _void()},
        "/v1/terminals/activate": {"post": _activation()},
    }


def issuing_schemas() -> Json:
    """Answer the schemas that those paths refer to, by name."""
    bodies = (wire.ReceiptIn, wire.BatchLineIn, wire.SignedLineIn, wire.VoidIn, wire.ActivationIn)
    _, requests = msgspec.json.schema_components(bodies, ref_template=_SCHEMAS + "{name}")
    answers = _answer_schemas(ReceiptAnswer) | _answer_schemas(ActivationAnswer)
    return (
        {name: _portable(schema) for name, schema in requests.items()}
        | answers
        | {
            "BatchVerdict": _verdict(),
            "SignedVerdict": _signed_verdict(),
        }
    )


def _answer_schemas(answer: Any) -> Json:
    schema = TypeAdapter(answer).json_schema(ref_template=_SCHEMAS + "{model}", mode="serialization")
    parts: Json = schema.pop("$defs")
    return {**parts, answer.__name__: schema}


def _activation() -> Json:
    answer = _ref("ActivationAnswer")
    codes = (*ALWAYS, *_BODY, "activation_code_unknown", "public_key_taken", "rate_limited", "root_key_away",
             "terminal_exists")  # fmt: skip
    return _described(activation.post_activation, "Activate a till", "tills") | {
        "security": [],
        "requestBody": _body(routes.JSON, _ref("ActivationIn")),
        "responses": {
            "200": _answer("Activated before, with the same code and keys.", answer),
            "201": _answer("Activated, and durable.", answer),
        }
        | problem_responses(codes, (*SHAPE_FAULTS, "activation_code_form")),
    }


def _token() -> Json:
    form = {
        "type": "object",
        "required": ["grant_type", "client_assertion_type", "client_assertion"],
        "properties": {
            "grant_type": {"const": "client_credentials"},
            "client_assertion_type": {"const": ASSERTION_TYPE},
            "client_assertion": {
                "type": "string",
                "description": "a JWT signed with the client's key (EdDSA or ES256): `iss` and `sub` are the client_id,"
                " `aud` is this address, `exp` at most 300 s ahead, `jti` never used before",
            },
            "client_id": {"type": "string", "description": "where stated, the assertion's `sub`"},
        },
    }
    token = {
        "type": "object",
        "required": ["access_token", "token_type", "expires_in"],
        "properties": {
            "access_token": {"type": "string"},
            "token_type": {"const": "Bearer"},
            "expires_in": {"type": "integer", "description": "seconds"},
        },
    }
    responses = problem_responses((*ALWAYS, *_BODY, "rate_limited"), ("header_repeated",))
    for status, codes in (("400", ("invalid_request", "unsupported_grant_type")), ("401", ("invalid_client",))):
        problem = responses.setdefault(status, {"description": "Unauthorized.", "content": {}})
        problem["content"]["application/json"] = {"schema": _oauth_error(codes)}
        problem["description"] += "".join(f"\n- `{code}` (RFC 6749, 5.2)" for code in codes)
    described = _described(oauth.post_token, "Get an access token", "tokens")
    return described | {
        "security": [],
        "requestBody": _body("application/x-www-form-urlencoded", form),
        "responses": {"200": _answer("A token, good for an hour.", token)} | responses,
    }


def _oauth_error(codes: tuple[str, ...]) -> Json:
    return {
        "type": "object",
        "required": ["error", "error_description"],
        "properties": {"error": {"enum": list(codes)}, "error_description": {"type": "string"}},
    }


def _sale() -> Json:
    return _described(routes.post_receipt, "Issue a receipt", "receipts") | {
        "security": _TILL,
        "parameters": [_key(required=True)],
        "requestBody": _body(routes.JSON, _ref("ReceiptIn")),
        "responses": _issued((*_SALE, *BEARER, *_BODY), (*SALE_FAULTS, "idempotency_key_missing")),
    }


def _void() -> Json:
    return _described(routes.post_void, "Void a receipt", "receipts") | {
        "security": _TILL,
        "parameters": [_ID, _key(required=False)],
        "requestBody": _body(routes.JSON, _ref("VoidIn")),
        "responses": _issued((*_ISSUING, *BEARER, *_BODY), SHAPE_FAULTS),
    }


def _batch() -> Json:
    described = _described(batch.post_batch, "Issue up to a thousand receipts", "receipts")
    return described | _line_by_line("BatchLineIn", "BatchVerdict")


def _signed() -> Json:
    described = _described(signed.post_signed, "Take what a till signed itself", "receipts")
    return described | _line_by_line("SignedLineIn", "SignedVerdict")


def _line_by_line(line: str, verdict: str) -> Json:
    """Describe a route that takes lines of JSON and answers a verdict for each, by the names of both schemas."""
    lines = {"type": "string", "description": f"lines of JSON, each a `{line}`; 1 to 1,000 lines, at most 8 MiB"}
    verdicts = {"type": "string", "description": f"lines of JSON, each a `{verdict}`, in the order of the lines"}
    content = {wire.NDJSON: {"schema": verdicts, "x-itemSchema": _ref(verdict)}}
    codes = (*ALWAYS, *BEARER, *_BODY, "pool_full", "rate_limited")
    return {
        "security": _TILL,
        "requestBody": {
            "required": True,
            "content": {wire.NDJSON: {"schema": lines, "x-itemSchema": _ref(line)}},
        },
        "responses": {"200": {"description": "A verdict for each line.", "content": content}}
        | problem_responses(codes, ("batch_lines", "header_repeated", "too_large", "unsupported_media_type")),
    }


def _signed_verdict() -> Json:
    expected = {"type": "integer", "description": "with `predecessor_missing`: the counter of the link to send first"}
    problem = {"type": "object", "properties": {"code": {"enum": list(_SIGNED)}, "expected": expected}}
    receipt = {
        "type": "object",
        "required": ["id", "findings", "fork", "suspended"],
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]{33}$"},
            "findings": {
                "type": "array",
                "items": {"enum": list(FINDING_CODES)},
                "description": "what is the matter with it; stored all the same",
            },
            "fork": {"type": "boolean", "description": "kept as a second branch: no receipt of its id"},
            "suspended": {"type": "boolean", "description": "the terminal is suspended: it must sign nothing more"},
            "easy": {
                "type": "boolean",
                "description": "whether the consumer of `consumer_no` has the claim now; only of fresh receipts",
            },
        },
        "additionalProperties": False,
    }
    return {
        "title": "SignedVerdict",
        "description": "What became of a line: stored (201; 200 when the same bytes were stored before), or a problem."
        " A line without a verdict is unknown: send it again.",
        "type": "object",
        "required": ["line", "hash", "status"],
        "properties": {
            "line": {"type": "integer", "minimum": 1, "description": "counts from 1, empty lines too"},
            "hash": {"type": ["string", "null"], "description": "the receipt hash; null where there is no QR to read"},
            "status": {"type": "integer"},
            "receipt": receipt,
            "problem": {"allOf": [_ref("Problem"), problem]},
        },
        "oneOf": [{"required": ["receipt"]}, {"required": ["problem"]}],
    }


def _verdict() -> Json:
    codes = sorted({*_SALE, *_BODY})
    problem = {"type": "object", "properties": {"code": {"enum": codes}}}
    return {
        "title": "BatchVerdict",
        "description": "What became of a line: a receipt with status 201 (200 when it was issued before), or a problem."
        " A line without a verdict is unknown: send it again with the same key.",
        "type": "object",
        "required": ["line", "key", "status"],
        "properties": {
            "line": {"type": "integer", "minimum": 1, "description": "counts from 1, empty lines too"},
            "key": {"type": ["string", "null"], "description": "null where the line could not be read"},
            "status": {"type": "integer"},
            "receipt": _ref("ReceiptAnswer"),
            "problem": {"allOf": [_ref("Problem"), problem]},
        },
        "oneOf": [{"required": ["receipt"]}, {"required": ["problem"]}],
    }


def _issued(codes: tuple[str, ...], faults: tuple[str, ...]) -> Json:
    return {
        "200": _answer("Issued before with the same key and content: the first answer.", _ref("ReceiptAnswer")),
        "201": _answer("Issued, and durable.", _ref("ReceiptAnswer")),
    } | problem_responses(codes, faults)


def _described(route: Any, summary: str, tag: str) -> Json:
    """Answer an operation's words: they are the docstring of what answers it."""
    lines = [line.strip() for line in route.__doc__.strip().splitlines()]
    return {"tags": [tag], "summary": summary, "operationId": route.__name__, "description": "\n".join(lines)}


def _key(*, required: bool) -> Json:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": required,
        "description": "A key of your own, a new one for each sale. Sent again, with the same content, it gets the same"
        " receipt and never a second one, for 28 days." + ("" if required else " A void can do without."),
        "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,128}$"},
    }


def _body(media_type: str, schema: Json) -> Json:
    return {"required": True, "content": {media_type: {"schema": schema}}}


def _answer(description: str, schema: Json) -> Json:
    return {"description": description, "content": {routes.JSON: {"schema": schema}}}


def _ref(name: str) -> Json:
    return {"$ref": _SCHEMAS + name}


def _portable(schema: Any) -> Any:
    r"""Write Python's anchors \A and \Z as those of ECMA 262, which JSON Schema names."""
    if isinstance(schema, dict):
        return {name: _anchored(value) if name == "pattern" else _portable(value) for name, value in schema.items()}
    return [_portable(item) for item in schema] if isinstance(schema, list) else schema


def _anchored(pattern: str) -> str:
    return re.sub(r"\\Z", "$", re.sub(r"\\A", "^", pattern))
