"""Check the ledger against what it follows from: its transfers, the claims, the receipts, the payouts."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from kernel.clock import date_of_day
from receipts.rules import rules_on
from refunds.store import checking
from refunds.store.checking import Row

BREACHES_MAX = 100
"""Breaches listed of one invariant; one is bad enough."""


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that breaks an invariant: which, on what (a consumer, a claim), what it should be and what it is."""

    invariant: str
    subject: str
    expected: str
    found: str


def check_ledger(connection: Connection) -> list[Breach]:
    """Answer every breach found, at most `BREACHES_MAX` of each invariant; none is how it should be.

    Drain the outbox first. Wants a transaction that sees one moment (REPEATABLE READ) when others are at work.
    """
    breaches = []
    for invariant in checking.INVARIANTS:
        breaches += _breaches(invariant, checking.broken(connection, invariant, limit=BREACHES_MAX))
    days = checking.credited_days(connection)
    percents = [rules_on(date_of_day(day)).refund_share_percent for day in days]
    wrong = checking.wrong_shares(connection, days, percents, limit=BREACHES_MAX)
    return breaches + _breaches("share_of_vat", wrong)


def _breaches(invariant: str, rows: Iterable[Row]) -> list[Breach]:
    return [Breach(invariant, subject, str(expected), str(found)) for subject, expected, found in rows]
