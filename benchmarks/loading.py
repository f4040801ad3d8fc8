"""Starting the load client in a process of its own, and reading what it measured."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.latencies import Latencies
from benchmarks.load_pos import CLIENT_SHARE_MAX, Loaded
from benchmarks.served import Server

SINGLES_A_SECOND_MAX = 12_000
"""So many requests are prepared for each second of a closed loop: more than any server here has answered."""


class LoadFailed(Exception):  # noqa: N818 - what happened, not what is wrong
    """The load client ended without a figure; the text is what it printed."""


@dataclass(slots=True)
class Client:
    """Starts load clients over one plan, and sees to it that no body is posted twice."""

    plan: Path
    sold: int = 0

    def load(self, server: Server, *options: str, prepare: int, sample: Path | None = None) -> Loaded:
        """Run a client to its end and answer what it measured. Raises `LoadFailed`."""
        process = self.start(server, *options, prepare=prepare, sample=sample)
        return finished(process)

    def start(self, server: Server, *options: str, prepare: int, sample: Path | None = None) -> "subprocess.Popen[str]":
        """Start a client; `finished` waits for it."""
        given = [*options, "--prepare", str(prepare), "--first", str(self.sold), *_watch(server)]
        if sample is not None:
            given += ["--sample-file", str(sample)]
        self.sold += prepare + prepare % 64 + 64
        command = [sys.executable, "-m", "benchmarks.load_pos", str(self.plan), *given]
        return subprocess.Popen(
            command, cwd=Path(__file__).parents[1], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


def finished(process: "subprocess.Popen[str]") -> Loaded:
    """Wait for a client and answer what it measured. Raises `LoadFailed`."""
    said, complained = process.communicate()
    if not said:
        raise LoadFailed(complained[-4000:])
    told: dict[str, Any] = json.loads(said)
    told.pop("void")
    return Loaded(**told | {name: Latencies(**told[name]) for name in ("issued", "refused")})


def void_reasons(runs: Sequence[Loaded]) -> list[str]:
    """Answer why runs are void, if they are."""
    reasons = []
    for run in runs:
        if run.exhausted:
            reasons.append("the prepared requests did not last")
        if run.client_cores > CLIENT_SHARE_MAX:
            reasons.append(f"the client used {run.client_cores:.0%} of a core, more than {CLIENT_SHARE_MAX:.0%}")
    return reasons


def _watch(server: Server) -> list[str]:
    return [
        word
        for name, members in server.watched.items()
        for word in ("--watch", f"{name}={','.join(map(str, members))}")
    ]
