"""`POST /v1/oauth/token`: how a till turns its key into an access token (RFC 7523; the checks are runtime.tokens')."""

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pos_gateway.bodies import read_body
from pos_gateway.failures import reaching_database
from pos_gateway.gateway import gateway_of
from pos_gateway.limits import LimitedJti
from receipts.store import reading
from runtime.settings import Settings
from runtime.tokens.assertion import (
    FORM_MAX,
    ClientRefused,
    GrantUnsupported,
    TokenRequestInvalid,
    exchange,
    oauth_problem,
    read_form,
)
from runtime.tokens.dev_issuer import is_loopback
from runtime.tokens.store import StoredJti

TOKEN_PATH = "/v1/oauth/token"  # noqa: S105 - a path
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


async def post_token(request: Request) -> Response:
    """Exchange a signed assertion of a till's client for an access token (client credentials with `private_key_jwt`,
    RFC 7523).

    The client's key never leaves the till: it signs an assertion that is good once and for this address. Errors are
    those of OAuth (RFC 6749, 5.2).
    """
    gateway = gateway_of(request.app)
    gateway.limits.ask_token(None if request.client is None else request.client.host)

    async def keys_of(client_id: str) -> Sequence[str]:
        client = await reading.find_client(gateway.database, client_id)
        return [] if client is None else [client.public_key]

    form = await read_body(request, FORM_MAX)
    try:
        async with gateway.limits.exchanging():
            with reaching_database():
                answer = await exchange(
                    read_form(form),
                    token_urls=token_urls(request.app.state.settings, request.scope.get("server")),
                    keys_of=keys_of,
                    seen=LimitedJti(StoredJti(gateway.database), gateway.limits),
                    tokens=gateway.tokens,
                    now=gateway.real_clock(),
                )
    except (TokenRequestInvalid, GrantUnsupported, ClientRefused) as refusal:
        problem = oauth_problem(refusal)
        gateway.metrics.problem(refusal.code)
        return Response(problem.json(), problem.status, problem.headers, media_type="application/json")
    return Response(msgspec.json.encode(answer), headers={"Cache-Control": "no-store"}, media_type="application/json")


def token_urls(settings: Settings, listening: tuple[str, int | None] | None) -> set[str]:
    """Answer the names of this endpoint that an assertion may be addressed to: the one that `barimt admin` prints, and
    the socket's own. Never the one in the request's Host header: whoever was given an assertion that is addressed to
    himself could send it on with his own name in that header.
    """
    places = {(settings.host, settings.port)}
    if listening is not None and listening[1] is not None:
        places.add((listening[0], listening[1]))
    for host, port in tuple(places):
        if is_loopback(host):
            places |= {(name, port) for name in LOOPBACK}
    return {f"http://{host}:{port}{TOKEN_PATH}" for host, port in places} | {TOKEN_PATH}


TOKEN_ROUTE = Route(TOKEN_PATH, post_token, methods=["POST"], name="token")
