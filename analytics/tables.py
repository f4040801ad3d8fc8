"""The tables of declarations, accesses and findings, as SQLAlchemy Core sees them. Migration 0004 makes them."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

TAX = MetaData(schema="tax")

DECLARATIONS = Table(
    "declarations",
    TAX,
    Column("seller", BigInteger, primary_key=True, autoincrement=False),
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("net_revenue_mongo", BigInteger),
    Column("vat_mongo", BigInteger),
    Column("client_id", Text),
    Column("declared_at", DateTime(timezone=True)),
)
ACCESSES = Table(
    "accesses",
    TAX,
    Column("access", BigInteger, Identity(always=True), primary_key=True),
    Column("officer", Text),
    Column("purpose", Text),
    Column("case_number", Text),
    Column("what", Text),
    Column("month", Integer),
    Column("seller", BigInteger),
    Column("accessed_at", DateTime(timezone=True)),
)
RUNS = Table(
    "runs",
    TAX,
    Column("run", BigInteger, Identity(always=True), primary_key=True),
    Column("access", BigInteger),
    Column("month", Integer),
    Column("as_of", DateTime(timezone=True)),
    Column("findings_hash", LargeBinary),
)
FINDINGS = Table(
    "findings",
    TAX,
    Column("run", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("seller", BigInteger),
    Column("rule", Text),
    Column("level", Text),
    Column("score", Integer),
    Column("effect", Text),
    Column("unit", Text),
    Column("threshold", Text),
    Column("sample", BigInteger),
    Column("evidence", JSONB),
    Column("reason_en", Text),
    Column("reason_mn", Text),
    Column("receipts", ARRAY(Text)),
)

SELLERS = Table(
    "sellers",
    MetaData(schema="pos"),
    Column("seller", BigInteger, primary_key=True, autoincrement=False),
    Column("tin", Text),
    Column("name", Text),
)
RECEIPTS = Table(
    "receipts",
    MetaData(schema="pos"),
    Column("seller", BigInteger, primary_key=True, autoincrement=False),
    Column("terminal", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("branch", SmallInteger),
    Column("issued_at", DateTime(timezone=True)),
    Column("kind", SmallInteger),
    Column("total_mongo", BigInteger),
    Column("vat_mongo", BigInteger),
    Column("city_tax_mongo", BigInteger),
    Column("receipt_hash", LargeBinary),
)
FORKS = Table(
    "forks",
    MetaData(schema="pos"),
    Column("seller", BigInteger, primary_key=True, autoincrement=False),
    Column("receipt_hash", LargeBinary, primary_key=True),
    Column("terminal", Integer),
    Column("day", Integer),
    Column("number", Integer),
    Column("branch", SmallInteger),
    Column("issued_at", DateTime(timezone=True)),
    Column("received_at", DateTime(timezone=True)),
    Column("kind", SmallInteger),
    Column("counter", BigInteger),
    Column("total_mongo", BigInteger),
    Column("vat_mongo", BigInteger),
    Column("previous_hash", LargeBinary),
)
TERMINALS = Table(
    "terminals",
    MetaData(schema="pos"),
    Column("seller", BigInteger, primary_key=True, autoincrement=False),
    Column("terminal", Integer, primary_key=True, autoincrement=False),
    Column("suspended_at", DateTime(timezone=True)),
    Column("suspended_for", Text),
    Column("closed_at", DateTime(timezone=True)),
)
LINK_FINDINGS = Table(
    "link_findings",
    MetaData(schema="pos"),
    Column("seller", BigInteger, primary_key=True, autoincrement=False),
    Column("receipt_hash", LargeBinary, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("expected", Text),
)
TAX_MONTHS = Table(
    "tax_months",
    MetaData(schema="pos"),
    Column("seller", BigInteger, primary_key=True, autoincrement=False),
    Column("terminal", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tax_month", Integer),
)
CLAIMS = Table(
    "claims",
    MetaData(schema="claims"),
    Column("claim", BigInteger),
    Column("seller", BigInteger),
    Column("month", Integer),
)
OFFICERS = Table(
    "officers",
    MetaData(schema="auth"),
    Column("officer_id", Text, primary_key=True),
    Column("revoked_at", DateTime(timezone=True)),
)
CLAIM_OWNERS = Table(
    "claim_owners",
    MetaData(schema="private"),
    Column("consumer", BigInteger),
    Column("claim", BigInteger),
)
