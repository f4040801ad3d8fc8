"""The SQL that makes a server ready for us: login roles, the database, who may connect."""

from collections.abc import Mapping, Sequence

import psycopg
from psycopg import sql

VERSION_MIN = 15
_LOCK = 0x626172696D74
"""Advisory lock held while roles and databases are made ("barimt" in ASCII)."""

SERVER_VERSION = "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version')"
LOCK = "SELECT pg_advisory_lock(%s)"
ROLES = """
SELECT rolname, rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)
FROM pg_roles WHERE rolname = ANY(%s)
"""
OWNER_OF_DATABASE = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
I_AM_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"

CREATE_ROLE = sql.SQL(
    "CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {verifier}"
)
RESTRICT_ROLE = sql.SQL("ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS")
SET_PASSWORD = sql.SQL("ALTER ROLE {role} PASSWORD {verifier}")
BECOME_MEMBER = sql.SQL("GRANT {role} TO CURRENT_USER")
CREATE_DATABASE = sql.SQL(
    "CREATE DATABASE {database} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
)
COPY_DATABASE = sql.SQL("CREATE DATABASE {database} OWNER {owner} TEMPLATE {template}")
IS_OPEN = """
SELECT EXISTS (SELECT FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
               WHERE datname = %s AND grantee = 0)
"""
CLOSE_DATABASE = sql.SQL("REVOKE ALL ON DATABASE {database} FROM PUBLIC")
OPEN_DATABASE = sql.SQL("GRANT CONNECT ON DATABASE {database} TO {roles}")


def lock_server(connection: psycopg.Connection) -> None:
    """Keep other processes from making roles and databases until this connection closes."""
    connection.execute(LOCK, (_LOCK,))


def server_version(connection: psycopg.Connection) -> tuple[int, str]:
    """Answer the server's major version and its full one as text."""
    row = connection.execute(SERVER_VERSION).fetchone()
    assert row is not None
    return row[0], row[1]


def make_roles(connection: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    """Make the login roles that are missing, and take from the others every power that a role of ours must not have."""
    known: dict[str, bool] = dict(connection.execute(ROLES, (list(passwords),)).fetchall())
    for login, password in passwords.items():
        if login not in known:
            connection.execute(
                CREATE_ROLE.format(role=sql.Identifier(login), verifier=_verifier(connection, login, password))
            )
        elif not known[login]:
            connection.execute(RESTRICT_ROLE.format(role=sql.Identifier(login)))


def set_password(connection: psycopg.Connection, login: str, password: str) -> None:
    """Set a role's password. Only its SCRAM verifier travels, so that no log can hold the password."""
    verifier = _verifier(connection, login, password)
    connection.execute(SET_PASSWORD.format(role=sql.Identifier(login), verifier=verifier))


def owner_of_database(connection: psycopg.Connection, database: str) -> str | None:
    """Answer who owns a database, none where it does not exist."""
    row = connection.execute(OWNER_OF_DATABASE, (database,)).fetchone()
    return str(row[0]) if row is not None else None


def make_database(connection: psycopg.Connection, database: str, *, owner: str, template: str | None = None) -> None:
    """Make a database, empty or as a copy of `template`, that `owner` owns."""
    row = connection.execute(I_AM_SUPERUSER).fetchone()
    if row is not None and not row[0]:
        connection.execute(BECOME_MEMBER.format(role=sql.Identifier(owner)))
    name = sql.Identifier(database)
    if template is None:
        connection.execute(CREATE_DATABASE.format(database=name, owner=sql.Identifier(owner)))
    else:
        copied = sql.Identifier(template)
        connection.execute(COPY_DATABASE.format(database=name, owner=sql.Identifier(owner), template=copied))


def close_database(connection: psycopg.Connection, database: str, *, guests: Sequence[str]) -> None:
    """Let only `guests` connect to a database that was open to everybody, as every new one is; else do nothing."""
    if connection.execute(IS_OPEN, (database,)).fetchone() != (True,):
        return
    name = sql.Identifier(database)
    roles = sql.SQL(", ").join(sql.Identifier(guest) for guest in guests)
    connection.execute(OPEN_DATABASE.format(database=name, roles=roles))
    connection.execute(CLOSE_DATABASE.format(database=name))


def _verifier(connection: psycopg.Connection, login: str, password: str) -> sql.Literal:
    made = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
    return sql.Literal(made.decode())
