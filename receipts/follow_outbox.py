"""Let the claims follow what the tills' side did: voids, corrections, reports, and login numbers given at the till.

An event only names a root; what is true of its claim is read afresh under the root's lock. So applying an event twice,
out of order or by several workers at once comes to the same. Nothing that a till sees depends on it.

The entry point opens the transaction, calls this, hands `claims` to `refunds.claw_back` and commits. All roots are
locked here, in the order of their keys, before any account is: a claim holds one root and then one account, so nobody
waits in a circle.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from asyncpg import Connection

from kernel.clock import Clock
from kernel.refusal import Refusal
from receipts.claim import Claim, ClaimState, Via
from receipts.claim_receipt import claim_root
from receipts.hold_receipt import settle_held
from receipts.ids import ReceiptId
from receipts.read_bundle import claim_of, read_bundle
from receipts.store import following, holding
from receipts.store.claiming import Link
from receipts.store.following import Event


@dataclass(frozen=True, slots=True)
class Declined:
    """A login number given at the till that led to no claim, with the code of the refusal."""

    root_id: ReceiptId
    code: str


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of some events: how many were taken, the claims as they stand now, and what was declined."""

    taken: int
    claims: tuple[Claim, ...]
    declined: tuple[Declined, ...]


async def follow_outbox(connection: Connection, clock: Clock, *, limit: int, easy_only: bool = False) -> Followed:
    """Take at most `limit` events that no other worker has, apply them, and answer the claims that they touched;
    `easy_only` takes those alone whose consumer was named at the till, where somebody waits for them.

    Requires an open transaction; when it is rolled back the events are there again.
    """
    events = await following.take_events(connection, limit=limit, easy_only=easy_only)
    reported = [event.root_key for event in events if event.event == "upload"]
    hashes = await following.hashes_of(connection, reported)
    await holding.lock_hashes(connection, hashes)
    owned = await following.owned_roots(connection, [event.root_key for event in events])
    easy = {event.root_key: event for event in events if event.event == "easy"}
    roots = await following.lock_roots(connection, sorted(owned | easy.keys()))
    claims: list[Claim] = []
    declined: list[Declined] = []
    for root in roots:
        if root.key in easy:
            declined += await _claim_easily(connection, clock, root, easy[root.key])
        claims += await _follow(connection, root)
    return Followed(len(events), tuple(claims), tuple(declined))


async def _follow(connection: Connection, root: Link) -> list[Claim]:
    """Bring the claim of a locked root, and every claim held on its links, to how things stand."""
    claims: list[Claim] = []
    stands = await read_bundle(connection, root, consumer=None)
    if stands.claim is not None:
        state = ClaimState.VOID if stands.void else ClaimState.FINAL
        await following.set_state(connection, root, state)
        claims.append(claim_of(root, stands, stands.claim, state))
    while stands.held is not None:
        stands = await read_bundle(connection, root, consumer=stands.held.consumer)
        assert stands.held is not None
        if stands.claim is None:
            claims.append(await settle_held(connection, root, stands, held=stands.held))
        else:
            await holding.drop_held(connection, stands.held.claim)
            claims.append(claim_of(root, stands, stands.held, ClaimState.LAPSED))
        stands = await read_bundle(connection, root, consumer=None)
    return claims


async def _claim_easily(connection: Connection, clock: Clock, root: Link, event: Event) -> Sequence[Declined]:
    consumer = await following.consumer_of(connection, event.login_no)
    if consumer is None:
        return [Declined(root.id, "login_unknown")]
    try:
        await claim_root(connection, clock, root=root, consumer=consumer, via=Via.EASY)
    except Refusal as refusal:
        return [Declined(root.id, refusal.code)]
    return []
