"""The database as the rest of the system sees it: an address and a role. Who serves it is settled here alone.

Every connection speaks UTC, commits synchronously, uses no JIT and says in `application_name` which role it is. The
roles that answer people (`gateway`, `claims`, `officer`) give up on a statement that takes too long; `jobs` and `owner`
never do.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

import asyncpg
import psycopg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, func, make_url, select
from sqlalchemy.exc import ArgumentError

from runtime import store
from runtime.data_dir import DataDir
from runtime.embedded_postgres import EmbeddedPostgres, Say, running_server
from runtime.settings import Settings
from runtime.unusable import Unusable

DATABASE = "barimt"
"""The database's name where the operator's URL names none."""
_MIGRATION_LOCK = 0x6D696772617465
"""Advisory lock held while migrating ("migrate" in ASCII)."""


class DatabaseUnusable(Unusable):
    """The database cannot be reached, is too old, or is not ours; the text says which and what to do."""


class Role(StrEnum):
    """Who speaks to the database. Each is a login role of its own, and only `OWNER` owns anything."""

    OWNER = "owner"
    """Migrates, and nothing else."""
    GATEWAY = "gateway"
    """The tills' side: sees no consumer."""
    CLAIMS = "claims"
    """The consumers' side."""
    OFFICER = "officer"
    """Tax officers: see no consumer."""
    JOBS = "jobs"
    """Draws, payouts, checks, the plausibility job, administration."""

    @property
    def login(self) -> str:
        """The role's name in PostgreSQL."""
        return f"barimt_{self.value}"

    @property
    def statement_timeout_ms(self) -> int:
        """After how long a statement is given up; 0 is never."""
        return {Role.GATEWAY: 10_000, Role.CLAIMS: 10_000, Role.OFFICER: 60_000}.get(self, 0)

    @property
    def session(self) -> dict[str, str]:
        """The settings of every session of this role."""
        timeout = str(self.statement_timeout_ms)
        return {
            "timezone": "UTC",
            "jit": "off",
            "synchronous_commit": "on",
            "statement_timeout": timeout,
            "idle_in_transaction_session_timeout": timeout,
        }


LOGINS = tuple(role.login for role in Role)


class Database:
    """A migrated database and the ways into it."""

    def __init__(self, address: URL, passwords: Mapping[str, str]) -> None:
        self._address = address
        self._passwords = passwords
        self._engines: dict[Role, Engine] = {}
        self._lock = threading.Lock()

    def url(self, role: Role) -> str:
        """Answer the role's address as libpq, psycopg and asyncpg read it. It holds the password."""
        return self._url(role, "postgresql").render_as_string(hide_password=False)

    def engine(self, role: Role) -> Engine:
        """Answer the role's engine (psycopg 3), one for all callers: at most 12 connections, checked before use."""
        with self._lock:
            if role not in self._engines:
                options = " ".join(f"-c {name}={value}" for name, value in role.session.items())
                self._engines[role] = create_engine(
                    self._url(role, "postgresql+psycopg"),
                    pool_size=4,
                    max_overflow=8,
                    pool_timeout=10,
                    pool_pre_ping=True,
                    connect_args={"options": options, "application_name": f"barimt-{role}", "connect_timeout": 10},
                )
            return self._engines[role]

    @contextlib.contextmanager
    def transaction(self, role: Role) -> Iterator[Connection]:
        """Open a transaction that commits at the end and rolls back on an exception."""
        with self.engine(role).begin() as connection:
            yield connection

    async def pool(self, role: Role, *, min_size: int, max_size: int) -> "asyncpg.Pool[asyncpg.Record]":
        """Open an asyncpg pool, which the caller closes."""
        return await asyncpg.create_pool(
            self.url(role),
            min_size=min_size,
            max_size=max_size,
            server_settings=role.session | {"application_name": f"barimt-{role}"},
            timeout=10,
        )

    def close(self) -> None:
        """Close every engine."""
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()

    def _url(self, role: Role, driver: str) -> URL:
        return self._address.set(drivername=driver, username=role.login, password=self._passwords[role.login])


