"""A lane past the server's and the framework's layers for one busy route. It answers what is plain and goes well;
everything else goes the long way, where one piece of code says what is wrong.

The layers are each right for an ordinary route, and together they take longer than issuing a receipt. The server
(uvicorn) and its parser (httptools) stay: `LaneProtocol` only keeps a plain request from becoming an ASGI task. Plain
is a POST to the lane's path in HTTP/1.1 that keeps its connection, states its length, compresses nothing and repeats
no header. What the lane hands over carries a `Resume` in its scope, and the route goes on from there: so logs,
metrics, problems and the rim are the same either way.

When the lane is full, a request is refused before anything of it is read but its head: what is refused must cost far
less than what is served, or an overload leaves no time for serving.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from runtime.access_log import CLIENT_GONE, Exchange, Observer

LANE: Final = "lane"
"""The lane's name in the state that an app's lifespan yields."""
RESUME: Final = "barimt.resume"
STUCK_S: Final = 120.0
"""How long a client may take to send a request, from its first byte or the connection's beginning, or leave an answer
unread: the largest batch, 8 MiB, takes as long at 560 kbit/s."""
LOOK_S: Final = 15.0
Answer = tuple[int, bytes]
"""Status and JSON."""
Resume = Callable[[], Awaitable[Answer]]
"""What is left to do of a request that came by the lane; may raise what its route may raise."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A whole answer that was made before: status, header lines each with their end, content."""

    status: int
    fields: bytes
    content: bytes


class Lane(Protocol):
    """What is served past the layers."""

    path: bytes
    body_bytes_max: int
    observers: Sequence[Observer]

    def refusal(self, headers: Sequence[tuple[bytes, bytes]]) -> Refusal | None:
        """Answer with what a request of these headers is refused when nothing more can be taken at this moment."""

    def serve(
        self,
        headers: Mapping[bytes, bytes],
        body: bytes,
        answer: Callable[[int, bytes], None],
        long_way: Callable[[Resume | None], None],
    ) -> None:
        """Serve a plain request: call `answer` or `long_way`, once, now or later, and raise nothing."""


def resume_of(scope: Mapping[str, Any]) -> Resume | None:
    """Answer what is left to do of this request, if it came by the lane."""
    resume: Resume | None = scope.get(RESUME)
    return resume


class LaneProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a lane where the app's lifespan has yielded one as `LANE`."""

    _lane_headers: dict[bytes, bytes] | None = None
    """Of the request that is being read, where it is plain."""
    _lane_body: Sequence[bytes] = ()
    _lane_refusal: Refusal | None = None
    _reading_since: float | None = None
    _unread_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look after the connection."""
        super().connection_made(transport)
        self._reading_since = self.loop.time()
        self.loop.call_later(LOOK_S, self._look)

    def on_message_begin(self) -> None:
        """Note since when a request is being read."""
        super().on_message_begin()
        self._reading_since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Keep a plain request to ourselves."""
        lane: Lane | None = self.app_state.get(LANE)
        self._lane_headers = None if lane is None or self.url != lane.path else self._plain_headers(lane)
        if lane is None or self._lane_headers is None:
            super().on_headers_complete()
        else:
            self._lane_refusal = lane.refusal(self.headers)
            self._lane_body = []

    def on_body(self, body: bytes) -> None:
        """Gather a plain request's body, whose length was looked at."""
        if self._lane_headers is None:
            super().on_body(body)
        elif self._lane_refusal is None:
            self._lane_body = [*self._lane_body, body]

    def on_message_complete(self) -> None:
        """Serve a plain request."""
        self._reading_since = None
        headers, self._lane_headers = self._lane_headers, None
        if headers is None:
            super().on_message_complete()
            return
        lane: Lane = self.app_state[LANE]
        body = b"".join(self._lane_body)
        cycle = _LaneCycle(self, lane, self.scope, body)
        self.cycle = cycle  # type: ignore[assignment]  # it is what the base class asks of a cycle
        refusal, self._lane_refusal = self._lane_refusal, None
        if refusal is None:
            lane.serve(headers, body, cycle.answer, cycle.long_way)
        else:
            cycle.send(refusal.status, refusal.fields, refusal.content)

    def pause_writing(self) -> None:
        """Note since when the client does not read."""
        super().pause_writing()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._unread_since = None

    def _look(self) -> None:
        """Hang up on a client that does not send its request to the end, or does not read its answer."""
        if self.transport.is_closing():
            return
        now = self.loop.time()
        stuck = [since for since in (self._reading_since, self._unread_since) if since is not None]
        if any(now - since > STUCK_S for since in stuck):
            self.transport.abort()
        else:
            self.loop.call_later(LOOK_S, self._look)

    def _plain_headers(self, lane: Lane) -> dict[bytes, bytes] | None:
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"")
        plain = (
            self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
            and (self.cycle is None or self.cycle.response_complete)
            and len(headers) == len(self.headers)
            and b"content-encoding" not in headers
            and b"transfer-encoding" not in headers
            and length.isdigit()
            and int(length) <= lane.body_bytes_max
        )
        return headers if plain else None


