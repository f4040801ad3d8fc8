"""The embedded server: keeps its data, survives being killed, is shared, and changes no directory that was there."""

import contextlib
import ctypes
import os
import secrets
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from runtime import embedded_postgres, postgres_remains
from runtime.account import CANDIDATES, Account, server_account
from runtime.data_dir import DataDir
from runtime.embedded_postgres import EmbeddedPostgres, running_server
from runtime.postgres_binaries import PostgresUnusable, find_binaries
from runtime.postgres_home import SOCKET, SOCKET_PATH_MAX, Home, Ownership, find_home
from runtime.postgres_remains import cluster_processes, stop_remains

as_root = pytest.mark.needs("root")

OWNER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from runtime.data_dir import DataDir
from runtime.embedded_postgres import EmbeddedPostgres
with EmbeddedPostgres(DataDir.make(Path(sys.argv[1])), say=print, system_dir=Path(sys.argv[2])) as server:
    print(server.postmaster, flush=True)
    sys.stdin.read()
"""


Start = Callable[..., EmbeddedPostgres]


@pytest.fixture(scope="module")
def made(reachable_dir: Path) -> Path:
    """A data directory whose cluster outlives each test: whatever a test does to its server, the next one starts."""
    return reachable_dir / "made"


@pytest.fixture
def start(made: Path, system_dir: Path) -> Start:
    def make(where: Path = made, said: list[str] | None = None) -> EmbeddedPostgres:
        say = print if said is None else said.append
        return EmbeddedPostgres(DataDir.make(where), say=say, system_dir=system_dir)

    return make


@contextlib.contextmanager
def other_process(data_dir: Path, system_dir: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Another process that owns the server; answers it and the postmaster's number, and ends it kindly."""
    command = [sys.executable, "-c", OWNER, str(data_dir), str(system_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        postmaster = next(int(line) for line in process.stdout if line.strip().isdigit())
        yield process, postmaster


def run(server: EmbeddedPostgres, statement: str) -> list[tuple[object, ...]]:
    address = server.url().set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def eventually(attempt: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(psycopg.OperationalError):
            if attempt():
                return
        time.sleep(0.05)
    pytest.fail(f"did not happen within {seconds} s")


def note(server: EmbeddedPostgres) -> str:
    """Write down a word that nothing else has; answer it."""
    word = secrets.token_hex(8)
    run(server, f"CREATE TABLE note_{word} ()")
    return word


def noted(server: EmbeddedPostgres, word: str) -> bool:
    return run(server, f"SELECT to_regclass('note_{word}') IS NOT NULL") == [(True,)]


class TestEmbeddedPostgres:
    def test_keeps_its_data_between_starts(self, start: Start) -> None:
        with start() as server:
            word = note(server)
        said: list[str] = []
        with start(said=said) as server:
            assert noted(server, word)
        assert said == []

    def test_is_safe_from_the_start(self, start: Start) -> None:
        names = ("data_checksums", "password_encryption", "listen_addresses", "fsync", "server_encoding", "timezone")
        with start() as server:
            values = [run(server, f"SHOW {name}")[0][0] for name in names]
            assert values == ["on", "scram-sha-256", "", "on", "UTF8", "UTC"]
            (directory,) = run(server, "SHOW unix_socket_directories")[0]
            assert stat.S_IMODE(Path(str(directory)).stat().st_mode) == 0o700
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(host=str(directory), user="barimt_gateway", dbname="postgres", password="guess")
        assert not (Path(str(directory)) / SOCKET).exists()

    def test_starts_again_when_its_server_is_killed(self, start: Start) -> None:
        said: list[str] = []
        with start(said=said) as server:
            word = note(server)
            first = server.postmaster
            assert first is not None
            os.kill(first, signal.SIGKILL)
            eventually(lambda: server.postmaster not in (None, first) and noted(server, word))
        assert any("starting it again" in line for line in said)

    def test_survives_the_death_of_its_owner(self, start: Start, made: Path, system_dir: Path) -> None:
        with other_process(made, system_dir) as (owner, postmaster):
            owner.kill()
        assert is_alive(postmaster)
        said: list[str] = []
        with start(said=said) as server:
            assert not is_alive(postmaster)
            note(server)
        assert any("left behind" in line for line in said)

    @pytest.mark.needs("linux")
    def test_starts_beside_a_dead_server_that_nobody_reaps(
        self, start: Start, made: Path, system_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded_postgres, "_TELL_EVERY_S", 0.0)
        said: list[str] = []
        with standing_in_for_process_1(), other_process(made, system_dir) as (owner, postmaster):
            dying = [postmaster, *(child.pid for child in psutil.Process(postmaster).children())]
            owner.kill()
            os.kill(postmaster, signal.SIGKILL)
            eventually(lambda: not any(is_alive(pid) for pid in dying))
            with start(said=said) as server:
                note(server)
            for pid in dying:
                os.waitpid(pid, 0)
        assert any("recovering" in line for line in said)

    def test_is_shared_by_processes_and_outlives_the_guest(self, start: Start, made: Path, system_dir: Path) -> None:
        with other_process(made, system_dir) as (_, postmaster):
            with start() as guest:
                assert guest.postmaster is None
                word = note(guest)
            assert is_alive(postmaster)
            with start() as guest:
                assert noted(guest, word)

    def test_passes_to_a_guest_when_its_owner_ends(self, start: Start, made: Path, system_dir: Path) -> None:
        with other_process(made, system_dir) as (owner, _), start() as guest:
            word = note(guest)
            owner.communicate("")
            eventually(lambda: guest.postmaster is not None and noted(guest, word))

    def test_is_made_once_when_several_start_at_the_same_moment(self, start: Start, open_dir: Path) -> None:
        (open_dir / "closed").mkdir(mode=0o700)
        servers = [start(open_dir / "closed" / "data") for _ in range(3)]
        with contextlib.ExitStack() as stack, ThreadPoolExecutor(3) as threads:
            for server in servers:
                stack.callback(server.stop)
            list(threads.map(EmbeddedPostgres.__enter__, servers))
            assert len([server for server in servers if server.postmaster is not None]) == 1
            word = note(servers[0])
            assert all(noted(server, word) for server in servers)

    def test_does_not_care_who_listens(self, made: Path, system_dir: Path) -> None:
        def say(_: str) -> None:
            raise BrokenPipeError

        with other_process(made, system_dir) as (owner, _):
            owner.kill()
        with EmbeddedPostgres(DataDir.make(made), say=say, system_dir=system_dir) as server:
            note(server)

    def test_ends_while_it_is_still_starting(self, start: Start, open_dir: Path) -> None:
        server = start(open_dir / "data")
        threading.Timer(0.1, server.stop).start()
        with contextlib.suppress(PostgresUnusable), server:
            pass
        home = Home(open_dir / "data", server_account())
        assert not home.cluster.exists() or cluster_processes(home) == []

    def test_says_why_it_cannot_start(self, start: Start, made: Path) -> None:
        with start():
            pass
        configuration = made / "postgres" / "postgresql.conf"
        before = configuration.read_text()
        configuration.write_text(before + "shared_buffers = plenty\n")
        try:
            with pytest.raises(PostgresUnusable, match="plenty"), start():
                pytest.fail("started")
        finally:
            configuration.write_text(before)

    def test_says_that_a_cluster_is_of_another_version(self, start: Start, open_dir: Path) -> None:
        lay_down_a_cluster(open_dir, version=12)
        with pytest.raises(PostgresUnusable, match="No embedded PostgreSQL 12"), start(open_dir / "data"):
            pytest.fail("started")


class TestRunningServer:
    def test_is_found_only_while_it_runs(self, start: Start, made: Path, system_dir: Path) -> None:
        with start() as server:
            assert running_server(DataDir.make(made), system_dir) == server.url()
        with pytest.raises(PostgresUnusable, match="No PostgreSQL server is running"):
            running_server(DataDir.make(made), system_dir)


class TestDataDirInAClosedFolder:
    @pytest.fixture
    def closed(self, open_dir: Path) -> Path:
        path = open_dir / "closed"
        path.mkdir(mode=0o700)
        return path

    def test_works_and_leaves_the_folder_as_it_was(self, start: Start, closed: Path) -> None:
        before = closed.stat()
        with start(closed / "clone" / ".barimt") as server:
            word = note(server)
        with start(closed / "clone" / ".barimt") as server:
            assert noted(server, word)
        after = closed.stat()
        assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)

    @as_root
    def test_has_its_cluster_elsewhere(self, closed: Path, system_dir: Path) -> None:
        first = find_home(DataDir.make(closed / "data"), system_dir)
        assert first.folder.parent == system_dir
        assert find_home(DataDir.make(closed / "data"), system_dir) == first
        (closed / "data").rename(closed / "moved")
        assert find_home(DataDir.make(closed / "moved"), system_dir) == first
        assert find_home(DataDir.make(closed / "data"), system_dir).folder not in (first.folder, closed / "data")

    @as_root
    def test_does_not_desert_a_cluster_that_was_made_before_it_was_closed(
        self, open_dir: Path, system_dir: Path
    ) -> None:
        lay_down_a_cluster(open_dir, version=18)
        open_dir.chmod(0o700)
        with pytest.raises(PostgresUnusable, match="can no longer reach"):
            find_home(DataDir.make(open_dir / "data"), system_dir)


class TestHome:
    @pytest.mark.parametrize("name", ["deep" * 30, "баримт, 100% 'x' \\ @"])
    def test_has_a_short_and_plain_socket_path_wherever_it_lies(self, start: Start, open_dir: Path, name: str) -> None:
        with start(open_dir / name / "data") as server:
            socket_dir = Path(str(server.url().query["host"]))
            assert len(os.fsencode(socket_dir / SOCKET)) <= SOCKET_PATH_MAX
            assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
            note(server)
        socket_dir.rmdir()

    def test_trusts_no_socket_directory_that_others_may_enter(self, open_dir: Path) -> None:
        home = Home(open_dir, server_account())
        (open_dir / "run").mkdir()
        home.account.adopt(open_dir / "run")
        (open_dir / "run").chmod(0o755)
        with pytest.raises(PostgresUnusable, match="closed to others"):
            home.socket_dir()

    def test_trusts_no_link_in_place_of_a_socket_directory(self, open_dir: Path) -> None:
        home = Home(open_dir, server_account())
        (open_dir / "elsewhere").mkdir(mode=0o700)
        home.account.adopt(open_dir / "elsewhere")
        (open_dir / "run").symlink_to(open_dir / "elsewhere")
        with pytest.raises(PostgresUnusable, match="remove it"):
            home.socket_dir()

    def test_knows_its_processes_after_it_was_moved(
        self, start: Start, made: Path, open_dir: Path, system_dir: Path
    ) -> None:
        with other_process(made, system_dir) as (owner, postmaster):
            owner.kill()
        made.rename(open_dir / "moved")
        try:
            with start(open_dir / "moved"):
                assert not is_alive(postmaster)
        finally:
            (open_dir / "moved").rename(made)


class TestStopRemains:
    def test_ends_what_a_dead_postmaster_left(self, made: Path, system_dir: Path) -> None:
        with other_process(made, system_dir) as (owner, postmaster):
            (child, *_) = psutil.Process(postmaster).children()
            child.suspend()
            owner.kill()
            os.kill(postmaster, signal.SIGKILL)
        home = find_home(DataDir.make(made), system_dir)
        eventually(lambda: [process.pid for process in cluster_processes(home)] == [child.pid])
        threading.Timer(0.2, child.resume).start()
        assert stop_remains(home)
        assert cluster_processes(home) == []
        assert not (home.cluster / "postmaster.pid").exists()

    def test_kills_what_does_not_end(self, made: Path, system_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(postgres_remains, "PATIENCE_S", 0.2)
        with other_process(made, system_dir) as (owner, postmaster):
            psutil.Process(postmaster).suspend()
            owner.kill()
        home = find_home(DataDir.make(made), system_dir)
        assert stop_remains(home)
        assert not is_alive(postmaster)

    def test_takes_no_other_process_for_ours(self, start: Start, made: Path) -> None:
        with start():
            pass
        (made / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n")
        with start() as server:
            note(server)


class TestOwnership:
    def test_is_of_one_at_a_time(self, open_dir: Path) -> None:
        home = Home(open_dir, server_account())
        with Ownership(home) as first, Ownership(home) as second:
            assert first.take()
            first.announce(open_dir / "run")
            assert not second.take()
            assert second.announced() == open_dir / "run"
        with Ownership(home) as third:
            assert third.take()
            assert third.announced() is None


class TestFindBinaries:
    def test_finds_the_newest(self) -> None:
        assert find_binaries(None).major >= 18

    def test_refuses_a_version_that_did_not_come_with_us(self) -> None:
        with pytest.raises(PostgresUnusable, match="BARIMT_DATABASE_URL"):
            find_binaries(9)


class TestServerAccount:
    def test_is_never_root(self) -> None:
        assert server_account().uid != 0

    @as_root
    def test_is_a_user_that_exists(self) -> None:
        assert server_account().name in CANDIDATES
        assert not server_account().is_ours

    def test_has_a_name_even_where_the_system_knows_none(self) -> None:
        assert Account.of_uid(3_999_999_999).name == "3999999999"


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def lay_down_a_cluster(folder: Path, *, version: int) -> None:
    """What tells that a cluster is there, and whose, before any server is asked."""
    cluster = DataDir.make(folder / "data").root / "postgres"
    cluster.mkdir(mode=0o700)
    (cluster / "PG_VERSION").write_text(f"{version}\n")
    server_account().adopt(cluster)


@contextlib.contextmanager
def standing_in_for_process_1() -> Iterator[None]:
    """Become the parent of what our children leave behind, and reap none of it."""
    set_child_subreaper = 36
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(set_child_subreaper, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        libc.prctl(set_child_subreaper, 0, 0, 0, 0)
