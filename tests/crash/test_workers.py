"""Several workers of one service: they share terminals, and live and die as one service should."""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import psycopg
import pytest

from barimt.demo.till_client import TillClient
from runtime.database import Role
from tests.answered import part
from tests.crash.enrolment import enrol
from tests.crash.judge import database_of, judge, postgres_log
from tests.crash.killer import Victim
from tests.crash.serve_process import ServeProcess
from tests.crash.siege import Ordered, Siege, besieged
from tests.crash.tills import Client, answers_file
from tests.serving import wait_for

ORDERED = Ordered(clients=3, workers=2, linger_s=0.0)
GONE_S = 20.0
LIVED_S = 3.0
TURNOVER_MAX = 2**63 - 1
BATCH = 50


@pytest.fixture(scope="module")
def siege(reachable_dir: Path) -> Iterator[Siege]:
    """A centre of two workers; its tills, whose lanes share terminals, go on posting from test to test."""
    folder = reachable_dir / "workers"
    folder.mkdir(mode=0o711)
    serve = ServeProcess(folder / "data", "--workers", str(ORDERED.workers))
    serve.start()
    with besieged(serve, ORDERED, folder) as opened:
        yield opened


def connections(worker: psutil.Process) -> int:
    return sum(one.status == psutil.CONN_ESTABLISHED for one in worker.net_connections("tcp"))


class TestWorkers:
    def test_share_the_work(self, siege: Siege) -> None:
        siege.linger(LIVED_S)
        assert len(siege.serve.workers()) == 2
        assert all(connections(worker) > 0 for worker in siege.serve.workers())

    def test_do_not_outlive_their_parent(self, siege: Siege) -> None:
        orphans = siege.serve.workers()
        siege.kill(Victim.PARENT)
        wait_for(lambda: [one for one in orphans if one.is_running()], lambda left: not left, GONE_S)
        siege.await_recovery(time.monotonic_ns())

    def test_are_replaced_even_while_the_database_is_away(self, siege: Siege) -> None:
        wait_for(siege.serve.postmaster, bool, GONE_S)
        wait_for(siege.serve.workers, lambda found: len(found) == 2, GONE_S)
        itself, ended, killed = siege.serve.process.pid, siege.ended_by_itself, siege.serve.workers()
        postmaster = siege.serve.postmaster()
        assert postmaster is not None
        postmaster.send_signal(signal.SIGSTOP)
        try:
            for worker in killed:
                worker.kill()
            siege.linger(LIVED_S)
        finally:
            postmaster.kill()
        siege.await_recovery(time.monotonic_ns())
        assert (siege.serve.process.pid, siege.ended_by_itself) == (itself, ended)

    def test_fail_the_group_of_a_poisoned_row_only(self, siege: Siege) -> None:
        [client] = enrol(siege.serve, 1, 2, first=ORDERED.clients + 1)
        with database_of(siege.serve.data_dir) as database, psycopg.connect(database.url(Role.OWNER)) as connection:
            poison = "UPDATE pos.chains SET turnover_mongo = %s WHERE terminal = %s"
            connection.execute(poison, [TURNOVER_MAX, int(client.terminals[1])])
        verdicts = _post(siege, client, [f"poison-{at}" for at in range(400)])
        assert Counter((at % 2, verdict["status"]) for at, verdict in enumerate(verdicts)) == {
            (0, 201): 200, (1, 503): 200,
        }  # fmt: skip

    def test_lose_and_double_nothing_and_never_deadlock(self, siege: Siege) -> None:
        siege.settle()
        judgement = judge(siege.serve.data_dir, siege.folder)
        assert judgement.faults == []
        assert judgement.keys > 200
        assert "deadlock detected" not in postgres_log(siege.serve)


def _post(siege: Siege, client: Client, keys: list[str]) -> list[dict[str, Any]]:
    """Post sales of a client's terminals in turn, in batches over connections of their own at the same time; keep what
    was acknowledged as the tills do.
    """
    chunks = [list(enumerate(keys))[at : at + BATCH] for at in range(0, len(keys), BATCH)]

    async def batch(chunk: list[tuple[int, str]]) -> list[str]:
        async with httpx2.AsyncClient(base_url=siege.serve.url, timeout=60) as http:
            till = TillClient(http, client.client_id, Path(client.key_file), client.token_url)
            sales = [(key, client.terminals[at % len(client.terminals)]) for at, key in chunk]
            lines = [
                json.dumps({"key": key, "receipt": {"type": "B2C_RECEIPT", "seller_tin": client.tin,
                                                    "terminal": terminal, "parts": [part(11_000)]}})
                for key, terminal in sales
            ]  # fmt: skip
            answer = await http.post(
                "/v1/receipts/batch", content="\n".join(lines).encode(), headers=await till.headers()
            )
            return answer.text.splitlines()

    async def all_of_them() -> list[str]:
        return [line for lines in await asyncio.gather(*map(batch, chunks)) for line in lines]

    lines = asyncio.run(all_of_them())
    verdicts = [json.loads(line) for line in lines]
    with answers_file(siege.folder, 99).open("x", encoding="utf-8") as file:
        for line, verdict in zip(lines, verdicts, strict=True):
            if verdict["status"] == 201:
                answer = line[line.index('"receipt":') + len('"receipt":') : -1]
                record = {"key": verdict["key"], "status": 201, "at_ns": 0, "answer": answer}
                file.write(json.dumps(record) + "\n")
    return verdicts
