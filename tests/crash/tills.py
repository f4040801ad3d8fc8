"""Tills under torture: they post, and ask again with the same key until they know. What was acknowledged is on their
own disk before they go on.

Each process is one seller's client with several terminals and several lanes (connections); every lane posts to every
terminal, so that one chain is fed by several workers at a time. A lane keeps one file: a JSON line for each answer,
with the raw bytes of the receipt, written and fsynced before the lane does anything else.
"""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any

import httpx2

from barimt.demo.till_client import PostFailed, TillClient
from tests.answered import part

SLOTS = 5
IN_FLIGHT, ACKNOWLEDGED, RETRIES, REFUSED, BEGAN_NS = range(SLOTS)
"""What each lane shares with the driver: requests fully sent and not answered, receipts acknowledged, attempts after
the first of a job, receipts refused with 503, and when (CLOCK_MONOTONIC) the newest attempt began that was
acknowledged."""
IMPATIENT = 0.04
"""Share of attempts that a till gives up by itself after some milliseconds, and makes again."""
ASKED_AGAIN = 0.1
"""Share of jobs that are posted once more after they were acknowledged."""
PATIENCE_S = 20.0
PAUSE_S, PAUSE_UNREACHED_S = 0.1, 0.5
"""Longest pause before the next attempt, when somebody answered and when nobody listens."""
BATCH_MAX = 40
FOLLOWED_MAX = 200


@dataclass(frozen=True, slots=True)
class Client:
    """A seller's client as `barimt admin` printed it, with all its terminals."""

    client_id: str
    key_file: str
    token_url: str
    tin: str
    terminals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process is to do."""

    url: str
    client: Client
    lanes: int
    seed: int
    folder: str
    first_lane: int
    linger_s: float


@dataclass(frozen=True, slots=True)
class Job:
    """A request that is repeated until its outcome is known; `keys` are those of its lines in their order."""

    path: str
    content: bytes
    keys: tuple[str, ...]
    batch: bool


@dataclass(slots=True)
class Lane:
    """One connection's worth of a till."""

    http: httpx2.AsyncClient
    till: TillClient
    client: Client
    random: Random
    name: str
    shared: Any
    at: int
    file: int
    statuses: Counter[str] = field(default_factory=Counter)
    standing: list[str] = field(default_factory=list)
    _number: int = 0
    _sent: bool = False
    _unreached: bool = False

    async def live(self, stop: Any, linger_s: float) -> None:
        """Post until told to stop, and leave nothing undecided."""
        while not stop.is_set():
            job = self._next_job()
            await self._insist(job)
            if self.random.random() < ASKED_AGAIN:
                await self._insist(job)
            await asyncio.sleep(self.random.random() * linger_s)

    def _next_job(self) -> Job:
        kind = self.random.random()
        if kind < 0.12 and self.standing:
            voided = self.standing.pop(self.random.randrange(len(self.standing)))
            content = json.dumps({"reason": "returned"}).encode()
            return Job(f"/v1/receipts/{voided}/void", content, (self._key(),), batch=False)
        if kind < 0.24 and self.standing:
            corrected = self.standing.pop(self.random.randrange(len(self.standing)))
            return self._single(self._sale(corrects=corrected))
        if kind < 0.42:
            return self._batch()
        return self._single(self._sale(terminal=self.random.choice(self.client.terminals)))

    def _single(self, body: Any) -> Job:
        return Job("/v1/receipts", json.dumps(body).encode(), (self._key(),), batch=False)

    def _batch(self) -> Job:
        count = self.random.randint(2, BATCH_MAX)
        keys = tuple(self._key() for _ in range(count))
        order = list(self.client.terminals)
        self.random.shuffle(order)
        lines = [
            json.dumps({"key": key, "receipt": self._sale(terminal=order[at % len(order)])})
            for at, key in enumerate(keys)
        ]
        return Job("/v1/receipts/batch", "\n".join(lines).encode(), keys, batch=True)

    def _sale(self, **more: str) -> dict[str, Any]:
        return {
            "type": "B2C_RECEIPT", "seller_tin": self.client.tin, "parts": [part(self.random.randint(1, 10**7))], **more
        }  # fmt: skip

    def _key(self) -> str:
        self._number += 1
        return f"{self.name}-{self._number}"

    async def _insist(self, job: Job) -> None:
        """Ask again with the same keys until there is an answer to each."""
        unknown = set(job.keys)
        while True:
            began = time.monotonic_ns()
            answered = await self._attempt(job)
            if answered:
                self.shared[self.at + BEGAN_NS] = began
            unknown -= answered
            if not unknown:
                return
            self.shared[self.at + RETRIES] += 1
            await asyncio.sleep((PAUSE_UNREACHED_S if self._unreached else PAUSE_S) * self.random.random())

    async def _attempt(self, job: Job) -> set[str]:
        """Ask once; answer the keys that were acknowledged, all of them on disk."""
        impatient = self.random.random() < IMPATIENT
        patience_s = self.random.uniform(0.002, 0.05) if impatient else PATIENCE_S
        acknowledged: set[str] = set()
        self._unreached = False
        try:
            async with asyncio.timeout(patience_s):
                await self._ask(job, acknowledged)
        except TimeoutError:
            self.statuses["gave up"] += 1
        except httpx2.TransportError as error:
            self._unreached = isinstance(error, httpx2.ConnectError)
            self.statuses[type(error).__name__] += 1
        except PostFailed:
            self.statuses["no token"] += 1
        finally:
            if self._sent:
                self._sent = False
                self.shared[self.at + IN_FLIGHT] -= 1
        return acknowledged

    async def _ask(self, job: Job, acknowledged: set[str]) -> None:
        headers = await self.till.headers()
        if not job.batch:
            headers["Idempotency-Key"] = job.keys[0]
        request = self.http.stream(
            "POST", job.path, content=job.content, headers=headers, extensions={"trace": self._trace}
        )
        async with request as answer:
            if job.batch and answer.status_code == 200:
                async for line in answer.aiter_lines():
                    self._take_verdict(line, acknowledged)
                return
            content = await answer.aread()
            assert answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE or "retry-after" in answer.headers
        self._take(job.keys[0], answer.status_code, content, acknowledged)

    async def _trace(self, event: str, _about: Any) -> None:
        """Count a request as in flight from the moment when all of it was handed to the system."""
        if event == "http11.send_request_body.complete" and not self._sent:
            self._sent = True
            self.shared[self.at + IN_FLIGHT] += 1

    def _take_verdict(self, line: str, acknowledged: set[str]) -> None:
        verdict = json.loads(line)
        opens = line.index('"receipt":') + len('"receipt":') if "receipt" in verdict else 0
        content = (line[opens:-1] if opens else line).encode()
        self._take(verdict["key"], verdict["status"], content, acknowledged)

    def _take(self, key: str, status: int, content: bytes, acknowledged: set[str]) -> None:
        """Write an answer down; one that was not foreseen ends the till, and with it the run."""
        self.statuses[str(status)] += 1
        if status in {429, 503, 504}:
            self.shared[self.at + REFUSED] += status == httpx2.codes.SERVICE_UNAVAILABLE
            return
        if status == 401:
            self.till._token = None
            return
        record = {"key": key, "status": status, "at_ns": time.monotonic_ns(), "answer": content.decode()}
        os.write(self.file, json.dumps(record, ensure_ascii=False).encode() + b"\n")
        os.fsync(self.file)
        assert status in {200, 201}, record
        acknowledged.add(key)
        self.shared[self.at + ACKNOWLEDGED] += 1
        receipt = json.loads(content)
        if status == 201 and receipt["total_mongo"] > 0 and len(self.standing) < FOLLOWED_MAX:
            self.standing.append(receipt["id"])


