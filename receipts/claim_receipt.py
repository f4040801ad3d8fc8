"""Claim a receipt for a consumer, by its QR or by hand. Requires an open transaction and never commits.

What is refused first: (1) training, (2) business, (3) natures that nobody claims, (4) claimed by somebody else,
(5) voided, (6) nothing paid, (7) one's own seller, (8) too late. The same consumer's second claim is answered after
(3), whatever has become of the receipt. By hand everything that does not name a bundle with a lottery number is one
and the same `unknown_receipt`.

The root's row is locked before anything is read of the bundle, and what is read afterwards is read by a statement of
its own: under READ COMMITTED a void that was waited for would otherwise not be seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from asyncpg import Connection

from kernel.clock import Clock
from receipts.claim import Claimed, ClaimState, Via
from receipts.claim_rules import (
    AlreadyClaimed,
    OwnSeller,
    ReceiptVoid,
    UnknownReceipt,
    check_deadline,
    check_kind,
    check_total,
)
from receipts.hold_receipt import hold_receipt, settle_held
from receipts.ids import ReceiptId
from receipts.read_bundle import claim_of, claimed_of, read_bundle
from receipts.receipt import LotteryNumber, lottery_number
from receipts.sighting import Sighting, sighting_of
from receipts.store import claiming, holding
from receipts.store.claiming import Link, Owned, ReceiptKey, Standing
from receipts.verification import AskTheCentre, Verified


@dataclass(frozen=True, slots=True)
class ByHand:
    """A receipt named by what is printed on it: its id, or that of a correction, and the lottery number."""

    receipt_id: ReceiptId
    lottery: LotteryNumber


Presented = Verified | ByHand


async def claim_receipt(
    connection: Connection, clock: Clock, *, presented: Presented, consumer: int, masters: Mapping[int, bytes]
) -> Claimed:
    """Claim the bundle to which the presented receipt belongs, or hold a receipt that its till has not reported.

    A `Verified` of a revoked key counts only where exactly its bytes were stored before the revocation; otherwise
    `AskTheCentre` is raised. `masters` are the turnover secrets by epoch. Refuses with `receipts.claim_rules`.
    """
    if isinstance(presented, ByHand):
        root = await _root_by_hand(connection, presented)
        return await claim_root(connection, clock, root=root, consumer=consumer, via=Via.HAND)
    link = await _reported(connection, presented)
    if link is None:
        return await hold_receipt(connection, clock, verified=presented, consumer=consumer, masters=masters)
    if presented.key.revoked_at is not None and presented.key.revoked_at <= link.received_at:
        raise AskTheCentre(presented)
    seen = sighting_of(presented, turnover_mongo=link.turnover_mongo, seen_at=clock())
    root = await _root_of(connection, link)
    return await claim_root(connection, clock, root=root, consumer=consumer, via=Via.QR, sighting=seen)


async def claim_root(
    connection: Connection, clock: Clock, *, root: Link, consumer: int, via: Via, sighting: Sighting | None = None
) -> Claimed:
    """Claim a bundle whose root's row is locked. Refuses with `receipts.claim_rules`."""
    check_kind(root.kind)
    stands = await read_bundle(connection, root, consumer=consumer)
    owned = stands.claim or stands.held
    if owned is not None and owned.consumer != consumer:
        raise AlreadyClaimed
    if owned is not None:
        return await _again(connection, root, stands, owned=owned, sighting=sighting)
    if stands.void:
        raise ReceiptVoid
    check_total(stands.bundle.total_mongo)
    if stands.own_seller:
        raise OwnSeller
    check_deadline(root.issued_at, clock())
    number = await claiming.add_claim(
        connection, root, consumer=consumer, via=via, claimed_at=clock(), sighting=sighting
    )
    return claimed_of(root, stands, claim_of(root, stands, Owned(number, consumer), ClaimState.FINAL), fresh=True)


async def _again(
    connection: Connection, root: Link, stands: Standing, *, owned: Owned, sighting: Sighting | None
) -> Claimed:
    if sighting is not None:
        await claiming.add_sighting(connection, sighting)
    if stands.claim is None:
        claim = await settle_held(connection, root, stands, held=owned)
    else:
        claim = claim_of(root, stands, owned, ClaimState.VOID if stands.void else ClaimState.FINAL)
    return claimed_of(root, stands, claim, fresh=False)


async def _root_by_hand(connection: Connection, named: ByHand) -> Link:
    link = await claiming.lock_link(connection, key_of(named.receipt_id))
    root = None if link is None or link.id != named.receipt_id else await _root_of(connection, link)
    if root is None or not root.kind.lottery or lottery_number(root.receipt_hash) != named.lottery:
        raise UnknownReceipt
    return root


async def _reported(connection: Connection, verified: Verified) -> Link | None:
    """Lock and answer the stored link that has exactly the scanned bytes.

    Where there is none, the scan takes the lock of the bytes and looks again, so that a report arriving at this moment
    is either seen here, or finds the held claim when it is followed.
    """
    key = key_of(verified.payload.id)
    link = await claiming.lock_link(connection, key)
    if link is None or link.receipt_hash != verified.receipt_hash:
        if not verified.kind.by_till:
            raise UnknownReceipt  # what the centre signs it stores in the same transaction
        await holding.lock_hashes(connection, [verified.receipt_hash])
        link = await claiming.lock_link(connection, key)
    return link if link is not None and link.receipt_hash == verified.receipt_hash else None


async def _root_of(connection: Connection, link: Link) -> Link:
    root = link if link.is_root else await claiming.lock_link(connection, link.root_key)
    assert root is not None, "what a stored link follows is stored"
    return root


def key_of(receipt_id: ReceiptId) -> ReceiptKey:
    """Answer the primary key under which a receipt id is stored."""
    return receipt_id.seller, receipt_id.terminal, receipt_id.day, receipt_id.number
