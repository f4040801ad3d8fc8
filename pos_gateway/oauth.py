"""`POST /v1/oauth/token`: how a till turns its key into an access token (RFC 7523; the checks are runtime.tokens')."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from kernel.refusal import Fault, Malformed
from pos_gateway.gateway import gateway_of
from receipts.store import reading
from runtime.tokens.assertion import (
    FORM_MAX,
    ClientRefused,
    GrantUnsupported,
    TokenRequestInvalid,
    exchange,
    oauth_problem,
    read_form,
)
from runtime.tokens.store import StoredJti

TOKEN_PATH = "/v1/oauth/token"  # noqa: S105 - a path


async def post_token(request: Request) -> JSONResponse:
    """Check a client assertion and answer an access token, or an OAuth error (RFC 6749, 5.2)."""
    gateway = gateway_of(request.app)

    async def keys_of(client_id: str) -> Sequence[str]:
        client = await reading.find_client(gateway.database, client_id)
        return [] if client is None else [client.public_key]

    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > FORM_MAX:
            raise Malformed(Fault("too_large", "", f"at most {FORM_MAX} bytes"))
    try:
        answer = await exchange(
            read_form(body),
            token_urls={str(request.url_for("token")), TOKEN_PATH},
            keys_of=keys_of,
            seen=StoredJti(gateway.database),
            tokens=gateway.tokens,
            now=gateway.real_clock(),
        )
    except (TokenRequestInvalid, GrantUnsupported, ClientRefused) as refusal:
        problem = oauth_problem(refusal)
        return JSONResponse(problem.body, problem.status, problem.headers)
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


TOKEN_ROUTE = Route(TOKEN_PATH, post_token, methods=["POST"], name="token")
