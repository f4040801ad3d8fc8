"""Put the prizes of a draw into the winners' accounts, once. What was drawn stays drawn, whatever follows."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from kernel.clock import Clock
from refunds.ledger import Account, Cause, credit
from refunds.store import paying
from refunds.store.paying import Entry


@dataclass(frozen=True, slots=True)
class Prize:
    """What a claim won: a claim is drawn once, so the tier makes the key. Amount in möngö."""

    claim: int
    tier: int
    amount_mongo: int


@dataclass(frozen=True, slots=True)
class PrizesPosted:
    """What was posted just now; prizes that were there already count nothing."""

    count: int
    total_mongo: int


def post_prizes(connection: Connection, clock: Clock, *, prizes: Iterable[Prize]) -> PrizesPosted:
    """Credit each prize to the owner of its claim: debt is netted first, the rest is available. Prizes posted before
    are passed over, so that a draw can be posted again. Requires an open transaction.
    """
    ordered = sorted(prizes, key=lambda prize: (prize.claim, prize.tier))
    owners = paying.owners_of(connection, (prize.claim for prize in ordered))
    balances = paying.lock_accounts(connection, owners.values())
    posted = paying.posted_steps(connection, Cause.PRIZE, owners)
    entries = []
    for prize in ordered:
        if (prize.claim, prize.tier) in posted:
            continue
        consumer = owners[prize.claim]
        posting = credit(balances[consumer], prize.amount_mongo, source=Account.PRIZES)
        balances[consumer] = posting.after
        entries.append(Entry(consumer, Cause.PRIZE, prize.claim, prize.tier, posting))
    paying.write_entries(connection, entries, at=clock())
    total = sum(transfer.amount_mongo for entry in entries for transfer in entry.posting.transfers)
    return PrizesPosted(len(entries), total)
