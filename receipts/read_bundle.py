"""Read how a claimed bundle stands, under the lock of its root's row, and say it as a claim."""

from asyncpg import Connection

from kernel.clock import business_date
from receipts.claim import Claim, Claimed, ClaimState
from receipts.receipt import lottery_number
from receipts.store import claiming
from receipts.store.claiming import Link, Owned, Standing


async def read_bundle(connection: Connection, root: Link, *, consumer: int | None) -> Standing:
    """Answer what the bundle of a locked root holds after all corrections (a voided one: before the void), who
    claimed or holds it, and whether `consumer` belongs to one of its sellers.
    """
    on = business_date(root.issued_at)
    stands = await claiming.standing(connection, root, hashes=[root.receipt_hash], consumer=consumer, on=on)
    if stands.last_key is None:
        return stands
    links = await claiming.links_of_root(connection, root.root_key)
    last = next(link for link in links if link.key == stands.last_key)
    hashes = [root.receipt_hash, *(link.receipt_hash for link in links)]
    bundle = last.bundle.negated if stands.void else last.bundle
    return await claiming.standing(connection, root, bundle=bundle, hashes=hashes, consumer=consumer, on=on)


def claim_of(root: Link, stands: Standing, owned: Owned, state: ClaimState) -> Claim:
    """Answer a claim of a stored bundle in `state`, with the VAT that counts in that state."""
    eligible = stands.bundle.eligible_vat_mongo(stands.vat_payers) if state is ClaimState.FINAL else 0
    return Claim(owned.claim, owned.consumer, state, root.issued_at, eligible)


def claimed_of(root: Link, stands: Standing, claim: Claim, *, fresh: bool) -> Claimed:
    """Answer what the consumer is told about a claim of a stored bundle."""
    return Claimed(
        claim=claim,
        fresh=fresh,
        root_id=root.id,
        seller_tin=root.seller_tin,
        seller_name=root.seller_name,
        total_mongo=stands.bundle.total_mongo,
        vat_mongo=stands.bundle.vat_mongo,
        lottery=lottery_number(root.receipt_hash) if root.kind.lottery else None,
    )
