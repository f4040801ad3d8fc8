"""Check that every fork is what its till signed: genuine bytes of an enrolled till, and all that stands beside them."""

from datetime import UTC, datetime

from sqlalchemy import Connection

from kernel.canonical import sha256
from kernel.refusal import Malformed
from receipts import qr
from receipts.document import decode_document
from receipts.invariant import Checked, Invariant, Tally
from receipts.keys import turnover_key
from receipts.link_in_chain import Evidence, genuine
from receipts.signed_rows import Fork
from receipts.store import checking_links
from receipts.verification import Verified

FORK_BYTES = Invariant("fork_bytes", "Each fork is genuine, of an enrolled till, and stored as it was signed.")


def check_forks(connection: Connection, evidence: Evidence) -> Checked:
    """Answer what looking at each fork by itself came to. That it came second is for a query to say."""
    tally = Tally(FORK_BYTES)
    for fork, mode in checking_links.all_forks(connection):
        verified = genuine(fork.cose, evidence.keyring, received_at=fork.received_at)
        if verified is not None and mode == "till" and _is_as_signed(fork, verified, evidence):
            tally.held()
        else:
            tally.broke(fork.receipt_hash.hex())
    return tally.checked


def _is_as_signed(fork: Fork, verified: Verified, evidence: Evidence) -> bool:
    payload = verified.payload
    return (
        (fork.id, fork.receipt_hash) == (payload.id, verified.receipt_hash)
        and fork.issued_at == datetime.fromtimestamp(payload.issued_at, UTC)
        and (fork.kind, fork.counter) == (payload.kind_bits, payload.counter)
        and (fork.total_mongo, fork.vat_mongo) == (payload.total_mongo, payload.vat_mongo)
        and fork.previous_hash[:8] == payload.chain
        and fork.turnover_mongo == _turnover(verified, evidence)
        and sha256(fork.document)[:8] == payload.document
        and _is_canonical(fork.document)
    )


def _turnover(verified: Verified, evidence: Evidence) -> int | None:
    payload, epoch = verified.payload, verified.key.epoch
    if epoch not in evidence.masters:
        return None
    at = payload.id
    key = turnover_key(evidence.masters[epoch], seller=at.seller, terminal=at.terminal, epoch=epoch)
    return qr.open_turnover(payload.turnover_sealed, turnover_key=key, id=at)


def _is_canonical(document: bytes) -> bool:
    try:
        decode_document(document)
    except Malformed:
        return False
    return True
