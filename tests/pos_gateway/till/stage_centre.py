"""A centre on a stage, behind real HTTP: it keeps chains as the contract says, and fails where a test tells it to.

The real centre is met in the journeys; what it does not do on demand (be silent, break off in the middle, speak like
somebody else) is done here.
"""

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kernel.canonical import sha256
from receipts import base45, qr
from tests.pos_gateway.till.tilling import Hands


@dataclass(slots=True)
class StageCentre:
    """What it knows, what it was asked, and how it misbehaves next. Rules of misbehaviour hold until they are taken
    back.
    """

    hands: Hands
    enrolment: bytes
    url: str = ""
    links: list[bytes] = field(default_factory=list)
    """Hashes in the order of the chain."""
    forks: set[bytes] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    consumers: list[str] = field(default_factory=list)
    tokens: int = 0
    gone: bool = False
    """Hangs up before it answers anything."""
    silent: bool = False
    """Takes requests and says nothing."""
    answers: dict[str, Response] = field(default_factory=dict)
    """Path -> what is answered there instead."""
    breaks_after: int | None = None
    """Verdicts after which an upload is broken off; what is stored stays stored."""
    refuses: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Counter -> status and code with which a link is refused."""
    standing: dict[str, Any] = field(default_factory=dict)
    """What is said of the terminal, instead."""
    easy: bool = True
    slow_s: float = 0.0

    @property
    def counter(self) -> int:
        return len(self.links)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/oauth/token", self._token, methods=["POST"]),
                Route("/v1/terminals/{terminal}", self._standing),
                Route("/v1/receipts/signed", self._signed, methods=["POST"]),
                Route("/v1/sellers/{tin}/bank-accounts", self._accounts),
                Route("/{anything:path}", self._anything, methods=["GET", "POST"]),
            ]
        )

    async def _before(self, request: Request) -> Response | None:
        self.asked.append(request.url.path)
        if self.silent:
            await asyncio.sleep(60)
        await asyncio.sleep(self.slow_s)
        return self.answers.get(request.url.path)

    async def _token(self, request: Request) -> Response:
        if (instead := await self._before(request)) is not None:
            return instead
        self.tokens += 1
        return JSONResponse({"access_token": f"token-{self.tokens}", "token_type": "Bearer", "expires_in": 3600})

    async def _standing(self, request: Request) -> Response:
        if (instead := await self._before(request)) is not None:
            return instead
        usual = {
            "terminal": request.path_params["terminal"],
            "mode": "till",
            "counter": self.counter,
            "head_hash": (self.links[-1] if self.links else sha256(self.enrolment)).hex(),
            "last_issued_at": None,
            "suspended_at": None,
            "suspended_for": None,
            "closed_at": None,
            "now": self.hands.now.isoformat(),
            "late_issue_hours": 72,
        }
        return JSONResponse(usual | self.standing)

    async def _accounts(self, request: Request) -> Response:
        if (instead := await self._before(request)) is not None:
            return instead
        accounts = [{"id": 1, "tin": request.path_params["tin"], "bankAccountNo": "4990037827"}]
        return JSONResponse(accounts)

    async def _anything(self, request: Request) -> Response:
        instead = await self._before(request)
        return instead or JSONResponse({"code": "not_found", "detail": "nothing here"}, status_code=404)

    async def _signed(self, request: Request) -> Response:
        if (instead := await self._before(request)) is not None:
            return instead
        lines = [json.loads(line) for line in (await request.body()).splitlines() if line]
        self.batches.append(len(lines))
        return StreamingResponse(self._verdicts(lines), media_type="application/x-ndjson")

    async def _verdicts(self, lines: list[dict[str, Any]]) -> AsyncIterator[bytes]:
        for at, line in enumerate(lines, 1):
            if self.breaks_after is not None and at > self.breaks_after:
                raise ConnectionResetError
            yield json.dumps({"line": at} | self._judged(line)).encode() + b"\n"

    def _judged(self, line: dict[str, Any]) -> dict[str, Any]:
        cose = base45.decode(line["qr"].removeprefix(qr.PREFIX))
        pieces = qr.take_apart(cose)
        assert pieces is not None
        payload, receipt_hash = qr.unpack(pieces[1]), qr.receipt_hash(cose)
        document = base64.urlsafe_b64decode(line["document"] + "==")
        assert sha256(document)[:8] == payload.document
        if payload.counter in self.refuses:
            status, code = self.refuses[payload.counter]
            return {"hash": receipt_hash.hex(), "status": status, "problem": {"code": code, "detail": "as told"}}
        stored: dict[str, Any] = {"id": str(payload.id), "findings": [], "fork": False, "suspended": False}
        if "consumer_no" in line.get("private", {}):
            self.consumers.append(line["private"]["consumer_no"])
            stored["easy"] = self.easy
        if receipt_hash in self.links or receipt_hash in self.forks:
            stored["fork"] = receipt_hash in self.forks
            return {"hash": receipt_hash.hex(), "status": 200, "receipt": stored}
        head = self.links[-1] if self.links else sha256(self.enrolment)
        if payload.chain == head[:8]:
            self.links.append(receipt_hash)
        elif any(payload.chain == known[:8] for known in [sha256(self.enrolment), *self.links, *self.forks]):
            self.forks.add(receipt_hash)
            stored["fork"] = stored["suspended"] = True
        else:
            problem = {"code": "predecessor_missing", "detail": "send it first", "expected": self.counter}
            return {"hash": receipt_hash.hex(), "status": 409, "problem": problem}
        return {"hash": receipt_hash.hex(), "status": 201, "receipt": stored}


class _Quiet(uvicorn.Server):
    """A server inside a test's loop, which leaves signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@contextlib.asynccontextmanager
async def on_stage(centre: StageCentre) -> AsyncIterator[StageCentre]:
    """Serve a stage centre on a free port of loopback; it can be gone and come back by `gone`."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        centre.url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        class Door(HttpToolsProtocol):
            """Hangs up on everybody while the centre is gone."""

            def data_received(self, data: bytes) -> None:
                if centre.gone:
                    self.transport.close()
                else:
                    super().data_received(data)

        config = uvicorn.Config(centre.app(), http=Door, log_config=None, lifespan="off", timeout_graceful_shutdown=0)
        server = _Quiet(config)
        serving = asyncio.create_task(server.serve([listening]))
        while not server.started:  # noqa: ASYNC110 - uvicorn sets a flag and no event
            await asyncio.sleep(0.005)
        try:
            yield centre
        finally:
            server.should_exit = server.force_exit = True
            await serving
