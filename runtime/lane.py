"""A lane past the server's and the framework's layers for one busy route. It answers what is plain and goes well;
everything else goes the long way, where one piece of code says what is wrong.

The layers are each right for an ordinary route, and together they take longer than issuing a receipt. The server
(uvicorn) and its parser (httptools) stay, but `LaneProtocol` keeps a plain request from both. Plain is a POST to the
lane's path in HTTP/1.1 whose head comes in one piece, in the one spelling of `plain_head`, and that keeps its
connection, states its length, compresses nothing and repeats no header. What the lane hands over carries a `Resume` in
its scope, and the route goes on from there: so logs, metrics, problems and the rim are the same either way.

When the lane is full, a request is refused before anything of it is read but its head: what is refused must cost far
less than what is served, or an overload leaves no time for serving. And some are refused at a time (`TurnedAway`).
"""

import asyncio
import itertools
import re
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from runtime.access_log import CLIENT_GONE, Exchange, Observer
from runtime.speedups import compiled as speedups

LANE: Final = "lane"
"""The lane's name in the state that an app's lifespan yields."""
RESUME: Final = "barimt.resume"
STUCK_S: Final = 120.0
"""How long a client may take to send a request, from its first byte or the connection's beginning, or leave an answer
unread: the largest batch, 8 MiB, takes as long at 560 kbit/s."""
LOOK_S: Final = 15.0
LENGTH_DIGITS_MAX: Final = 9
REFUSED_AT_ONCE: Final = 12
"""Refusals in a turn of the event loop: less than half a millisecond."""
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


class TurnedAway:
    """Refusals that wait for their turn. Belongs to one event loop.

    The loop reads every connection that has something before it does anything else. Thousands that are refused at once
    and ask again at once would keep it reading, and whoever waits for the database, seven times a transaction, would
    wait for all of them each time. So few are refused in a turn of the loop, and who waits for that asks for nothing.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[_LaneCycle, Refusal]] = deque()

    def add(self, cycle: "_LaneCycle", refusal: Refusal) -> None:
        """Let a refusal wait."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._send_some)
        self._waiting.append((cycle, refusal))

    def _send_some(self) -> None:
        try:
            for _ in range(min(REFUSED_AT_ONCE, len(self._waiting))):
                cycle, refusal = self._waiting.popleft()
                cycle.send(refusal.status, refusal.fields, refusal.content)
        finally:  # whatever becomes of one, the others are not forgotten
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._send_some)


