"""Speaks HTTP with the till under test: one connection, kept alive, as a POS would."""

import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx2
from msgspec import Struct

TIMEOUT_S: Final = 30.0
ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
_USUAL: Final = {"Content-Type": "application/json", "Accept": "application/json"}
_ROOM_BYTES: Final = 2048
_PATIENCE_S: Final = 0.3
"""Long enough for a receipt to be issued, and for what stands between to notice a broken connection; clients wait a
second before they ask again.
"""
_HARD: Final = struct.pack("ii", 1, 0)
"""Closes a connection at once, with a reset instead of a good-bye."""


class Reply(Struct, frozen=True):
    """What came back, and after how many seconds; or why nothing did."""

    status: int = 0
    headers: Mapping[str, str] = {}
    body: bytes = b""
    seconds: float = 0.0
    failure: str | None = None


class Caller:
    """Calls one till. `elapsed_s` measures time."""

    def __init__(self, url: str, *, elapsed_s: Callable[[], float]) -> None:
        self.url = url.rstrip("/")
        self._elapsed_s = elapsed_s
        self._http = httpx2.Client(base_url=self.url, timeout=TIMEOUT_S, limits=httpx2.Limits(max_connections=1))

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def call(self, method: str, path: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Call and wait for the answer."""
        began = self._elapsed_s()
        usual = _USUAL if content else {"Accept": _USUAL["Accept"]}
        try:
            # the path as it is, for httpx2 would take a question mark away that has nothing after it
            url = httpx2.URL(self.url).copy_with(raw_path=(urlsplit(self.url).path + path).encode())
            answer = self._http.request(method, url, content=content, headers={**usual, **headers})
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return Reply(
                seconds=self._elapsed_s() - began, failure=f"no answer: {type(error).__name__} {error}".strip()
            )
        lower = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status_code, lower, answer.content, self._elapsed_s() - began)

    def hang_up(self, method: str, path: str, *, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a request on a connection of its own, read nothing, and break the connection off a moment later. It has
        room for the beginning of an answer only, so that a longer one cannot have arrived.
        """
        place = urlsplit(self.url)
        own = {"Host": place.netloc, "Content-Length": str(len(content))}
        said = [f"{name}: {value}" for name, value in {**own, **_USUAL, **headers}.items()]
        request = "\r\n".join([f"{method} {place.path}{path} HTTP/1.1", *said, "", ""]).encode() + content
        try:
            with socket.socket() as line:
                line.settimeout(TIMEOUT_S)
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HARD)
                line.connect((place.hostname or "", place.port or 80))
                line.sendall(request)
                _wait()
        except OSError as error:
            return Reply(failure=f"not sent: {error}")
        _wait()
        return Reply(failure="hung up")


def _wait() -> None:
    threading.Event().wait(_PATIENCE_S)
