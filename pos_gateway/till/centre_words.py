"""What a till and the centre say to each other over HTTP, as values: lines sent, verdicts and standings received.

POST /v1/receipts/signed   NDJSON {"qr", "document": base64url, "private"?}
-> NDJSON {"line", "hash": hex | null, "status", "receipt"?: {"id", "findings", "fork", "suspended", "easy"?},
"problem"?: {"code", "detail", …}}
GET /v1/terminals/{terminal}
-> {"terminal", "mode", "counter", "head_hash", "last_issued_at", "suspended_at", "suspended_for", "closed_at",
"now", "late_issue_hours"}
"""

from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from kernel.canonical import base64url

STORED_STATUSES: Final = frozenset({200, 201})


class CentreWordsWrong(Exception):  # noqa: N818 - named by what is wrong
    """What answered does not speak as the centre does: a proxy's page, another service, an older centre."""


class StoredLine(Struct, frozen=True, kw_only=True):
    """What the centre says of a line that it has. `easy` is there only where a consumer number came along."""

    id: str
    findings: tuple[str, ...] = ()
    fork: bool = False
    suspended: bool = False
    easy: bool | None = None


class LineProblem(Struct, frozen=True, kw_only=True):
    """Why the centre did not take a line. `expected` is the counter that it waits for (`predecessor_missing`)."""

    code: str
    detail: str = ""
    expected: int | str | None = None


class LineVerdict(Struct, frozen=True, kw_only=True):
    """What the centre says of one line."""

    line: int
    status: int
    hash: str | None = None
    receipt: StoredLine | None = None
    problem: LineProblem | None = None

    @property
    def stored(self) -> bool:
        """Whether the centre has the receipt, durable."""
        return self.status in STORED_STATUSES and self.receipt is not None


class Standing(Struct, frozen=True, kw_only=True):
    """How the centre sees a terminal. `counter` is the next that it expects, `head_hash` the last receipt's."""

    terminal: str
    counter: int
    head_hash: str
    now: datetime
    late_issue_hours: int
    mode: str = "till"
    last_issued_at: datetime | None = None
    suspended_at: datetime | None = None
    suspended_for: str | None = None
    closed_at: datetime | None = None


_verdicts: Final = msgspec.json.Decoder(LineVerdict)
_standings: Final = msgspec.json.Decoder(Standing)
_encode: Final = msgspec.json.Encoder().encode


def signed_line(qr: str, document: bytes, private: bytes | None) -> bytes:
    """Write one line of an upload, with its line feed. `private` is JSON as the queue keeps it."""
    line: dict[str, Any] = {"qr": qr, "document": base64url(document)}
    if private:
        line["private"] = msgspec.Raw(private)
    return _encode(line) + b"\n"


def read_verdict(line: bytes) -> LineVerdict:
    """Read one line of the answer. Raises `CentreWordsWrong`."""
    try:
        return _verdicts.decode(line)
    except msgspec.MsgspecError as error:
        raise CentreWordsWrong(f"a verdict of another form: {error}") from error


def read_standing(body: bytes) -> Standing:
    """Read how the centre sees a terminal. Raises `CentreWordsWrong`."""
    try:
        standing = _standings.decode(body)
    except msgspec.MsgspecError as error:
        raise CentreWordsWrong(f"a terminal's standing of another form: {error}") from error
    if standing.now.tzinfo is None:
        raise CentreWordsWrong("a time without an offset")
    return standing


def read_json(body: bytes) -> Any:
    """Read JSON. Raises `CentreWordsWrong`."""
    try:
        return msgspec.json.decode(body)
    except msgspec.MsgspecError as error:
        raise CentreWordsWrong("no JSON") from error
