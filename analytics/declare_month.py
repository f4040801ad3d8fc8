"""File what a seller declares for a month."""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from analytics.store import filing
from analytics.store.filing import Filed
from kernel.clock import Clock, Month
from kernel.refusal import Fault, Malformed


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a seller says. Amounts in möngö, revenue net of VAT and city tax."""

    month: Month
    version: int
    net_revenue_mongo: int
    vat_mongo: int


@dataclass(frozen=True, slots=True)
class Declared:
    """The declaration on file, and whether this call filed it."""

    filed: Filed
    repeated: bool


def declare_month(
    connection: Connection, clock: Clock, *, seller: int, client_id: str, declaration: Declaration
) -> Declared:
    """File a version of a month's declaration. The same version with the same amounts again answers what is on file.

    Versions are numbered from 1 without a gap, so that an amendment is never lost unseen: any other number, and a used
    one with other amounts, raises `Malformed` with `out_of_range` at /version naming the next.
    """
    filed = Filed(
        seller=seller,
        month=declaration.month,
        version=declaration.version,
        net_revenue_mongo=declaration.net_revenue_mongo,
        vat_mongo=declaration.vat_mongo,
        client_id=client_id,
        declared_at=clock(),
    )
    latest = filing.latest_version(connection, seller, declaration.month)
    if declaration.version == latest + 1 and filing.add(connection, filed):
        return Declared(filed, repeated=False)
    known = filing.find(connection, seller, declaration.month, declaration.version)
    if known is None or known != replace(filed, client_id=known.client_id, declared_at=known.declared_at):
        raise Malformed(Fault("out_of_range", "/version", str(max(latest, known.version if known else 0) + 1)))
    return Declared(known, repeated=True)
