"""A payout: an order to the bank, what the bank can answer, and the consumer's account number. Pure values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kernel.refusal import Fault, Malformed

REASON_MAX = 255


class PayoutState(StrEnum):
    """Where a payout stands. An order that the bank has not answered is reserved for as long as that takes: unknown is
    never treated as failed.
    """

    RESERVED = "reserved"
    """The money is set aside and the order may be sent, again and again under its number."""
    PAID = "paid"
    """The bank says that it paid."""
    RETURNED = "returned"
    """The bank sent the money back, at once or later. The end."""


NEXT_STATES: Mapping[PayoutState, frozenset[PayoutState]] = {
    PayoutState.RESERVED: frozenset({PayoutState.PAID, PayoutState.RETURNED}),
    PayoutState.PAID: frozenset({PayoutState.RETURNED}),
    PayoutState.RETURNED: frozenset(),
}
"""The one table of transitions."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the bank is asked to pay. `payout` is the number under which it must never pay twice; amounts in möngö."""

    payout: int
    bank_account: str
    amount_mongo: int


@dataclass(frozen=True, slots=True)
class Paid:
    """The bank paid an order."""

    payout: int

    @property
    def state(self) -> PayoutState:
        """Where the answer leads."""
        return PayoutState.PAID


@dataclass(frozen=True, slots=True)
class Returned:
    """The bank returned the money of an order, paid before or not, for a reason in its words."""

    payout: int
    reason: str

    @property
    def state(self) -> PayoutState:
        """Where the answer leads."""
        return PayoutState.RETURNED


Answer = Paid | Returned


def parse_bank_account(text: str, path: str = "/bank_account") -> str:
    """Read a bank account: 5 to 34 digits and capital letters without spaces (an IBAN, ISO 13616, has 34 at most).
    Raises `Malformed` with `wrong_form`.
    """
    if not re.fullmatch(r"[A-Z0-9]{5,34}", text):
        raise Malformed(Fault("wrong_form", path, "5 to 34 digits and capital letters, as MN120005005001234567"))
    return text
