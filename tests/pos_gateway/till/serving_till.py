"""A till that is served over real HTTP on a free port of loopback, and raw clients of it."""

import contextlib
import copy
import json
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apsw
import httpx2
import uvicorn

from pos_gateway.till.app import make_app, server_config
from pos_gateway.till.installation import Installation
from pos_gateway.till.print_call import print_route
from pos_gateway.till.seat import Seat
from tests.pos_gateway.posapi.bodies import OFFICIAL
from tests.serving import wait_for

HEAD_END = b"\r\n\r\n"


@dataclass(slots=True)
class Service:
    """A served till."""

    url: str
    address: tuple[str, int]
    till: Installation
    server: uvicorn.Server

    def links(self, seat: Seat) -> int:
        """How many links the seat's chain has, beside the start."""
        return self.till.backlog(seat).count - 1

    def post(self, body: bytes, **headers: str) -> httpx2.Response:
        """Post a receipt on a connection of its own."""
        return httpx2.post(f"{self.url}/rest/receipt", content=body, headers=headers, timeout=20)

    def ids(self, *bodies: bytes) -> list[str]:
        """Post bodies one after another, each on a connection of its own, and answer the receipts' ids."""
        ids = []
        for body in bodies:
            with socket.create_connection(self.address) as connection:
                connection.sendall(request_of(body))
                ids.append(str(read_answer(connection)["id"]))
        return ids


@contextlib.contextmanager
def served_till(
    till: Installation, protocol: type[Any] | None = None, *, origins: Sequence[str] = (), **given: Any
) -> Iterator[Service]:
    """Serve an open installation until the end, with what is given to the app, and the print call for pages of these
    origins.
    """
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        address = listening.getsockname()
        config = server_config(make_app(till, routes=[print_route(till, origins=origins)], **given), port=address[1])
        config.http = protocol or config.http
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="till")
        thread.start()
        try:
            wait_for(lambda: server.started or not thread.is_alive(), bool, 30)
            yield Service(f"http://127.0.0.1:{address[1]}", address, till, server)
        finally:
            server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


def bread(number: int = 0) -> bytes:
    """The vendor's own example as bytes; a number tells one body from another."""
    body: dict[str, Any] = copy.deepcopy(OFFICIAL) | {"billIdSuffix": f"{number:02d}"}
    return json.dumps(body, ensure_ascii=False).encode()


def much_bread(lines: int = 400) -> bytes:
    """The vendor's example with many lines: an answer of some 100 KB."""
    body: dict[str, Any] = json.loads(bread())
    (part,) = body["receipts"]
    part["items"] *= lines
    for holder in (body, part):
        holder |= {name: holder[name] * lines for name in ("totalAmount", "totalVAT", "totalCityTax")}
    body["payments"][0]["paidAmount"] *= lines
    return json.dumps(body, ensure_ascii=False).encode()


def narrow(address: tuple[str, int]) -> socket.socket:
    """Connect with so little room that a large answer stays on its way until it is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(address)
    return connection


def request_of(body: bytes, *fields: str, method: str = "POST") -> bytes:
    """Write a request."""
    lines = [f"{method} /rest/receipt HTTP/1.1", "Host: till", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + HEAD_END + body


def read_answer(connection: socket.socket) -> dict[str, Any]:
    """Read one answer to its end."""
    received = b""
    while HEAD_END not in received:
        received += _more(connection)
    head, _, body = received.partition(HEAD_END)
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += _more(connection)
    answer: dict[str, Any] = json.loads(body)
    return answer


def _more(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    assert received, "the connection ended before the answer did"
    return received


def reset(connection: socket.socket) -> None:
    """Close a connection as a process does that dies with something unread."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextlib.contextmanager
def locked(till: Installation) -> Iterator[None]:
    """Hold the queue's write lock from outside."""
    other = apsw.Connection(str(till.dir.queue))
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()
