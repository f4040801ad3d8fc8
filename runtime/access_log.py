"""One line about each request: method, route template, status, milliseconds, request id. Never the path itself, which
holds receipt ids, and nothing of the query or the body.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TextIO

import msgspec
import structlog
from fastapi import FastAPI
from msgspec import Struct
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.clock import real_now

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "-"
"""The route of a request that no route matched, and of one whose template cannot be told."""
CLIENT_GONE: Final = 499
"""The status of a request whose client left before it was answered."""


class Exchange(Struct, frozen=True, gc=False):
    """A request and its answer, as far as they may be told to anybody.

    `method` is one of `METHODS` or "OTHER", `route` the template with its parameters' names in braces, `seconds` the
    time until the last byte of the answer was handed over.
    """

    method: str
    route: str
    status: int
    seconds: float
    request_id: str


Observer = Callable[[Exchange], None]
"""Is told of each exchange when it is over: the access line, the metrics."""


def install(app: FastAPI, *observers: Observer) -> None:
    """Tell `observers` of every exchange of `app`. Call it last, so that it stands around everything else."""
    app.add_middleware(AccessLog, observers=observers)


def access_line(stream: TextIO) -> Observer:
    """Answer the observer that writes JSON lines. It goes past the processors of `runtime.logs`, which cost some ten
    times as much, because nothing in an exchange can be personal.
    """

    def write(exchange: Exchange) -> None:
        line = {
            "at": real_now().isoformat(timespec="microseconds"),
            "level": "info",
            "event": "request",
            "method": exchange.method,
            "route": exchange.route,
            "status": exchange.status,
            "ms": round(exchange.seconds * 1_000, 3),
            "request_id": exchange.request_id,
        }
        stream.write(msgspec.json.encode(line).decode() + "\n")

    return write


class AccessLog:
    """Gives each request an id, which every log line about it bears and the answer's `X-Request-Id` says."""

    def __init__(
        self,
        app: ASGIApp,
        observers: Sequence[Observer],
        new_id: Callable[[], str] = lambda: "r" + secrets.token_hex(8),
    ) -> None:
        self._app = app
        self._observers = observers
        self._new_id = new_id
        self._mounted: frozenset[int] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and observe it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._mounted is None:
            self._mounted = frozenset(_mounted(scope["app"].routes))
        request_id, status = self._new_id(), CLIENT_GONE
        started = time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                await self._app(scope, receive, watch)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            route = template_of(scope, self._mounted)
            exchange = Exchange(method, route, status, time.perf_counter() - started, request_id)
            for observer in self._observers:
                observer(exchange)


def template_of(scope: Scope, mounted: frozenset[int]) -> str:
    """Answer the template of the route that a finished request took, read off its path and path parameters.

    `mounted` are the identities of mounted apps: where one answered without a route of its own, the rest of the path
    is left out. What the routers leave in the scope differs between kinds of routes; these two are always there. An
    id spelt like a fixed part of its path may change places with it, which tells nothing either.
    """
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return UNMATCHED
    if id(endpoint) in mounted:
        return f"{scope.get('root_path', '')}/{{path}}"
    segments = scope["path"].split("/")
    for name, value in reversed(scope.get("path_params", {}).items()):
        wanted = str(value).split("/")
        at = _last(segments, wanted)
        if at is None:
            return UNMATCHED
        segments[at : at + len(wanted)] = [f"{{{name}}}"]
    return "/".join(segments)


def _last(segments: Sequence[str], wanted: Sequence[str]) -> int | None:
    starts = range(len(segments) - len(wanted), -1, -1)
    return next((at for at in starts if list(segments[at : at + len(wanted)]) == list(wanted)), None)


def _mounted(routes: Sequence[BaseRoute]) -> Iterator[int]:
    for route in routes:
        if isinstance(route, Mount):
            yield id(route.app)
            yield from _mounted(route.routes)
