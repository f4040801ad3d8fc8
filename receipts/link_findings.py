"""What is found about a link that a till signed: by itself, at its place in its chain, and of what it follows. Pure.

A finding is a `Fault` of a document that nobody can send back. It refuses nothing: the link is stored, and the finding
beside it. Paths are those of the receipt's JSON (`/parts/0/vat_mongo`), as in the faults of a submission.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from kernel.clock import date_of_day, format_instant
from kernel.refusal import Fault
from receipts.chain import Head
from receipts.document import Line, Part
from receipts.ids import NUMBERS_A_DAY, ReceiptId
from receipts.receipt import Nature, TaxType
from receipts.rules import rules_on
from receipts.signed_link import SignedLink
from receipts.submission import Merchant, StatedPart, Submission, assess
from receipts.tax_month import is_clock_ahead, is_late

FINDING_CODES = (
    "after_closing", "after_suspension", "already_void", "amounts_mismatch", "buyer_missing", "city_tax_mismatch",
    "city_tax_not_due", "clock_ahead", "corrects_and_pays", "district_unknown", "fork", "invoice_unknown",
    "invoices_incomplete", "late", "lines_mismatch", "lottery_bit", "merchant_unknown", "nature_mismatch",
    "not_correctable", "not_latest", "numbers", "out_of_range", "part_repeated", "payments_mismatch", "reason_form",
    "reference_form", "report_month_not_due", "root_mismatch", "start_misplaced", "tax_product_missing",
    "tax_product_unknown", "test_mark", "times", "too_many_lines", "turnover_mismatch", "unknown_receipt",
    "vat_mismatch",
)  # fmt: skip
"""Everything that can be found about a link that a till signed."""
EXPECTED_MAX = 255
"""Characters of `expected` that are kept."""
FINDINGS_MAX = 250
"""Findings kept of one link. Those on which `barimt check` relies come first and are fewer."""
Finding = Fault
"""A word for a fault that refuses nothing."""
Merchants = Mapping[str, Merchant]
"""The enrolled merchants by TIN, with their tax status on the business day of the link."""
BARE = frozenset({Nature.VOID, Nature.START, Nature.CLOSING})
"""Natures whose documents have no parts."""
UNFOLLOWED = frozenset({"already_void", "not_correctable", "not_latest", "unknown_receipt"})
"""Findings of a correction or void that is nobody's successor."""
_FOLLOWING = frozenset({Nature.CORRECTION, Nature.VOID})
_REFERENCE = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_REASON = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_WITH_LOTTERY = frozenset({Nature.SALE, Nature.PAYMENT})


class Content(Struct, frozen=True, gc=False):
    """What a link's content comes to: its findings, the VAT that the law computes, and what can be stored of its
    reference.
    """

    findings: tuple[Finding, ...]
    computed_vat_mongo: int
    reference: str | None


def judge_content(link: SignedLink, merchants: Merchants) -> Content:
    """Judge what a link says, as if it stood alone."""
    document = link.document
    findings = _shape(link)
    reference = document.reference
    if reference is not None and _REFERENCE.fullmatch(reference) is None:
        findings.append(Fault("reference_form", "/reference", "1 to 64 characters, no control ones"))
        reference = None
    if link.kind.nature in BARE:
        return Content(tuple(findings), 0, reference)
    findings += _sums(link)
    if not document.parts:
        return Content(tuple(findings), 0, reference)
    day = date_of_day(link.id.day)
    faults, splits = assess(_submission(link), merchants, rules=rules_on(day), day=day)
    if faults:
        findings += [fault for fault in faults if fault.code == "merchant_unknown"]
        findings += [fault for fault in faults if fault.code != "merchant_unknown"]
    findings += _negative(document.parts)
    return Content(tuple(findings), sum([split.vat_mongo for split in splits]), reference)


def _shape(link: SignedLink) -> list[Finding]:
    """What a document of this nature has or lacks that it should not."""
    document, nature = link.document, link.kind.nature
    name = nature.name.lower()
    findings = []
    if bool(document.parts) is (nature in BARE):
        said = f"no parts: {name}" if nature in BARE else "at least one part"
        findings.append(Fault("nature_mismatch", "/parts", said))
    if nature not in _FOLLOWING and (document.root_id is not None or document.previous_id is not None):
        findings.append(Fault("nature_mismatch", "/corrects", f"no receipt before it: {name}"))
    if nature is not Nature.VOID and document.reason is not None:
        findings.append(Fault("nature_mismatch", "/reason", f"no reason: {name}"))
    if nature is not Nature.PAYMENT and invoices_of(link):
        findings.append(Fault("nature_mismatch", "/pays_invoice", f"no invoice that is paid: {name}"))
    if nature is Nature.VOID and (document.reason is None or _REASON.fullmatch(document.reason) is None):
        findings.append(Fault("reason_form", "/reason", "1 to 255 characters"))
    return findings


def reason_of(link: SignedLink) -> str | None:
    """Answer the reason of a void, as far as it can be stored."""
    reason = link.document.reason
    return None if reason is None or _REASON.fullmatch(reason) is None else reason


