"""Hold a genuine receipt that its till has not reported yet: provisional, never payable, never drawn.

A held claim is bound to exact bytes. It becomes the claim of the root when exactly those bytes arrive, lapses when the
till's time to report is over, and is revived by a later report.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from asyncpg import Connection

from kernel.clock import Clock, business_date
from receipts.claim import Claim, Claimed, ClaimState
from receipts.claim_rules import (
    AlreadyClaimed,
    OwnSeller,
    TooManyHeld,
    check_deadline,
    check_kind,
    check_total,
    is_claimable,
)
from receipts.read_bundle import claim_of
from receipts.receipt import Kind, LotteryNumber, Nature, lottery_number
from receipts.rules import rules_on
from receipts.sight_receipt import sight_receipt
from receipts.store import claiming, holding
from receipts.store.claiming import Link, Owned, Standing
from receipts.store.holding import Holding
from receipts.verification import AskTheCentre, Verified


async def hold_receipt(
    connection: Connection, clock: Clock, *, verified: Verified, consumer: int, masters: Mapping[int, bytes]
) -> Claimed:
    """Hold an unreported receipt for a consumer; the caller has locked its bytes and found them not stored.

    A correction can be held too: only when it arrives is it known which root it belongs to. Refuses with
    `receipts.claim_rules`, or `AskTheCentre` when the till's key was revoked.
    """
    if verified.key.revoked_at is not None:
        raise AskTheCentre(verified)
    check_kind(_as_root(verified.kind))
    issued_at = datetime.fromtimestamp(verified.payload.issued_at, UTC)
    await sight_receipt(connection, clock, verified=verified, masters=masters)
    stands = await holding.find_holding(connection, verified, consumer=consumer, on=business_date(issued_at))
    if stands.held is not None and stands.held.consumer != consumer:
        raise AlreadyClaimed
    if stands.held is not None:
        return _claimed(verified, stands, stands.held, fresh=False)
    _check(verified, stands, issued_at, clock())
    deadline = issued_at + timedelta(hours=rules_on(business_date(issued_at)).late_issue_hours)
    state = ClaimState.PROVISIONAL if clock() < deadline else ClaimState.LAPSED
    number = await holding.add_held(
        connection, verified, consumer=consumer, state=state, held_at=clock(), deadline=deadline
    )
    return _claimed(verified, stands, Owned(number, consumer, state), fresh=True)


async def settle_held(connection: Connection, root: Link, stands: Standing, *, held: Owned) -> Claim:
    """Make a held claim the claim of its root, which is now stored, locked and claimed by nobody else.

    Only now are the root and the merchants of all parts known: where nobody can claim such a root, or the consumer
    belongs to a merchant, the claim is dropped.
    """
    if stands.own_seller or not is_claimable(root.kind):
        await holding.drop_held(connection, held.claim)
        return claim_of(root, stands, held, ClaimState.LAPSED)
    state = ClaimState.VOID if stands.void else ClaimState.FINAL
    await claiming.bind_held(connection, root, held, state=state)
    return claim_of(root, stands, held, state)


def _as_root(kind: Kind) -> Kind:
    """A correction is claimable if its root is, which nobody knows yet."""
    return Kind(Nature.SALE, kind.business, kind.by_till, kind.test) if kind.nature is Nature.CORRECTION else kind


def _check(verified: Verified, stands: Holding, issued_at: datetime, now: datetime) -> None:
    check_total(verified.payload.total_mongo)
    if stands.own_seller:
        raise OwnSeller
    check_deadline(issued_at, now)
    if stands.held_count >= rules_on(business_date(issued_at)).held_claims_max:
        raise TooManyHeld


def _claimed(verified: Verified, stands: Holding, held: Owned, *, fresh: bool) -> Claimed:
    payload = verified.payload
    counts = held.state is ClaimState.PROVISIONAL and stands.vat_payer
    issued_at = datetime.fromtimestamp(payload.issued_at, UTC)
    return Claimed(
        claim=Claim(held.claim, held.consumer, held.state, issued_at, payload.vat_mongo if counts else 0),
        fresh=fresh,
        root_id=payload.id,
        seller_tin=stands.seller_tin,
        seller_name=stands.seller_name,
        total_mongo=payload.total_mongo,
        vat_mongo=payload.vat_mongo,
        lottery=_lottery(verified),
    )


def _lottery(verified: Verified) -> LotteryNumber | None:
    """Only a root's own number is known; a correction shows its root's."""
    is_root = verified.kind.nature is not Nature.CORRECTION
    return lottery_number(verified.receipt_hash) if verified.kind.lottery and is_root else None
