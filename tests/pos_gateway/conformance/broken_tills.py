"""Tills that are broken in one way each: a real till behind a real HTTP proxy that spoils one thing.

`BROKEN` names each with the one case of the kit that must say so.
"""

import contextlib
import hashlib
import http.client
import json
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "date", "server"}
LONG_FROM, LONG_TO = 16 * 1024, 256 * 1024
WHOLE_NUMBER = re.compile(r"(?<=[:\[,])(-?[0-9]+)(?=[,\]}])")


@dataclass(frozen=True)
class Ask:
    """A request as it reached the proxy."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def sells(self) -> bool:
        return self.method == "POST" and self.path.startswith("/rest/receipt")

    @property
    def value(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True)
class Told:
    """An answer on its way to the client."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def receipt(self) -> dict[str, Any] | None:
        """The receipt, if one came."""
        value = json.loads(self.body) if self.body.startswith(b"{") else {}
        return value if self.status == 200 and "qrData" in value else None

    def saying(self, value: Any) -> Self:
        """The same with another body."""
        return replace(self, body=json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


Forward = Callable[[Ask], Told]
Spoil = Callable[[Ask, Forward], Told]


@contextlib.contextmanager
def proxied(till_url: str, spoil: Spoil) -> Iterator[str]:
    """Run a proxy before a till and answer its address."""
    place = urlsplit(till_url)
    serial = threading.Lock()

    def forward(ask: Ask) -> Told:
        line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        try:
            line.request(ask.method, ask.path, ask.body or None, ask.headers)
            answer = line.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
            return Told(answer.status, headers, answer.read())
        finally:
            line.close()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            if LONG_FROM < len(body) < LONG_TO:
                self.tunnel(kept, body)
                return
            with serial:
                told = spoil(Ask(self.command, self.path, kept, body), forward)
            with contextlib.suppress(ConnectionError):
                self.send_response(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(told.body)))
                self.end_headers()
                self.wfile.write(told.body)

        def tunnel(self, headers: dict[str, str], body: bytes) -> None:
            """Pass an answer on piece by piece, so that what happens to one connection happens to the other."""
            said = [f"{name}: {value}" for name, value in (headers | {"Content-Length": str(len(body))}).items()]
            with socket.socket() as line:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
                line.connect((place.hostname, place.port))
                head = "\r\n".join([f"{self.command} {self.path} HTTP/1.1", f"Host: {place.netloc}", *said, "", ""])
                line.sendall(head.encode() + body)
                passed, whole = b"", sys.maxsize
                try:
                    while len(passed) < whole and (piece := line.recv(512)):
                        self.connection.sendall(piece)
                        passed += piece
                        length = re.search(rb"(?i)content-length: ([0-9]+).*?\r\n\r\n", passed, re.DOTALL)
                        whole = length.end() + int(length[1]) if length else sys.maxsize
                except OSError:
                    self.close_connection = True
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        do_GET = do_POST = do_DELETE = do_OPTIONS = pass_on  # noqa: N815 - so the standard library calls them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    running.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        running.join()


