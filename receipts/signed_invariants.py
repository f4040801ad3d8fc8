"""What must hold of taxes, tax months and findings of every stored link. Pure.

A finding is judged again where that takes nothing but the link itself and its place in its chain; whether a merchant
was enrolled or an invoice known on that day nobody can tell later from the registers of today.
"""

from collections.abc import Iterator

from receipts.claim import month_ordinal
from receipts.link_findings import (
    BARE,
    EXPECTED_MAX,
    FINDINGS_MAX,
    Finding,
    judge_content,
    judge_lottery,
    judge_place,
    judge_times,
)
from receipts.link_in_chain import LinkInChain
from receipts.receipt import Nature
from receipts.signed_link import SignedLink
from receipts.submission import Merchant
from receipts.tax_month import other_month

JUDGED_AGAIN = frozenset(
    {
        "amounts_mismatch", "buyer_missing", "clock_ahead", "late", "lines_mismatch", "lottery_bit", "nature_mismatch",
        "numbers", "reason_form", "reference_form", "start_misplaced", "times", "turnover_mismatch",
    }
)  # fmt: skip
_Said = tuple[str, str, str | None]


def taxes_are_right(link: LinkInChain) -> bool:
    """Whether the signed VAT is what the law computed, within a möngö a line, or a finding says that it is not."""
    row, parts = link.row, link.content.parts
    tolerance = sum([len(part.lines) for part in parts])
    excused = any(link.has(code) for code in ("vat_mismatch", "merchant_unknown", "amounts_mismatch"))
    if link.is_void:
        return True
    return abs(row.vat_mongo - row.computed_vat_mongo) <= tolerance or excused


def month_is_right(link: LinkInChain) -> bool:
    """Whether the receipt counts for the month that follows from its document and its times."""
    row, kind = link.row, link.payload.kind
    received_at = row.received_at if kind.by_till else row.issued_at
    report_month = link.content.report_month if kind.business else None
    month = other_month(row.issued_at, received_at=received_at, report_month=report_month)
    return link.stored.tax_month == (None if month is None else month_ordinal(month))


def findings_are_true(link: LinkInChain) -> bool:
    """Whether of what can be judged again exactly that is recorded which is the matter with a till's link."""
    if not link.payload.kind.by_till:
        return not link.stored.findings
    wanted = JUDGED_AGAIN - _exempt(link.payload.kind.nature)
    recorded = {_said(found) for found in link.stored.findings if found.code in wanted}
    expected = {_said(found) for found in _judged(link, link.signed) if found.code in wanted}
    if len(link.stored.findings) >= FINDINGS_MAX:
        return recorded <= expected
    return recorded == expected and _vat_is_said(link)


def _exempt(nature: Nature) -> frozenset[str]:
    """A correction's lottery number is its root's, what a void takes back its predecessor's: queries look at those."""
    if nature is Nature.CORRECTION:
        return frozenset({"lottery_bit"})
    return frozenset({"amounts_mismatch"}) if nature is Nature.VOID else frozenset()


def _judged(link: LinkInChain, signed: SignedLink) -> Iterator[Finding]:
    assert link.turnover_mongo is not None
    anybody = {
        part.merchant_tin: Merchant(0, part.merchant_tin, vat_payer=False, city_tax_payer=False)
        for part in signed.document.parts
    }
    yield from judge_place(signed, link.stood, link.turnover_mongo)
    yield from judge_content(signed, anybody).findings
    yield from judge_lottery(signed, root_has=None)
    yield from judge_times(signed, link.row.received_at)


def _said(found: Finding) -> _Said:
    return found.code, found.path, None if found.expected is None else found.expected[:EXPECTED_MAX]


def _vat_is_said(link: LinkInChain) -> bool:
    """Of a receipt of one part the computed VAT stands in the row, so that its finding can be judged again, too."""
    parts = link.content.parts
    if len(parts) != 1 or link.payload.kind.nature in BARE or link.has("merchant_unknown"):
        return True
    [part], computed = parts, link.row.computed_vat_mongo
    differs = abs(part.vat_mongo - computed) > len(part.lines) or part.vat_mongo > part.total_mongo
    recorded = [_said(found) for found in link.stored.findings if found.code == "vat_mismatch"]
    return recorded == ([("vat_mismatch", "/parts/0/vat_mongo", str(computed))] if differs else [])