_PROCESS: Final = secrets.token_hex(4)
_requests = itertools.count()
"""Requests are numbered: to ask the system for a random name takes as long as to check a request's form."""
_JSON: Final = b"content-type: application/json\r\n"


class _Nothing:
    def set(self) -> None:
        """Wake nobody."""


class _LaneCycle:
    """A request in the lane, as the base class sees it: something that is not complete until it is answered."""

    __slots__ = ("_began", "_body", "_lane", "_protocol", "_scope", "disconnected", "keep_alive", "response_complete")
    message_event = _Nothing()

    def __init__(self, protocol: LaneProtocol, lane: Lane, scope: Any, body: bytes) -> None:
        self._began = time.perf_counter()
        self._protocol = protocol
        self._lane = lane
        self._scope = scope
        self._body = body
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    def answer(self, status: int, content: bytes) -> None:
        """Send JSON."""
        self.send(status, _JSON, content)

    def send(self, status: int, fields: bytes, content: bytes) -> None:
        """Send an answer in one piece, and tell the observers. `fields` are header lines, each with its end."""
        self.response_complete = True
        protocol, request_id = self._protocol, f"r{_PROCESS}{next(_requests):08x}"
        transport = protocol.transport
        if self.disconnected or transport.is_closing():
            status = CLIENT_GONE
        else:
            pieces = [STATUS_LINE[status]]
            for name, value in protocol.server_state.default_headers:
                pieces += (name, b": ", value, b"\r\n")
            connection = b"" if self.keep_alive else b"connection: close\r\n"
            pieces.append(
                b"%bcontent-length: %d\r\nx-request-id: %b\r\n%b\r\n%b"
                % (fields, len(content), request_id.encode(), connection, content)
            )
            transport.write(b"".join(pieces))
            if not self.keep_alive:
                transport.close()
        protocol.on_response_complete()
        path = self._lane.path.decode("ascii")
        exchange = Exchange("POST", path, status, time.perf_counter() - self._began, request_id)
        for observer in self._lane.observers:
            observer(exchange)

    def long_way(self, resume: Resume | None) -> None:
        """Hand the request over to the app, which goes on with `resume`, or from the beginning."""
        protocol = self._protocol
        path = self._lane.path
        self._scope |= {"method": "POST", "path": path.decode("ascii"), "raw_path": path, "query_string": b""}
        if resume is not None:
            self._scope[RESUME] = resume
        cycle = RequestResponseCycle(
            scope=self._scope,
            transport=protocol.transport,
            flow=protocol.flow,
            logger=protocol.logger,
            access_logger=protocol.access_logger,
            access_log=protocol.access_log,
            default_headers=protocol.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=self.keep_alive,
            on_response=protocol.on_response_complete,
        )
        cycle.disconnected = self.disconnected
        cycle.body += self._body
        cycle.more_body = False
        cycle.message_event.set()
        self.response_complete = True
        if protocol.cycle is self:  # type: ignore[comparison-overlap]
            protocol.cycle = cycle
        protocol._start_asgi_task(cycle, protocol.app)  # noqa: SLF001 - the base class's own
