"""`barimt serve --workers 2`: whichever worker is asked, the metrics are those of both, and of the dead."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.pos_gateway.test_metrics import Samples, samples_of

pytestmark = pytest.mark.slow
TIN, TERMINAL = "37900846788", "10012619"
BODY = {
    "type": "B2C_RECEIPT",
    "seller_tin": TIN,
    "parts": [
        {
            "tax_type": "VAT_ABLE",
            "total_mongo": 110_000,
            "lines": [{"name": "Талх", "quantity": "1", "unit": "ш", "total_mongo": 110_000}],
        }
    ],
}
CONNECTIONS, EACH = 8, 6


class Served:
    """Two workers over a data directory of their own."""

    def __init__(self, data_dir: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_")}
        given = {"BARIMT_DATA_DIR": str(data_dir), "BARIMT_PORT": str(self.port), "BARIMT_WORKERS": "2"}
        self.environment = kept | given
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir

    @contextlib.contextmanager
    def running(self) -> Iterator[psutil.Process]:
        with (self.data_dir.parent / "serve.log").open("w+b") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "barimt.cli", "serve"],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                parent = psutil.Process(process.pid)
                self.await_workers(parent, 2)
                yield parent
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def workers(self, parent: psutil.Process) -> list[psutil.Process]:
        """The workers that count."""
        folder = self.data_dir / "metrics" / str(parent.pid)
        counting = {int(path.stem.partition("-")[0]) for path in folder.glob("*.names")}
        return [child for child in parent.children() if child.pid in counting]

    def await_workers(self, parent: psutil.Process, count: int) -> None:
        ends = time.monotonic() + 90
        while True:
            with contextlib.suppress(httpx2.TransportError):
                ready = httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
                if ready and len(self.workers(parent)) == count:
                    return
            assert time.monotonic() < ends, "not ready in time"
            time.sleep(0.1)

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "barimt.cli", *arguments],
            env=self.environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def token(self) -> str:
        self.command("admin", "seller", "add", "--tin", TIN, "--name", "Дэлгүүр", "--sector", "4711",
                     "--district", "2501", "--vat-from", "2016-01-01")  # fmt: skip
        added = ("admin", "terminal", "add", "--seller", TIN, "--number", TERMINAL, "--json")
        client = json.loads(self.command(*added))
        return self.command("admin", "terminal", "token", "--client-id", client["client_id"]).strip()

    def post(self, token: str, prefix: str) -> None:
        """Post receipts over several connections at once."""

        def one(connection: int) -> None:
            with httpx2.Client(base_url=self.url, timeout=60) as http:
                for number in range(EACH):
                    key = f"{prefix}-{connection}-{number}"
                    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
                    assert http.post("/v1/receipts", json=BODY, headers=headers).status_code == 201

        with ThreadPoolExecutor(CONNECTIONS) as threads:
            list(threads.map(one, range(CONNECTIONS)))

    def scrapes(self) -> list[Samples]:
        """Ask over many new connections, so that both workers are asked."""
        texts = []
        for _ in range(12):
            with httpx2.Client(base_url=self.url, timeout=60) as http:
                texts.append(http.get("/metrics").text)
        return [samples_of(text) for text in texts]


@pytest.fixture
def served(reachable_dir: Path) -> Served:
    root = reachable_dir / f"workers-{time.monotonic_ns()}"
    root.mkdir(mode=0o711)
    return Served(root / "data")


def issued(samples: Samples) -> float:
    return samples["barimt_orders_total", ("issued",)]


def test_whichever_worker_answers_says_what_all_have_done(served: Served) -> None:
    killed = served.data_dir / "metrics" / "1"
    killed.mkdir(parents=True)
    (killed / "7-7.names").write_bytes(b'["barimt_orders", ["issued"], 2]\n')
    with served.running() as parent:
        assert not killed.exists()
        token = served.token()
        served.post(token, "a")
        total = CONNECTIONS * EACH
        assert {issued(samples) for samples in served.scrapes()} == {total}
        counted = ("barimt_http_requests_total", ("POST", "/v1/receipts", "201"))
        assert {samples[counted] for samples in served.scrapes()} == {total}
        assert {samples["barimt_stage_seconds_count", ("wait",)] for samples in served.scrapes()} == {total}

        served.workers(parent)[0].kill()  # what it counted stays, and its gauges go
        time.sleep(1)
        served.await_workers(parent, 2)
        assert {issued(samples) for samples in served.scrapes()} == {total}
        served.post(token, "b")
        assert {issued(samples) for samples in served.scrapes()} == {2 * total}
        assert {samples["barimt_pool_receipts", ()] for samples in served.scrapes()} == {0}
    assert not list((served.data_dir / "metrics").iterdir())
