"""Show officers what they ask for, after writing down that they asked: both in the caller's one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from analytics.purpose import Purpose
from analytics.store import consulting
from analytics.store.consulting import AnyRow, Page, Run
from kernel.clock import Clock, Month
from kernel.refusal import Refusal


class SellerUnknown(Refusal):
    """No seller with this TIN is enrolled."""

    code = "seller_unknown"


class NotAnOfficer(Refusal):
    """Whoever asks is not enrolled as a tax officer, or no longer."""

    code = "forbidden"


@dataclass(frozen=True, slots=True)
class Consulted:
    """The newest run of a month and its findings; no run, no findings."""

    run: Run | None
    findings: Sequence[AnyRow]


def consult_findings(connection: Connection, clock: Clock, *, purpose: Purpose, month: Month) -> Consulted:
    """Answer what the newest run found in a month, and record the look. Raises `NotAnOfficer`."""
    _require_officer(connection, purpose)
    consulting.record_access(connection, purpose, what="findings", month=month, at=clock())
    run = consulting.latest_run(connection, month)
    return Consulted(run, [] if run is None else consulting.findings_of(connection, run.run))


def consult_receipts(
    connection: Connection, clock: Clock, *, purpose: Purpose, tin: str, month: Month, page: Page
) -> Sequence[AnyRow]:
    """Answer a seller's links of a month, and record the look. Raises `NotAnOfficer` or `SellerUnknown`."""
    _require_officer(connection, purpose)
    seller = consulting.find_seller(connection, tin)
    if seller is None:
        raise SellerUnknown
    consulting.record_access(connection, purpose, what="receipts", month=month, at=clock(), seller=seller)
    return consulting.receipts_of(connection, seller, month, page)


def consult_forks(
    connection: Connection, clock: Clock, *, purpose: Purpose, month: Month, after: bytes | None, limit: int
) -> Sequence[AnyRow]:
    """Answer the second branches of tills' chains that were received in a month, and record the look. Raises
    `NotAnOfficer`.
    """
    _require_officer(connection, purpose)
    consulting.record_access(connection, purpose, what="forks", month=month, at=clock())
    return consulting.forks_of(connection, month, after=after, limit=limit)


def _require_officer(connection: Connection, purpose: Purpose) -> None:
    if not consulting.is_officer(connection, purpose.officer):
        raise NotAnOfficer
