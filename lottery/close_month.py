"""Close a month: derive its entries from the claims and publish the commitment before the randomness exists."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from kernel.clock import Clock, Month, format_instant
from kernel.refusal import Refusal
from lottery.beacon import QUICKNET, RECORDED, Mode, RoundWasPublic
from lottery.commitment import SECRET_BYTES, Commitment, Leaves, leaves_of
from lottery.entries import judge
from lottery.rules import DrawRules, cut_off, draw_rules
from lottery.store import closing, reading
from lottery.tree import Tree


class CutOffNotReached(Refusal):
    """The month can still be claimed for."""

    code = "draw_cut_off_not_reached"


class AlreadyClosed(Refusal):
    """The month's commitment is published; there is never a second."""

    code = "draw_already_closed"


class EarlierMonthOpen(Refusal):
    """An earlier month has claims and no commitment; its claims would count as late."""

    code = "draw_earlier_month_open"


class LaterMonthClosed(Refusal):
    """A later month is closed; what was claimed of this one since then takes part in the next draw."""

    code = "draw_later_month_closed"


def close_month(
    connection: Connection, clock: Clock, *, month: Month, mode: Mode, secret: bytes, real_clock: Clock
) -> Commitment:
    """Commit to every claim of the month and answer the commitment, which is public as soon as the transaction ends.

    The cut-off is judged by business time. A live commitment is dated by real time, because the beacon keeps it;
    a rehearsal's by business time. `secret` are 32 random bytes. Raises `CutOffNotReached`, `AlreadyClosed`,
    `EarlierMonthOpen`, `LaterMonthClosed` or `RoundWasPublic`. Requires an open transaction, which should see one
    moment (REPEATABLE READ) when others are at work.
    """
    assert len(secret) == SECRET_BYTES
    rules = draw_rules(month)
    closing.lock_month(connection, month)
    committed_at = (clock() if mode is Mode.REHEARSAL else real_clock()).replace(microsecond=0)
    if min(clock(), committed_at) < cut_off(month):
        raise CutOffNotReached(cut_off=format_instant(cut_off(month)))
    _require_turn(connection, month, rules)
    leaves = _leaves(connection, month, rules, secret)
    tree = leaves.tree()
    commitment = _commitment(month, mode, rules, committed_at, leaves, tree)
    closing.add_draw(connection, commitment, rules, secret=secret, leaves=leaves, tree=tree, closed_at=clock())
    if mode is Mode.LIVE and real_clock() >= QUICKNET.time_of(commitment.round):
        raise RoundWasPublic(round=str(commitment.round))
    return commitment


def _require_turn(connection: Connection, month: Month, rules: DrawRules) -> None:
    if reading.find_draw(connection, month) is not None:
        raise AlreadyClosed(month=str(month))
    if (earlier := closing.open_month_before(connection, month, rules)) is not None:
        raise EarlierMonthOpen(month=str(earlier))
    if (later := closing.closed_month_after(connection, month)) is not None:
        raise LaterMonthClosed(month=str(later))


def _leaves(connection: Connection, month: Month, rules: DrawRules, secret: bytes) -> Leaves:
    reported = judge(closing.candidates(connection, month, rules), rules, cut_off(month))
    unreported = closing.unreported(connection, month, rules)
    return leaves_of((entry for found in (reported, unreported) for entry in found), secret)


def _commitment(
    month: Month, mode: Mode, rules: DrawRules, committed_at: datetime, leaves: Leaves, tree: Tree
) -> Commitment:
    due = committed_at + timedelta(seconds=rules.beacon_delay_s)
    return Commitment(
        month=month,
        mode=mode,
        cut_off=cut_off(month),
        committed_at=committed_at,
        counts=leaves.counts(),
        root=tree.root,
        rules_hash=rules.hash(),
        chain=QUICKNET.hash,
        round=RECORDED.number if mode is Mode.REHEARSAL else QUICKNET.round_at(due),
    )
