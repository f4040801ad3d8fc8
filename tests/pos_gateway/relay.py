"""A relay between the centre and its database, on which a test can cut the line at a chosen moment."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

import psycopg
from sqlalchemy import URL

STORE = b'COPY "pos"."receipts"'
COMMIT = b"COMMIT;"
"""A commit counts only after that on the same line: others use the database, too."""


class Cut(Enum):
    """When the line is cut, once."""

    BEFORE_COMMIT = "the commit never reaches the database"
    AFTER_COMMIT = "the database has committed, its answer is lost"


class Relay:
    """Passes bytes between clients and a PostgreSQL server. `plan` names the next cut; `away` refuses everybody."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.plan: Cut | None = None
        self.stays_away = False
        """Whether nobody gets through after the planned cut."""
        self.away = False
        self.instead: Callable[[], None] = self.cut
        """What is done at the planned moment."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self._listening.getsockname()[1])

    def cut(self) -> None:
        """Cut every open line."""
        lines, self._open = self._open, []
        for line in lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def leave(self) -> None:
        """Cut every line and let nobody through until `come_back`."""
        self.away = True
        self.cut()

    def come_back(self) -> None:
        """Let clients through again."""
        self.away = False

    def close(self) -> None:
        """Cut every line for good."""
        self.leave()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.away:
                client.close()
                continue
            server = self._connect()
            self._open += [client, server]
            watched = threading.Event()
            threading.Thread(target=self._to_server, args=(client, server, watched), daemon=True).start()
            threading.Thread(target=self._to_client, args=(server, client, watched), daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = self._server
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(Path(host) / f".s.PGSQL.{port}"))
        return connection

    def _to_server(self, client: socket.socket, server: socket.socket, watched: threading.Event) -> None:
        storing = False
        with contextlib.suppress(OSError):
            while octets := client.recv(65536):
                storing = storing or STORE in octets
                if storing and COMMIT in octets:
                    storing = False
                    if self.plan is Cut.BEFORE_COMMIT:
                        self._cut_as_planned()
                        return
                    if self.plan is Cut.AFTER_COMMIT:
                        watched.set()
                server.sendall(octets)
        self._hang_up(client, server)

    def _to_client(self, server: socket.socket, client: socket.socket, watched: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while octets := server.recv(65536):
                if watched.is_set():
                    self._cut_as_planned()
                    return
                client.sendall(octets)
        self._hang_up(server, client)

    def _cut_as_planned(self) -> None:
        self.plan = None
        self.away = self.stays_away
        self.instead()

    def _hang_up(self, *lines: socket.socket) -> None:
        for line in lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()


@contextlib.contextmanager
def relayed(admin: psycopg.Connection) -> Iterator[Relay]:
    """Run a relay to the server of `admin`."""
    relay = Relay(admin.info.host, admin.info.port)
    try:
        yield relay
    finally:
        relay.close()


def through(relay: Relay, url: URL) -> URL:
    """Answer a database's address by way of the relay, readable for it."""
    return url.set(host="127.0.0.1", port=relay.port, query={"sslmode": "disable"})
