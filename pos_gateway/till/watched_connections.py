"""uvicorn's protocol, with an eye on whether an answer arrived: the same bytes may come again because it did not.

An answer is *lost* when the client was gone before it was written, when the connection broke with an error after that,
or when it ended while some of the answer was still unacknowledged by the client's machine. It is *read* when the next
request comes on the connection, or when it ends in peace with everything acknowledged. In between it is *sent*.

A client that gave up closes its socket: before our answer, that is an end of file to us; after our answer has reached
its machine unread, a reset; and when both cross on the wire, an end of file while our bytes are unacknowledged, or with
an error waiting on the socket. TCP tells no more, and no less.
"""

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

try:
    import fcntl
    import termios
except ImportError:  # Windows knows no such question; there an error on the socket alone tells
    fcntl = termios = None  # type: ignore[assignment]

CONNECTION: Final = "barimt.connection"
"""The connection's name in the ASGI scope."""
LOOK_S: Final = 0.02
_INT: Final = struct.Struct("i")
STALE_S: Final = 1.0
"""How long an answer may be on its way before a client that asks again is believed not to have it."""


class DeliveryState(StrEnum):
    """What became of an answer."""

    SENT = "SENT"
    """It was given to the system; a later word decides."""
    READ = "READ"
    """The client has it."""
    LOST = "LOST"
    """The client does not have it."""


class Delivery:
    """An answer on its way. `told` is called once, when it is known to be read or lost."""

    __slots__ = ("_connection", "_sent_at", "_told", "state")

    def __init__(self, connection: "WatchedConnection", told: Callable[["Delivery"], None]) -> None:
        self.state = DeliveryState.SENT
        self._connection = connection
        self._told = told
        self._sent_at = time.monotonic()

    def look(self) -> DeliveryState:
        """Answer what became of it as far as can be seen now: one that is long on its way is lost."""
        if self.state is DeliveryState.SENT and time.monotonic() - self._sent_at > STALE_S and self.is_on_its_way():
            self.decide(lost=True)
        return self.state

    def is_on_its_way(self) -> bool:
        """Whether some of it has not arrived yet."""
        return self.state is DeliveryState.SENT and self._connection.owes_bytes()

    def decide(self, *, lost: bool) -> None:
        """Note what became of it; the first word counts."""
        if self.state is DeliveryState.SENT:
            self.state = DeliveryState.LOST if lost else DeliveryState.READ
            self._told(self)


class WatchedConnection:
    """What a connection is asked by who answers on it. Mixed into uvicorn's protocols."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    cycle: Any
    app: "ASGIApp"
    _delivery: Delivery | None = None
    _socket: socket.socket | None = None
    _ended = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        served = self.app

        async def serve(scope: "Scope", receive: "Receive", send: "Send") -> None:
            scope[CONNECTION] = self
            await served(scope, receive, send)

        self.app = serve

    async def is_gone(self) -> bool:
        """Whether the client has hung up; gives the loop the turns in which it notices."""
        for _ in range(2):  # one until the socket is looked at, one until what was found there is acted on
            await asyncio.sleep(0)
        return self.transport.is_closing()

    def sent(self, told: Callable[[Delivery], None]) -> Delivery:
        """Watch the answer that was just written to its end."""
        delivery = Delivery(self, told)
        if self._ended or not self.cycle.response_complete:
            delivery.decide(lost=True)
        else:
            self._delivery = delivery
        return delivery

    def hang_up(self) -> None:
        """Break the connection without an answer."""
        self.transport.abort()

    def owes_bytes(self) -> bool:
        """Whether some of what was written has not arrived at the client's machine, or an error says that it never
        will.
        """
        held = self._socket if self._ended else self.transport.get_extra_info("socket")
        if held is None or (not self._ended and self.transport.get_write_buffer_size()):
            return held is not None
        with contextlib.suppress(OSError):
            if held.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return True
            if fcntl is not None:
                unacknowledged = fcntl.ioctl(held.fileno(), termios.TIOCOUTQ, bytes(_INT.size))
                return bool(_INT.unpack(unacknowledged)[0] > 0)
        return False

    def data_received(self, data: bytes) -> None:
        """The next request: whoever sends it has read the last answer."""
        self._decide(lost=False)
        super().data_received(data)  # type: ignore[misc]

    def eof_received(self) -> None:
        """The client has closed: in peace, or because it gave up."""
        self._decide(lost=self.owes_bytes())
        super().eof_received()  # type: ignore[misc]

    def connection_lost(self, exc: Exception | None) -> None:
        """The end: with an error, or because we close."""
        if exc is None and self._delivery is not None and self.owes_bytes():
            self._linger(self.transport.get_extra_info("socket"))
        else:
            self._decide(lost=exc is not None)
        self._ended = True
        super().connection_lost(exc)  # type: ignore[misc]

    def _linger(self, held: Any) -> None:
        """We close, and the answer is on its way: keep an eye on it for a moment, with a handle of our own."""
        try:
            self._socket = socket.socket(fileno=os.dup(held.fileno()))
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._decide(lost=True)
            return
        self.loop.call_later(LOOK_S, self._look, self.loop.time() + STALE_S)

    def _look(self, until_s: float) -> None:
        assert self._socket is not None
        if self.owes_bytes() and self.loop.time() < until_s:
            self.loop.call_later(LOOK_S, self._look, until_s)
            return
        self._decide(lost=self.owes_bytes())
        self._socket.close()
        self._socket = None

    def _decide(self, *, lost: bool) -> None:
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.decide(lost=lost)


class WatchedH11Protocol(WatchedConnection, H11Protocol):
    """The protocol that is always there."""


def watched_protocol() -> type[asyncio.Protocol]:
    """Answer the fastest watched protocol that this machine has."""
    try:
        from pos_gateway.till.watched_httptools import WatchedHttpToolsProtocol  # noqa: PLC0415 - an extra's library
    except ImportError:
        return WatchedH11Protocol
    return WatchedHttpToolsProtocol
