"""What a business day came to, and which bodies came twice: sums over rows of the queue. Pure but for the rows' own
predecessors, which are asked for.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import groupby
from typing import Final

from kernel.clock import date_of_day
from pos_gateway.till.outcomes import DayTotals, SameBodies, TaxTotal
from pos_gateway.till.rows import Row, instant
from receipts.document import Part, decode_document
from receipts.receipt import Nature, TaxType

SAME_WITHIN: Final = timedelta(minutes=10)
_REVENUE: Final = frozenset({Nature.SALE, Nature.INVOICE, Nature.CORRECTION})
_COUNTED: Final = frozenset({Nature.SALE, Nature.PAYMENT})
Find = Callable[[str], Row | None]
"""Answers the row of 33 digits, where it is here."""


def add_up(day: int, rows: Iterable[Row], find: Find, *, settled: int) -> DayTotals:
    """Add a chain's day up. `settled` is the counter of the first link that waits for upload."""
    natures: Counter[Nature] = Counter()
    paid: Counter[str] = Counter()
    taxed: dict[TaxType, list[int]] = {}
    uploaded = 0
    for row in rows:
        nature = row.kind_of.nature
        natures[nature] += 1
        uploaded += row.counter < settled
        for sign, part in _moved(row, nature, find):
            sums = taxed.setdefault(part.tax_type, [0, 0, 0])
            for at, amount in enumerate((part.total_mongo, part.vat_mongo, part.city_tax_mongo)):
                sums[at] += sign * amount
        for sign, payments in _paid(row, nature, find):
            for method, amount in _payments_of(payments):
                paid[method] += sign * amount
    by_tax_type = tuple(TaxTotal(tax_type, *taxed[tax_type]) for tax_type in sorted(taxed))
    return DayTotals(
        date_of_day(day), sum(natures[nature] for nature in _COUNTED), natures[Nature.CORRECTION],
        natures[Nature.VOID], natures[Nature.INVOICE], sum(total.total_mongo for total in by_tax_type), by_tax_type,
        tuple(sorted((method, amount) for method, amount in paid.items() if amount)), uploaded,
    )  # fmt: skip


def find_same_bodies(rows: Iterable[Row], is_void: Callable[[Row], bool]) -> Iterator[SameBodies]:
    """Answer runs of rows of one body, each within ten minutes of the one before. `rows` are ordered by body."""
    for _, of_one_body in groupby(rows, lambda row: (row.chain, row.body_digest)):
        run: list[Row] = []
        for row in of_one_body:
            if run and instant(row.issued_at) - instant(run[-1].issued_at) > SAME_WITHIN:
                yield from _same(run)
                run = []
            if row.kind_of.nature is not Nature.VOID and not is_void(row):
                run.append(row)
        yield from _same(run)


def _same(run: list[Row]) -> Iterator[SameBodies]:
    if len(run) > 1:
        yield SameBodies(
            run[0].seller, run[0].terminal, tuple(row.id for row in run),
            tuple(instant(row.issued_at) for row in run), run[0].total_mongo,
        )  # fmt: skip


def _moved(row: Row, nature: Nature, find: Find) -> Iterator[tuple[int, Part]]:
    """Answer the parts by which a link moves revenue: its own, less its predecessor's where that had moved it."""
    if nature in _REVENUE:
        for part in decode_document(row.document).parts:
            yield 1, part
    before = _before(row, nature, find)
    if before is not None and before.kind_of.nature in _REVENUE:
        for part in decode_document(before.document).parts:
            yield -1, part


def _paid(row: Row, nature: Nature, find: Find) -> Iterator[tuple[int, str | None]]:
    if nature is not Nature.VOID:
        yield 1, row.payments
    if (before := _before(row, nature, find)) is not None:
        yield -1, before.payments


def _before(row: Row, nature: Nature, find: Find) -> Row | None:
    follows = nature in {Nature.CORRECTION, Nature.VOID} and row.previous_id is not None
    return find(row.previous_id) if follows and row.previous_id is not None else None


def _payments_of(payments: str | None) -> Iterator[tuple[str, int]]:
    for payment in (payments or "").split(";"):
        if payment:
            method, _, amount = payment.rpartition(" ")
            yield method, int(amount)
