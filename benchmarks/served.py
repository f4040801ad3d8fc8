"""Servers under load, each a process of its own as it would be run: the centre, and what it is compared with."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from benchmarks.processes import Group

START_S, STOP_S = 120.0, 60.0
FASTER_TILLS = {"BARIMT_TERMINAL_RECEIPTS_PER_SECOND": "1000000", "BARIMT_SELLER_RECEIPTS_PER_SECOND": "1000000"}
"""A few tills post here for thousands: the limits are raised, not switched off, so that they cost what they cost."""
QUIET = {"BARIMT_ACCESS_LOG": "0"}
"""As the servers that ours is compared with are run."""


class NotServed(Exception):  # noqa: N818 - what happened, not what is wrong
    """A server did not start; the text is what it printed last."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: the port it listens on, its workers, and the PostgreSQL that it started, if any."""

    port: int
    workers: Group
    postgres: Group

    @property
    def watched(self) -> dict[str, Group]:
        """The groups of processes whose CPU is measured."""
        return {"worker": self.workers, "postgres": self.postgres}


@contextlib.contextmanager
def scratch_dir() -> Iterator[Path]:
    """Make a folder for a run and remove it after; run by root, the server that is started for it can pass through."""
    with tempfile.TemporaryDirectory(prefix="barimt-bench-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def free_port() -> int:
    """Answer a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


KEPT = ("BARIMT_SPEEDUPS",)
"""What of the environment is passed on: what is compiled can be measured against what is not."""


@contextlib.contextmanager
def centre_served(data_dir: Path, port: int, *, workers: int = 1) -> Iterator[Server]:
    """Run `barimt serve` with its own PostgreSQL over a data directory, as it ships but for what one till may post and
    for the line about each request."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_") or name in KEPT}
    given = (
        {"BARIMT_DATA_DIR": str(data_dir), "BARIMT_PORT": str(port), "BARIMT_WORKERS": str(workers)}
        | FASTER_TILLS
        | QUIET
    )
    command = ["-m", "barimt.cli", "serve"]
    with process_served(command, port, data_dir.parent / "serve.log", kept | given, "/readyz") as process:
        yield _server(port, process.pid, workers)


@contextlib.contextmanager
def module_served(module: str, options: Sequence[str], port: int, log: Path) -> Iterator[Server]:
    """Run a benchmark's own server, which listens on `port` with one worker."""
    command = ["-m", module, "--port", str(port), *options]
    with process_served(command, port, log, dict(os.environ), "/readyz") as process:
        yield _server(port, process.pid, 1)


@contextlib.contextmanager
def process_served(
    command: Sequence[str], port: int, log: Path, environment: Mapping[str, str], ready: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a Python command until the end, from when it answers on `ready`. Raises `NotServed`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
    try:
        _await_ready(process, f"http://127.0.0.1:{port}{ready}", log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    ends = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < ends:
        with contextlib.suppress(URLError, OSError), urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise NotServed(log.read_text(encoding="utf-8", errors="replace")[-4000:])


def _server(port: int, parent: int, workers: int) -> Server:
    family = psutil.Process(parent).children(recursive=True)
    postmasters = [one.pid for one in family if one.name() == "postgres" and one.ppid() == parent]
    return Server(port, [parent] if workers == 1 else _workers(family), postmasters)


def _workers(family: Sequence[psutil.Process]) -> Group:
    """Answer the worker processes among the descendants: Python that is not multiprocessing's own tracker."""
    return [
        one.pid
        for one in family
        if one.name().startswith("python") and not any("resource_tracker" in word for word in one.cmdline())
    ]
