"""SQL of enrolment (SQLAlchemy, administration): who exists, and the first link of each chain."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from msgspec.structs import asdict
from sqlalchemy import Connection, RowMapping, text

from kernel.clock import Month
from receipts.chain import Head
from receipts.stored import StoredReceipt

_SELLER_COLUMNS = "seller, tin, name, sector, district, city_tax_payer, enrolled_at, reg_no"
_RECEIPT_COLUMNS = StoredReceipt.__struct_fields__


def ensure_month(connection: Connection, month: Month) -> None:
    """Make the partitions of a month where they are not there yet."""
    connection.execute(text("SELECT pos.ensure_month(:year, :number)"), {"year": month.year, "number": month.number})


def add_seller(connection: Connection, seller: Mapping[str, Any]) -> bool:
    """Store a seller; False when its TIN or number is known already."""
    return _added(
        connection,
        f"INSERT INTO pos.sellers ({_SELLER_COLUMNS}) VALUES (:seller, :tin, :name, :sector, :district,"  # noqa: S608
        " :city_tax_payer, :enrolled_at, :reg_no) ON CONFLICT DO NOTHING RETURNING seller",
        seller,
    )


def add_vat_registration(connection: Connection, seller: int, first: date) -> None:
    """Store from which day a seller is registered for VAT."""
    connection.execute(
        text("INSERT INTO pos.vat_registrations (seller, registered_from) VALUES (:seller, :first)"),
        {"seller": seller, "first": first},
    )


def next_reserved_number(connection: Connection, first: int) -> int:
    """Answer the next free seller number of the reserved prefix; sellers are enrolled one at a time meanwhile."""
    connection.execute(text("SELECT pg_advisory_xact_lock(4711, 99)"))
    highest = connection.execute(text("SELECT max(seller) FROM pos.sellers WHERE seller >= :first"), {"first": first})
    return int(highest.scalar() or first - 1) + 1


def find_seller(connection: Connection, tin: str) -> RowMapping | None:
    """Answer a seller's row by TIN."""
    sql = f"SELECT {_SELLER_COLUMNS} FROM pos.sellers WHERE tin = :tin"  # noqa: S608 - column names only
    return connection.execute(text(sql), {"tin": tin}).mappings().one_or_none()


def list_sellers(connection: Connection) -> Sequence[RowMapping]:
    """Answer every seller, by TIN, with the day its VAT registration began and its number of terminals."""
    return (
        connection.execute(
            text("""
            SELECT s.tin, s.seller, s.name, s.sector, s.district, s.city_tax_payer, s.reg_no,
                   (SELECT min(v.registered_from) FROM pos.vat_registrations v WHERE v.seller = s.seller) AS vat_from,
                   (SELECT count(*) FROM pos.terminals t WHERE t.seller = s.seller) AS terminals
            FROM pos.sellers s ORDER BY s.tin""")
        )
        .mappings()
        .all()
    )


def list_terminals(connection: Connection, seller: int) -> Sequence[RowMapping]:
    """Answer a seller's terminals with where their chains stand, and how many links each has in second branches."""
    sql = """
        SELECT t.terminal, t.mode, t.branch, t.district, t.client_id, t.suspended_at, t.suspended_for, t.closed_at,
               c.counter, c.turnover_mongo, c.last_issued_at,
               (SELECT count(*) FROM pos.forks f WHERE (f.seller, f.terminal) = (t.seller, t.terminal)) AS forks
        FROM pos.terminals t JOIN pos.chains c USING (seller, terminal) WHERE t.seller = :seller ORDER BY t.terminal"""
    return connection.execute(text(sql), {"seller": seller}).mappings().all()


def add_account(connection: Connection, seller: int, account: Mapping[str, Any]) -> int | None:
    """Store an account of a seller and answer its number; None when the seller has named it before."""
    sql = (
        "INSERT INTO pos.seller_accounts (seller, account_no, account_name, bank_id, bank_name, iban)"
        " VALUES (:seller, :account_no, :account_name, :bank_id, :bank_name, :iban)"
        " ON CONFLICT DO NOTHING RETURNING account"
    )
    number: int | None = connection.execute(text(sql), {"seller": seller, **account}).scalar()
    return number


def list_accounts(connection: Connection, seller: int) -> Sequence[RowMapping]:
    """Answer the accounts of a seller."""
    sql = (
        "SELECT account AS id, account_no, account_name, bank_id, bank_name, iban FROM pos.seller_accounts"
        " WHERE seller = :seller ORDER BY account"
    )
    return connection.execute(text(sql), {"seller": seller}).mappings().all()


