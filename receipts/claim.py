"""A claim: whose receipt it is, in which state, and how much VAT of it counts. Pure values."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kernel.clock import Month
from receipts.ids import ReceiptId
from receipts.receipt import LotteryNumber, TaxType


class ClaimState(StrEnum):
    """Where a claim stands."""

    PROVISIONAL = "provisional"
    """Scanned before the till reported the receipt. The report makes it final, the deadline lets it lapse."""
    FINAL = "final"
    """The receipt is stored. Only a void leaves this state."""
    LAPSED = "lapsed"
    """Not reported in time; a later report revives it."""
    VOID = "void"
    """The receipt was voided. The end."""


NEXT_STATES: Mapping[ClaimState, frozenset[ClaimState]] = {
    ClaimState.PROVISIONAL: frozenset({ClaimState.FINAL, ClaimState.LAPSED, ClaimState.VOID}),
    ClaimState.FINAL: frozenset({ClaimState.VOID}),
    ClaimState.LAPSED: frozenset({ClaimState.FINAL, ClaimState.VOID}),
    ClaimState.VOID: frozenset(),
}
"""The one table of transitions."""


class Via(StrEnum):
    """How a claim came in."""

    QR = "qr"
    HAND = "hand"
    EASY = "easy"
    """The consumer's login number was given at the till."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it stands: what a refund and a draw follow from.

    `issued_at` is the root's (of an unreported receipt the scanned link's). `eligible_vat_mongo` is the VAT of the
    bundle after all corrections that VAT payers charged on taxable parts; 0 when the claim is void or lapsed.
    """

    claim: int
    consumer: int
    state: ClaimState
    issued_at: datetime
    eligible_vat_mongo: int

    def __post_init__(self) -> None:
        assert self.eligible_vat_mongo >= 0
        assert self.state in {ClaimState.PROVISIONAL, ClaimState.FINAL} or self.eligible_vat_mongo == 0

    @property
    def month(self) -> Month:
        """The business month to which the claim belongs."""
        return Month.of(self.issued_at)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a consumer is told about a claim. `fresh` is false when the same consumer had claimed it before.

    Amounts are the bundle's after all corrections; `root_id` names an unreported receipt by the scanned link.
    """

    claim: Claim
    fresh: bool
    root_id: ReceiptId
    seller_tin: str
    seller_name: str
    total_mongo: int
    vat_mongo: int
    lottery: LotteryNumber | None


STATED_ABOVE_MAX_MONGO = 500
"""A möngö for each of the 500 lines that a receipt may have."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle holds at present: its last link's amounts, one merchant, tax type and VAT a part, and the VAT that
    the law computes of it.
    """

    total_mongo: int
    vat_mongo: int
    merchants: Sequence[int]
    tax_types: Sequence[int]
    vats_mongo: Sequence[int]
    computed_vat_mongo: int
    by_till: bool

    @property
    def negated(self) -> "Bundle":
        """The bundle that a void took back, from the void's negative amounts."""
        vats = [-vat for vat in self.vats_mongo]
        computed = -self.computed_vat_mongo
        return Bundle(
            -self.total_mongo, -self.vat_mongo, self.merchants, self.tax_types, vats, computed, self.by_till
        )  # fmt: skip

    def eligible_vat_mongo(self, vat_payers: Collection[int]) -> int:
        """Answer the VAT that counts for a refund: of taxable parts whose merchant was a VAT payer that day.

        A till may sign any VAT, and it is stored as it was signed; where it is more than a möngö a line above what the
        law computes nobody is refunded more than that.
        """
        parts = zip(self.merchants, self.tax_types, self.vats_mongo, strict=True)
        stated = sum(
            vat for merchant, tax_type, vat in parts if tax_type == TaxType.VAT_ABLE and merchant in vat_payers
        )
        if self.by_till and stated > self.computed_vat_mongo + STATED_ABOVE_MAX_MONGO:
            stated = self.computed_vat_mongo
        return max(stated, 0)


def month_ordinal(month: Month) -> int:
    """Answer a month as the tables hold it: year x 12 + month - 1."""
    return month.year * 12 + month.number - 1
