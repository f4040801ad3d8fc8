"""The demo's stage: a data directory made anew, `barimt serve` as a process of its own, and business time in a file."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx2

from runtime.clock import real_now
from runtime.data_dir import DataDir
from runtime.unusable import Unusable

START_S = 120.0
STOP_S = 60.0


class DemoFailed(Unusable):
    """A step of the demo did not end as it should; the text says which and what it printed."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays."""

    root: Path
    port: int

    @property
    def out(self) -> Path:
        """Where the outputs go."""
        return self.root / "out"

    @property
    def clock_file(self) -> Path:
        """The file that holds business time."""
        return self.root / "clock"

    @property
    def url(self) -> str:
        """The centre's address."""
        return f"http://127.0.0.1:{self.port}"

    def set_clock(self, instant: datetime) -> None:
        """Move business time; the file is replaced whole, so nobody reads half of it."""
        draft = self.clock_file.with_suffix(".new")
        draft.write_text(instant.isoformat(), encoding="ascii")
        draft.replace(self.clock_file)

    def environment(self) -> dict[str, str]:
        """Answer the environment in which `barimt` commands play on this stage."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_")}
        if "BARIMT_DATABASE_URL" in os.environ:
            kept["BARIMT_DATABASE_URL"] = os.environ["BARIMT_DATABASE_URL"]
        return kept | {
            "BARIMT_DATA_DIR": str(self.root),
            "BARIMT_CLOCK_FILE": str(self.clock_file),
            "BARIMT_PORT": str(self.port),
            "NO_COLOR": "1",
        }

    def command(self, *arguments: str) -> str:
        """Run `barimt` as an operator would and answer what it printed. Raises `DemoFailed`."""
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "barimt.cli", *arguments],
            env=self.environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode != 0:
            said = (done.stderr + done.stdout)[-4000:]
            raise DemoFailed(f"barimt {' '.join(arguments)} ended with {done.returncode}:\n{said}")
        return done.stdout

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Run `barimt serve` until the end."""
        log = (self.root / "serve.log").open("ab")
        with log, _Serving(self, log):
            yield


class _Serving:
    def __init__(self, stage: Stage, log: object) -> None:
        self._stage = stage
        self._log = log

    def __enter__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "barimt.cli", "serve"],
            env=self._stage.environment(), stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,  # type: ignore[call-overload]
        )  # fmt: skip
        try:
            self._await_ready()
        except BaseException:
            self._stop()
            raise

    def __exit__(self, *_raised: object) -> None:
        self._stop()

    def _await_ready(self) -> None:
        ends = time.monotonic() + START_S
        while time.monotonic() < ends:
            if self._process.poll() is not None:
                raise DemoFailed(f"barimt serve did not start; see {self._stage.root / 'serve.log'}")
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"{self._stage.url}/readyz", timeout=5).status_code == httpx2.codes.OK:
                    return
            time.sleep(0.1)
        raise DemoFailed(f"barimt serve was not ready within {START_S:.0f} s; see {self._stage.root / 'serve.log'}")

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def make_stage(root: Path) -> Stage:
    """Make the demo's data directory anew; the last one is moved aside."""
    if root.exists():
        root.rename(root.with_name(f"{root.name}-{real_now():%Y%m%d-%H%M%S}"))
    DataDir.make(root.parent)  # the default one of the centre's own: closed, whoever comes first
    root.mkdir(mode=0o700)
    (root / "out").mkdir(mode=0o700)
    return Stage(root, _free_port())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
