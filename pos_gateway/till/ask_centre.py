"""Asks the centre over HTTP: tokens, standings, uploads, bank accounts, look-ups, activation. For one event loop.

What does not end well is one of three: the centre is *away* (no answer, or not as one that works), *busy* (it said when
to come again), or it *refused* (with the code of a problem). Every request may be sent again: an upload that the centre
has already is answered 200, line by line.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.clock import Clock
from kernel.identity import format_terminal
from kernel.refusal import Fault, Malformed
from pos_gateway.till.centre_words import (
    CentreWordsWrong,
    LineVerdict,
    Standing,
    read_json,
    read_standing,
    read_verdict,
)
from pos_gateway.till.client_tokens import RENEW_BEFORE_S, AccessToken, clock_offset, token_form
from pos_gateway.till.seat import Seat

CONNECT_S: Final = 5.0
ANSWER_S: Final = 30.0
"""How long the centre may be silent within an answer: verdicts come chunk by chunk, each after its commit."""
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
"""The longest answer that is read whole: the list of classification codes has some 5 MB."""
LINE_BYTES_MAX: Final = 64 * 1024
DETAIL_MAX: Final = 300
BUSY_STATUSES: Final = frozenset({429, 503})
REFUSED_FROM, BROKEN_FROM = 400, 500
UNAUTHENTICATED = 401
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
T = TypeVar("T")


class CentreFailure(Exception):  # noqa: N818 - named by whose it is
    """A question that the centre did not answer as hoped. `code` is stable and has its words; `detail` is for people
    who mend things, in English, and holds nothing secret.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail[:DETAIL_MAX]


class CentreAway(CentreFailure):
    """No answer, or one of something that is not a working centre."""


class CentreBusy(CentreFailure):
    """The centre works and asked to be asked later."""

    def __init__(self, detail: str, *, retry_after_s: float | None) -> None:
        super().__init__("centre_busy", detail)
        self.retry_after_s = retry_after_s


