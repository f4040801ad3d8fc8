"""`POST /v1/receipts/signed`: links that tills signed, one NDJSON line each, a verdict a line after its commit."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kernel.refusal import Fault, Malformed, Refusal, Unavailable
from pos_gateway import wire
from pos_gateway.accept_uploads import Result
from pos_gateway.bodies import read_body
from pos_gateway.easy import EASY_FOR_S, Wanted
from pos_gateway.failures import reaching_database
from pos_gateway.gateway import Gateway, gateway_of
from receipts import base45, qr
from receipts.intake import Accepted, PredecessorMissing
from receipts.keys import Keyring, KeyRole, keyring_of
from receipts.orders import WrongSigner
from receipts.signed_link import SignedLink, signed_link
from receipts.store import reading
from receipts.store.reading import Client
from receipts.submission import PARTS_MAX, Payment
from receipts.verification import AskTheCentre, NotGenuine, Verified, verify_cose, verify_document
from runtime.http_errors import Problem, incident_problem, problem_of
from runtime.messages import Language, language_of

PIECE_LINES_MAX = 256
"""Lines of one transaction: it holds the locks of its terminals for some 40 ms."""
AT_ONCE = 16
"""Lines verified before others get a turn: at some 100 µs a line nobody waits 2 ms for an upload."""
_encode = msgspec.json.Encoder().encode
_FORM_STEPS = {1: "a QR text", 2: "canonical Base45", 3: "the constants", 6: "kind, id and amounts in their ranges"}
"""Steps of verification that are about the form of the text, and what is expected there."""


@dataclass(slots=True)
class _Line:
    """A line of an upload: its place from 1, its bytes, the language of its verdict, and its hash once it is read."""

    at: int
    content: bytes
    language: Language
    digest: str | None = None

    def verdict(self, accepted: Accepted, *, easy: bool | None) -> bytes:
        """Answer the verdict that the line is stored, now or before."""
        receipt: dict[str, Any] = {
            "id": str(accepted.link.id),
            "findings": list(dict.fromkeys(found.code for found in accepted.findings)),
            "fork": accepted.fork,
            "suspended": accepted.suspended,
        }
        if easy is not None:
            receipt["easy"] = easy
        status = 200 if accepted.repeated else 201
        return bytes(_encode({"line": self.at, "hash": self.digest, "status": status, "receipt": receipt}) + b"\n")

    def failed(self, problem: Problem) -> bytes:
        """Answer the verdict that the line was not stored, or that nobody knows."""
        head = _encode({"line": self.at, "hash": self.digest, "status": problem.status})
        return bytes(head[:-1] + b',"problem":' + problem.json() + b"}\n")


async def post_signed(request: Request) -> Response:
    """Take links that a till signed itself, one JSON line each, and answer a verdict a line, in their order, each sent
    after its commit.

    Send each terminal's in the order of its chain. A link whose signature is valid is never refused for its content:
    it is stored, with findings. The same bytes again are answered 200. A second link after one predecessor is kept as
    a fork, and the terminal is suspended. A line without a verdict is unknown: send it again.
    """
    gateway = gateway_of(request.app)
    client = await gateway.authenticate(request.headers.get("authorization"))
    gateway.uploads.require_room()
    body = await read_body(request, wire.BATCH_BYTES_MAX)
    language = language_of(request.headers.get("accept-language"))
    lines = [_Line(at, line, language) for at, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if not 1 <= len(lines) <= wire.BATCH_LINES_MAX:
        raise Malformed(Fault("batch_lines", "", f"1 to {wire.BATCH_LINES_MAX} lines"))
    gateway.limits.spend(client, len(lines))
    pieces = [lines[first : first + PIECE_LINES_MAX] for first in range(0, len(lines), PIECE_LINES_MAX)]
    return StreamingResponse(_verdicts(gateway, client, pieces), media_type=wire.NDJSON)


async def _verdicts(gateway: Gateway, client: Client, pieces: Sequence[Sequence[_Line]]) -> AsyncIterator[bytes]:
    with gateway.uploads.under_way():
        for lines in pieces:
            read = await _read(gateway, client, lines)
            links = [one for one in read if isinstance(one, SignedLink)]
            stored = iter(await gateway.uploads.accept(client, links) if links else [])
            ended: list[Result] = [next(stored) if isinstance(one, SignedLink) else one for one in read]
            easy = await _easy(gateway, ended)
            yield b"".join([_said(gateway, line, result, easy) for line, result in zip(lines, ended, strict=True)])


async def _read(gateway: Gateway, client: Client, lines: Sequence[_Line]) -> list[SignedLink | Exception]:
    """Read and verify lines."""
    parsed = [_parsed(line) for line in lines]
    kids = {one[1][7:15] for one in parsed if not isinstance(one, Exception)}
    try:
        keyring = await _keys(gateway, kids)
    except Unavailable as away:
        return [one if isinstance(one, Exception) else away for one in parsed]
    read: list[SignedLink | Exception] = []
    for at, one in enumerate(parsed):
        if at % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        read.append(one if isinstance(one, Exception) else _link(client, *one, keyring))
    return read


async def _keys(gateway: Gateway, kids: set[bytes]) -> Keyring:
    """Answer the keys of an upload as they are published now: what a till signs is no longer taken once its key is
    revoked.
    """
    if not kids:
        return {}
    with reaching_database():
        return keyring_of(await reading.find_published_keys(gateway.database, kids))


def _parsed(line: _Line) -> tuple[wire.SignedLineIn, bytes] | Exception:
    """Read a line and the 144 bytes in its QR text."""
    try:
        body = wire.read_signed_line(line.content)
        cose = base45.decode(body.qr[len(qr.PREFIX) :])
        if cose is None or qr.take_apart(cose) is None:
            return Malformed(Fault("qr_form", "/qr", _FORM_STEPS[2 if cose is None else 3]))
    except Malformed as malformed:
        return malformed
    line.digest = qr.receipt_hash(cose).hex()
    return body, cose


def _link(client: Client, body: wire.SignedLineIn, cose: bytes, keyring: Keyring) -> SignedLink | Exception:
    """Verify a line: signature, key and ranges first, then that the document is the signed one."""
    try:
        verified = _verified(client, cose, keyring)
        encoded = base64.urlsafe_b64decode(body.document + "=" * (-len(body.document) % 4))
        document = verify_document(verified.payload, encoded)
    except NotGenuine as failure:
        return _not_genuine(failure)
    except (Malformed, Refusal) as fault:
        return fault
    except ValueError:
        return Malformed(Fault("document_form", "/document", "base64url"))
    if len(document.parts) > PARTS_MAX:
        return Malformed(Fault("document_form", "/document", f"at most {PARTS_MAX} parts"))
    private = body.private or wire.PrivateIn()
    payments: tuple[Payment, ...] = private.payments
    consumer_no = None if private.consumer_no is None else int(private.consumer_no)
    return signed_link(verified, document, encoded, payments=payments, consumer_no=consumer_no)


def _verified(client: Client, cose: bytes, keyring: Keyring) -> Verified:
    """What a revoked key signed may have been stored before: that is looked up where the others are stored."""
    key = keyring.get(cose[7:15])
    if key is not None and key.role is not KeyRole.ROOT and key.seller != client.seller:
        raise WrongSigner
    try:
        return verify_cose(cose, keyring)
    except AskTheCentre as revoked:
        return revoked.verified


def _not_genuine(failure: NotGenuine) -> Exception:
    if failure.step in _FORM_STEPS:
        return Malformed(Fault("qr_form", "/qr", _FORM_STEPS[failure.step]))
    if failure.step == 7:  # noqa: PLR2004 - the step of the list
        return Malformed(Fault("document_form", "/document", f"the signed document ({failure.why})"))
    return failure


async def _easy(gateway: Gateway, ended: Sequence[Result]) -> dict[bytes, bool]:
    """Answer which consumers, whose numbers came with fresh receipts, have their claims now: by receipt hash."""
    since = gateway.clock() - timedelta(seconds=EASY_FOR_S)
    asked = {
        one.link.receipt_hash: None if one.root_key is None else Wanted(one.root_key, one.link.consumer_no)
        for one in ended
        if isinstance(one, Accepted) and one.link.consumer_no is not None and one.link.issued_at >= since
    }
    wanted = [one for one in asked.values() if one is not None]
    claimed = await gateway.claim_easily(wanted) if wanted else frozenset()
    return {digest: one in claimed for digest, one in asked.items()}


def _said(gateway: Gateway, line: _Line, result: Result, easy: dict[bytes, bool]) -> bytes:
    if isinstance(result, Accepted):
        gateway.metrics.accepted(result)
        return line.verdict(result, easy=easy.get(result.link.receipt_hash))
    if isinstance(result, Malformed | Refusal | Unavailable):
        problem = problem_of(result, line.language)
        gateway.metrics.problem(problem.body["code"], result)
        if isinstance(result, PredecessorMissing):
            problem.body["expected"] = result.expected
        return line.failed(problem)
    incident = "i" + secrets.token_hex(8)
    structlog.get_logger().error("incident", incident=incident, exc_info=result)
    return line.failed(incident_problem(incident, line.language))
