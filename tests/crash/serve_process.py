"""`barimt serve` as an operator runs it: a process of its own, started, killed and started again from outside."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2
import psutil

READY_S = 90
STOPPED_S = 60


class ServeProcess:
    """One `barimt serve` over a data directory of its own; what it said goes to `serve.log` beside that."""

    def __init__(self, data_dir: Path, *arguments: str, wrapper: Sequence[str] = ()) -> None:
        self.data_dir = data_dir
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_")}
        self.environment = kept | {"BARIMT_DATA_DIR": str(data_dir), "BARIMT_PORT": str(self.port)}
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.parent / "serve.log"
        self._command = [*wrapper, sys.executable, "-m", "barimt.cli", "serve", *arguments]
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

    def start(self, *, pass_fds: Sequence[int] = ()) -> None:
        """Start it, and wait for nothing."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=pass_fds
            )

    def await_ready(self, seconds: float = READY_S) -> None:
        """Wait until it can issue receipts."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            assert self.process.poll() is None, f"barimt serve ended by itself:\n{self.said[-4000:]}"
            if self.is_ready():
                return
            time.sleep(0.1)
        raise AssertionError("not ready in time")

    def is_ready(self) -> bool:
        """Whether it says that it can issue receipts."""
        with contextlib.suppress(httpx2.TransportError):
            return bool(httpx2.get(f"{self.url}/readyz", timeout=5).status_code == httpx2.codes.OK)
        return False

    def stop(self) -> None:
        """Ask it to stop, and see its end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOPPED_S)

    @contextlib.contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        """Run it until it can issue receipts, and at the end stop it."""
        self.start()
        try:
            self.await_ready()
            yield self.process
        finally:
            self.stop()

    def command(self, *arguments: str, expect: int = 0) -> str:
        """Run another command of the system over the same data directory, and answer what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "barimt.cli", *arguments],
            env=self.environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == expect, done.stderr + done.stdout
        return done.stdout

    def postmaster(self) -> psutil.Process | None:
        """Its own PostgreSQL, where one lives now."""
        return next((child for child in self._children() if _is_postgres(child)), None)

    def workers(self) -> list[psutil.Process]:
        """Its worker processes, where it has more than one."""
        return [child for child in self._children() if "spawn_main" in " ".join(_command_line(child))]

    def itself(self) -> list[psutil.Process]:
        """The process that was started, where it lives."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [psutil.Process(self.process.pid)]
        return []

    def others(self) -> list[psutil.Process]:
        """All its children but PostgreSQL."""
        return [child for child in self._children() if not _is_postgres(child)]

    def _children(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self.process.pid).children())
        return []


def _command_line(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(process.cmdline())
    return []


def _is_postgres(process: psutil.Process) -> bool:
    """Whether it is a postmaster. Between fork and exec a child has its parent's command line."""
    line = _command_line(process)
    return bool(line) and Path(line[0]).name == "postgres" and "-D" in line
