"""The tables of the draws (SQLAlchemy Core). Migration 0003 makes them."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, MetaData, SmallInteger, Table, Text

METADATA = MetaData(schema="lottery")

DRAWS = Table(
    "draws",
    METADATA,
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("commitment", LargeBinary),
    Column("commitment_hash", LargeBinary),
    Column("rules", Text),
    Column("closed_at", DateTime(timezone=True)),
)
ENTRIES = Table(
    "entries",
    METADATA,
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("claim", BigInteger),
    Column("leaf", LargeBinary),
    Column("status", SmallInteger),
)
TREE = Table(
    "tree",
    METADATA,
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary),
)
TRANSCRIPTS = Table(
    "transcripts",
    METADATA,
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("main_number", Text),
    Column("super_number", Text),
    Column("transcript", LargeBinary),
    Column("drawn_at", DateTime(timezone=True)),
)
PRIZES = Table(
    "prizes",
    METADATA,
    Column("month", Integer),
    Column("claim", BigInteger, primary_key=True, autoincrement=False),
    Column("tier", SmallInteger, primary_key=True, autoincrement=False),
    Column("amount_mongo", BigInteger),
)
SECRETS = Table(
    "draw_secrets",
    METADATA,
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary),
    schema="private",
)
