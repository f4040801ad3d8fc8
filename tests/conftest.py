"""One PostgreSQL per run, one migrated template, and for each test that asks a database of its own copied from it.

`BARIMT_TEST_DATABASE_URL` names a server to use instead of the embedded one: any PostgreSQL 15+, as a superuser.
"""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import hypothesis
import psutil
import psycopg
import pytest
import structlog
from psycopg import sql
from sqlalchemy import URL, make_url

from runtime import store
from runtime.account import Account
from runtime.data_dir import DataDir
from runtime.database import LOGINS, Database, Role, migrate, prepare_database
from runtime.embedded_postgres import EmbeddedPostgres
from runtime.postgres_home import Home
from runtime.postgres_remains import stop_remains
from runtime.settings import Settings, load_settings
from tests.needs import (
    SHARED_DATA,
    pytest_collection_modifyitems,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = [
    "pytest_collection_modifyitems",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]

hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")
"""How long an example takes says nothing on a machine that does other work."""
UNSAFE_BUT_FAST = {"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0"}
"""For the run's own server alone: its data may die with the machine."""
SWEPT = "barimt-test-"


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """Log tracebacks as Python writes them: drawn with all their variables one takes a second, and tests take time."""
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, plain])


@pytest.fixture(scope="session")
def reachable_dir() -> Iterator[Path]:
    """A directory that every user may pass through, for servers of tests run by root; pytest's own are closed."""
    _sweep()
    path = Path(tempfile.mkdtemp(prefix=f"{SWEPT}{os.getpid()}-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def open_dir(reachable_dir: Path, tmp_path: Path) -> Iterator[Path]:
    """A directory of this test's own that every user may pass through, for a server of its own."""
    path = reachable_dir / tmp_path.name
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def system_dir(reachable_dir: Path) -> Path:
    """What `/var/lib/barimt` is to a real run as root."""
    return reachable_dir / "system"


@pytest.fixture(scope="session")
def run_passwords(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The passwords of the roles, the same in all parallel workers of a run, since they may share a server."""
    base = tmp_path_factory.getbasetemp()
    return DataDir.make(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base).passwords(LOGINS)


@pytest.fixture(scope="session")
def server_url(reachable_dir: Path, system_dir: Path) -> Iterator[URL]:
    """The superuser's address of the run's server."""
    if given := os.environ.get("BARIMT_TEST_DATABASE_URL"):
        yield make_url(given).set(drivername="postgresql+psycopg")
        return
    data_dir = DataDir.make(reachable_dir / "run")
    with EmbeddedPostgres(data_dir, say=print, system_dir=system_dir, options=UNSAFE_BUT_FAST) as server:
        yield server.url()


@pytest.fixture(scope="session")
def admin(server_url: URL) -> Iterator[psycopg.Connection]:
    """A superuser's connection."""
    url = server_url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def template(server_url: URL, admin: psycopg.Connection, run_passwords: Mapping[str, str]) -> Iterator[str]:
    """The name of a migrated database that nobody is connected to."""
    name = f"barimt_template_{secrets.token_hex(4)}"
    migrate(prepare_database(server_url.set(database=name), run_passwords).url(Role.OWNER))
    yield name
    _drop(admin, name)


@pytest.fixture
def database_name(admin: psycopg.Connection, template: str) -> Iterator[str]:
    """The name of this test's own migrated database."""
    name = f"barimt_test_{secrets.token_hex(6)}"
    store.make_database(admin, name, owner=Role.OWNER.login, template=template)
    store.close_database(admin, name, guests=LOGINS)
    yield name
    _drop(admin, name)


@pytest.fixture
def database(server_url: URL, database_name: str, run_passwords: Mapping[str, str]) -> Iterator[Database]:
    """This test's own migrated database, with the five roles."""
    with contextlib.closing(Database(server_url.set(database=database_name), run_passwords)) as opened:
        yield opened


@pytest.fixture
def data_dir(tmp_path: Path, run_passwords: Mapping[str, str]) -> DataDir:
    """An empty data directory that knows the run's passwords."""
    made = DataDir.make(tmp_path / "data")
    made.keep_passwords(run_passwords)
    return made


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no setting of whoever runs the tests reach this one."""
    for name in [name for name in os.environ if name.startswith("BARIMT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings(data_dir: DataDir, system_dir: Path, server_url: URL, database_name: str, no_variables: None) -> Settings:  # noqa: ARG001 - for its effect
    """Settings with which `open_database` opens this test's own database."""
    url = server_url.set(drivername="postgresql", database=database_name).render_as_string(hide_password=False)
    return load_settings(data_dir=data_dir.root, system_dir=system_dir, database_url=url)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data that lies beside the checkout."""
    return SHARED_DATA


def _sweep() -> None:
    """End the servers of earlier runs that were killed, and remove what they left."""
    for path in Path("/tmp").glob(f"{SWEPT}*"):
        number = path.name.removeprefix(SWEPT).partition("-")[0]
        if path.stat().st_uid != os.geteuid() or not number.isdigit() or psutil.pid_exists(int(number)):
            continue
        for cluster in path.rglob("postgres/PG_VERSION"):
            home = Home(cluster.parent.parent, Account.of_uid(cluster.parent.stat().st_uid))
            stop_remains(home)
        shutil.rmtree(path, ignore_errors=True)


def _drop(admin: psycopg.Connection, name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(name=sql.Identifier(name)))
