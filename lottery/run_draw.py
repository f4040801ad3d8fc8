"""Run the draw of a closed month: check the beacon's round, publish the transcript, answer who won what.

The prizes are handed to the caller, who posts them to the ledger in the same transaction: a draw without its prizes in
the ledger, or prizes without their draw, cannot come to be.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from kernel.clock import Clock, Month
from kernel.refusal import Refusal
from lottery.beacon import QUICKNET, Mode, Round, RoundWasPublic, check_round
from lottery.commitment import Commitment
from lottery.prizes import SUPER, Numbers
from lottery.store import closing, reading
from lottery.store.reading import StoredDraw
from lottery.transcript import outcome_of

SUPER_TIER = 0
"""The tier under which a share of the super number's fund is kept; the others are their numbers of digits."""


class UnknownDraw(Refusal):
    """The month is not closed, or not drawn yet."""

    code = "unknown_draw"


class AlreadyDrawn(Refusal):
    """What was drawn stays drawn."""

    code = "draw_already_run"


@dataclass(frozen=True, slots=True)
class ClaimPrize:
    """What a claim won: `tier` is the number of equal last digits, or `SUPER_TIER`. Amount in möngö."""

    claim: int
    tier: int
    amount_mongo: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a draw came to: the numbers, the prizes in order of claim and tier, the transcript to be published."""

    commitment: Commitment
    numbers: Numbers
    prizes: tuple[ClaimPrize, ...]
    transcript: bytes


def run_draw(connection: Connection, clock: Clock, *, month: Month, beacon: Round) -> Drawn:
    """Draw a closed month with the round that its commitment names.

    Raises `UnknownDraw`, `AlreadyDrawn`, `WrongRound`, `WrongRandomness`, `WrongSignature` or `RoundWasPublic`. Takes a
    quarter of a second for the signature. Requires an open transaction.
    """
    closing.lock_month(connection, month)
    draw = reading.find_draw(connection, month)
    if draw is None:
        raise UnknownDraw(month=str(month))
    if draw.drawn_at is not None:
        raise AlreadyDrawn(month=str(month))
    require_round(draw.commitment, beacon)
    return _publish(connection, clock, draw, beacon)


def tier_of(tier: str) -> int:
    """Answer the number under which the tier of a transcript is kept."""
    return SUPER_TIER if tier == SUPER else int(tier)


def require_round(commitment: Commitment, beacon: Round) -> None:
    """Accept the randomness of a draw, or refuse it as `run_draw` does."""
    check_round(QUICKNET, commitment.round, beacon)
    if commitment.mode is Mode.LIVE and QUICKNET.time_of(beacon.number) <= commitment.committed_at:
        raise RoundWasPublic(round=str(beacon.number))


def _publish(connection: Connection, clock: Clock, draw: StoredDraw, beacon: Round) -> Drawn:
    commitment, month = draw.commitment, draw.commitment.month
    outcome = outcome_of(
        commitment,
        draw.rules,
        beacon,
        lambda position: reading.leaf_at(connection, month, position),
        lambda nodes: reading.hashes_of(connection, month, nodes),
    )
    claims = reading.claims_at(connection, month, [prize.position for prize in outcome.prizes])
    prizes = sorted((claims[won.position], tier_of(won.tier), won.amount_mongo) for won in outcome.prizes)
    reading.add_transcript(connection, month, numbers=outcome.numbers, transcript=outcome.transcript, drawn_at=clock())
    reading.add_prizes(connection, month, prizes)
    return Drawn(commitment, outcome.numbers, tuple(ClaimPrize(*prize) for prize in prizes), outcome.transcript)
