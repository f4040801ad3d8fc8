"""Keep-alive connections of tills on one epoll, as cheap as Python allows: a client that measures must not be measured.

Of an answer only the status, the length and (in a batch) the count of issued lines are read. In the closed loop each
connection posts its next sale when the last is answered. In the open loop sales arrive when they arrive: one that finds
no free connection waits for one, and its latency counts from its arrival, so that a stalled server cannot hide the
sales that it kept from being sent (coordinated omission).
"""

import select
import socket
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

RECEIVED_MAX = 1 << 18
END_OF_CHUNKS = b"\r\n0\r\n\r\n"
ISSUED_LINE = b'"status":201'
CLOSED_POLL_S = 0.05
OPEN_POLL_S = 0.01
Requests = deque[bytes]


class Exhausted(Exception):  # noqa: N818 - what happened, not what is wrong
    """The prepared requests did not last: the run is void."""


@dataclass(slots=True)
class Window:
    """When is measured, in `time.perf_counter()` seconds; what happens before and after is load only."""

    began: float
    opens: float
    closes: float


@dataclass(slots=True)
class Tally:
    """What came back within the window. Latencies in seconds."""

    receipts: int = 0
    receipts_ever: int = 0
    """Issued since the beginning, within the window or not."""
    statuses: Counter[bytes] = field(default_factory=Counter)
    issued_s: "array[float]" = field(default_factory=lambda: array("d"))
    refused_s: "array[float]" = field(default_factory=lambda: array("d"))
    without_retry_after: int = 0
    broken: int = 0
    """Connections that ended while an answer was awaited."""
    unsent: int = 0
    """Arrivals that were given up, because too many were waiting for a connection already."""
    answer_bytes: int = 0
    by_second: Counter[int] = field(default_factory=Counter)
    """Issued receipts by whole second since the beginning."""


class Connection:
    """One connection of one terminal."""

    __slots__ = ("awaited", "intended", "pieces", "requests", "sending", "sent", "socket")

    def __init__(self, address: tuple[str, int], requests: Requests) -> None:
        self.requests = requests
        self.sent = b""
        self.intended = 0.0
        self.pieces: list[bytes] = []
        self.awaited = 0
        """Bytes of the answer that are still to come; 0 while its head is not complete, -1 where it is chunked."""
        self.sending: memoryview | None = None
        self.socket = connected(address)


def connected(address: tuple[str, int]) -> socket.socket:
    """Open a connection that does not block."""
    opened = socket.create_connection(address, timeout=30)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.settimeout(0)
    return opened