def run_tills(plan: Plan, shared: Any, stop: Any) -> None:
    """Run the lanes of one process until told to stop."""
    asyncio.run(_run(plan, shared, stop))


async def _run(plan: Plan, shared: Any, stop: Any) -> None:
    async with httpx2.AsyncClient(base_url=plan.url, timeout=PATIENCE_S) as http:
        till = TillClient(http, plan.client.client_id, Path(plan.client.key_file), plan.client.token_url)
        lanes = [_lane(plan, http, till, shared, at) for at in range(plan.lanes)]
        await asyncio.gather(*(lane.live(stop, plan.linger_s) for lane in lanes))
        counted = sum((lane.statuses for lane in lanes), Counter[str]())
        (Path(plan.folder) / f"statuses-{plan.first_lane}.json").write_text(json.dumps(counted), encoding="ascii")


def _lane(plan: Plan, http: httpx2.AsyncClient, till: TillClient, shared: Any, at: int) -> Lane:
    number = plan.first_lane + at
    file = os.open(answers_file(Path(plan.folder), number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    random = Random(f"{plan.seed}/{number}")
    return Lane(http, till, plan.client, random, f"lane{number}", shared, number * SLOTS, file)


def answers_file(folder: Path, lane: int) -> Path:
    """Where a lane keeps what was acknowledged."""
    return folder / f"answers-{lane}.ndjson"


def in_flight(shared: Sequence[int]) -> int:
    """How many requests are in flight now."""
    return sum(shared[IN_FLIGHT::SLOTS])


def answers_in(folder: Path) -> Iterator[dict[str, Any]]:
    """Answer everything that every lane wrote down."""
    for path in sorted(folder.glob("answers-*.ndjson")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)
