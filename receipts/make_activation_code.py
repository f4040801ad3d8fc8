"""Make a code with which a till of a seller is activated once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from kernel.clock import Clock
from kernel.identity import TERMINAL_MAX, format_terminal
from kernel.refusal import Refusal
from receipts.activation_code import CODE_BYTES, GOOD_FOR, code_of
from receipts.enrol import SellerUnknown, TerminalExists, check_terminal
from receipts.store import activating, enrolling

FIRST_NUMBER = 10_000_001
"""Where the numbers of terminals begin that nobody has chosen."""


class TerminalNumbersExhausted(Refusal):
    """The seller has no free terminal number from `FIRST_NUMBER` on."""

    code = "terminal_numbers_exhausted"


@dataclass(frozen=True, slots=True)
class NewTill:
    """A till to come: the next free number where none is chosen, the seller's district where none is named."""

    seller_tin: str
    number: int | None = None
    branch: int = 1
    district: str | None = None


@dataclass(frozen=True, slots=True)
class MadeCode:
    """A code, which is stored nowhere, and the terminal that it is for."""

    code: str
    terminal: int
    expires_at: datetime


def make_activation_code(
    connection: Connection, real_clock: Clock, *, till: NewTill, draw: Callable[[int], bytes]
) -> MadeCode:
    """Make and store a code; one for the same terminal that was not used yet is good no longer.

    `real_clock` tells the real time, by which codes expire, and `draw(n)` n random bytes. Raises `Malformed`,
    `SellerUnknown`, `TerminalExists` or `TerminalNumbersExhausted`.
    """
    seller = enrolling.find_seller(connection, till.seller_tin)
    if seller is None:
        raise SellerUnknown(tin=till.seller_tin)
    district = till.district or seller["district"]
    check_terminal(till.branch, district)
    terminal = till.number
    if terminal is None:
        terminal = activating.free_number(connection, seller["seller"], before=FIRST_NUMBER - 1)
    if terminal > TERMINAL_MAX:
        raise TerminalNumbersExhausted
    if activating.find_terminal(connection, seller["seller"], terminal) is not None:
        raise TerminalExists(terminal=format_terminal(terminal))
    code, now = code_of(draw(CODE_BYTES)), real_clock()
    made = MadeCode(code, terminal, now + GOOD_FOR)
    activating.add_code(
        connection,
        {
            "code": code,
            "seller": seller["seller"],
            "terminal": terminal,
            "branch": till.branch,
            "district": district,
            "made_at": now,
            "expires_at": made.expires_at,
        },
    )
    return made
