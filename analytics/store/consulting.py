"""SQL of looking: the record of every look, the runs with their findings, and a seller's receipts of a month."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, insert, select, tuple_

from analytics.purpose import Purpose
from analytics.tables import ACCESSES, CLAIM_OWNERS, CLAIMS, FINDINGS, OFFICERS, RECEIPTS, RUNS, SELLERS
from kernel.clock import Month
from receipts.claim import month_ordinal

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
_KEY = (RECEIPTS.c.day, RECEIPTS.c.terminal, RECEIPTS.c.number)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the plausibility job."""

    run: int
    month: Month
    as_of: datetime
    findings_hash: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a list: at most so many rows, those after the last (day, terminal, number) already had."""

    limit: int
    after: tuple[int, int, int] | None = None


def month_of_ordinal(ordinal: int) -> Month:
    """Answer the month that is stored as year x 12 + month - 1."""
    return Month(ordinal // 12, ordinal % 12 + 1)


def is_officer(connection: Connection, officer: str) -> bool:
    """Whether an officer is enrolled now."""
    enrolled = select(OFFICERS.c.officer_id).where(OFFICERS.c.officer_id == officer, OFFICERS.c.revoked_at.is_(None))
    return connection.execute(enrolled).one_or_none() is not None


def record_access(
    connection: Connection, purpose: Purpose, *, what: str, month: Month, at: datetime, seller: int | None = None
) -> int:
    """Record a look, and answer its number."""
    row = {
        "officer": purpose.officer,
        "purpose": purpose.purpose,
        "case_number": purpose.case,
        "what": what,
        "month": month_ordinal(month),
        "seller": seller,
        "accessed_at": at,
    }
    return int(connection.execute(insert(ACCESSES).values(row).returning(ACCESSES.c.access)).scalar_one())


def add_run(
    connection: Connection,
    *,
    access: int,
    month: Month,
    as_of: datetime,
    findings: Iterable[Mapping[str, Any]],
    digest: bytes,
) -> int:
    """Keep a run with its findings, in their order, and answer its number."""
    row = {"access": access, "month": month_ordinal(month), "as_of": as_of, "findings_hash": digest}
    run = int(connection.execute(insert(RUNS).values(row).returning(RUNS.c.run)).scalar_one())
    rows = [_stored(run, place, found) for place, found in enumerate(findings)]
    if rows:
        connection.execute(insert(FINDINGS), rows)
    return run


def latest_run(connection: Connection, month: Month) -> Run | None:
    """Answer the newest run of a month."""
    newest = select(RUNS).where(RUNS.c.month == month_ordinal(month)).order_by(RUNS.c.run.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else Run(row.run, month, row.as_of, row.findings_hash)


def findings_of(connection: Connection, run: int) -> Sequence[AnyRow]:
    """Answer a run's findings with `tin` and `name`, in their order."""
    columns = [column for column in FINDINGS.c if column.name not in ("run", "place")]
    found = select(*columns, SELLERS.c.tin, SELLERS.c.name).join(SELLERS, SELLERS.c.seller == FINDINGS.c.seller)
    return connection.execute(found.where(FINDINGS.c.run == run).order_by(FINDINGS.c.place)).all()


def find_seller(connection: Connection, tin: str) -> int | None:
    """Answer the number of an enrolled seller."""
    return connection.execute(select(SELLERS.c.seller).where(SELLERS.c.tin == tin)).scalar_one_or_none()


def receipts_of(connection: Connection, seller: int, month: Month, page: Page) -> Sequence[AnyRow]:
    """Answer a seller's links of a month by day, terminal and number."""
    listed = select(RECEIPTS).where(
        RECEIPTS.c.seller == seller, RECEIPTS.c.day >= month.first_day, RECEIPTS.c.day < month.end_day
    )
    if page.after is not None:
        listed = listed.where(tuple_(*_KEY) > page.after)
    return connection.execute(listed.order_by(*_KEY).limit(page.limit)).all()


def accesses_to(connection: Connection, consumer: int, *, before: int | None, limit: int) -> Sequence[AnyRow]:
    """Answer the looks at receipts of sellers and months in which a consumer has claimed one, newest first."""
    own = (
        select(CLAIMS.c.claim)
        .join(CLAIM_OWNERS, CLAIM_OWNERS.c.claim == CLAIMS.c.claim)
        .where(
            CLAIM_OWNERS.c.consumer == consumer,
            CLAIMS.c.seller == ACCESSES.c.seller,
            CLAIMS.c.month == ACCESSES.c.month,
        )
    )
    shown = [column for column in ACCESSES.c if column.name != "officer"]
    looked = select(*shown, SELLERS.c.tin, SELLERS.c.name).join(SELLERS, SELLERS.c.seller == ACCESSES.c.seller)
    if before is not None:
        looked = looked.where(ACCESSES.c.access < before)
    return connection.execute(looked.where(own.exists()).order_by(ACCESSES.c.access.desc()).limit(limit)).all()


def _stored(run: int, place: int, found: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in found.items() if name not in ("month", "tin")}
    evidence = [[figure["name"], figure["value"]] for figure in found["evidence"]]
    return kept | {"run": run, "place": place, "evidence": evidence}
