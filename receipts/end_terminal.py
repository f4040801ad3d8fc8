"""What an operator does about a till: a lost one signs no more, one that was suspended may go on."""

from collections.abc import Callable

from sqlalchemy import Connection, RowMapping

from kernel.clock import Clock
from kernel.identity import format_terminal
from kernel.refusal import Refusal
from receipts.enrol import seller_number
from receipts.orders import TerminalClosed, TerminalUnknown
from receipts.store import activating, publishing


class NotSuspended(Refusal):
    """The terminal is not suspended."""

    code = "not_suspended"


def declare_lost(
    connection: Connection, clock: Clock, *, seller_tin: str, number: int, revoke: Callable[[bytes], None]
) -> list[bytes]:
    """Close a till that is lost, stolen or broken: nothing that it signs counts from now on, and what the centre had
    not stored before is lost. Its client, unless it has another open terminal, is revoked with it.

    `revoke` takes a key out of trust by its kid. Answers the kids that were revoked. Raises `SellerUnknown`,
    `TerminalUnknown` or `TerminalClosed`, and what `revoke` raises.
    """
    terminal = _open_terminal(connection, seller_tin, number)
    activating.close_terminal(connection, terminal["seller"], number, clock())
    keys = publishing.find_till_keys(connection, terminal["seller"], number)
    kids = [key.kid for key in keys if key.revoked_at is None]
    for kid in kids:
        revoke(kid)
    return kids


def reinstate(connection: Connection, *, seller_tin: str, number: int) -> str | None:
    """Let a suspended terminal go on, once somebody has looked at why it was; answer why. Raises `SellerUnknown`,
    `TerminalUnknown`, `TerminalClosed` or `NotSuspended`.
    """
    terminal = _open_terminal(connection, seller_tin, number)
    if terminal["suspended_at"] is None:
        raise NotSuspended(terminal=format_terminal(number))
    activating.end_suspension(connection, terminal["seller"], number)
    reason: str | None = terminal["suspended_for"]
    return reason


def _open_terminal(connection: Connection, seller_tin: str, number: int) -> RowMapping:
    terminal = activating.find_terminal(connection, seller_number(connection, seller_tin), number)
    if terminal is None:
        raise TerminalUnknown(terminal=format_terminal(number))
    if terminal["closed_at"] is not None:
        raise TerminalClosed(terminal=format_terminal(number))
    return terminal
