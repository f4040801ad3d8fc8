"""What the law owes a consumer for the receipts of a month, and what one claim contributes to it.

entitlement(person, month) is the sum over the month's claims of the refund share of their eligible VAT, each rounded
down to a möngö (VAT law of 2015-07-09: 20 % of the VAT). Every posting is a delta to it. Because it is a sum, the delta
of one claim does not depend on the others; brackets by month would change that here, and then the row of the month has
to be read under the account's lock before the delta is taken.
"""

from dataclasses import dataclass

from kernel.clock import business_date
from receipts.claim import Claim, ClaimState
from receipts.rules import rules_on
from receipts.tax import refund
from refunds.ledger import Cause, Worth


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a claim contributes to its month: the VAT that counts and the consumer's share of it, in möngö."""

    vat_mongo: int
    amount_mongo: int
    state: ClaimState

    @property
    def worth(self) -> Worth:
        """What the ledger has to hold for the claim."""
        return Worth(self.amount_mongo, unreported=self.state is ClaimState.PROVISIONAL)


@dataclass(frozen=True, slots=True)
class Delta:
    """How entitlement(person, month) moves."""

    vat_mongo: int
    amount_mongo: int


def contribution_of(claim: Claim) -> Contribution:
    """Answer what a claim contributes, by the rules of the day on which its receipt was issued."""
    amount = refund(claim.eligible_vat_mongo, rules_on(business_date(claim.issued_at)))
    return Contribution(claim.eligible_vat_mongo, amount, claim.state)


def delta(before: Contribution, after: Contribution) -> Delta:
    """Answer how the month's entitlement moves when a claim's contribution changes."""
    return Delta(after.vat_mongo - before.vat_mongo, after.amount_mongo - before.amount_mongo)


def cause_of(before: ClaimState, after: ClaimState) -> Cause:
    """Answer why the contribution of a claim that was credited before changes."""
    if before is after:
        return Cause.CORRECTION
    return _REVIVED if before is ClaimState.LAPSED and after is ClaimState.FINAL else _CAUSES[after]


_REVIVED = Cause.REVIVAL
_CAUSES = {
    ClaimState.FINAL: Cause.REPORT,
    ClaimState.VOID: Cause.VOID,
    ClaimState.LAPSED: Cause.LAPSE,
}
