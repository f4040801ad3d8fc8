"""The gateway's tables as a team would map them first: SQLAlchemy's declarative ORM."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, DateTime, LargeBinary, SmallInteger, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column


class Base(DeclarativeBase):
    """What the mapped classes have in common."""

    type_annotation_map = {  # noqa: RUF012 - as SQLAlchemy wants it
        int: BigInteger(),
        bytes: LargeBinary(),
        str: Text(),
        datetime: DateTime(timezone=True),
        list[int]: ARRAY(BigInteger()),
    }


class TerminalRow(Base):
    """A terminal, as far as issuing asks for it."""

    __tablename__ = "terminals"
    __table_args__ = {"schema": "pos"}  # noqa: RUF012 - as SQLAlchemy wants it

    seller: Mapped[int] = mapped_column(primary_key=True)
    terminal: Mapped[int] = mapped_column(primary_key=True)
    mode: Mapped[str]
    branch: Mapped[int] = mapped_column(SmallInteger())
    epoch: Mapped[int]
    suspended_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class ChainRow(Base):
    """Where a chain stands."""

    __tablename__ = "chains"
    __table_args__ = {"schema": "pos"}  # noqa: RUF012 - as SQLAlchemy wants it

    seller: Mapped[int] = mapped_column(primary_key=True)
    terminal: Mapped[int] = mapped_column(primary_key=True)
    counter: Mapped[int]
    head_hash: Mapped[bytes]
    turnover_mongo: Mapped[int]
    day: Mapped[int]
    next_number: Mapped[int]
    last_issued_at: Mapped[datetime]


class IdempotencyRow(MappedAsDataclass, Base):
    """Which receipt a key stands for."""

    __tablename__ = "idempotency"
    __table_args__ = {"schema": "pos"}  # noqa: RUF012 - as SQLAlchemy wants it

    seller: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    received_month: Mapped[int] = mapped_column(primary_key=True)
    content_hash: Mapped[bytes]
    terminal: Mapped[int]
    day: Mapped[int]
    number: Mapped[int]


class ReceiptRow(MappedAsDataclass, Base):
    """A stored receipt: the fields of `receipts.stored.StoredReceipt`."""

    __tablename__ = "receipts"
    __table_args__ = {"schema": "pos"}  # noqa: RUF012 - as SQLAlchemy wants it

    seller: Mapped[int] = mapped_column(primary_key=True)
    terminal: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    branch: Mapped[int] = mapped_column(SmallInteger())
    root_terminal: Mapped[int]
    root_day: Mapped[int]
    root_number: Mapped[int]
    issued_at: Mapped[datetime]
    received_at: Mapped[datetime]
    kind: Mapped[int] = mapped_column(SmallInteger())
    counter: Mapped[int]
    total_mongo: Mapped[int]
    vat_mongo: Mapped[int]
    city_tax_mongo: Mapped[int]
    turnover_mongo: Mapped[int]
    cose: Mapped[bytes]
    receipt_hash: Mapped[bytes]
    document: Mapped[bytes]
    document_hash: Mapped[bytes]
    reference: Mapped[str | None]
    payments: Mapped[str | None]
    computed_vat_mongo: Mapped[int]
    part_merchants: Mapped[list[int]]
    part_tax_types: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger()))
    part_totals_mongo: Mapped[list[int]]
    part_vats_mongo: Mapped[list[int]]
    part_city_taxes_mongo: Mapped[list[int]]
