"""Invariant 7: neither the officers' nor the gateway's role can learn which consumer claimed which receipt."""

import psycopg
import pytest

from runtime.database import Database, Role
from tests.factories import open_world

RELATIONS = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname IN ('pos', 'claims', 'private', 'lottery', 'tax', 'auth')
ORDER BY 1, 2
"""
OWNED = """
SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = current_user
UNION ALL SELECT p.proname FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE r.rolname = current_user
UNION ALL SELECT d.datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE r.rolname = current_user
"""
POWERS = """
SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication FROM pg_roles WHERE rolname = current_user
"""
PEOPLE = {"consumer", "login_no", "bank_account"}
"""Columns that name a person."""
GUESTS = (Role.GATEWAY, Role.CLAIMS, Role.OFFICER, Role.JOBS)


def relations(database: Database) -> list[tuple[str, str]]:
    with psycopg.connect(database.url(Role.OWNER)) as connection:
        return [(schema, name) for schema, name in connection.execute(RELATIONS).fetchall()]


def readable(database: Database, role: Role) -> dict[tuple[str, str], set[str]]:
    """Log in as a role and read every table and view; answer the columns of those that can be read."""
    found = {}
    with psycopg.connect(database.url(role), autocommit=True) as connection:
        for schema, name in relations(database):
            try:
                cursor = connection.execute(f'SELECT * FROM "{schema}"."{name}" LIMIT 5')
            except psycopg.errors.InsufficientPrivilege:
                continue
            found[schema, name] = {column.name for column in cursor.description or ()}
    return found


async def claimed(database: Database) -> None:
    """Put one claimed receipt into the database."""
    async with open_world(database) as world:
        receipt = await world.sell(world.add_shop(), 110_000)
        await world.claim(receipt, world.add_consumer())


class TestOfficersAndGateway:
    @pytest.mark.parametrize("role", [Role.OFFICER, Role.GATEWAY])
    async def test_read_no_column_that_names_a_person(self, database: Database, role: Role) -> None:
        await claimed(database)
        seen = readable(database, role)
        assert ("pos", "receipts") in seen
        assert not {name: columns & PEOPLE for name, columns in seen.items() if columns & PEOPLE}
        assert not [name for name in seen if name[0] == "private"]
        assert ("pos", "outbox") not in seen

    async def test_the_gateway_reads_no_claim_at_all(self, database: Database) -> None:
        await claimed(database)
        assert not [name for name in readable(database, Role.GATEWAY) if name[0] in {"claims", "lottery"}]

    @pytest.mark.parametrize("role", [Role.OFFICER, Role.GATEWAY])
    def test_cannot_become_anybody_else(self, database: Database, role: Role) -> None:
        with psycopg.connect(database.url(role), autocommit=True) as connection:
            for other in Role:
                if other is not role:
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(f"SET ROLE {other.login}")

    @pytest.mark.parametrize("role", [Role.OFFICER, Role.GATEWAY])
    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM pos.receipts",
            "UPDATE pos.receipts SET total_mongo = 0",
            "TRUNCATE pos.receipts",
            "DELETE FROM pos.successors",
            "UPDATE pos.sellers SET name = ''",
            "DELETE FROM pos.idempotency",
            "DELETE FROM pos.forks",
            "UPDATE pos.link_findings SET expected = NULL",
            "UPDATE pos.tax_months SET tax_month = 0",
            "UPDATE pos.terminals SET mode = 'gateway'",
            "INSERT INTO pos.keys DEFAULT VALUES",
            "CREATE TABLE pos.mine (x int)",
            "DROP TABLE pos.receipts",
            "ALTER TABLE pos.receipts DISABLE TRIGGER ALL",
        ],
    )
    def test_cannot_change_the_past(self, database: Database, role: Role, statement: str) -> None:
        with (
            psycopg.connect(database.url(role), autocommit=True) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)

    async def test_even_the_one_column_that_a_lock_needs_never_changes(self, database: Database) -> None:
        await claimed(database)
        for role in (Role.GATEWAY, Role.CLAIMS):
            with (
                psycopg.connect(database.url(role), autocommit=True) as connection,
                pytest.raises(psycopg.errors.RaiseException, match="never changes"),
            ):
                connection.execute("UPDATE pos.receipts SET received_at = now()")


class TestEveryRoleButTheOwner:
    @pytest.mark.parametrize("role", GUESTS)
    def test_owns_nothing_and_has_no_powers(self, database: Database, role: Role) -> None:
        with psycopg.connect(database.url(role)) as connection:
            assert connection.execute(OWNED).fetchall() == []
            assert connection.execute(POWERS).fetchone() == (False,) * 5
