"""The tables of the wallets, as jobs and checks read and write them (SQLAlchemy Core). Migration 0002 makes them."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, SmallInteger, Table, Text

METADATA = MetaData(schema="private")

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("consumer", BigInteger, primary_key=True),
    Column("provisional_mongo", BigInteger),
    Column("available_mongo", BigInteger),
    Column("reserved_mongo", BigInteger),
    Column("paid_mongo", BigInteger),
    Column("debt_mongo", BigInteger),
    Column("unreported_mongo", BigInteger),
)
TRANSFERS = Table(
    "transfers",
    METADATA,
    Column("cause", Text, primary_key=True),
    Column("reference", BigInteger, primary_key=True, autoincrement=False),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("line", SmallInteger, primary_key=True, autoincrement=False),
    Column("consumer", BigInteger),
    Column("debit", Text),
    Column("credit", Text),
    Column("amount_mongo", BigInteger),
    Column("posted_at", DateTime(timezone=True)),
)
ENTITLEMENTS = Table(
    "entitlements",
    METADATA,
    Column("consumer", BigInteger, primary_key=True),
    Column("month", Integer, primary_key=True),
    Column("claims", Integer),
    Column("vat_mongo", BigInteger),
    Column("amount_mongo", BigInteger),
)
CREDITS = Table(
    "credits",
    METADATA,
    Column("claim", BigInteger, primary_key=True),
    Column("consumer", BigInteger),
    Column("month", Integer),
    Column("vat_mongo", BigInteger),
    Column("amount_mongo", BigInteger),
    Column("state", Text),
    Column("step", Integer),
)
PAYOUTS = Table(
    "payouts",
    METADATA,
    Column("payout", BigInteger, primary_key=True),
    Column("consumer", BigInteger),
    Column("amount_mongo", BigInteger),
    Column("bank_account", Text),
    Column("state", Text),
    Column("reserved_at", DateTime(timezone=True)),
    Column("answered_at", DateTime(timezone=True)),
    Column("reason", Text),
)
CONSUMERS = Table(
    "consumers",
    METADATA,
    Column("consumer", BigInteger, primary_key=True),
    Column("login_no", Integer),
    Column("bank_account", Text),
)
CLAIM_OWNERS = Table(
    "claim_owners",
    METADATA,
    Column("consumer", BigInteger, primary_key=True),
    Column("claim", BigInteger, primary_key=True),
)
