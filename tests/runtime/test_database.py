"""The database is made ready by whoever opens it first, and each role can do its own work and nothing else."""

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import URL, text

from runtime import store
from runtime.data_dir import DataDir
from runtime.database import (
    LOGINS,
    Database,
    DatabaseUnusable,
    Role,
    join_database,
    migrate,
    open_database,
    prepare_database,
)
from runtime.postgres_binaries import PostgresUnusable
from runtime.settings import Settings, load_settings

OTHERS = [role for role in Role if role is not Role.OWNER]
FORBIDDEN = [
    "CREATE TABLE public.mine (x int)",
    "CREATE SCHEMA mine",
    "CREATE TEMPORARY TABLE mine (x int)",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "SET ROLE barimt_owner",
    "DROP TABLE alembic_version",
    "SELECT rolpassword FROM pg_authid",
    "ALTER ROLE barimt_owner PASSWORD 'x'",
    "SELECT pg_read_file('PG_VERSION')",
]


def address(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def empty_name(admin: psycopg.Connection, tmp_path: Path) -> Iterator[str]:
    """The name of a database that is not there yet."""
    name = f"barimt_new_{DataDir.make(tmp_path / 'name').passwords(['x'])['x'][:8]}"
    yield name
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {name} WITH (FORCE)").format(name=sql.Identifier(name)))


@pytest.fixture
def embedded(open_dir: Path, system_dir: Path, no_variables: None) -> Settings:  # noqa: ARG001 - for its effect
    """Settings for an embedded server of the test's own."""
    return load_settings(data_dir=open_dir / "data", system_dir=system_dir)


class TestOpenDatabase:
    def test_needs_nothing_but_a_directory(self, embedded: Settings) -> None:
        with open_database(embedded, say=print) as database, database.transaction(Role.OWNER) as connection:
            connection.execute(text("CREATE TABLE note AS SELECT 'kept' AS word"))
        (embedded.data_dir / "roles.json").unlink()
        with open_database(embedded, say=print) as database, database.transaction(Role.OWNER) as connection:
            assert connection.execute(text("SELECT word FROM note")).scalar_one() == "kept"
            with join_database(embedded) as joined, joined.transaction(Role.GATEWAY) as beside:
                assert beside.execute(text("SELECT current_user")).scalar_one() == "barimt_gateway"
        with pytest.raises(PostgresUnusable), join_database(embedded):
            pytest.fail("joined what does not run")

    def test_takes_a_server_of_the_operators_own(self, settings: Settings) -> None:
        with open_database(settings, say=print) as database, database.transaction(Role.JOBS) as connection:
            assert connection.execute(text("SELECT current_user")).scalar_one() == "barimt_jobs"

    def test_may_happen_in_several_processes_at_once(
        self, server_url: URL, empty_name: str, run_passwords: Mapping[str, str]
    ) -> None:
        def opened(_: int) -> str:
            database = prepare_database(server_url.set(database=empty_name), run_passwords)
            migrate(database.url(Role.OWNER))
            with contextlib.closing(database), database.transaction(Role.OWNER) as connection:
                return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())

        with ThreadPoolExecutor(4) as threads:
            assert len(set(threads.map(opened, range(4)))) == 1


class TestPrepareDatabase:
    def test_refuses_a_database_of_somebody_else(
        self, admin: psycopg.Connection, server_url: URL, empty_name: str, run_passwords: Mapping[str, str]
    ) -> None:
        admin.execute(sql.SQL("CREATE DATABASE {name}").format(name=sql.Identifier(empty_name)))
        with pytest.raises(DatabaseUnusable, match=f"The database {empty_name} exists and belongs to"):
            prepare_database(server_url.set(database=empty_name), run_passwords)

    def test_refuses_a_server_that_is_too_old(
        self, monkeypatch: pytest.MonkeyPatch, server_url: URL, run_passwords: Mapping[str, str]
    ) -> None:
        monkeypatch.setattr(store, "VERSION_MIN", 1000)
        with pytest.raises(DatabaseUnusable, match="PostgreSQL 1000 or newer is needed; this server is 1"):
            prepare_database(server_url, run_passwords)

    def test_says_which_server_it_cannot_reach_and_shows_no_password(self, run_passwords: Mapping[str, str]) -> None:
        url = URL.create("postgresql", "me", "secret", "127.0.0.1", 1, "barimt")
        with pytest.raises(DatabaseUnusable, match=r"127\.0\.0\.1") as caught:
            prepare_database(url, run_passwords)
        assert "secret" not in str(caught.value)

    def test_takes_powers_away_that_a_role_must_not_have(
        self, admin: psycopg.Connection, server_url: URL, database_name: str, run_passwords: Mapping[str, str]
    ) -> None:
        admin.execute("ALTER ROLE barimt_officer CREATEDB")
        prepare_database(server_url.set(database=database_name), run_passwords)
        row = admin.execute("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'barimt_officer'").fetchone()
        assert row == (False,)


