"""Check what must be true of all receipts, chains, claims and keys: walk every chain once, then ask one query each.

Memory does not grow with the tables. Nothing is written. Drain the outbox first (`receipts.follow_outbox`), and give a
transaction that sees one moment (REPEATABLE READ): others may be at work meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby

from sqlalchemy import Connection

from kernel.refusal import Malformed
from receipts.chain_invariants import HEADS, LINK_INVARIANTS, judge_link, key_of
from receipts.check_forks import check_forks
from receipts.document import decode_document
from receipts.invariant import PLACES_MAX, Checked, Invariant, Tally
from receipts.key_list import read_key_list, read_shard
from receipts.keys import Key, Keyring, keyring_of
from receipts.link_in_chain import Enrolled, Evidence, SealingKeys, StoredLink, head_after, read_link
from receipts.store import checking, checking_links, publishing
from receipts.store.checking import Follower, HeldRow
from receipts.verification import AskTheCentre, NotGenuine, verify_cose

WATCHED_EVERY = 500
"""Receipts between two words to whoever watches."""

KEY_LIST = Invariant("key_list", "The published key list and its shards are signed and name the stored keys.")
PREDECESSORS = Invariant("predecessors", "Each correction and void follows what its document names.")
HELD_BYTES = Invariant("held_bytes", "Each held claim is bound to genuine bytes of its terminal.")
QUERIES: Mapping[Invariant, str] = {
    Invariant("key_ids", "Each key is stored under the hash of its public bytes."): checking.KEY_IDS,
    Invariant("roots", "Each receipt is its own root or follows a stored one that is."): checking.ROOTS,
    Invariant("part_ids", "No id of a part of another merchant is given twice."): checking.PART_IDS,
    Invariant("successors", "Each correction and void is recorded with its predecessor."): checking.SUCCESSORS,
    Invariant("one_successor", "At most one correction or void follows a receipt."): checking.ONE_SUCCESSOR,
    Invariant("after_void", "Nothing follows a void, an exercise, a start or a closing."): checking.AFTER_VOID,
    Invariant("void_amounts", "Each void takes back exactly what the voided receipt held."): checking.VOID_AMOUNTS,
    Invariant("keys_of_receipts", "Each idempotency key names a stored receipt."): checking.KEYS_OF_RECEIPTS,
    Invariant("receipts_of_keys", "No retry made a second receipt."): checking.RECEIPTS_OF_KEYS,
    Invariant("claimed_roots", "Each claim is of a stored root, of its hash and month."): checking.CLAIMED_ROOTS,
    Invariant("one_claim", "Each root is claimed once, for ever."): checking.ONE_CLAIM,
    Invariant("claim_owners", "Each claim belongs to exactly one consumer."): checking.CLAIM_OWNERS,
    Invariant("claimable", "No business, training, test or unclaimable receipt is claimed."): checking.CLAIMABLE,
    Invariant("own_sellers", "Nobody claimed a receipt of a seller of their own."): checking.OWN_SELLERS,
    Invariant("void_claims", "Claims of voided receipts are void, and no others."): checking.VOID_CLAIMS,
    Invariant("held_reported", "No claim is held any longer once its receipt is reported."): checking.HELD_REPORTED,
    Invariant("sightings", "What consumers scanned is what is stored."): checking.SIGHTINGS,
    Invariant("found_links", "Each finding is of a stored link of a till, or of a fork."): checking_links.FOUND_LINKS,
    Invariant("counted_receipts", "Each month of its own is of a stored receipt."): checking_links.COUNTED_RECEIPTS,
    Invariant("closings", "Each terminal whose till has closed its chain is closed."): checking_links.CLOSINGS,
    Invariant("forks", "Each fork is a second successor or builds on one."): checking_links.FORKS,
}


def check_receipts(
    connection: Connection, *, masters: Mapping[int, bytes], watch: Callable[[int], None] = lambda _links: None
) -> list[Checked]:
    """Answer what looking at each invariant came to. `masters` are the turnover secrets by epoch; `watch` is told now
    and then how many receipts were walked.
    """
    keys = publishing.list_keys(connection)
    evidence = Evidence(keyring_of(keys), masters, checking.given_numbers(connection))
    return [
        *_walk(connection, evidence, watch),
        _key_list(connection),
        _predecessors(checking.followers(connection)),
        _held_bytes(checking.held(connection), evidence.keyring),
        check_forks(connection, evidence),
        *(ask(connection, invariant, query) for invariant, query in QUERIES.items()),
    ]


def ask(connection: Connection, invariant: Invariant, query: str) -> Checked:
    """Answer what one query came to: a row for each thing looked at, with its `place` and whether it `holds` there."""
    looked_at, broken = checking.count(connection, query)
    places = checking.broken_places(connection, query, limit=PLACES_MAX) if broken else []
    return Checked(invariant, looked_at, broken, tuple(places))


def _walk(connection: Connection, evidence: Evidence, watch: Callable[[int], None]) -> list[Checked]:
    tallies = {asked.invariant.code: Tally(asked.invariant) for asked in LINK_INVARIANTS}
    heads = Tally(HEADS)
    sealing = SealingKeys(evidence.masters)
    walked = 0
    for terminal, rows in _chains(checking.terminals(connection), checking.receipts(connection)):
        head = None if terminal is None else terminal.first_head
        if terminal is not None and terminal.mode == "till":
            rows = checking.receipts_of_till(connection, terminal.seller, terminal.terminal)  # noqa: PLW2901 - its own
        for stored in rows:
            link = read_link(stored, terminal, head, evidence, sealing)
            judge_link(link, tallies)
            head = head_after(link)
            walked += 1
            if walked % WATCHED_EVERY == 0:
                watch(walked)
        if terminal is not None and terminal.head == head:
            heads.held()
        elif terminal is not None:
            heads.broke(f"{terminal.seller:012d} {terminal.terminal:08d}")
    watch(walked)
    return [tally.checked for tally in (*tallies.values(), heads)]


def _chains(
    terminals: Iterable[Enrolled], receipts: Iterable[StoredLink]
) -> Iterator[tuple[Enrolled | None, Iterable[StoredLink]]]:
    """Join two streams in the order of (seller, terminal): every terminal with its receipts, in order, and receipts
    without a terminal. The receipts of one must be taken before the next is asked for.
    """
    groups = groupby(receipts, key=lambda stored: (stored.row.seller, stored.row.terminal))
    group = next(groups, None)
    for terminal in terminals:
        at = (terminal.seller, terminal.terminal)
        while group is not None and group[0] < at:
            yield None, group[1]
            group = next(groups, None)
        if group is not None and group[0] == at:
            yield terminal, group[1]
            group = next(groups, None)
        else:
            yield terminal, ()
    while group is not None:
        yield None, group[1]
        group = next(groups, None)


def _key_list(connection: Connection) -> Checked:
    """Look at the head, and then at one shard after the other: there may be many till keys."""
    tally = Tally(KEY_LIST)
    published = publishing.latest_key_list(connection)
    try:
        head = [] if published is None else read_key_list(published[1])
    except Malformed as malformed:
        tally.broke(str(malformed))
        return tally.checked
    _compare(tally, publishing.list_head_keys(connection), head)
    for prefix in publishing.list_prefixes(connection):
        shard = publishing.find_shard(connection, prefix)
        try:
            named = [] if shard is None else read_shard(shard[1], prefix=prefix, head=head)
        except Malformed as malformed:
            tally.broke(f"{prefix}: {malformed}")
            continue
        _compare(tally, publishing.list_shard_keys(connection, prefix), named)
    return tally.checked


def _compare(tally: Tally, stored: list[Key], named: list[Key]) -> None:
    for key in {key.kid: key for key in (*stored, *named)}.values():
        if key in stored and key in named:
            tally.held()
        else:
            tally.broke(key.kid.hex())


def _predecessors(followers: Iterable[Follower]) -> Checked:
    tally = Tally(PREDECESSORS)
    for follower in followers:
        try:
            document = decode_document(follower.document)
        except Malformed:
            continue  # `document_forms` says so
        root = document.root_id
        named = root is not None and key_of(root) == follower.root_key
        if document.previous_id == follower.previous_id and follower.one_bundle and named is not follower.other_root:
            tally.held()
        else:
            tally.broke(str(follower.id))
    return tally.checked


def _held_bytes(held: Iterable[HeldRow], keyring: Keyring) -> Checked:
    tally = Tally(HELD_BYTES)
    for row in held:
        if _is_bound(row, keyring):
            tally.held()
        else:
            tally.broke(f"claim {row.claim}")
    return tally.checked


def _is_bound(row: HeldRow, keyring: Keyring) -> bool:
    """A key that was revoked since does not matter: whoever held it did so on its word of then."""
    try:
        verified = verify_cose(row.cose, keyring)
    except AskTheCentre as asked:
        verified = asked.verified
    except NotGenuine:
        return False
    at = verified.payload.id
    return (row.receipt_hash, row.seller, row.terminal) == (verified.receipt_hash, at.seller, at.terminal)
