"""Take links that tills signed: lock the chains, find what is here already, decide, store. All in one transaction.

The caller opens and commits the transaction and answers nobody before the commit. What is refused leaves no trace; a
database error belongs to all links together and is the caller's to sort out. Locks are taken in the order of issuing:
chains by seller and terminal, then the rows of roots.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from asyncpg import Connection
from msgspec import Struct

from kernel.clock import Clock
from kernel.refusal import Refusal
from receipts import qr
from receipts.acceptance import accept
from receipts.chain import Head
from receipts.intake import Intake, Outcome
from receipts.issue_receipts import load_bundles, receipt_key
from receipts.link_findings import Merchants, invoices_of
from receipts.orders import WrongSigner
from receipts.receipt import Nature
from receipts.signed_link import SignedLink
from receipts.store import accepting, issuing
from receipts.store.issuing import PostgresIssuing

AT_ONCE = 32
"""Links decided before others of this thread get a turn: at some 40 µs each that is a millisecond."""
SealingKey = Callable[[int, int, int], bytes]
"""Answers K of (seller, terminal, epoch)."""
MerchantsOfDay = Mapping[int, Merchants]
"""Enrolled merchants by the day number of the links."""


class Upload(Struct, frozen=True):
    """Who uploads, what opens their turnovers, and whether receipts of this centre are marked TEST."""

    client_id: str
    sealing_key: SealingKey
    test: bool = False


async def accept_signed(
    connection: Connection, clock: Clock, *, links: Sequence[SignedLink], upload: Upload, merchants: MerchantsOfDay
) -> list[Outcome]:
    """Store every link of a client's tills that is not refused, and answer the outcomes in the order of the links, each
    terminal's in the order of its chain. `merchants` are the enrolled ones of all parts, by the links' days.

    Refuses with `WrongSigner`, `KeyRevoked` and `PredecessorMissing`. Requires an open transaction, and the partitions
    of the months in which the links were issued.
    """
    intake = await _load(connection, clock, links, upload)
    outcomes: list[Outcome] = []
    for at, link in enumerate(links):
        if at % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            if link.terminal not in intake.heads:
                raise WrongSigner(terminal=f"{link.id.terminal:08d}")
            turnover = _turnover(link, upload.sealing_key)
            outcomes.append(accept(intake, link, merchants.get(link.id.day, {}), turnover))
        except Refusal as refusal:
            outcomes.append(refusal)
    await accepting.add(connection, intake)
    return outcomes


def _turnover(link: SignedLink, sealing_key: SealingKey) -> int:
    key = sealing_key(*link.terminal, link.verified.key.epoch)
    return qr.open_turnover(link.payload.turnover_sealed, turnover_key=key, id=link.id)


async def _load(connection: Connection, clock: Clock, links: Sequence[SignedLink], upload: Upload) -> Intake:
    chains = await issuing.lock_chains(connection, {link.terminal for link in links})
    enrolments = await accepting.find_enrolments(connection, chains)
    own = {at for at, one in enrolments.items() if one.mode == "till" and one.client_id == upload.client_id}
    intake = Intake(clock(), {at: chains[at].head for at in own}, enrolments, test=upload.test)
    taken = [link for link in links if link.terminal in own]
    given = {link.key for link in taken if _may_be_given(link, intake.heads[link.terminal])}
    if given:
        intake.known = await accepting.find_known(connection, given)
    await _load_places(connection, intake, taken)
    await _load_findings(connection, intake, taken)
    await _load_followed(connection, intake, taken)
    return intake


def _may_be_given(link: SignedLink, head: Head) -> bool:
    """Whether something may be stored under a link's id: from the next free place of its chain on nothing is."""
    return (link.id.day, link.id.number) < (head.day, head.next_number)


async def _load_places(connection: Connection, intake: Intake, links: Sequence[SignedLink]) -> None:
    """Find the forks at and before the links, and the stored links before those that are not next in their chains."""
    branched = [link for link in links if intake.enrolments[link.terminal].forked]
    if branched:
        places = {(*link.terminal, link.payload.counter - back) for link in branched for back in (0, 1)}
        for place, digest in await accepting.find_forks(connection, places):
            intake.hashes[place].append(digest)
            intake.forked.add(digest)
    for terminal, head in intake.heads.items():
        intake.hashes[*terminal, head.counter - 1].append(head.previous_hash)
    for link in links:
        if _is_stored(intake, link):
            intake.remember(link)
    strays = {(*link.terminal, link.payload.counter - 1) for link in _strays(intake, links)}
    if strays:
        for place, digest in await accepting.find_at_counters(connection, strays, intake.heads):
            intake.hashes[place].append(digest)


def _strays(intake: Intake, links: Sequence[SignedLink]) -> Iterable[SignedLink]:
    """Answer the links that stand before the heads of their chains, are not what is stored there, and build on nothing
    that was found or delivered with them.
    """
    delivered = {(*link.terminal, link.payload.counter, link.receipt_hash[:8]) for link in links}
    for link in links:
        before = link.payload.counter - 1
        if not 0 <= before < intake.heads[link.terminal].counter - 1 or _is_stored(intake, link):
            continue
        if (*link.terminal, before, link.payload.chain) not in delivered and intake.predecessor(link) is None:
            yield link


def _is_stored(intake: Intake, link: SignedLink) -> bool:
    """Whether exactly these bytes are stored, as a receipt or as a fork."""
    known = intake.known.get(link.key)
    return link.receipt_hash in intake.forked or (known is not None and known.receipt_hash == link.receipt_hash)


async def _load_findings(connection: Connection, intake: Intake, links: Sequence[SignedLink]) -> None:
    before = [(link.id.seller, link.receipt_hash) for link in links if _is_stored(intake, link)]
    if before:
        intake.findings_before = await accepting.find_findings(connection, before)


async def _load_followed(connection: Connection, intake: Intake, links: Sequence[SignedLink]) -> None:
    """Find and lock the bundles that corrections and voids follow, and find the invoices that are paid."""
    store = PostgresIssuing(connection)
    followed = {
        link.document.previous_id
        for link in links
        if link.document.previous_id is not None and link.document.previous_id.seller == link.id.seller
    }
    if followed:
        intake.bundles = await load_bundles(store, followed)
    paid = {invoice for link in links for _, invoice in invoices_of(link) if invoice.seller == link.id.seller}
    if paid:
        found = await store.find_receipts({receipt_key(invoice) for invoice in paid})
        intake.invoices = {one.id for one in found.values() if one.kind_of.nature is Nature.INVOICE} & paid
