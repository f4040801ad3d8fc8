"""SQL of looking: the record of every look, the runs with their findings, and a seller's receipts of a month."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, func, insert, select, tuple_

from analytics.purpose import Purpose
from analytics.tables import (
    ACCESSES,
    CLAIM_OWNERS,
    CLAIMS,
    FINDINGS,
    FORKS,
    LINK_FINDINGS,
    OFFICERS,
    RECEIPTS,
    RUNS,
    SELLERS,
    TAX_MONTHS,
    TERMINALS,
)
from kernel.clock import Month
from receipts.claim import month_ordinal

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
_PLACE = (RECEIPTS.c.seller, RECEIPTS.c.terminal, RECEIPTS.c.day, RECEIPTS.c.number)
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
    """Answer a seller's links of a month by day, terminal and number, each with its `tax_month`, null where it counts
    for the month of its issue, and the codes of its `findings`, null without any.
    """
    of_link = (LINK_FINDINGS.c.seller == RECEIPTS.c.seller, LINK_FINDINGS.c.receipt_hash == RECEIPTS.c.receipt_hash)
    codes = select(func.array_agg(LINK_FINDINGS.c.code.distinct())).where(*of_link).scalar_subquery()
    listed = (
        select(RECEIPTS, TAX_MONTHS.c.tax_month, codes.label("findings"))
        .outerjoin(TAX_MONTHS, tuple_(*_PLACE) == tuple_(*(TAX_MONTHS.c[column.name] for column in _PLACE)))
        .where(RECEIPTS.c.seller == seller, RECEIPTS.c.day >= month.first_day, RECEIPTS.c.day < month.end_day)
    )
    if page.after is not None:
        listed = listed.where(tuple_(*_KEY) > page.after)
    return connection.execute(listed.order_by(*_KEY).limit(page.limit)).all()


def forks_of(connection: Connection, month: Month, *, after: bytes | None, limit: int) -> Sequence[AnyRow]:
    """Answer the forks received in a month in the order in which they came, those after the one of a hash: with `tin`
    and `name` of the seller and how the terminal stands.
    """
    order = (FORKS.c.received_at, FORKS.c.seller, FORKS.c.terminal, FORKS.c.counter, FORKS.c.receipt_hash)
    shown = (SELLERS.c.tin, SELLERS.c.name, TERMINALS.c.suspended_at, TERMINALS.c.suspended_for, TERMINALS.c.closed_at)
    listed = (
        select(FORKS, *shown)
        .join(SELLERS, SELLERS.c.seller == FORKS.c.seller)
        .join(TERMINALS, (TERMINALS.c.seller == FORKS.c.seller) & (TERMINALS.c.terminal == FORKS.c.terminal))
        .where(FORKS.c.received_at >= month.starts_at, FORKS.c.received_at < month.ends_at)
    )
    if after is not None:
        last = FORKS.alias("last")
        place = select(*(last.c[column.name] for column in order)).where(last.c.receipt_hash == after).limit(1)
        listed = listed.where(tuple_(*order) > place.scalar_subquery())
    return connection.execute(listed.order_by(*order).limit(limit)).all()


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
