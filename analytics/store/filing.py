"""SQL of declarations: filing a version, and what is on file."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from analytics.tables import DECLARATIONS
from kernel.clock import Month
from receipts.claim import month_ordinal


@dataclass(frozen=True, slots=True)
class Filed:
    """A declaration on file. Amounts in möngö, revenue net of VAT and city tax."""

    seller: int
    month: Month
    version: int
    net_revenue_mongo: int
    vat_mongo: int
    client_id: str
    declared_at: datetime


def latest_version(connection: Connection, seller: int, month: Month) -> int:
    """Answer the highest version on file, 0 where there is none."""
    filed = select(func.coalesce(func.max(DECLARATIONS.c.version), 0)).where(
        DECLARATIONS.c.seller == seller, DECLARATIONS.c.month == month_ordinal(month)
    )
    return int(connection.execute(filed).scalar_one())


def find(connection: Connection, seller: int, month: Month, version: int) -> Filed | None:
    """Answer one version."""
    key = (DECLARATIONS.c.seller == seller, DECLARATIONS.c.month == month_ordinal(month))
    row = connection.execute(select(DECLARATIONS).where(*key, DECLARATIONS.c.version == version)).one_or_none()
    if row is None:
        return None
    return Filed(seller, month, row.version, row.net_revenue_mongo, row.vat_mongo, row.client_id, row.declared_at)


def add(connection: Connection, filed: Filed) -> bool:
    """File a version unless there is one; answer whether it was filed."""
    row = {
        "seller": filed.seller,
        "month": month_ordinal(filed.month),
        "version": filed.version,
        "net_revenue_mongo": filed.net_revenue_mongo,
        "vat_mongo": filed.vat_mongo,
        "client_id": filed.client_id,
        "declared_at": filed.declared_at,
    }
    filing = insert(DECLARATIONS).values(row).on_conflict_do_nothing().returning(DECLARATIONS.c.version)
    return connection.execute(filing).one_or_none() is not None