def in_receipts(change: Callable[[dict[str, Any], Any], Any]) -> Callable[[], Spoil]:
    """A till that spoils its receipts: `change` gets the receipt and what was asked, and answers the new body."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        told = forward(ask)
        receipt = told.receipt if ask.sells else None
        return told if receipt is None else told.saying(change(receipt, ask.value))

    return lambda: spoil


def everywhere(value: Any, change: Callable[[str, Any], Any], name: str = "") -> Any:
    """Change every member of a value."""
    if isinstance(value, dict):
        return {key: everywhere(change(key, item), change, key) for key, item in value.items()}
    return [everywhere(item, change, name) for item in value] if isinstance(value, list) else value


def amounts_as_text(receipt: dict[str, Any], _asked: Any) -> Any:
    return everywhere(receipt, lambda name, item: str(item) if name.startswith("total") else item)


def nulls_kept(receipt: dict[str, Any], asked: Any) -> Any:
    return {name: None for name, item in asked.items() if item is None} | receipt


def lottery_for_business(receipt: dict[str, Any], asked: Any) -> Any:
    return receipt | ({"lottery": "AB 12345678"} if asked["type"] == "B2B_RECEIPT" else {})


def date_with_zone(receipt: dict[str, Any], _asked: Any) -> Any:
    return receipt | {"date": receipt["date"].replace(" ", "T") + "+08:00"}


def no_sub_ids(receipt: dict[str, Any], _asked: Any) -> Any:
    return receipt | {"receipts": [{k: v for k, v in sub.items() if k != "id"} for sub in receipt["receipts"]]}


def items_lost(receipt: dict[str, Any], _asked: Any) -> Any:
    return receipt | {"receipts": [{k: v for k, v in sub.items() if k != "items"} for sub in receipt["receipts"]]}


def qr_as_number(receipt: dict[str, Any], _asked: Any) -> Any:
    return receipt | {"qrData": 30892326524546672474}


def new_lottery_for_corrections(receipt: dict[str, Any], asked: Any) -> Any:
    corrects = next((item for name, item in asked.items() if name.lower() == "inactiveid"), None)
    return receipt | ({"lottery": f"ZZ {receipt['id'][20:28]}"} if corrects else {})


def easy_as_text(receipt: dict[str, Any], _asked: Any) -> Any:
    return receipt | {"easy": str(receipt["easy"]).lower()}


def with_points() -> Spoil:
    """Whole numbers are written as floats."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        told = forward(ask)
        if told.receipt is None:
            return told
        return replace(told, body=WHOLE_NUMBER.sub(r"\1.0", told.body.decode()).encode())

    return spoil


@dataclass
class RepeatsAnId:
    """Of two sales without billIdSuffix the second is given the id of the sale before."""

    last: str = ""

    def __call__(self, ask: Ask, forward: Forward) -> Told:
        told = forward(ask)
        receipt = told.receipt
        if receipt is None:
            return told
        before, self.last = self.last, receipt["id"]
        return told if not before or "billIdSuffix" in ask.value else told.saying(receipt | {"id": before})


def server_failures() -> Spoil:
    """What is wrong with a request is the server's failure."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        told = forward(ask)
        return replace(told, status=500) if told.status == 400 else told

    return spoil


def voids_not_done() -> Spoil:
    """A void of a receipt that is there is answered, and nothing else."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        value = ask.value
        known = isinstance(value, dict) and re.fullmatch("[0-9]{33}", str(value.get("id")))
        if ask.method != "DELETE" or not known or "99999" in value["id"][20:25]:
            return forward(ask)
        return Told(200, {"Content-Type": "application/json"}, b'{"success":true,"status":200,"message":""}')

    return spoil


def keys_unknown() -> Spoil:
    """Idempotency-Key is not known."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        headers = {name: value for name, value in ask.headers.items() if name.lower() != "idempotency-key"}
        return forward(replace(ask, headers=headers))

    return spoil


@dataclass
class OneReceiptABody:
    """Equal bodies are one receipt."""

    given: dict[bytes, Told] = field(default_factory=dict)

    def __call__(self, ask: Ask, forward: Forward) -> Told:
        digest = hashlib.sha256(ask.body).digest()
        if ask.sells and "Idempotency-Key" not in ask.headers and digest in self.given:
            return self.given[digest]
        told = forward(ask)
        if ask.sells and told.status == 200:
            self.given[digest] = told
        return told


def answers_as_text() -> Spoil:
    """Answers say that they are text."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        told = forward(ask)
        headers = {name: value for name, value in told.headers.items() if name.lower() != "content-type"}
        return replace(told, headers={**headers, "Content-Type": "text/html"})

    return spoil


