"""`POST /v1/receipts/batch`: up to a thousand receipts, one NDJSON line each; a line that fails touches no other."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator
from datetime import date
from time import perf_counter

import msgspec
import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kernel.refusal import Fault, Malformed, Refusal, Unavailable
from pos_gateway import wire
from pos_gateway.answers import receipt_json
from pos_gateway.bodies import read_body
from pos_gateway.gateway import Gateway, Sold, gateway_of
from pos_gateway.sequence_batches import CHUNK_RECEIPTS_MAX
from receipts.orders import Issued, Outcome, SaleOrder
from receipts.store.reading import Client
from runtime.http_errors import Problem, incident_problem, problem_of
from runtime.messages import Language, language_of

AT_ONCE = 64
"""Lines judged before others get a turn: at some 30 µs a line nobody waits 2 ms for a batch."""
ANSWERED_AT_ONCE = 128
"""Verdicts written before others get a turn, and sent together: some 10 µs each, where each sending takes 80."""
_encode = msgspec.json.Encoder().encode
Judged = SaleOrder | Sold | Malformed | Refusal | Unavailable


class _Line(Struct):
    """A line of a batch: its place from 1, its bytes, the language of its verdict, and its key once it is read."""

    at: int
    content: bytes
    language: Language
    key: str | None = None

    def issued(self, sold: Sold) -> bytes:
        """Answer the verdict that the line was issued, now or before."""
        status = 200 if sold.issued.repeated else 201
        answer = receipt_json(sold.issued, sold.parts)
        return b'{"line":%d,"key":%b,"status":%d,"receipt":%b}\n' % (self.at, _encode(self.key), status, answer)

    def failed(self, problem: Problem) -> bytes:
        """Answer the verdict that the line was not issued, or that nobody knows."""
        head = _encode({"line": self.at, "key": self.key, "status": problem.status})
        return bytes(head[:-1] + b',"problem":' + problem.json() + b"}\n")


class _Begun(Struct, frozen=True):
    """A line, what was made of it, and the promise of its outcome where it went into the pool."""

    line: _Line
    judged: Judged
    outcome: "asyncio.Future[Outcome] | None" = None


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
    return StreamingResponse(_in_order(gateway, await _begin(gateway, client, lines)), media_type=wire.NDJSON)


async def _begin(gateway: Gateway, client: Client, lines: list[_Line]) -> deque[_Begun]:
    """Judge lines and put them into the pool, a transaction's worth at once, each terminal's in the order in which they
    were sent.
    """
    begun = deque[_Begun]()
    for first in range(0, len(lines), CHUNK_RECEIPTS_MAX):
        judged: list[tuple[_Line, Judged]] = []
        end = min(first + CHUNK_RECEIPTS_MAX, len(lines))
        for at in range(first, end, AT_ONCE):
            began, today = perf_counter(), gateway.today()
            group = lines[at : min(at + AT_ONCE, end)]
            for line in group:
                verdict = _judged_now(gateway, client, line, today)
                if isinstance(verdict, wire.BatchLineIn):
                    verdict = await _looked_up(gateway, client, verdict)
                judged.append((line, verdict))
            gateway.metrics.lines_judged(perf_counter() - began, len(group))
            await asyncio.sleep(0)
        begun.extend([_entered(gateway, line, verdict) for line, verdict in judged])
    return begun


def _judged_now(gateway: Gateway, client: Client, line: _Line, today: date) -> Judged | wire.BatchLineIn:
    """Judge a line; answer what it says where that takes a look-up."""
    try:
        if len(line.content) > wire.RECEIPT_BYTES_MAX:
            return Malformed(Fault("too_large", "", f"at most {wire.RECEIPT_BYTES_MAX} bytes a line"))
        body = wire.read_batch_line(line.content)
        line.key = body.key
        return gateway.judge_now(client, body.key, body.receipt, today) or body
    except (Malformed, Refusal, Unavailable) as fault:
        return fault


async def _looked_up(gateway: Gateway, client: Client, body: wire.BatchLineIn) -> Judged:
    try:
        return await gateway.judge(client, body.key, body.receipt)
    except (Malformed, Refusal, Unavailable) as fault:
        return fault


def _failed(gateway: Gateway, line: _Line, fault: Malformed | Refusal | Unavailable) -> bytes:
    problem = problem_of(fault, line.language)
    gateway.metrics.problem(problem.body["code"], fault)
    return line.failed(problem)


def _entered(gateway: Gateway, line: _Line, judged: Judged) -> _Begun:
    if not isinstance(judged, SaleOrder):
        return _Begun(line, judged)
    try:
        return _Begun(line, judged, gateway.enter(judged))
    except Unavailable as unavailable:
        return _Begun(line, unavailable)


async def _in_order(gateway: Gateway, begun: deque[_Begun]) -> AsyncIterator[bytes]:
    """Send the verdicts in the order of the lines, those that are there together. What was answered is let go at once,
    while the processor still has it at hand.
    """
    while begun:
        first = begun[0].outcome
        if first is not None and not first.done():
            await asyncio.wait([first])
        began, ready = perf_counter(), list[bytes]()
        while begun and len(ready) < ANSWERED_AT_ONCE:
            outcome = begun[0].outcome
            if outcome is not None and not outcome.done():
                break
            one = begun.popleft()
            verdict = _verdict_now(one)
            ready.append(await _verdict(gateway, one) if verdict is None else verdict)
        gateway.metrics.lines_answered(perf_counter() - began, len(ready))
        yield b"".join(ready)
        await asyncio.sleep(0)


def _verdict_now(begun: _Begun) -> bytes | None:
    """Answer the verdict of a line that was issued for the first time; None for every other."""
    line, judged, outcome = begun.line, begun.judged, begun.outcome
    if outcome is None or outcome.cancelled() or outcome.exception() is not None:
        return None
    issued = outcome.result()
    if isinstance(judged, SaleOrder) and isinstance(issued, Issued) and not issued.repeated:
        return line.issued(Sold(issued, judged.priced.parts))
    return None


async def _verdict(gateway: Gateway, begun: _Begun) -> bytes:
    line, judged = begun.line, begun.judged
    try:
        if isinstance(judged, SaleOrder):
            assert begun.outcome is not None
            return line.issued(await gateway.sold(judged, begun.outcome.result()))
        if isinstance(judged, Sold):
            return line.issued(judged)
    except (Refusal, Unavailable) as fault:
        return _failed(gateway, line, fault)
    except Exception as error:  # noqa: BLE001 - the rim, for a line: the others have their verdicts all the same
        return _unforeseen(line, error)
    return _failed(gateway, line, judged)


def _unforeseen(line: _Line, error: Exception) -> bytes:
    incident = "i" + secrets.token_hex(8)
    structlog.get_logger().error("incident", incident=incident, exc_info=error)
    return line.failed(incident_problem(incident, line.language))