@contextlib.contextmanager
def open_database(settings: Settings, *, say: Say) -> Iterator[Database]:
    """Start or join the embedded server, or reach the operator's own; make roles and database where they are missing,
    migrate, and answer the database. Raises `Unusable` of one kind or another.
    """
    data_dir = DataDir.make(settings.data_dir)
    with contextlib.ExitStack() as stack:
        if settings.database_url is None:
            server = EmbeddedPostgres(data_dir, say=say, system_dir=settings.system_dir)
            admin = stack.enter_context(server).url()
        else:
            admin = _parse(settings.database_url)
        database = prepare_database(admin, data_dir.passwords(LOGINS))
        stack.callback(database.close)
        migrate(database.url(Role.OWNER))
        yield database


@contextlib.contextmanager
def join_database(settings: Settings) -> Iterator[Database]:
    """Answer the database that the parent process has opened: for its worker processes, which start nothing, migrate
    nothing and stop nothing. Raises `Unusable` where no server is running.
    """
    data_dir = DataDir.make(settings.data_dir)
    if settings.database_url is None:
        admin = running_server(data_dir, settings.system_dir)
    else:
        admin = _parse(settings.database_url)
    with contextlib.closing(Database(admin.set(database=_name_in(admin)), data_dir.passwords(LOGINS))) as database:
        yield database


def prepare_database(admin: URL, passwords: Mapping[str, str]) -> Database:
    """Make roles and database where they are missing, with the rights of `admin`, whose path names the database; see
    that every role can log in. Raises `DatabaseUnusable`.
    """
    name = _name_in(admin)
    try:
        with _connect(admin.set(database="postgres")) as connection:
            _require_version(connection)
            store.lock_server(connection)
            store.make_roles(connection, passwords)
            _require_database(connection, name)
            database = Database(admin.set(database=name), passwords)
            for role in Role:
                _see_login(connection, role, database.url(role), passwords[role.login])
    except psycopg.Error as error:
        raise DatabaseUnusable(f"{admin.set(drivername='postgresql').render_as_string()}: {error}") from error
    return database


def migrate(url: str) -> None:
    """Bring a database to the newest migration, in one transaction; several processes may ask at the same time. `url`
    is the owner's. Raises `DatabaseUnusable` for a database that a newer version of this program has migrated.
    """
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            # without parameters a statement goes to the server as it stands, with its percent signs and semicolons
            config.attributes["connection"] = connection.execution_options(no_parameters=True)
            command.upgrade(config, "head")
    except CommandError as error:
        raise DatabaseUnusable(f"The database was migrated by a newer version of this program: {error}") from error
    finally:
        engine.dispose()


def _parse(database_url: str) -> URL:
    try:
        return make_url(database_url)
    except (ArgumentError, ValueError):
        raise DatabaseUnusable(
            "BARIMT_DATABASE_URL is not of the form postgresql://user:password@host:5432/db"
        ) from None


def _connect(url: URL) -> psycopg.Connection:
    text_url = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(text_url, autocommit=True, connect_timeout=10, application_name="barimt-setup")


def _name_in(admin: URL) -> str:
    """Answer the name of our database; a URL that names none, or the one that every server has, means the default."""
    return admin.database if admin.database and admin.database != "postgres" else DATABASE


def _see_login(connection: psycopg.Connection, role: Role, url: str, password: str) -> None:
    """See that a role can log in, setting its password where it is another one."""
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.OperationalError:
        store.set_password(connection, role.login, password)
        psycopg.connect(url, connect_timeout=10).close()


def _require_version(connection: psycopg.Connection) -> None:
    major, full = store.server_version(connection)
    if major < store.VERSION_MIN:
        raise DatabaseUnusable(f"PostgreSQL {store.VERSION_MIN} or newer is needed; this server is {full}")


def _require_database(connection: psycopg.Connection, name: str) -> None:
    """Make the database, or see that it is ours."""
    owner = store.owner_of_database(connection, name)
    if owner is None:
        store.make_database(connection, name, owner=Role.OWNER.login)
    elif owner != Role.OWNER.login:
        raise DatabaseUnusable(
            f"The database {name} exists and belongs to {owner}. Name another in BARIMT_DATABASE_URL (it is made), "
            f"or, if it is empty and meant for this: ALTER DATABASE {name} OWNER TO {Role.OWNER.login}"
        )
    store.close_database(connection, name, guests=LOGINS)
