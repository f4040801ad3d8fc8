"""Forks over HTTP, for tax officers: tills that were copied, or put back from a backup, with what both branches say."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from analytics.asking import CaseText, MonthText, PurposeText, clock_of, database_of
from analytics.consult import consult_forks
from analytics.purpose import Purpose
from analytics.store.consulting import AnyRow
from kernel.clock import Month, format_instant
from kernel.identity import format_terminal
from kernel.refusal import Fault, Malformed
from receipts.ids import ReceiptId
from receipts.receipt import Kind
from runtime.database import Role

FORKS_LISTED_MAX = 500


class ForkOut(BaseModel):
    """A link that a till signed after one that it had signed another one after, or that builds on such a link. It is
    kept as evidence and is no receipt of its id. `suspended_for` tells why the terminal is suspended now.
    """

    hash: str
    seller_tin: str
    name: str
    terminal: str
    id: str
    counter: int
    previous_hash: str
    nature: str
    issued_at: str
    received_at: str
    total_mongo: int
    vat_mongo: int
    suspended_at: str | None
    suspended_for: str | None
    closed_at: str | None


class ForksOut(BaseModel):
    """Forks received in a month, in the order in which they came; `next_after` asks for those that follow."""

    month: str
    forks: list[ForkOut]
    next_after: str | None


def add_forks(router: APIRouter, current_officer: Callable[..., Any]) -> None:
    """Add the route to the officers' router."""
    officer_of = Annotated[str, Depends(current_officer)]

    @router.get("/forks", tags=["officers"], summary="Tills with two branches of one chain")
    def get_forks(
        request: Request,
        month: MonthText,
        purpose: PurposeText,
        case: CaseText,
        officer: officer_of,
        after: Annotated[str | None, Query(max_length=64, description="the hash of the fork that came last")] = None,
    ) -> ForksOut:
        """Answer 500 of the forks that were received in a month at a time; `next_after`, sent as `after`, asks for
        those that follow. The other branch is among the seller's receipts, under the same counters. The look is
        recorded with its purpose and case.
        """
        asked = Month.parse(month)
        why = Purpose.parse(officer=officer, purpose=purpose, case=case)
        last = None if after is None else _hash(after)
        with database_of(request).transaction(Role.OFFICER) as connection:
            rows = consult_forks(
                connection, clock_of(request), purpose=why, month=asked, after=last, limit=FORKS_LISTED_MAX
            )
        forks = [_fork(row) for row in rows]
        more = len(forks) == FORKS_LISTED_MAX
        return ForksOut(month=month, forks=forks, next_after=forks[-1].hash if more else None)


def _hash(text: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise Malformed(Fault("wrong_form", "/after", "64 hexadecimal digits"))
    return bytes.fromhex(text)


def _fork(row: AnyRow) -> ForkOut:
    kind = Kind.of_int(row.kind)
    assert kind is not None
    return ForkOut(
        hash=row.receipt_hash.hex(),
        seller_tin=row.tin,
        name=row.name,
        terminal=format_terminal(row.terminal),
        id=str(ReceiptId(row.seller, row.branch, row.day, row.number, row.terminal)),
        counter=row.counter,
        previous_hash=row.previous_hash.hex(),
        nature=kind.nature.name,
        issued_at=format_instant(row.issued_at),
        received_at=format_instant(row.received_at),
        total_mongo=row.total_mongo,
        vat_mongo=row.vat_mongo,
        suspended_at=None if row.suspended_at is None else format_instant(row.suspended_at),
        suspended_for=row.suspended_for,
        closed_at=None if row.closed_at is None else format_instant(row.closed_at),
    )
