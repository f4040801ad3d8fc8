"""Who takes part in a month's draw, and why the others do not.

Every claim of the month becomes one leaf of the commitment, with the first status of this list that applies to it:

| code | status        | the claim ...                                                               | later draw |
|------|---------------|-----------------------------------------------------------------------------|------------|
| 1    | void          | is of a sale that was voided                                                | never      |
| 2    | business      | is of a receipt without a lottery number (a business's, or all NO_VAT)      | never      |
| 3    | own_seller    | is by somebody listed with a merchant of the bundle on that day             | never      |
| 4    | provisional   | is of a receipt that the till has not reported yet                          | when final |
| 5    | lapsed        | is of a receipt that was not reported within its deadline                   | when final |
| 6    | late          | came at or after the cut-off                                                | the next   |
| 7    | below_minimum | is of a bundle whose total, after its corrections, is below the minimum     | never      |
| 8    | over_cap      | is more than one consumer may enter of one seller and day                   | never      |
| 0    | eligible      | takes part, with the eight digits of its lottery number                     | never      |
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from lottery.rules import DrawRules
from receipts.claim import ClaimState


class Status(IntEnum):
    """What became of a claim in a draw; the number is the first byte of its leaf."""

    ELIGIBLE = 0
    VOID = 1
    BUSINESS = 2
    OWN_SELLER = 3
    PROVISIONAL = 4
    LAPSED = 5
    LATE = 6
    BELOW_MINIMUM = 7
    OVER_CAP = 8

    @property
    def word(self) -> str:
        """The status as transcripts and answers spell it."""
        return self.name.lower()


ROLLING = (Status.PROVISIONAL, Status.LAPSED, Status.LATE)
"""A claim listed with one of these may be entered in a later draw."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A claim as the close finds it. `total_mongo` and `void` are the bundle's after all that followed its root."""

    claim: int
    root_hash: bytes
    consumer: int
    seller: int
    day: int
    claimed_at: datetime
    state: ClaimState
    void: bool
    lottery: bool
    own_seller: bool
    total_mongo: int
    entered_before: int
    """How many receipts of the same consumer, seller and day earlier draws hold; 0 but for claims that rolled over."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A claim with what becomes of it."""

    claim: int
    root_hash: bytes
    status: Status


def judge(candidates: Iterable[Candidate], rules: DrawRules, cut_off: datetime) -> Iterator[Entry]:
    """Answer each candidate's entry, in the given order.

    The candidates must come ordered by consumer, seller, day, time of claim and claim, so that the cap needs no memory.
    """
    group: tuple[int, int, int] | None = None
    entered = 0
    for candidate in candidates:
        found = (candidate.consumer, candidate.seller, candidate.day)
        if found != group:
            assert group is None or group < found, "candidates must come in groups"
            group, entered = found, candidate.entered_before
        status = _own_status(candidate, rules, cut_off)
        if status is Status.ELIGIBLE:
            status = Status.ELIGIBLE if entered < rules.cap_per_seller_day else Status.OVER_CAP
            entered += status is Status.ELIGIBLE
        yield Entry(candidate.claim, candidate.root_hash, status)


def _own_status(candidate: Candidate, rules: DrawRules, cut_off: datetime) -> Status:
    """Answer the first status that applies to a claim by itself, without regard to the cap."""
    applies = (
        (Status.VOID, candidate.void or candidate.state is ClaimState.VOID),
        (Status.BUSINESS, not candidate.lottery),
        (Status.OWN_SELLER, candidate.own_seller),
        (Status.PROVISIONAL, candidate.state is ClaimState.PROVISIONAL),
        (Status.LAPSED, candidate.state is ClaimState.LAPSED),
        (Status.LATE, candidate.claimed_at >= cut_off),
        (Status.BELOW_MINIMUM, candidate.total_mongo < rules.minimum_mongo),
    )
    return next((status for status, holds in applies if holds), Status.ELIGIBLE)
