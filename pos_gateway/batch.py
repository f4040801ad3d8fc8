"""`POST /v1/receipts/batch`: up to a thousand receipts, one NDJSON line each; a line that fails touches no other."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import perf_counter

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kernel.refusal import Fault, Malformed, Refusal, Unavailable
from pos_gateway import wire
from pos_gateway.answers import receipt_answer
from pos_gateway.bodies import read_body
from pos_gateway.gateway import Gateway, Sold, gateway_of
from receipts.orders import SaleOrder
from receipts.store.reading import Client
from runtime.http_errors import Problem, incident_problem, problem_of
from runtime.messages import Language, language_of

NDJSON = "application/x-ndjson"
JUDGED_AT_ONCE = 16
"""Lines judged before others get a turn: at some 100 µs a line nobody waits more than 2 ms for a batch."""
_encode = msgspec.json.Encoder().encode
Judged = SaleOrder | Sold | Malformed | Refusal | Unavailable


@dataclass(slots=True)
class _Line:
    """A line of a batch: its place from 1, its bytes, the language of its verdict, and its key once it is read."""

    at: int
    content: bytes
    language: Language
    key: str | None = None

    def issued(self, sold: Sold) -> bytes:
        """Answer the verdict that the line was issued, now or before."""
        status = 200 if sold.issued.repeated else 201
        answer = receipt_answer(sold.issued, sold.parts)
        return bytes(_encode({"line": self.at, "key": self.key, "status": status, "receipt": answer}) + b"\n")

    def failed(self, problem: Problem) -> bytes:
        """Answer the verdict that the line was not issued, or that nobody knows."""
        head = _encode({"line": self.at, "key": self.key, "status": problem.status})
        return bytes(head[:-1] + b',"problem":' + problem.json() + b"}\n")


async def post_batch(request: Request) -> Response:
    """Issue up to a thousand receipts, one JSON line each, and answer a verdict a line, in their order, each sent after
    its commit.

    Each line has its own key, which keeps what `Idempotency-Key` promises. A line that fails touches no other. Lines
    are numbered from 1 as they stand in the body; empty ones are passed over.
    """
    began = perf_counter()
    gateway = gateway_of(request.app)
    client = await gateway.authenticate(request.headers.get("authorization"))
    body = await read_body(request, wire.BATCH_BYTES_MAX)
    language = language_of(request.headers.get("accept-language"))
    lines = [_Line(at, line, language) for at, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if not 1 <= len(lines) <= wire.BATCH_LINES_MAX:
        raise Malformed(Fault("batch_lines", "", f"1 to {wire.BATCH_LINES_MAX} lines"))
    gateway.limits.spend(client, len(lines))
    gateway.pool.require_room(len(lines))
    gateway.metrics.batch_read(perf_counter() - began)
    return StreamingResponse(_in_order(await _begin(gateway, client, lines)), media_type=NDJSON)


async def _begin(gateway: Gateway, client: Client, lines: list[_Line]) -> list[tuple[_Line, asyncio.Task[bytes]]]:
    """Judge lines one after another and put them into the pool, so that each terminal's sales are issued in the order
    in which they were sent.
    """
    begun = []
    for place, line in enumerate(lines, 1):
        judged = await _judged(gateway, client, line)
        verdict = asyncio.create_task(_verdict(gateway, line, judged))
        verdict.add_done_callback(_look_at)
        begun.append((line, verdict))
        if place % JUDGED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return begun


async def _judged(gateway: Gateway, client: Client, line: _Line) -> Judged:
    began = perf_counter()
    try:
        if len(line.content) > wire.RECEIPT_BYTES_MAX:
            return Malformed(Fault("too_large", "", f"at most {wire.RECEIPT_BYTES_MAX} bytes a line"))
        body = wire.read_batch_line(line.content)
        line.key = body.key
        order = await gateway.judge(client, body.key, body.receipt)
    except (Malformed, Refusal, Unavailable) as fault:
        return fault
    gateway.metrics.line_judged(perf_counter() - began)
    return order


async def _verdict(gateway: Gateway, line: _Line, judged: Judged) -> bytes:
    if isinstance(judged, Malformed | Refusal | Unavailable):
        return _failed(gateway, line, judged)
    try:
        sold = await gateway.issue(judged)
    except (Refusal, Unavailable) as fault:
        return _failed(gateway, line, fault)
    began = perf_counter()
    verdict = line.issued(sold)
    gateway.metrics.line_answered(perf_counter() - began)
    return verdict


def _failed(gateway: Gateway, line: _Line, fault: Malformed | Refusal | Unavailable) -> bytes:
    problem = problem_of(fault, line.language)
    gateway.metrics.problem(problem.body["code"], fault)
    return line.failed(problem)


def _look_at(verdict: asyncio.Task[bytes]) -> None:
    """Take note of how a line ended, although nobody may be left to be told."""
    if not verdict.cancelled():
        verdict.exception()


async def _in_order(verdicts: list[tuple[_Line, asyncio.Task[bytes]]]) -> AsyncIterator[bytes]:
    """Send the verdicts in the order of the lines, those that are there together."""
    ready: list[bytes] = []
    for line, verdict in verdicts:
        if ready and not verdict.done():
            yield b"".join(ready)
            ready.clear()
        await asyncio.wait([verdict])
        error = verdict.exception()
        ready.append(verdict.result() if error is None else _unforeseen(line, error))
    yield b"".join(ready)


def _unforeseen(line: _Line, error: BaseException) -> bytes:
    """Answer for a line what the rim answers for a request: the others have their verdicts all the same."""
    incident = "i" + secrets.token_hex(8)
    structlog.get_logger().error("incident", incident=incident, exc_info=error)
    return line.failed(incident_problem(incident, line.language))