class Lane(Protocol):
    """What is served past the layers."""

    path: bytes
    body_bytes_max: int
    observers: Sequence[Observer]
    turned_away: TurnedAway
    on_long_way: int
    """How many requests of the lane are on the long way now."""

    def refusal(self, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """Answer with what a request of these headers is refused when nothing more can be taken at this moment."""

    def serve(
        self,
        headers: Mapping[bytes, bytes],
        body: bytes,
        answer: Callable[[int, bytes], None],
        long_way: Callable[[Resume | None], None],
        refuse: Callable[[Refusal], None],
    ) -> None:
        """Serve a plain request: call `answer`, `long_way` or `refuse`, once, now or later, and raise nothing. Names of
        `headers` are in small letters.
        """


def resume_of(scope: Mapping[str, Any]) -> Resume | None:
    """Answer what is left to do of this request, if it came by the lane."""
    resume: Resume | None = scope.get(RESUME)
    return resume


class LaneProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a lane where the app's lifespan has yielded one as `LANE`."""

    _head: "_PlainHead | None" = None
    """Of the plain request that is being gathered."""
    _gathered: bytearray
    _parsing = False
    """Whether the parser is within a request."""
    _reading_since: float | None = None
    _unread_since: float | None = None
    _idle_since: float | None = None
    """When the last answer was sent, if it was to a plain request and nothing came since."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look after the connection."""
        super().connection_made(transport)
        self._reading_since = self.loop.time()
        self.loop.call_later(LOOK_S, self._look)

    def data_received(self, data: bytes) -> None:
        """Keep a plain request to ourselves, and leave every other one to the parser."""
        self._idle_since = None
        if self._head is not None:
            self._gathered += data
            if len(self._gathered) >= self._head.ends:
                whole, self._head = self._head, None
                self._gather(whole, bytes(self._gathered))
            return
        lane: Lane | None = None if self._parsing else self.app_state.get(LANE)
        head = None if lane is None or not self._is_free else plain_head(data, lane)
        if head is None:
            super().data_received(data)
        else:
            self._unset_keepalive_if_required()
            self._gather(head, data)

    def on_message_begin(self) -> None:
        """Note since when a request is being read."""
        super().on_message_begin()
        self._parsing = True
        self._reading_since = self.loop.time()

    def on_message_complete(self) -> None:
        """Note that the request was read."""
        self._parsing = False
        self._reading_since = None
        super().on_message_complete()

    def answered(self) -> None:
        """Go on after the answer to a plain request: with what was pipelined, or wait. A timer for each request, as the
        base class sets it, takes as long as to read the request's head.
        """
        if self.pipeline:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self._idle_since = self.loop.time()

    def pause_writing(self) -> None:
        """Note since when the client does not read."""
        super().pause_writing()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._unread_since = None

    @property
    def _is_free(self) -> bool:
        return (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused

    def _gather(self, head: "_PlainHead", data: bytes) -> None:
        """Serve a request that is whole, and wait for the rest of one that is not. What goes on beyond its end was
        pipelined: it is all the parser's.
        """
        if len(data) == head.ends:
            self._serve(head, data[head.size :])
        elif len(data) < head.ends:
            self._reading_since = self.loop.time()
            self._head, self._gathered = head, bytearray(data)
        else:
            super().data_received(data)

    def _serve(self, head: "_PlainHead", body: bytes) -> None:
        self._reading_since = None
        lane: Lane = self.app_state[LANE]
        cycle = _LaneCycle(self, lane, head.fields, body)
        self.cycle = cycle  # type: ignore[assignment]  # it is what the base class asks of a cycle
        refusal = lane.refusal(head.fields)
        if refusal is None:
            lane.serve(head.fields, body, cycle.answer, cycle.long_way, cycle.refuse)
        else:
            cycle.refuse(refusal)

    def _look(self) -> None:
        """Hang up on a client that does not send its request to the end, or does not read its answer; and, as the base
        class does, on one that asks for nothing more.
        """
        if self.transport.is_closing():
            return
        now = self.loop.time()
        stuck = [since for since in (self._reading_since, self._unread_since) if since is not None]
        if any(now - since > STUCK_S for since in stuck):
            self.transport.abort()
        elif self._idle_since is not None and now - self._idle_since > self.timeout_keep_alive:
            self.transport.close()
        else:
            self.loop.call_later(LOOK_S, self._look)


class _PlainHead(msgspec.Struct, frozen=True, gc=False):
    """The head of a plain request: the fields by their names in small letters, its length, and where the body ends."""

    fields: dict[bytes, bytes]
    size: int
    ends: int


_HEAD = re.compile(rb"POST (\S+) HTTP/1\.1\r\n((?:[A-Za-z0-9-]{1,128}+: [!-~]++(?: [!-~]++)*+\r\n)++)\r\n")
_FIELD = re.compile(rb"([A-Za-z0-9-]++): ([ -~]++)\r\n")
_NOT_PLAIN = frozenset((b"content-encoding", b"expect", b"transfer-encoding", b"upgrade"))


def plain_head(data: bytes, lane: Lane) -> _PlainHead | None:
    """Answer the head with which `data` begins, if it is whole and a plain one of the lane."""
    if speedups is None:
        return plain_head_in_python(data, lane)
    found = speedups.plain_head(data, lane.path, lane.body_bytes_max)
    return None if found is None else _PlainHead(*found)


def plain_head_in_python(data: bytes, lane: Lane) -> _PlainHead | None:
    """Answer what `plain_head` does.

    Only one spelling is taken, which no two readers of HTTP understand differently: no name but of letters, digits and
    hyphens, one space after the colon, no space at the end of a line, nothing but printable ASCII, no name twice.
    """
    match = _HEAD.match(data)
    if match is None or match[1] != lane.path:
        return None
    found = _FIELD.findall(match[2])
    fields = {name.lower(): value for name, value in found}
    length = fields.get(b"content-length", b"")
    plain = (
        len(fields) == len(found)
        and _NOT_PLAIN.isdisjoint(fields)
        and fields.get(b"connection", b"keep-alive").lower() == b"keep-alive"
        and length.isdigit()
        and len(length) <= LENGTH_DIGITS_MAX
        and int(length) <= lane.body_bytes_max
    )
    return _PlainHead(fields, match.end(), match.end() + int(length)) if plain else None


_last_defaults: tuple[Sequence[tuple[bytes, bytes]], bytes] = ((), b"")


def _default_lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write the fields that every answer has; uvicorn makes their list anew once a second."""
    global _last_defaults  # noqa: PLW0603 - remembered from one answer to the next
    known, lines = _last_defaults
    if known is not headers:
        lines = b"".join([b"%b: %b\r\n" % field for field in headers])
        _last_defaults = headers, lines
    return lines


_PROCESS: Final = secrets.token_hex(4)
_requests = itertools.count()
"""Requests are numbered: to ask the system for a random name takes as long as to check a request's form."""
_JSON: Final = b"content-type: application/json\r\n"


class _Nothing:
    def set(self) -> None:
        """Wake nobody."""


class _LaneCycle:
    """A request in the lane, as the base class sees it: something that is not complete until it is answered."""

    __slots__ = ("_began", "_body", "_fields", "_lane", "_protocol", "disconnected", "keep_alive", "response_complete")
    message_event = _Nothing()

    def __init__(self, protocol: LaneProtocol, lane: Lane, fields: Mapping[bytes, bytes], body: bytes) -> None:
        self._began = time.perf_counter()
        self._protocol = protocol
        self._lane = lane
        self._fields = fields
        self._body = body
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    def answer(self, status: int, content: bytes) -> None:
        """Send JSON."""
        self.send(status, _JSON, content)

    def refuse(self, refusal: Refusal) -> None:
        """Send a refusal when its turn comes."""
        self._lane.turned_away.add(self, refusal)

    def send(self, status: int, fields: bytes, content: bytes) -> None:
        """Send an answer in one piece, and tell the observers. `fields` are header lines, each with its end."""
        self.response_complete = True
        protocol, request_id = self._protocol, f"r{_PROCESS}{next(_requests):08x}"
        transport = protocol.transport
        if self.disconnected or transport.is_closing():
            status = CLIENT_GONE
        else:
            defaults = _default_lines(protocol.server_state.default_headers)
            connection = b"" if self.keep_alive else b"connection: close\r\n"
            transport.write(
                b"%b%b%bcontent-length: %d\r\nx-request-id: %b\r\n%b\r\n%b"
                % (STATUS_LINE[status], defaults, fields, len(content), request_id.encode(), connection, content)
            )
            if not self.keep_alive:
                transport.close()
        protocol.answered()
        path = self._lane.path.decode("ascii")
        exchange = Exchange("POST", path, status, time.perf_counter() - self._began, request_id)
        for observer in self._lane.observers:
            observer(exchange)

    def long_way(self, resume: Resume | None) -> None:
        """Hand the request over to the app, which goes on with `resume`, or from the beginning."""
        protocol = self._protocol
        cycle = RequestResponseCycle(
            scope=self._scope(resume),
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
        protocol._start_asgi_task(cycle, self._counted(protocol.app))  # noqa: SLF001 - the base class's own

    def _counted(self, app: Any) -> Any:
        lane = self._lane
        lane.on_long_way += 1

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            finally:
                lane.on_long_way -= 1

        return counted

    def _scope(self, resume: Resume | None) -> Any:
        """Answer the scope that the base class would have made."""
        protocol, path = self._protocol, self._lane.path
        return {
            "type": "http",
            "asgi": {"version": protocol.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": protocol.server,
            "client": protocol.client,
            "scheme": protocol.scheme,
            "root_path": protocol.root_path,
            "headers": list(self._fields.items()),
            "state": protocol.app_state.copy(),
            "method": "POST",
            "path": path.decode("ascii"),
            "raw_path": path,
            "query_string": b"",
            RESUME: resume,
        }
