"""What must be true when the day is over: every chain as `barimt check` judges it, and every promise kept."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from receipts.chain_invariants import LINK_INVARIANTS, judge_link
from receipts.document import decode_document
from receipts.invariant import Tally
from receipts.link_in_chain import Enrolled, Evidence, SealingKeys, StoredLink, head_after, read_link
from receipts.orders import Issued
from receipts.receipt import Nature
from receipts.stored import ReceiptKey, StoredReceipt
from tests.simulation.memory_database import MemoryDatabase, Place
from tests.simulation.promises import BrokenPromise, Promises, Said


def judge(
    database: MemoryDatabase,
    promises: Promises,
    *,
    terminals: Mapping[Place, Enrolled],
    evidence: Evidence,
    settled: Iterable[tuple[str, str, Said]],
) -> Iterator[BrokenPromise]:
    """Answer everything that is not as it must be. `settled` is what each till believes: client, key, answer."""
    yield from promises.breaches
    yield from (BrokenPromise("the store had to refuse", what) for what in database.violations)
    yield from _chains(database, terminals, evidence)
    yield from _keys(database)
    yield from _acknowledged(database, promises)
    yield from _denied(database, promises)
    yield from _followers(database)
    yield from _voids(database, promises)
    yield from _believed(promises, settled)
    if not database.idle:
        yield BrokenPromise("a transaction never ended", "")


def _chains(
    database: MemoryDatabase, terminals: Mapping[Place, Enrolled], evidence: Evidence
) -> Iterator[BrokenPromise]:
    chains: defaultdict[Place, list[StoredReceipt]] = defaultdict(list)
    for receipt in database.receipts.values():
        chains[receipt.seller, receipt.terminal].append(receipt)
    tallies = {asked.invariant.code: Tally(asked.invariant) for asked in LINK_INVARIANTS}
    sealing = SealingKeys(evidence.masters)
    for at, terminal in terminals.items():
        head = terminal.first_head
        for row in sorted(chains[at], key=lambda row: (row.counter, row.day, row.number)):
            link = read_link(StoredLink(row), terminal, head, evidence, sealing)
            judge_link(link, tallies)
            head = head_after(link)
        if head != database.chains[at].head:
            yield BrokenPromise("heads", at)
    for code, tally in tallies.items():
        if tally.broken:
            yield BrokenPromise(code, tally.places[0])


def _keys(database: MemoryDatabase) -> Iterator[BrokenPromise]:
    """One receipt a key, and one key a receipt."""
    for name, times in Counter((client, key) for _, client, key, _ in database.keys).items():
        if times > 1:
            yield BrokenPromise("a second receipt for one key", name)
    named = Counter(known.receipt for known in database.keys.values())
    if named != Counter(database.receipts.keys()):
        yield BrokenPromise("receipts and keys differ", len(named))


def _acknowledged(database: MemoryDatabase, promises: Promises) -> Iterator[BrokenPromise]:
    for (_, key), receipt in promises.acknowledged.items():
        if database.receipts.get(receipt.key) != receipt:
            yield BrokenPromise("an acknowledged receipt is not there", key)


def _denied(database: MemoryDatabase, promises: Promises) -> Iterator[BrokenPromise]:
    for identity, order in promises.denied.items():
        if identity in database.committed:
            yield BrokenPromise("said not issued, but it is stored", order.key)


def _followers(database: MemoryDatabase) -> Iterator[BrokenPromise]:
    """Every correction and void is recorded with the receipt that its document names, and left word of itself."""
    words = Counter((event.root, event.event) for event in database.events)
    followed: Counter[tuple[ReceiptKey, str]] = Counter()
    for receipt in database.receipts.values():
        nature = receipt.kind_of.nature
        if nature not in {Nature.VOID, Nature.CORRECTION}:
            continue
        previous = decode_document(receipt.document).previous_id
        assert previous is not None
        named = (previous.seller, previous.terminal, previous.day, previous.number)
        successor = database.successors.get(named)
        if successor is None or successor.by != receipt.key or successor.root != receipt.root_key:
            yield BrokenPromise("a void or correction is lost", receipt.id)
        if database.receipts[named].kind_of.nature is Nature.VOID:
            yield BrokenPromise("something follows a void", receipt.id)
        followed[receipt.root_key, "void" if nature is Nature.VOID else "correction"] += 1
    if followed != words:
        yield BrokenPromise("the outbox differs", dict((followed - words) | (words - followed)))


def _voids(database: MemoryDatabase, promises: Promises) -> Iterator[BrokenPromise]:
    for order, void in promises.voids:
        if database.latest(void.root_key) != void.key:
            yield BrokenPromise("a void or correction is lost", order.key)


def _believed(promises: Promises, settled: Iterable[tuple[str, str, Said]]) -> Iterator[BrokenPromise]:
    """What a till believes to hold in the end is what was said first."""
    for client_id, key, said in settled:
        if isinstance(said, Issued) and promises.acknowledged.get((client_id, key)) != said.receipt:
            yield BrokenPromise("a till believes something else", key)