class Load:
    """A run of one load client over its connections."""

    def __init__(
        self,
        address: tuple[str, int],
        queues: Sequence[Requests],
        connections: int,
        *,
        sample: IO[bytes] | None = None,
        sample_every: int = 100,
        log: IO[str] | None = None,
    ) -> None:
        self.tally = Tally()
        self._address = address
        self._sample, self._sample_every, self._log = sample, sample_every, log
        self._epoll = select.epoll()
        self._by_fd: dict[int, Connection] = {}
        self._free: deque[Connection] = deque()
        self._answers = 0
        for at in range(connections):
            self._free.append(self._opened(queues[at % len(queues)]))

    def close(self) -> None:
        """Close every connection."""
        for connection in self._by_fd.values():
            connection.socket.close()
        self._epoll.close()

    def run_closed(self, window: Window, at_edge: Callable[[], None]) -> None:
        """Post sale after sale on every connection. `at_edge` is called when the window opens and when it closes.
        Raises `Exhausted`.
        """
        edges = deque((window.opens, window.closes))
        while True:
            now = time.perf_counter()
            if now >= edges[0]:
                edges.popleft()
                at_edge()
                if not edges:
                    return
            while self._free:
                self._post(self._free.popleft(), now)
            events = self._epoll.poll(CLOSED_POLL_S)
            self._look(events, time.perf_counter(), window)

    def run_through(self) -> None:
        """Post every sale that was prepared, and wait for the last answer."""
        always, resting = Window(0.0, 0.0, float("inf")), 0
        while resting < len(self._by_fd):
            now = time.perf_counter()
            for _ in range(len(self._free)):
                connection = self._free.popleft()
                if connection.requests:
                    self._post(connection, now)
                else:
                    resting += 1
            self._look(self._epoll.poll(CLOSED_POLL_S), time.perf_counter(), always)

    def run_open(
        self, window: Window, arrivals: Iterator[float], at_edge: Callable[[], None], *, waiting_max: int
    ) -> None:
        """Post sales when they arrive (seconds since the beginning, ascending); at most `waiting_max` wait for a
        connection. Ends with the window, or with the arrivals after it. Raises `Exhausted`.
        """
        edges, waiting = deque((window.opens, window.closes)), deque[float]()
        next_at = window.began + next(arrivals)
        while True:
            now = time.perf_counter()
            if edges and now >= edges[0]:
                edges.popleft()
                at_edge()
            while next_at <= now:
                waiting.append(next_at)
                next_at = window.began + next(arrivals, float("inf"))
            while waiting and self._free:
                self._post(self._free.popleft(), waiting.popleft())
            while len(waiting) > waiting_max:
                waiting.popleft()
                self.tally.unsent += 1
            if not edges and next_at == float("inf"):
                return
            # epoll counts in milliseconds, select in microseconds: a sale must not be sent late by our own doing
            select.select((self._epoll,), (), (), min(OPEN_POLL_S, max(0.0, next_at - time.perf_counter())))
            self._look(self._epoll.poll(0), time.perf_counter(), window)

    def _opened(self, requests: Requests) -> Connection:
        connection = Connection(self._address, requests)
        fd = connection.socket.fileno()
        self._by_fd[fd] = connection
        self._epoll.register(fd, select.EPOLLIN)
        return connection

    def _post(self, connection: Connection, intended: float) -> None:
        if not connection.requests:
            raise Exhausted
        request = connection.sent = connection.requests.popleft()
        connection.intended = intended
        try:
            sent = connection.socket.send(request)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._broken(connection)
            return
        if sent < len(request):
            connection.sending = memoryview(request)[sent:]
            self._epoll.modify(connection.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _send_more(self, connection: Connection) -> None:
        assert connection.sending is not None
        try:
            connection.sending = connection.sending[connection.socket.send(connection.sending) :]
        except BlockingIOError:
            return
        except OSError:
            self._broken(connection)
            return
        if not connection.sending:
            connection.sending = None
            self._epoll.modify(connection.socket.fileno(), select.EPOLLIN)

    def _look(self, events: Sequence[tuple[int, int]], now: float, window: Window) -> None:
        for fd, event in events:
            connection = self._by_fd[fd]
            if event & select.EPOLLOUT and connection.sending is not None:
                self._send_more(connection)
            if event & ~select.EPOLLOUT:
                self._receive(connection, now, window)

    def _receive(self, connection: Connection, now: float, window: Window) -> None:
        try:
            piece = connection.socket.recv(RECEIVED_MAX)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._broken(connection)
            return
        connection.pieces.append(piece)
        if connection.awaited > 0:
            connection.awaited -= len(piece)
            if connection.awaited > 0:
                return
        elif connection.awaited == 0 and not self._read_head(connection):
            return
        if connection.awaited < 0 and not _ends(connection.pieces):
            return
        answer = b"".join(connection.pieces)
        connection.pieces.clear()
        connection.awaited = 0
        self._free.append(connection)
        self._count(connection, answer, now, window)

    def _read_head(self, connection: Connection) -> bool:
        """Read how long an answer is; whether it is complete, or its end must be looked for."""
        answer = connection.pieces[0] if len(connection.pieces) == 1 else b"".join(connection.pieces)
        end = answer.find(b"\r\n\r\n")
        if end < 0:
            return False
        at = answer.find(b"ontent-length: ", 0, end)
        if at < 0:
            at = answer.lower().find(b"ontent-length: ", 0, end)
        if at < 0:
            connection.awaited = -1
            return True
        missing = end + 4 + int(answer[at + 15 : answer.find(b"\r\n", at)]) - len(answer)
        connection.awaited = max(0, missing)
        return missing <= 0

    def _count(self, connection: Connection, answer: bytes, now: float, window: Window) -> None:
        status, tally = answer[9:12], self.tally
        issued = 0
        if status == b"201":
            issued = 1
        elif status == b"200":
            issued = answer.count(ISSUED_LINE)
        tally.receipts_ever += issued
        tally.by_second[int(now - window.began)] += issued
        refused = status == b"503"
        if window.opens <= now < window.closes:
            tally.statuses[status] += 1
            tally.receipts += issued
            tally.answer_bytes += len(answer)
            (tally.refused_s if refused else tally.issued_s).append(now - connection.intended)
            if refused and b"retry-after:" not in answer[: answer.find(b"\r\n\r\n") + 2].lower():
                tally.without_retry_after += 1
        if refused:
            connection.requests.append(connection.sent)  # not issued: the till asks again with the same key
        self._answers += 1
        if self._log is not None:
            self._log.write(f"{connection.intended:.6f} {now - connection.intended:.6f} {status.decode()}\n")
        if self._sample is not None and issued and self._answers % self._sample_every == 0:
            self._sample.write(answer[answer.find(b"\r\n\r\n") + 4 :] + b"\n")

    def _broken(self, connection: Connection) -> None:
        """Connect again; the sale is posted again later, since nobody knows how it ended."""
        self.tally.broken += 1
        del self._by_fd[connection.socket.fileno()]
        connection.socket.close()
        connection.requests.append(connection.sent)
        self._free.append(self._opened(connection.requests))


def _ends(pieces: Sequence[bytes]) -> bool:
    last = pieces[-1]
    if len(last) < len(END_OF_CHUNKS):
        last = b"".join(pieces[-4:])
    return last.endswith(END_OF_CHUNKS)
