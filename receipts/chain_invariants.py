"""What must hold of every stored link and of every chain, one named function each. Pure: `check_receipts` reads.

An invariant names the ones that it needs: where one of these is broken on a link it is not judged there, so that one
damage is reported once, under its own name, and not as everything that follows from it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec.structs import astuple

from receipts.ids import ReceiptId
from receipts.invariant import Invariant, Tally
from receipts.link_findings import BARE, UNFOLLOWED, numbers_are_free
from receipts.link_in_chain import LinkInChain, numbers_of_parts
from receipts.signed_invariants import findings_are_true, month_is_right, taxes_are_right
from receipts.signed_rows import NOBODY, merchant_number
from receipts.stored import ReceiptKey


def _signature(link: LinkInChain) -> bool:
    return link.verified is not None


def _terminals(link: LinkInChain) -> bool:
    return link.terminal is not None


def _signers(link: LinkInChain) -> bool:
    assert link.verified is not None
    assert link.terminal is not None
    return link.verified.kind.by_till is (link.terminal.mode == "till")


def _receipt_hashes(link: LinkInChain) -> bool:
    assert link.verified is not None
    return link.row.receipt_hash == link.verified.receipt_hash


def _columns_of_qr(link: LinkInChain) -> bool:
    row, payload = link.row, link.payload
    return (
        row.id == payload.id
        and row.issued_at == datetime.fromtimestamp(payload.issued_at, UTC)
        and (row.total_mongo, row.vat_mongo) == (payload.total_mongo, payload.vat_mongo)
        and (row.kind, row.counter) == (payload.kind_bits, payload.counter)
    )


def _counters(link: LinkInChain) -> bool:
    return link.payload.counter == link.stood.counter


def _chain_links(link: LinkInChain) -> bool:
    return link.payload.chain == link.stood.previous_hash[:8]


def _times(link: LinkInChain) -> bool:
    in_order = datetime.fromtimestamp(link.payload.issued_at, UTC) >= link.stood.last_issued_at
    return in_order or link.has("times")


def _numbers(link: LinkInChain) -> bool:
    free = numbers_are_free(link.payload.id, link.stood, parts=numbers_of_parts(link))
    return free or link.has("numbers")


def _sealed_turnovers(link: LinkInChain) -> bool:
    return link.turnover_mongo == link.row.turnover_mongo


def _turnovers(link: LinkInChain) -> bool:
    added = link.payload.total_mongo if link.payload.kind.nature.adds_turnover else 0
    return link.turnover_mongo == link.stood.turnover_mongo + added or link.has("turnover_mismatch")


def _document_digests(link: LinkInChain) -> bool:
    return link.document_hash[:8] == link.payload.document


def _document_hashes(link: LinkInChain) -> bool:
    return link.document_hash == link.row.document_hash


def _document_forms(link: LinkInChain) -> bool:
    return link.document is not None


def _columns_of_document(link: LinkInChain) -> bool:
    """That what follows nothing is its own root is for `roots` to say, and what a void takes back for `void_amounts`;
    its document has no parts.
    """
    reference = None if link.has("reference_form") else link.content.reference
    parts = link.is_void or (_keeps_parts(link) and _adds_up(link))
    return link.row.reference == reference and _keeps_root(link) and parts


def _keeps_root(link: LinkInChain) -> bool:
    """Whether the root is the one that the document names; one that a finding calls wrong is the other one."""
    row, named = link.row, link.content.root_id
    if any(link.has(code) for code in UNFOLLOWED) or link.has("nature_mismatch", "/corrects"):
        return row.root_key == row.key
    for found in link.stored.findings:
        if found.code == "root_mismatch" and found.expected is not None:
            return row.root_key == key_of(ReceiptId.parse(found.expected))
    return named is None or row.root_key == key_of(named)


def key_of(named: ReceiptId) -> ReceiptKey:
    """Answer the primary key under which a receipt id is stored."""
    return named.seller, named.terminal, named.day, named.number


def _keeps_parts(link: LinkInChain) -> bool:
    bare = link.payload.kind.nature in BARE
    stated = [] if bare else [
        (part.tax_type, part.total_mongo, part.vat_mongo, part.city_tax_mongo) for part in link.content.parts
    ]  # fmt: skip
    merchants = [part.merchant for part in link.row.amounts]
    return [astuple(part)[1:] for part in link.row.amounts] == stated and all(
        _is_merchant(link, at, merchant) for at, merchant in enumerate(merchants)
    )


def _is_merchant(link: LinkInChain, at: int, merchant: int) -> bool:
    tin = link.content.parts[at].merchant_tin
    own = merchant_number(tin, {})
    if link.has("merchant_unknown", f"/parts/{at}/seller_tin"):
        return merchant == own
    return merchant == link.given_numbers.get(tin, own) != NOBODY


def _adds_up(link: LinkInChain) -> bool:
    row = link.row
    return (
        sum(row.part_city_taxes_mongo) == row.city_tax_mongo
        and (sum(row.part_totals_mongo) == row.total_mongo or link.has("amounts_mismatch", "/total_mongo"))
        and (sum(row.part_vats_mongo) == row.vat_mongo or link.has("amounts_mismatch", "/vat_mongo"))
    )


@dataclass(frozen=True, slots=True)
class LinkInvariant:
    """An invariant of each link, and the codes of those without which it cannot be judged."""

    invariant: Invariant
    holds: Callable[[LinkInChain], bool]
    needs: frozenset[str]


def _of_link(
    code: str, sentence: str, holds: Callable[[LinkInChain], bool], *, needs: Iterable[str] = ()
) -> LinkInvariant:
    return LinkInvariant(Invariant(code, sentence), holds, frozenset(needs))


_IN_CHAIN = ("signatures", "terminals")
_READABLE = ("signatures", "document_digests", "document_forms", "columns_of_qr")
LINK_INVARIANTS: Sequence[LinkInvariant] = (
    _of_link("signatures", "Each receipt is signed by a published key in its scope and time.", _signature),
    _of_link("terminals", "Each receipt belongs to an enrolled terminal.", _terminals),
    _of_link("signers", "Each receipt is signed by whom its terminal was enrolled with.", _signers, needs=_IN_CHAIN),
    _of_link(
        "receipt_hashes",
        "The stored hash of each receipt is that of its signed bytes.",
        _receipt_hashes,
        needs=["signatures"],
    ),
    _of_link(
        "columns_of_qr",
        "Id, time, amounts, kind and counter stored are what the QR says.",
        _columns_of_qr,
        needs=["signatures"],
    ),
    _of_link("counters", "Each chain counts from 0 without a gap.", _counters, needs=_IN_CHAIN),
    _of_link(
        "chain_links",
        "Each QR carries the hash of the one before, or of the enrolment.",
        _chain_links,
        needs=(*_IN_CHAIN, "counters"),
    ),
    _of_link("times", "The times of a chain never decrease.", _times, needs=_IN_CHAIN),
    _of_link(
        "numbers", "No number of a terminal's day is given twice, to bundles or parts.", _numbers, needs=_IN_CHAIN
    ),
    _of_link("sealed_turnovers", "Each sealed turnover opens to the stored one.", _sealed_turnovers, needs=_IN_CHAIN),
    _of_link(
        "turnovers",
        "The turnover of each chain is the running gross sum.",
        _turnovers,
        needs=(*_IN_CHAIN, "counters", "sealed_turnovers"),
    ),
    _of_link(
        "document_digests", "Each stored document is the one that was signed.", _document_digests, needs=["signatures"]
    ),
    _of_link(
        "document_hashes",
        "The stored hash of each document is that of its bytes.",
        _document_hashes,
        needs=["signatures", "document_digests"],
    ),
    _of_link(
        "document_forms",
        "Each document is in its one canonical form.",
        _document_forms,
        needs=["signatures", "document_digests"],
    ),
    _of_link(
        "columns_of_document",
        "Reference, root and parts stored are what the document says.",
        _columns_of_document,
        needs=_READABLE,
    ),
    _of_link("taxes", "Each VAT is the computed one, or a finding says so.", taxes_are_right, needs=_READABLE),
    _of_link(
        "tax_months",
        "Each receipt counts for the month that its document and its times say.",
        month_is_right,
        needs=_READABLE,
    ),
    _of_link(
        "link_findings",
        "What is found about a till's link is what is the matter with it.",
        findings_are_true,
        needs=(
            *_IN_CHAIN,
            *_READABLE,
            "times",
            "numbers",
            "sealed_turnovers",
            "turnovers",
            "columns_of_document",
            "taxes",
        ),
    ),
)
HEADS = Invariant("heads", "Each chain's stored head is where its last link left it.")


def judge_link(link: LinkInChain, tallies: Mapping[str, Tally]) -> None:
    """Ask every invariant that can be judged on this link, and count the answers by code."""
    broken: set[str] = set()
    for asked in LINK_INVARIANTS:
        if broken and not broken.isdisjoint(asked.needs):
            continue
        code = asked.invariant.code
        if asked.holds(link):
            tallies[code].held()
        else:
            tallies[code].broke(link.place)
            broken.add(code)
