"""Speaks HTTP with the till under test: one connection, kept alive, as a POS would."""

import socket
import struct
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx2
from msgspec import Struct

TIMEOUT_S: Final = 30.0
ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
_USUAL: Final = {"Content-Type": "application/json", "Accept": "application/json"}
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
        """Send a request on a connection of its own, and break that off before the answer comes."""
        place = urlsplit(self.url)
        head = (
            {"Host": place.netloc, "Content-Length": str(len(content)), "Connection": "close"} | _USUAL | dict(headers)
        )
        lines = [f"{method} {place.path}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        try:
            with socket.create_connection((place.hostname or "", place.port or 80), TIMEOUT_S) as line:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HARD)
                line.sendall("\r\n".join(lines).encode() + content)
        except OSError as error:
            return Reply(failure=f"not sent: {error}")
        return Reply(failure="hung up")
