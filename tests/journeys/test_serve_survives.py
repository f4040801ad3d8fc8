"""`barimt serve` as an operator runs it: started, killed, started again, and nothing acknowledged is missing."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from barimt.demo.till_client import TillClient

TIN, TERMINAL = "37900846788", "10012619"
READY_S = 90
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


class Centre:
    """A `barimt serve` over a data directory of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_")}
        self.environment = kept | {"BARIMT_DATA_DIR": str(data_dir), "BARIMT_PORT": str(self.port)}
        self.url = f"http://127.0.0.1:{self.port}"
        self.said = ""

    @contextlib.contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        with (self.data_dir.parent / "serve.log").open("w+b") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "barimt.cli", "serve"],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                self._await_ready(process)
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
                log.seek(0)
                self.said = log.read().decode()

    def _await_ready(self, process: "subprocess.Popen[bytes]") -> None:
        ends = time.monotonic() + READY_S
        while time.monotonic() < ends:
            assert process.poll() is None, "barimt serve ended by itself"
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError("not ready in time")

    def command(self, *arguments: str, expect: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "barimt.cli", *arguments],
            env=self.environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == expect, done.stderr + done.stdout
        return done.stdout

    def post(self, client: dict[str, str], *keys: str) -> list[dict[str, Any]]:
        async def all_of_them() -> list[dict[str, Any]]:
            async with httpx2.AsyncClient(base_url=self.url, timeout=60) as http:
                till = TillClient(http, client["client_id"], Path(client["key_file"]), client["token_url"])
                return [await till.post(key, BODY) for key in keys]

        return asyncio.run(all_of_them())


@pytest.fixture
def centre(reachable_dir: Path) -> Centre:
    """A centre that has never run."""
    root = reachable_dir / f"serve-{time.monotonic_ns()}"
    root.mkdir(mode=0o711)
    return Centre(root / "data")


def enrol(centre: Centre) -> dict[str, str]:
    centre.command("admin", "seller", "add", "--tin", TIN, "--name", "Дэлгүүр", "--sector", "4711",
                   "--district", "2501", "--vat-from", "2016-01-01")  # fmt: skip
    printed = json.loads(centre.command("admin", "terminal", "add", "--seller", TIN, "--number", TERMINAL, "--json"))
    assert printed["token_url"] == f"{centre.url}/v1/oauth/token"
    return dict(printed)


def postmaster_of(process: "subprocess.Popen[bytes]") -> int:
    """Answer the id of the server's own PostgreSQL, its child."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/children")
    children = [child for thread in threads for child in thread.read_text().split()]
    named = [int(child) for child in children if "postgres" in Path(f"/proc/{child}/cmdline").read_text()]
    assert len(named) == 1
    return named[0]


def test_keeps_every_acknowledged_receipt_through_every_way_to_stop(centre: Centre) -> None:
    with centre.running():
        client = enrol(centre)
        receipts = centre.post(client, "a", "b")
    assert "documentation" in centre.said
    assert "barimt admin terminal add" in centre.said
    assert "Stopped cleanly." in centre.said

    with centre.running() as process:  # the server is killed
        receipts += centre.post(client, "c")
        process.kill()
        process.wait(10)

    with centre.running() as process:  # its PostgreSQL is killed, and started again by the server itself
        receipts += centre.post(client, "d")
        os.kill(postmaster_of(process), signal.SIGKILL)
        receipts += _post_again(centre, client, "e")

    with centre.running():  # both are killed
        receipts += centre.post(client, "f")
        again = centre.post(client, "a", "b", "c", "d", "e", "f")
    assert again == receipts
    assert json.loads(centre.command("check", "--json"))["holds"] is True


def _post_again(centre: Centre, client: dict[str, str], key: str) -> list[dict[str, Any]]:
    """Post as a till does: again and again with the same key until there is an answer."""
    ends = time.monotonic() + 60
    while True:
        try:
            return centre.post(client, key)
        except Exception:
            if time.monotonic() > ends:
                raise
            time.sleep(0.5)