class CentreRefused(CentreFailure):
    """The centre said no to the request as a whole; `code` is its problem's."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.status = status


def parse_centre_url(text: str, path: str = "/centre") -> str:
    """Read where the centre is: https, and http on loopback only. Raises `Malformed` with `centre_url_form`."""
    try:
        parts = urlsplit(text.strip())
        _ = parts.port
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    except ValueError:
        secure = False
    if not secure or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Malformed(Fault("centre_url_form", path, "https://centre.example (http:// on this machine only)"))
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def open_http(url: str) -> httpx2.AsyncClient:
    """Open connections to a centre; the caller closes them."""
    return httpx2.AsyncClient(
        base_url=url,
        timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
        limits=httpx2.Limits(max_connections=8, max_keepalive_connections=2),
    )


class AskCentre:
    """Asks one centre.

    Args:
        http: has the centre as its base URL.
        client_key_of: answers the key that speaks for a seat.
        real_clock: the time outside; assertions are made by it, corrected by what the centre shows.
        elapsed_s: measures time for the renewal of tokens.
        draw: makes the one-time id of an assertion.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        client_key_of: Callable[[Seat], Ed25519PrivateKey],
        *,
        real_clock: Clock,
        elapsed_s: Callable[[], float] = time.monotonic,
        draw: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._http = http
        self._client_key_of = client_key_of
        self._real_clock = real_clock
        self._elapsed_s = elapsed_s
        self._draw = draw
        self._tokens: dict[str, AccessToken] = {}
        self._renewing = asyncio.Lock()
        self._ahead = timedelta()

    @property
    def url(self) -> str:
        """Where the centre is."""
        return str(self._http.base_url).rstrip("/")

    async def activate(self, body: Mapping[str, str]) -> dict[str, Any]:
        """Hand in an activation code with two public keys and answer what the centre gave. Raises `CentreFailure`."""
        answer = read_json(await self._read("POST", "/v1/terminals/activate", json=dict(body)))
        if not isinstance(answer, dict):
            raise CentreAway("centre_strange", "an activation that is no object")
        return answer

    async def standing(self, seat: Seat) -> Standing:
        """Ask how the centre sees a seat's terminal. Raises `CentreFailure`."""
        body = await self._read("GET", f"/v1/terminals/{format_terminal(seat.terminal)}", seat=seat)
        return _spoken(lambda: read_standing(body))

    async def bank_accounts(self, seat: Seat, tin: str, *, within_s: float = ANSWER_S) -> list[Any]:
        """Ask for a seller's bank accounts. Raises `CentreFailure`."""
        body = await self._read("GET", f"/v1/sellers/{tin}/bank-accounts", seat=seat, timeout=within_s)
        accounts = _spoken(lambda: read_json(body))
        if not isinstance(accounts, list):
            raise CentreAway("centre_strange", "bank accounts that are no array")
        return accounts

    async def look_up(self, path: str, query: Mapping[str, str], *, within_s: float = ANSWER_S) -> bytes:
        """Ask a public look-up and answer its body. Raises `CentreFailure`."""
        return await self._read("GET", path, params=dict(query), timeout=within_s)

    async def upload(self, seat: Seat, lines: Sequence[bytes]) -> AsyncGenerator[LineVerdict, None]:
        """Send signed lines and yield the centre's verdicts as they come, in the order of the lines. Raises
        `CentreFailure`, also in the middle: lines without a verdict may have been stored, and are sent again.
        """
        headers = {"Content-Type": "application/x-ndjson"}
        request = {"content": b"".join(lines), "headers": headers}
        async with self._asked("POST", "/v1/receipts/signed", seat=seat, **request) as answer:
            rest = b""
            async for piece in answer.aiter_bytes():
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield _spoken(lambda line=line: read_verdict(line))  # type: ignore[misc]
                if len(rest) > LINE_BYTES_MAX:
                    raise CentreAway("centre_strange", "a line without an end")

    async def _read(self, method: str, path: str, *, seat: Seat | None = None, **request: Any) -> bytes:
        async with self._asked(method, path, seat=seat, **request) as answer:
            return await _whole(answer)

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, *, seat: Seat | None, **request: Any
    ) -> AsyncIterator[httpx2.Response]:
        """Ask, with a new token once where the one at hand is not believed any more. Raises `CentreFailure`, for what
        goes wrong while the answer is read as well.
        """
        own = request.pop("headers", {})
        try:
            headers = own | await self._authorization(seat)
            async with self._http.stream(method, path, headers=headers, **request) as answer:
                self._learn_time(answer)
                if answer.status_code != UNAUTHENTICATED or seat is None:
                    await _refuse_failures(answer)
                    yield answer
                    return
            self._tokens.pop(seat.client_id, None)
            headers = own | await self._authorization(seat)
            async with self._http.stream(method, path, headers=headers, **request) as answer:
                await _refuse_failures(answer)
                yield answer
        except httpx2.TimeoutException as error:
            raise CentreAway("centre_silent", type(error).__name__) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise CentreAway("centre_unreachable", f"{type(error).__name__}: {error}") from error

    async def _authorization(self, seat: Seat | None) -> dict[str, str]:
        if seat is None:
            return {}
        async with self._renewing:
            token = self._tokens.get(seat.client_id)
            if token is None or self._elapsed_s() >= token.renew_at_s:
                token = await self._renewed(seat)
                self._tokens[seat.client_id] = token
        return {"Authorization": f"Bearer {token.text}"}

    async def _renewed(self, seat: Seat) -> AccessToken:
        """Ask for a token; once more with corrected time where the till's clock was the reason for a refusal."""
        believed = self._ahead
        asked_at = self._elapsed_s()
        answer = await self._ask_token(seat)
        if answer.status_code == UNAUTHENTICATED and self._ahead != believed:
            answer = await self._ask_token(seat)
        await _refuse_failures(answer)
        try:
            body = answer.json()
            return AccessToken(str(body["access_token"]), asked_at + float(body["expires_in"]) - RENEW_BEFORE_S)
        except (ValueError, KeyError, TypeError) as error:
            raise CentreAway("centre_strange", "a token of another form") from error

    async def _ask_token(self, seat: Seat) -> httpx2.Response:
        form = token_form(
            client_id=seat.client_id,
            token_url=seat.token_url,
            key=self._client_key_of(seat),
            now=self._real_clock() + self._ahead,
            jti=self._draw(),
        )
        answer = await self._http.post("/v1/oauth/token", data=form)
        self._learn_time(answer)
        return answer

    def _learn_time(self, answer: httpx2.Response) -> None:
        offset = clock_offset(answer.headers.get("date"), self._real_clock())
        if offset is not None:
            self._ahead = offset


def _spoken(read: Callable[[], T]) -> T:
    try:
        return read()
    except CentreWordsWrong as wrong:
        raise CentreAway("centre_strange", str(wrong)) from wrong


async def _whole(answer: httpx2.Response) -> bytes:
    pieces, size = [], 0
    async for piece in answer.aiter_bytes():
        size += len(piece)
        if size > ANSWER_BYTES_MAX:
            raise CentreAway("centre_strange", f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        pieces.append(piece)
    return b"".join(pieces)


async def _refuse_failures(answer: httpx2.Response) -> None:
    """Pass what succeeded. Raises `CentreFailure` for everything else, redirections included."""
    if answer.is_success:
        return
    await answer.aread()
    status, problem = answer.status_code, _problem(answer)
    if status in BUSY_STATUSES:
        raise CentreBusy(f"{status}", retry_after_s=_seconds(answer.headers.get("retry-after")))
    if problem is None and status < BROKEN_FROM:
        raise CentreAway("centre_strange", f"{status} without a problem: is that the centre's address?")
    if REFUSED_FROM <= status < BROKEN_FROM:
        assert problem is not None
        raise CentreRefused(status, *problem)
    raise CentreAway("centre_broken", f"{status} {problem or ''}")


def _problem(answer: httpx2.Response) -> tuple[str, str] | None:
    """Read the code and the words of a problem (RFC 9457), or of an OAuth error (RFC 6749 5.2); None for neither."""
    try:
        body = answer.json()
        code = str(body.get("code") or body["error"])
        return code, str(body.get("detail") or body.get("error_description") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() else None