def add_client(connection: Connection, client_id: str, seller: int, public_key: str, now: datetime) -> None:
    """Store who may speak for a seller, by its public key (PEM)."""
    connection.execute(
        text(
            "INSERT INTO pos.clients (client_id, seller, public_key, enrolled_at)"
            " VALUES (:client_id, :seller, :public_key, :now)"
        ),
        {"client_id": client_id, "seller": seller, "public_key": public_key, "now": now},
    )


def client_seller(connection: Connection, client_id: str) -> int | None:
    """Answer whose client that is."""
    sql = "SELECT seller FROM pos.clients WHERE client_id = :client_id AND revoked_at IS NULL"
    return connection.execute(text(sql), {"client_id": client_id}).scalar()


def revoke_client(connection: Connection, client_id: str, now: datetime) -> bool:
    """Take a client's right to speak away; False when it had none."""
    sql = (
        "UPDATE pos.clients SET revoked_at = :now WHERE client_id = :client_id AND revoked_at IS NULL RETURNING seller"
    )
    return _added(connection, sql, {"client_id": client_id, "now": now})


def add_terminal(connection: Connection, terminal: Mapping[str, Any]) -> bool:
    """Store a terminal; False when the seller has one of that number already."""
    return _added(
        connection,
        "INSERT INTO pos.terminals (seller, terminal, client_id, mode, branch, district, epoch, enrolment, enrolled_at)"
        " VALUES (:seller, :terminal, :client_id, :mode, :branch, :district, :epoch, :enrolment, :enrolled_at)"
        " ON CONFLICT DO NOTHING RETURNING seller",
        terminal,
    )


def add_chain(connection: Connection, head: Head, start: StoredReceipt | None) -> None:
    """Store where a new chain stands, and its start link when the centre signed it."""
    if start is not None:
        ensure_month(connection, Month.of(start.issued_at))
        names = ", ".join(_RECEIPT_COLUMNS)
        places = ", ".join(f":{name}" for name in _RECEIPT_COLUMNS)
        sql = f"INSERT INTO pos.receipts ({names}) VALUES ({places})"  # noqa: S608 - column names only
        connection.execute(text(sql), asdict(start))
    connection.execute(
        text(
            "INSERT INTO pos.chains (seller, terminal, counter, head_hash, turnover_mongo, day, next_number,"
            " last_issued_at) VALUES (:seller, :terminal, :counter, :previous_hash, :turnover_mongo, :day,"
            " :next_number, :last_issued_at)"
        ),
        asdict(head),
    )


def add_consumer(connection: Connection, login_no: int, now: datetime) -> int | None:
    """Store a consumer and answer its id; None when the login number is taken."""
    sql = (
        "INSERT INTO private.consumers (login_no, enrolled_at) VALUES (:login_no, :now)"
        " ON CONFLICT DO NOTHING RETURNING consumer"
    )
    return connection.execute(text(sql), {"login_no": login_no, "now": now}).scalar()


def add_seller_person(connection: Connection, seller: int, consumer: int, role: str, first: date) -> None:
    """Store that a consumer is one of a seller's people, who may not claim its receipts."""
    connection.execute(
        text(
            "INSERT INTO private.seller_people (seller, consumer, role, from_date)"
            " VALUES (:seller, :consumer, :role, :first)"
        ),
        {"seller": seller, "consumer": consumer, "role": role, "first": first},
    )


def add_officer(connection: Connection, officer_id: str, name: str, now: datetime) -> bool:
    """Store a tax officer; False when the id is taken."""
    sql = (
        "INSERT INTO auth.officers (officer_id, name, enrolled_at) VALUES (:officer_id, :name, :now)"
        " ON CONFLICT DO NOTHING RETURNING officer_id"
    )
    return _added(connection, sql, {"officer_id": officer_id, "name": name, "now": now})


def _added(connection: Connection, sql: str, values: Mapping[str, Any]) -> bool:
    return connection.execute(text(sql), dict(values)).first() is not None


def is_officer(connection: Connection, officer_id: str) -> bool:
    """Answer whether an officer is enrolled and not revoked."""
    sql = "SELECT 1 FROM auth.officers WHERE officer_id = :officer_id AND revoked_at IS NULL"
    return connection.execute(text(sql), {"officer_id": officer_id}).first() is not None
