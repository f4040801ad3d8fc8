"""The decisions of one transaction over links that tills signed, one after another. No I/O.

(1) The same bytes again are answered as the first time. (2) What a revoked key signed otherwise is refused. (3) The
next link of its chain is stored, with findings. (4) A second link on one predecessor, one under an id that was given,
and whatever builds on such a link is a fork: kept apart, and its terminal suspended. (5) A link whose predecessor is
not here is refused until that one has come.
"""

from collections.abc import Sequence

from kernel.refusal import Fault
from receipts.chunk import Bundle, Event, Successor
from receipts.claim import month_ordinal
from receipts.intake import Accepted, Intake, KeyRevoked, Known, PredecessorMissing
from receipts.link_findings import (
    FINDINGS_MAX,
    Content,
    Finding,
    Merchants,
    head_after,
    invoices_of,
    judge_content,
    judge_lottery,
    judge_place,
    judge_times,
    reason_of,
)
from receipts.receipt import Nature
from receipts.signed_link import SignedLink
from receipts.signed_rows import accepted_receipt, amounts_of, fork_of
from receipts.stored import StoredReceipt
from receipts.tax_month import other_month

_ENDS = frozenset({Nature.TRAINING, Nature.START, Nature.CLOSING})
_FOLLOWING = frozenset({Nature.CORRECTION, Nature.VOID})
_HELD = frozenset({Nature.SALE, Nature.PAYMENT, Nature.CORRECTION})


def accept(intake: Intake, link: SignedLink, merchants: Merchants, turnover_mongo: int) -> Accepted:
    """Take one link into the intake, or raise the refusal; then nothing has changed. `turnover_mongo` is the counter
    that it seals.
    """
    known = intake.known.get(link.key)
    if (known is not None and known.receipt_hash == link.receipt_hash) or link.receipt_hash in intake.forked:
        return _again(intake, link, known)
    if link.verified.key.revoked_at is not None:
        raise KeyRevoked
    head = intake.heads[link.terminal]
    counter = link.payload.counter
    if counter == head.counter and link.payload.chain == head.previous_hash[:8]:
        if known is None:
            return _store(intake, link, merchants, turnover_mongo)
        return _fork(intake, link, merchants, head.previous_hash, turnover_mongo)
    previous_hash = intake.predecessor(link)
    if previous_hash is None:
        raise PredecessorMissing(min(head.counter, max(counter - 1, 0)))
    return _fork(intake, link, merchants, previous_hash, turnover_mongo)


def _again(intake: Intake, link: SignedLink, known: Known | None) -> Accepted:
    fork = link.receipt_hash in intake.forked
    return Accepted(
        link,
        intake.findings_before.get(link.receipt_hash, ()),
        repeated=True,
        fork=fork,
        suspended=intake.is_suspended(link.terminal),
        root_key=None if fork or known is None else known.root_key,
    )


def _store(intake: Intake, link: SignedLink, merchants: Merchants, turnover_mongo: int) -> Accepted:
    terminal = link.terminal
    content = judge_content(link, merchants)
    bundle, succession = _followed(intake, link)
    findings = [
        *judge_place(link, intake.heads[terminal], turnover_mongo),
        *succession,
        *_after_the_end(intake, link),
        *_test_mark(intake, link),
        *content.findings,
        *judge_lottery(link, root_has=None if bundle is None else bundle.root.kind_of.lottery),
        *_unknown_invoices(intake, link),
        *judge_times(link, intake.now),
    ]
    amounts = amounts_of(link, merchants, voided=None if bundle is None else bundle.latest)
    findings += _void_amounts(link, bundle)
    receipt = accepted_receipt(
        link,
        content,
        amounts,
        received_at=intake.now,
        turnover_mongo=turnover_mongo,
        bundle=bundle,
    )
    intake.heads[terminal] = head_after(link, intake.heads[terminal], turnover_mongo)
    intake.moved.add(terminal)
    intake.receipts.append(receipt)
    intake.known[link.key] = Known(link.receipt_hash, receipt.root_key)
    intake.remember(link)
    _note(intake, link, receipt, bundle)
    kept = _keep(intake, link, findings)
    return Accepted(link, kept, suspended=intake.is_suspended(terminal), root_key=receipt.root_key)


def _fork(
    intake: Intake, link: SignedLink, merchants: Merchants, previous_hash: bytes, turnover_mongo: int
) -> Accepted:
    content: Content = judge_content(link, merchants)
    intake.forks.append(fork_of(link, previous_hash, received_at=intake.now, turnover_mongo=turnover_mongo))
    intake.forked.add(link.receipt_hash)
    intake.remember(link)
    if not intake.is_suspended(link.terminal):
        intake.suspended.add(link.terminal)
    found = [Fault("fork", "/qr"), *_test_mark(intake, link), *content.findings, *judge_times(link, intake.now)]
    return Accepted(link, _keep(intake, link, found), fork=True, suspended=True)