class TestMigrate:
    def test_changes_nothing_the_second_time(self, database: Database) -> None:
        migrate(database.url(Role.OWNER))

    def test_lets_tills_state_turnovers_below_zero_in_months_that_were_made_before(self, database: Database) -> None:
        """Migration 0007 over a centre that has tables of receipts already."""
        config, old = Config(), "CHECK (turnover_mongo >= 0)"
        config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
        with database.transaction(Role.OWNER) as connection:
            config.attributes["connection"] = connection.execution_options(no_parameters=True)
            command.downgrade(config, "0006")
            connection.exec_driver_sql("ALTER TABLE pos.receipts DROP CONSTRAINT receipts_turnover_mongo_check")
            for table in ("chains", "receipts"):
                name = f"{table}_turnover_mongo_check"
                connection.exec_driver_sql(f"ALTER TABLE pos.{table} ADD CONSTRAINT {name} {old}")
            connection.exec_driver_sql("SELECT pos.ensure_month(2017, 3)")
        migrate(database.url(Role.OWNER))
        with database.transaction(Role.OWNER) as connection:
            connection.exec_driver_sql("SELECT pos.ensure_month(2017, 4)")
            held = connection.exec_driver_sql(
                "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conname IN ('chains_turnover_mongo_check', 'receipts_turnover_mongo_check') ORDER BY 1"
            ).all()
        new = "CHECK (((turnover_mongo >= 0) OR (((kind)::integer & 32) <> 0)))"
        tables = ("pos.receipts", "pos.receipts_2017_03", "pos.receipts_2017_04")
        assert [tuple(row) for row in held] == [(table, new) for table in tables]

    def test_refuses_a_database_of_a_newer_version(self, database: Database) -> None:
        with database.transaction(Role.OWNER) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(DatabaseUnusable, match="9999"):
            migrate(database.url(Role.OWNER))


class TestRoles:
    def test_are_five(self) -> None:
        assert set(LOGINS) == {"barimt_owner", "barimt_gateway", "barimt_claims", "barimt_officer", "barimt_jobs"}

    def test_have_no_power_over_the_server(self, admin: psycopg.Connection, database: Database) -> None:
        powers = admin.execute(
            "SELECT bool_or(rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls), count(*) "
            "FROM pg_roles WHERE rolname = ANY(%s)",
            (list(LOGINS),),
        ).fetchone()
        assert powers == (False, 5)
        memberships = admin.execute(
            "SELECT count(*) FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = member WHERE rolname = ANY(%s)",
            (list(LOGINS),),
        ).fetchone()
        assert memberships == (0,)

    def test_own_nothing_but_the_owner(self, admin: psycopg.Connection, database: Database) -> None:
        owners = admin.execute(
            "SELECT DISTINCT rolname FROM pg_shdepend JOIN pg_roles ON pg_roles.oid = refobjid "
            "WHERE deptype = 'o' AND rolname = ANY(%s)",
            (list(LOGINS),),
        ).fetchall()
        assert owners == [("barimt_owner",)]

    @pytest.mark.parametrize("role", OTHERS)
    def test_cannot_do_what_is_the_owners(self, database: Database, role: Role) -> None:
        allowed = []
        with psycopg.connect(database.url(role), autocommit=True) as connection:
            for statement in FORBIDDEN:
                with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
                    allowed.append(statement)
        assert allowed == []

    def test_keep_strangers_out(self, admin: psycopg.Connection, server_url: URL, database_name: str) -> None:
        admin.execute("DROP ROLE IF EXISTS barimt_test_stranger")
        admin.execute("CREATE ROLE barimt_test_stranger LOGIN PASSWORD 'stranger'")
        try:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(
                    address(
                        server_url.set(username="barimt_test_stranger", password="stranger", database=database_name)
                    )
                )
        finally:
            admin.execute("DROP ROLE barimt_test_stranger")


class TestSessions:
    @pytest.mark.parametrize(
        ("role", "patience"),
        [(Role.OWNER, "0"), (Role.GATEWAY, "10s"), (Role.CLAIMS, "10s"), (Role.OFFICER, "1min"), (Role.JOBS, "0")],
    )
    async def test_are_alike_in_both_drivers(self, database: Database, role: Role, patience: str) -> None:
        names = ["timezone", "jit", "synchronous_commit", "application_name", "statement_timeout"]
        expected = ["UTC", "off", "on", f"barimt-{role}", patience]
        with database.transaction(role) as connection:
            assert [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names] == expected
        async with await database.pool(role, min_size=1, max_size=1) as pool:
            assert [await pool.fetchval(f"SHOW {name}") for name in names] == expected


class TestTransaction:
    def test_commits_at_the_end(self, database: Database) -> None:
        with database.transaction(Role.OWNER) as connection:
            connection.execute(text("CREATE TABLE note (word text)"))
        with database.transaction(Role.OWNER) as connection:
            assert connection.execute(text("SELECT count(*) FROM note")).scalar_one() == 0

    def test_leaves_nothing_behind_an_exception(self, database: Database) -> None:
        def fail() -> None:
            with database.transaction(Role.OWNER) as connection:
                connection.execute(text("CREATE TABLE note (word text)"))
                raise TimeoutError

        with pytest.raises(TimeoutError):
            fail()
        with database.transaction(Role.OWNER) as connection:
            assert connection.execute(text("SELECT to_regclass('note')")).scalar_one() is None

    def test_survives_connections_that_the_server_closed(self, admin: psycopg.Connection, database: Database) -> None:
        with database.transaction(Role.JOBS) as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        with database.transaction(Role.JOBS) as connection:
            assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != pid