def _sums(link: SignedLink) -> list[Finding]:
    parts, payload = link.document.parts, link.payload
    total = sum([part.total_mongo for part in parts])
    vat = sum([part.vat_mongo for part in parts])
    if (payload.total_mongo, payload.vat_mongo) == (total, vat):
        return []
    sums = (("/total_mongo", payload.total_mongo, total), ("/vat_mongo", payload.vat_mongo, vat))
    return [Fault("amounts_mismatch", path, str(added)) for path, signed, added in sums if signed != added]


def _submission(link: SignedLink) -> Submission:
    document, kind = link.document, link.kind
    return Submission(
        nature=kind.nature,
        business=kind.business,
        seller_tin="",
        parts=tuple([_stated(part) for part in document.parts]),
        payments=link.payments,
        district=document.district,
        buyer_tin=document.buyer_tin,
        corrects=document.previous_id if kind.nature is Nature.CORRECTION else None,
        pays_invoice=document.pays_invoice,
        report_month=document.report_month,
    )


def _stated(part: Part) -> StatedPart:
    amounts = part.total_mongo, part.vat_mongo, part.city_tax_mongo
    return StatedPart(part.merchant_tin, part.tax_type, *amounts, part.lines, part.pays_invoice)


def _negative(parts: Sequence[Part]) -> list[Finding]:
    return [
        Fault("out_of_range", f"/parts/{at}", "amounts of at least 0")
        for at, part in enumerate(parts)
        if part.total_mongo < 0 or part.vat_mongo < 0 or part.city_tax_mongo < 0 or _has_negative(part.lines)
    ]


def _has_negative(lines: Sequence[Line]) -> bool:
    for line in lines:
        if line.total_mongo < 0 or (line.unit_price_mongo is not None and line.unit_price_mongo < 0):
            return True
    return False


def judge_times(link: SignedLink, received_at: datetime) -> list[Finding]:
    """Answer what is to be said of when a link was issued and when it came."""
    if is_clock_ahead(link.issued_at, received_at):
        return [Fault("clock_ahead", "/issued_at", format_instant(received_at))]
    if is_late(link.issued_at, received_at):
        return [Fault("late", "/issued_at", format_instant(received_at))]
    return []


def judge_place(link: SignedLink, head: Head, turnover_mongo: int) -> list[Finding]:
    """Answer what is to be said of a link at its place in its chain. `turnover_mongo` is the counter that it seals."""
    payload, nature = link.payload, link.kind.nature
    findings = []
    if (payload.counter == 0) is not (nature is Nature.START):
        findings.append(Fault("start_misplaced", "/nature", "a start as the first link, and nowhere else"))
    if link.issued_at < head.last_issued_at:
        findings.append(Fault("times", "/issued_at", format_instant(head.last_issued_at)))
    if not numbers_are_free(payload.id, head, parts=link.numbers):
        findings.append(Fault("numbers", "/id", f"{head.day:05d}{head.next_number:05d}"))
    expected = head.turnover_mongo + (payload.total_mongo if nature.adds_turnover else 0)
    if turnover_mongo != expected:
        findings.append(Fault("turnover_mismatch", "/turnover_mongo", str(expected)))
    return findings


def numbers_are_free(named: ReceiptId, head: Head, *, parts: int) -> bool:
    """Whether a link and its parts take numbers of the day that were not given before, and that there are."""
    free = named.day > head.day or (named.day == head.day and named.number >= head.next_number)
    return free and named.number + parts < NUMBERS_A_DAY


def head_after(link: SignedLink, before: Head, turnover_mongo: int) -> Head:
    """Answer where a chain stands after a link, whatever is found about it. Days and numbers never go back, so that
    none is given twice unseen after a link of an earlier day.
    """
    payload = link.payload
    day, next_number = places_after(payload.id, before, parts=link.numbers)
    return Head(
        seller=payload.id.seller,
        terminal=payload.id.terminal,
        counter=payload.counter + 1,
        previous_hash=link.receipt_hash,
        turnover_mongo=turnover_mongo,
        day=day,
        next_number=next_number,
        last_issued_at=link.issued_at,
    )


def places_after(named: ReceiptId, before: Head, *, parts: int) -> tuple[int, int]:
    """Answer the last day of a till's chain and its next free number."""
    after = named.day, min(named.number + 1 + parts, NUMBERS_A_DAY)
    return max(after, (before.day, before.next_number))


def judge_lottery(link: SignedLink, *, root_has: bool | None) -> list[Finding]:
    """Answer whether the bit that says "carries a lottery number" is right; `root_has` is that of a correction's root,
    None where nobody knows it.
    """
    due = root_has if link.kind.nature is Nature.CORRECTION else lottery_due(link)
    if due is None or link.kind.lottery is due:
        return []
    return [Fault("lottery_bit", "/lottery", "a lottery number" if due else "no lottery number")]


def lottery_due(link: SignedLink) -> bool:
    """Whether a link that is no correction takes part in the lottery."""
    if link.kind.business or link.kind.nature not in _WITH_LOTTERY:
        return False
    return any([part.tax_type is not TaxType.NO_VAT for part in link.document.parts])  # noqa: C419 - as fast again


def invoices_of(link: SignedLink) -> list[tuple[str, ReceiptId]]:
    """Answer the invoices that a link pays, each with the path at which it is named."""
    document = link.document
    named = [] if document.pays_invoice is None else [("/pays_invoice", document.pays_invoice)]
    for at, part in enumerate(document.parts):
        if part.pays_invoice is not None:
            named.append((f"/parts/{at}/pays_invoice", part.pays_invoice))
    return named
