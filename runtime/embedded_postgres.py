"""Running the embedded PostgreSQL: as our own child, on a socket that only we can reach, for as long as we need it.

Of all processes that use one data directory, one owns the server: it starts it, starts it again should it die, and
stops it. The others use it, and when the owner ends one of them becomes the owner. So a command beside a running
service costs nothing, and either may end first.
"""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import URL

from runtime.data_dir import SYSTEM_DIR, DataDir
from runtime.postgres_binaries import PostgresUnusable, binaries_for, find_binaries
from runtime.postgres_home import PORT, SUPERUSER, Home, Ownership, find_home
from runtime.postgres_remains import PATIENCE_S, stop_remains
from runtime.unusable import Unusable

Say = Callable[[str], None]
"""Shows one line to whoever started us; may be called from another thread."""

LOG_BYTES_MAX = 10_000_000
_POLL_S = 0.02
_WATCH_S = 0.2
_TELL_EVERY_S = 5.0
_RETRY_S = 2.0


class EmbeddedPostgres:
    """The server of one data directory, running between `__enter__` and `__exit__`."""

    def __init__(
        self,
        data_dir: DataDir,
        *,
        say: Say,
        system_dir: Path = SYSTEM_DIR,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._say = _tolerant(say)
        self._system_dir = system_dir
        self._options = dict(options or {})
        self._socket_dir: Path | None = None
        self._failure: Unusable | None = None
        self._settled = threading.Event()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="embedded-postgres", daemon=True)
        self.postmaster: int | None = None
        """The server's process number while we own it."""

    def __enter__(self) -> Self:
        """Start the server, or use the one that runs; wait as long as recovery takes. Raises `PostgresUnusable`."""
        self._keeper.start()
        try:
            self._settled.wait()
        except BaseException:
            self.stop()
            raise
        if self._socket_dir is None:
            self.stop()
            raise self._failure or PostgresUnusable("PostgreSQL could not be started")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the server if we own it, cleanly, and wait for its end."""
        self._stopping.set()
        if self._keeper.is_alive():
            self._keeper.join()

    def url(self) -> URL:
        """Answer the superuser's address, good for this user on this machine."""
        assert self._socket_dir is not None, "the server has not been started"
        return _url(self._socket_dir)

    def _keep(self) -> None:
        """Own the server or wait to own it, until told to stop. Runs in its own thread, alone with the process."""
        try:
            home = find_home(self._data_dir, self._system_dir)
            with Ownership(home) as ownership:
                waiting = _Patience(
                    self._say, "Waiting for PostgreSQL, which another process of this data directory starts"
                )
                while not self._stopping.is_set():
                    if ownership.take():
                        self._own(home, ownership)
                    elif not self._settled.is_set():
                        self._join(ownership.announced())
                        waiting.tell()
                    self._stopping.wait(_WATCH_S)
        except Unusable as error:
            self._failure = error
        except OSError as error:
            self._failure = PostgresUnusable(f"PostgreSQL could not be started: {error}")
        finally:
            self._settled.set()

    def _join(self, socket_dir: Path | None) -> None:
        if socket_dir is not None:
            self._socket_dir = socket_dir
            self._settled.set()

    def _own(self, home: Home, ownership: Ownership) -> None:
        """Run the server, again and again should it die, until told to stop."""
        while not self._stopping.is_set():
            try:
                self._run(home, ownership)
            except (Unusable, OSError) as error:
                if not self._settled.is_set():
                    raise
                self._say(f"PostgreSQL cannot be started again, trying on: {error}")
                self._stopping.wait(_RETRY_S)

    def _run(self, home: Home, ownership: Ownership) -> None:
        """Run the server once, from its start to its end."""
        process = self._start(home)
        try:
            if self._become_ready(home, process):
                self._join(home.socket_dir())
                ownership.announce(self._socket_dir)
                self._watch(process)
        finally:
            ownership.announce(None)
            self._end(process)

    def _start(self, home: Home) -> subprocess.Popen[bytes]:
        if home.log.exists() and home.log.stat().st_size > LOG_BYTES_MAX:
            home.log.replace(home.log.with_suffix(".log.1"))
        binaries = binaries_for(home.account, find_binaries(home.major()), self._system_dir)
        if home.major() is None:
            self._say(f"Making a PostgreSQL {binaries.version} cluster in {home.cluster}")
            home.initialise(binaries)
        if stop_remains(home):
            self._say("Stopped a PostgreSQL server that an earlier run had left behind")
        home.write_access_rules()
        options = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(home.socket_dir()),
            "unix_socket_permissions": "0700",
            "cluster_name": home.mark,
            "timezone": "UTC",
            "log_timezone": "UTC",
            "restart_after_crash": "off",  # that is for us: 18.4 waits for ever when a disk fails its own restart, too
        } | self._options
        command = [binaries.program("postgres"), "-D", str(home.cluster)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        process = home.spawn(command)
        self.postmaster = process.pid
        return process

    def _become_ready(self, home: Home, process: subprocess.Popen[bytes]) -> bool:
        """Wait until the server takes connections, however long it recovers; answer no when told to stop meanwhile."""
        recovering = _Patience(self._say, "PostgreSQL is recovering what an unclean stop left behind")
        while not _is_ready(home, process.pid):
            if process.poll() is not None:
                raise PostgresUnusable(f"PostgreSQL did not start; see {home.log}:\n{home.log_tail()}")
            if self._stopping.wait(_POLL_S):
                return False
            recovering.tell()
        return True

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None and not self._stopping.wait(_WATCH_S):
            pass
        if not self._stopping.is_set():
            self._say(f"PostgreSQL ended unasked (status {process.returncode}); starting it again")

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """See the server's end: ask for a fast shutdown, and after long patience for an immediate one."""
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._say("PostgreSQL does not end; stopping it at once, its next start will recover")
            process.send_signal(signal.SIGQUIT)
            process.wait()
        self.postmaster = None


def _tolerant(say: Say) -> Say:
    """A reader who has gone (a closed pipe, a closed terminal) must not end the server."""

    def said(line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            say(line)

    return said


class _Patience:
    """Says now and then that something is still going on, and for how long."""

    def __init__(self, say: Say, what: str) -> None:
        self._say = say
        self._what = what
        self._started = self._told = time.monotonic()

    def tell(self) -> None:
        now = time.monotonic()
        if now - self._told > _TELL_EVERY_S:
            self._told = now
            self._say(f"{self._what} ({now - self._started:.0f} s so far)")


def running_server(data_dir: DataDir, system_dir: Path) -> URL:
    """Answer the superuser's address of the server that another process runs for this data directory. Raises
    `PostgresUnusable` where none is ready.
    """
    with Ownership(find_home(data_dir, system_dir)) as ownership:
        socket_dir = ownership.announced()
    if socket_dir is None:
        raise PostgresUnusable(f"No PostgreSQL server is running for the data directory {data_dir.root}")
    return _url(socket_dir)


def _url(socket_dir: Path) -> URL:
    query = {"host": str(socket_dir), "port": str(PORT)}
    return URL.create("postgresql+psycopg", username=SUPERUSER, database="postgres", query=query)


def _is_ready(home: Home, pid: int) -> bool:
    """Whether the server says in its pid file (line 1 its number, line 8 its state) that it takes connections."""
    try:
        lines = (home.cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004 - see above
