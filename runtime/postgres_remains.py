"""What a killed owner or a killed server left running: found by its mark, never by a bare process number."""

import contextlib
import signal
import time
from pathlib import Path

import psutil

from runtime.postgres_home import Home

PATIENCE_S = 60
"""After this long without an end, a server is stopped the hard way; its next start recovers."""


def stop_remains(home: Home) -> bool:
    """Stop every process of the home's cluster and remove its stale pid file; answer whether there was any.

    Only the holder of the home's lock may call this. The pid file goes because its number may live on as a zombie
    (under a process 1 that does not reap) or as somebody else, either of which would keep a new server from starting;
    that is safe only since no process of the cluster is left.
    """
    found = bool(processes := cluster_processes(home))
    started = time.monotonic()
    while processes:
        hard = time.monotonic() - started > PATIENCE_S
        _ask_to_end(processes, home.cluster / "postmaster.pid", hard=hard)
        time.sleep(0.05)
        processes = cluster_processes(home)
    (home.cluster / "postmaster.pid").unlink(missing_ok=True)
    return found


def cluster_processes(home: Home) -> list[psutil.Process]:
    """Answer the living processes of a home's cluster: right user, right program, and its mark."""
    mark = home.mark
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            named = bool(line) and Path(line[0].split(":")[0]).name == "postgres" and mark in " ".join(line)
            if named and process.uids().effective == home.account.uid:
                found.append(process)
    return found


def _ask_to_end(processes: list[psutil.Process], pid_file: Path, *, hard: bool) -> None:
    """Ask the postmaster for a fast shutdown; where it is gone, or patience is, tell all to quit at once."""
    with contextlib.suppress(psutil.Error):
        first = pid_file.read_text().partition("\n")[0] if pid_file.exists() else ""
        postmaster = next((process for process in processes if str(process.pid) == first), None)
        if postmaster is not None and not hard:
            postmaster.send_signal(signal.SIGINT)
            return
        for process in processes:
            process.send_signal(signal.SIGQUIT)
