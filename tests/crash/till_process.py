"""`barimt till` as a shop runs it: a process of its own, asked over HTTP and on the command line."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

READY_S = 60
STOPPED_S = 30


class TillProcess:
    """One `barimt till` over a data directory of its own. Its business time is a file that a test may move."""

    def __init__(self, data_dir: Path, *, clock_file: Path | None = None) -> None:
        self.data_dir = data_dir
        self.clock_file = clock_file
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self.url = ""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_")}
        self.environment = kept | {"BARIMT_TILL_DIR": str(data_dir), "COLUMNS": "200"}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that runs now or ran last."""
        assert self._process is not None, "never started"
        return self._process

    @property
    def said(self) -> str:
        """Everything that all its runs said."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def start(self) -> None:
        """Start it on a free port, and wait until it answers."""
        begins = len(self.said)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "barimt.cli", "till", "--port", "0", *self._clock()],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        ends = time.monotonic() + READY_S
        while time.monotonic() < ends:
            assert self.process.poll() is None, f"barimt till ended by itself:\n{self.said[-4000:]}"
            if found := re.search(r"listens on (http://\S+)", self.said[begins:]):
                self.url = found[1]
                with contextlib.suppress(httpx2.TransportError):
                    httpx2.get(f"{self.url}/rest/info", timeout=5)
                    return
            time.sleep(0.05)
        raise AssertionError("not ready in time")

    def stop(self) -> None:
        """Ask it to stop, and see its end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOPPED_S)

    def kill(self) -> None:
        """Kill it where it stands."""
        self.process.kill()
        self.process.wait(STOPPED_S)

    @contextlib.contextmanager
    def running(self) -> Iterator["TillProcess"]:
        """Run it, and at the end stop it."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def command(self, *arguments: str, expect: int = 0) -> str:
        """Run `barimt till …` over the same data directory, and answer what it printed."""
        timed = {"activate", "replace", "status", "day"}
        clock = self._clock() if arguments[0] in timed else []
        done = subprocess.run(
            [sys.executable, "-m", "barimt.cli", "till", *arguments, *clock],
            env=self.environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == expect, done.stderr + done.stdout
        return done.stdout + done.stderr

    def shown(self, *arguments: str, expect: int = 0) -> Any:
        """Run a command with `--json`, and answer what it printed."""
        return json.loads(self.command(*arguments, "--json", expect=expect).splitlines()[0])

    def get(self, path: str) -> Any:
        """Ask the service something that must be answered."""
        return httpx2.get(self.url + path, timeout=30).raise_for_status().json()

    def post(self, body: dict[str, Any]) -> httpx2.Response:
        """Post a receipt."""
        return httpx2.post(f"{self.url}/rest/receipt", json=body, timeout=30)

    def void(self, receipt_id: str) -> httpx2.Response:
        """Void a receipt."""
        body = {"id": receipt_id, "date": "2026-01-01 00:00:00"}
        return httpx2.request("DELETE", f"{self.url}/rest/receipt", json=body, timeout=30)

    def await_state(self, state: str, *, waiting: int | None = None, seconds: float = 60) -> dict[str, Any]:
        """Wait until it stands so, and answer `/rest/info`."""
        ends = time.monotonic() + seconds
        while True:
            info: dict[str, Any] = self.get("/rest/info")
            if info["state"] == state and waiting in {None, info["waitingReceipts"]}:
                return info
            assert time.monotonic() < ends, (info["state"], info["waitingReceipts"], info["lastError"])
            time.sleep(0.1)

    def _clock(self) -> list[str]:
        return [] if self.clock_file is None else ["--clock-file", str(self.clock_file)]
