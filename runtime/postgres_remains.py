"""What a killed owner or a killed server left running: found by its mark, never by a bare process number."""

import contextlib
import signal
import time
from pathlib import Path

import psutil

from runtime.postgres_binaries import PostgresUnusable
from runtime.postgres_home import SOCKET, Home

PATIENCE_S = 60
"""After this long without an end, a server is ended the hard way; its next start recovers."""


def stop_remains(home: Home) -> bool:
    """Stop every process of the home's cluster and remove its stale lock files; answer whether there was any.

    Only the holder of the home's lock may call this. The lock files go because their number may live on as a zombie
    (under a process 1 that does not reap) or as somebody else, either of which would keep a new server from starting;
    that is safe only since no process of the cluster is left. Raises `PostgresUnusable` where that cannot be told.
    """
    found = bool(processes := cluster_processes(home))
    started = time.monotonic()
    while processes:
        hard = time.monotonic() - started > PATIENCE_S
        _ask_to_end(processes, _pid_in_file(home), hard=hard)
        time.sleep(0.05)
        processes = cluster_processes(home)
    for lock_file in (home.cluster / "postmaster.pid", home.socket_dir() / f"{SOCKET}.lock"):
        lock_file.unlink(missing_ok=True)
    return found


def cluster_processes(home: Home) -> list[psutil.Process]:
    """Answer the living processes of a home's cluster: right user, right program, and its mark."""
    mark = home.mark
    last = _pid_in_file(home)
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            named = bool(line) and Path(line[0].split(":")[0]).name == "postgres" and mark in " ".join(line)
            if named and process.uids().effective == home.account.uid:
                found.append(process)
        except psutil.AccessDenied as error:
            if process.pid == last:
                raise PostgresUnusable(f"Process {last} may be an earlier server on {home.cluster}: {error}") from error
        except psutil.NoSuchProcess:  # ended meanwhile, or a zombie
            continue
    return found


def _pid_in_file(home: Home) -> int | None:
    """Answer the postmaster's number as it wrote it down, dead or alive."""
    with contextlib.suppress(OSError, ValueError):
        return int((home.cluster / "postmaster.pid").read_text().partition("\n")[0])
    return None


def _ask_to_end(processes: list[psutil.Process], postmaster: int | None, *, hard: bool) -> None:
    """Ask the postmaster for a fast shutdown; where it is not among the living, tell all to quit at once."""
    orphaned = postmaster not in {process.pid for process in processes}
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if hard:
                process.kill()
            elif orphaned:
                process.send_signal(signal.SIGQUIT)
            elif process.pid == postmaster:
                process.send_signal(signal.SIGINT)