def pages_locked_out() -> Spoil:
    """A page of another origin may not read what it asked for."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        told = forward(ask)
        kept = {n: v for n, v in told.headers.items() if not n.lower().startswith("access-control")}
        return told if ask.method == "OPTIONS" else replace(told, headers=kept)

    return spoil


def question_mark_unknown() -> Spoil:
    """A question mark with nothing after it is another path."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        return forward(replace(ask, path="/rest/other") if ask.path.endswith("?") else ask)

    return spoil


def silent_about_fields() -> Spoil:
    """A refusal says that something is wrong."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        told = forward(ask)
        if told.status != 400:
            return told
        numbers = " ".join(re.findall(r"[0-9.]+", json.loads(told.body)["message"]))
        return told.saying({"status": "ERROR", "message": f"Хүсэлт буруу байна. {numbers}"})

    return spoil


def silent_about_amounts() -> Spoil:
    """A refusal does not say which amount would be right."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        told = forward(ask)
        if told.status != 400:
            return told
        said = json.loads(told.body)["message"]
        return told.saying({"status": "ERROR", "message": re.sub(r"(?<!\[)\b[0-9.,]*[0-9]\b(?!\])", "…", said)})

    return spoil


def voids_want_a_date() -> Spoil:
    """A void without a date is refused."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        refused = ask.method == "DELETE" and isinstance(ask.value, dict) and "date" not in ask.value
        return forward(replace(ask, body=b"{}") if refused else ask)

    return spoil


def vat_never_looked_at() -> Spoil:
    """Of a sale of VAT_ABLE goods alone the stated VAT is not looked at."""

    def spoil(ask: Ask, forward: Forward) -> Told:
        value = ask.value
        if not (ask.sells and isinstance(value, dict) and value.get("totalVAT") == 110):
            return forward(ask)
        return forward(replace(ask, body=re.sub(rb'"totalVAT":110', b'"totalVAT":100', ask.body)))

    return spoil


BROKEN: dict[str, tuple[Callable[[], Spoil], str]] = {
    "amounts are texts": (in_receipts(amounts_as_text), "numbers-are-numbers"),
    "whole numbers have a point": (with_points, "whole-numbers-without-point"),
    "null keys are kept": (in_receipts(nulls_kept), "empty-keys-are-dropped"),
    "an id comes twice": (RepeatsAnId, "ids-never-repeat"),
    "a business gets a lottery number": (in_receipts(lottery_for_business), "b2b-no-lottery"),
    "the date has a zone": (in_receipts(date_with_zone), "date-without-zone"),
    "500 instead of 400": (server_failures, "refusals-are-400"),
    "sub-receipts have no id": (in_receipts(no_sub_ids), "sub-receipts-have-ids"),
    "the answer loses the items": (in_receipts(items_lost), "echo-items"),
    "qrData is a number": (in_receipts(qr_as_number), "qr-is-text"),
    "voids are answered and not done": (voids_not_done, "void-holds"),
    "a retried key makes a second receipt": (keys_unknown, "idempotency-key"),
    "equal bodies are one receipt": (OneReceiptABody, "two-equal-sales"),
    "a correction gets a new lottery number": (in_receipts(new_lottery_for_corrections), "correction-no-new-lottery"),
    "easy is a text": (in_receipts(easy_as_text), "easy-is-a-truth"),
    "answers say that they are text": (answers_as_text, "answers-are-json"),
    "browsers are locked out": (pages_locked_out, "cors-answer"),
    "a question mark is another path": (question_mark_unknown, "lenient-question-mark"),
    "refusals name no field": (silent_about_fields, "refusals-name-the-field"),
    "refusals give no right amount": (silent_about_amounts, "refusals-give-what-is-right"),
    "a void without a date is refused": (voids_want_a_date, "void-without-date"),
    "wrong VAT is issued": (vat_never_looked_at, "refuses-wrong-vat"),
}
"""What is wrong -> how, and the case that must fail, alone."""
