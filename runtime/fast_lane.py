"""A lane past the framework for one busy route. It answers what is plain and goes well; everything else goes the long
way, where one piece of code says what is wrong.

The framework's layers, each right for an ordinary route, take longer than issuing a receipt. A request is plain when
no header stands twice, nothing is compressed and its body came in one piece. What fails in the lane is handed to the
ordinary route as `FAILURE` in the scope, and is raised there: so logs, metrics, problems and the rim are the same.
"""

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.access_log import Exchange, Observer

FAILURE: Final = "barimt.failure"
Answer = tuple[int, bytes]
"""Status and JSON."""
Serve = Callable[[Mapping[bytes, bytes], bytes], Awaitable[Answer]]
"""Answers a plain request from its headers (names in lower case) and its body. What it raises goes the long way."""


class FastLane:
    """Serves `POST path` by `serve` where that is possible, and passes everything else on."""

    def __init__(
        self, app: ASGIApp, path: str, serve: Serve, *, body_bytes_max: int, observers: Sequence[Observer] = ()
    ) -> None:
        self._app = app
        self._path = path
        self._serve = serve
        self._body_bytes_max = body_bytes_max
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        first = await receive()
        body = first.get("body", b"")
        plain = (
            first["type"] == "http.request"
            and not first.get("more_body", False)
            and len(body) <= self._body_bytes_max
            and len(headers) == len(scope["headers"])
            and b"content-encoding" not in headers
        )
        if plain:
            try:
                status, content = await self._serve(headers, body)
            except Exception as failure:  # noqa: BLE001 - it is raised again where failures are answered
                scope[FAILURE] = failure
            else:
                await self._answer(send, status, content, began)
                return
        await self._app(scope, _again(first, receive), send)

    async def _answer(self, send: Send, status: int, content: bytes, began: float) -> None:
        request_id = "r" + secrets.token_hex(8)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-length", b"%d" % len(content)),
                    (b"content-type", b"application/json"),
                    (b"x-request-id", request_id.encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": content})
        exchange = Exchange("POST", self._path, status, time.perf_counter() - began, request_id)
        for observer in self._observers:
            observer(exchange)


def raise_failure(scope: Mapping[str, Any]) -> None:
    """Raise what failed in the lane, if this request came by it."""
    failure = scope.get(FAILURE)
    if failure is not None:
        raise failure


def _again(first: Message, receive: Receive) -> Receive:
    """Answer a `receive` that begins with the message that was taken already."""
    taken: list[Message] = [first]

    async def receive_again() -> Message:
        return taken.pop() if taken else await receive()

    return receive_again