def _keep(intake: Intake, link: SignedLink, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Note the findings to be stored, each code once at a path, and answer them."""
    if not findings:
        return ()
    kept = tuple({(found.code, found.path): found for found in findings}.values())[:FINDINGS_MAX]
    intake.findings.append((link, kept))
    intake.findings_before[link.receipt_hash] = kept
    return kept


def _followed(intake: Intake, link: SignedLink) -> tuple[Bundle | None, list[Finding]]:
    """Answer the bundle that a correction or void follows, with what is to be said of that. One that cannot follow is
    stored all the same: as its own root, and nobody's successor.
    """
    if link.kind.nature not in _FOLLOWING:
        return None, []
    named = link.document.previous_id
    bundle = None if named is None or named.seller != link.id.seller else intake.bundles.get(named)
    if bundle is None:
        return None, [Fault("unknown_receipt", "/corrects")]
    hindrance = _hindrance(link, bundle)
    if hindrance is not None:
        return None, [hindrance]
    if link.document.root_id != bundle.root.id:
        return bundle, [Fault("root_mismatch", "/root_id", str(bundle.root.id))]
    return bundle, []


def _hindrance(link: SignedLink, bundle: Bundle) -> Finding | None:
    latest, root = bundle.latest, bundle.root.kind_of
    if latest.kind_of.nature is Nature.VOID:
        return Fault("already_void", "/corrects")
    if latest.id != link.document.previous_id:
        return Fault("not_latest", "/corrects", str(latest.id), (("latest", str(latest.id)),))
    if root.nature in _ENDS or root.business is not link.kind.business:
        return Fault("not_correctable", "/corrects")
    return None


def _void_amounts(link: SignedLink, bundle: Bundle | None) -> list[Finding]:
    if link.kind.nature is not Nature.VOID or bundle is None:
        return []
    payload, latest = link.payload, bundle.latest
    sums = (
        ("/total_mongo", payload.total_mongo, -latest.total_mongo),
        ("/vat_mongo", payload.vat_mongo, -latest.vat_mongo),
    )
    return [Fault("amounts_mismatch", path, str(due)) for path, signed, due in sums if signed != due]


def _after_the_end(intake: Intake, link: SignedLink) -> list[Finding]:
    findings = []
    if intake.is_closed(link.terminal):
        findings.append(Fault("after_closing", "/issued_at"))
    suspended_at = intake.suspended_at(link.terminal)
    if suspended_at is not None and link.issued_at > suspended_at:
        findings.append(Fault("after_suspension", "/issued_at"))
    return findings


def _test_mark(intake: Intake, link: SignedLink) -> list[Finding]:
    """A mark that a centre's own receipts do not bear would keep a sale out of every sum."""
    if link.kind.test is intake.test:
        return []
    return [Fault("test_mark", "/test", "the mark TEST" if intake.test else "no mark TEST")]


def _unknown_invoices(intake: Intake, link: SignedLink) -> list[Finding]:
    if link.kind.nature is not Nature.PAYMENT:
        return []
    named = invoices_of(link)
    if not named:
        return [Fault("invoice_unknown", "/pays_invoice")]
    return [Fault("invoice_unknown", path) for path, invoice in named if invoice not in intake.invoices]


def _note(intake: Intake, link: SignedLink, receipt: StoredReceipt, bundle: Bundle | None) -> None:
    """Gather what follows from a link that is stored in its chain."""
    kind = link.kind
    if kind.nature is Nature.CLOSING:
        intake.closed.add(link.terminal)
    if kind.nature is Nature.INVOICE:
        intake.invoices.add(receipt.id)
    report_month = link.document.report_month if kind.business else None
    month = other_month(receipt.issued_at, received_at=intake.now, report_month=report_month)
    if month is not None:
        intake.tax_months.append((receipt.key, month_ordinal(month)))
    if bundle is not None:
        _follow(intake, link, receipt, bundle)
    elif kind.nature not in _FOLLOWING:
        intake.bundles[receipt.id] = Bundle(receipt, receipt)
    if kind.nature in _HELD and not kind.business and not kind.test:
        intake.events.append(Event(receipt.root_key, "upload", None, intake.now))
    if link.consumer_no is not None and kind.nature.claimable and not kind.business:
        intake.events.append(Event(receipt.key, "easy", link.consumer_no, intake.now))


def _follow(intake: Intake, link: SignedLink, receipt: StoredReceipt, bundle: Bundle) -> None:
    nature = receipt.kind_of.nature
    intake.successors.append(
        Successor(bundle.latest.key, receipt.key, bundle.root.key, nature, receipt.issued_at, reason_of(link))
    )
    event = "void" if nature is Nature.VOID else "correction"
    intake.events.append(Event(bundle.root.key, event, None, intake.now))
    bundle.latest = receipt
    intake.bundles[receipt.id] = bundle
