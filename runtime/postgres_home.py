"""Where an embedded cluster lives, and the lock that says who looks after it.

The home is the data directory. Root cannot run a server, and the user who does it for root may be unable to get there
(a clone inside a folder of mode 0700): the home is then a folder of `system_dir`, and the file `postgres.at` in the
data directory names it for ever. No directory that was there before is opened for this.
"""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime.account import Account, server_account
from runtime.data_dir import DataDir
from runtime.postgres_binaries import Binaries, PostgresUnusable, make_system_dir
from runtime.private_files import open_private, write_private

SUPERUSER = "barimt_superuser"
"""The cluster's superuser: no password, logs in through the socket, and only as us (peer authentication)."""
PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
SOCKET_PATH_MAX = 100
"""Bytes. Linux allows 107 and macOS 103 for a socket's path."""

_TUNING = {"shared_buffers": "256MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min", "max_connections": "200"}
"""Written once into postgresql.conf, where an operator may change them."""


@dataclass(frozen=True, slots=True)
class Home:
    """A folder for one cluster and the user whom its server runs as."""

    folder: Path
    account: Account

    @property
    def cluster(self) -> Path:
        """PGDATA."""
        return self.folder / "postgres"

    @property
    def log(self) -> Path:
        """What the server and initdb print."""
        return self.folder / "postgres.log"

    @property
    def mark(self) -> str:
        """A word in the command line of every process of this cluster; it survives the folder being moved."""
        status = self.cluster.stat()
        return f"barimt-{status.st_dev:x}-{status.st_ino:x}"

    def major(self) -> int | None:
        """Answer the major version of the cluster, none where there is no cluster yet."""
        path = self.cluster / "PG_VERSION"
        return int(path.read_text()) if path.exists() else None

    def socket_dir(self) -> Path:
        """Answer the folder of the server's socket, made 0700: here, or with a short and plain name in /tmp."""
        here = self.folder / "run"
        plain = re.fullmatch(r"[\w./-]+", str(here), re.ASCII)  # a comma separates hosts, for server and clients
        if plain is None or len(str(here / SOCKET)) > SOCKET_PATH_MAX:
            digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
            here = Path(f"/tmp/barimt-{self.account.uid}-{digest}")  # noqa: S108 - owner and mode are checked below
        if not here.is_symlink() and not here.exists():
            here.mkdir(mode=0o700)
            self.account.adopt(here)
        status = here.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != self.account.uid or status.st_mode & 0o077:
            raise PostgresUnusable(f"{here} should be a folder of {self.account.name} and closed to others; remove it")
        return here

    def initialise(self, binaries: Binaries) -> None:
        """Make the cluster: checksums, UTF-8, one collation on every machine. Half a cluster is never left behind."""
        for half in self.folder.glob("postgres.new.*"):
            shutil.rmtree(half, ignore_errors=True)
        draft = self.folder / f"postgres.new.{secrets.token_hex(4)}"  # an initdb without its parent may still run
        draft.mkdir(mode=0o700)
        self.account.adopt(draft)
        command = [binaries.program("initdb"), "--pgdata", str(draft), "--username", SUPERUSER]
        command += ["--auth-local=peer", "--auth-host=scram-sha-256", "--encoding=UTF8", "--data-checksums"]
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        for name, value in _TUNING.items():
            command += ["--set", f"{name}={value}"]
        if self.spawn(command).wait() != 0:
            raise PostgresUnusable(f"initdb failed; see {self.log}:\n{self.log_tail()}")
        draft.rename(self.cluster)

    def write_access_rules(self) -> None:
        """Say who may log in: the superuser as us, root or the cluster's owner, all others with their password."""
        names = {Account.of_uid(uid).name for uid in (os.geteuid(), 0, self.account.uid)}
        rules = f"local all {SUPERUSER} peer map=barimt\nlocal all all scram-sha-256\n"
        people = "".join(f'barimt "{name}" {SUPERUSER}\n' for name in sorted(names))
        for name, text in (("pg_hba.conf", rules), ("pg_ident.conf", people)):
            write_private(self.cluster / name, text.encode(), replace=True)

    def spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a program as the home's user, its output going to the log."""
        log = open_private(self.log, os.O_WRONLY | os.O_APPEND)
        try:
            return self.account.spawn(command, output=log)
        finally:
            os.close(log)

    def log_tail(self, lines: int = 12) -> str:
        """Answer the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


def find_home(data_dir: DataDir, system_dir: Path) -> Home:
    """Find the home of a data directory's cluster, or choose and make one. Raises `PostgresUnusable`."""
    pointer = data_dir.cluster_pointer
    pointed = pointer.exists()
    folder = Path(pointer.read_text().strip()) if pointed else data_dir.root
    account = server_account()
    if (folder / "postgres").is_dir():
        account = Account.of_uid((folder / "postgres").stat().st_uid)
    if account.is_ours or (account.can_enter(folder) and os.geteuid() == 0):
        return Home(folder, account)
    if os.geteuid() != 0:
        raise PostgresUnusable(
            f"The cluster in {folder} belongs to the user {account.name}; run as that user or as root"
        )
    if (folder / "postgres").is_dir() or pointed:
        raise PostgresUnusable(f"The server runs as {account.name}, who can no longer reach {folder}")
    return Home(_elsewhere(data_dir, account, system_dir), account)


def _elsewhere(data_dir: DataDir, account: Account, system_dir: Path) -> Path:
    """Make a home in `system_dir` and point to it; a name once used stays with the data directory that had it."""
    make_system_dir(system_dir)
    digest = hashlib.sha256(os.fsencode(data_dir.root)).hexdigest()[:12]
    folder = system_dir / f"{digest}-{secrets.token_hex(3)}"
    folder.mkdir()
    folder.chmod(0o755)
    if not account.can_enter(folder):
        folder.rmdir()
        raise PostgresUnusable(f"The server runs as {account.name}, who can reach neither {data_dir.root} nor {folder}")
    (folder / "data_dir").write_text(f"{data_dir.root}\n")
    write_private(data_dir.cluster_pointer, f"{folder}\n".encode(), replace=False)
    chosen = Path(data_dir.cluster_pointer.read_text().strip())
    if chosen != folder:  # another process chose at the same moment
        shutil.rmtree(folder)
    return chosen


class Ownership:
    """The right to start and stop a home's server: a lock that the system takes back when its holder dies.

    The file holds the socket's folder while the owner's server is ready, so that others know that they may connect.
    """

    def __init__(self, home: Home) -> None:
        self._file = open_private(home.folder / "postgres.lock", os.O_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def take(self) -> bool:
        """Take the lock if nobody has it; answer whether it is ours now."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.announce(None)
        return True

    def announce(self, socket_dir: Path | None) -> None:
        """Tell others where our server listens, or that it does not."""
        os.ftruncate(self._file, 0)
        if socket_dir is not None:
            os.pwrite(self._file, os.fsencode(socket_dir) + b"\n", 0)

    def announced(self) -> Path | None:
        """Answer where the owner's server listens, if it is ready."""
        line = os.pread(self._file, 4096, 0)
        return Path(os.fsdecode(line[:-1])) if line.endswith(b"\n") else None
