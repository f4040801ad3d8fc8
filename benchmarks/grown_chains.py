"""Chains of sales as if tills had posted them for months: signed by the same step, in order of time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.till_requests import GOODS, LINES, UNIT
from kernel.clock import business_date
from receipts.chain import ChainKey, Draft, Head, advance
from receipts.document import Document, Line, Part
from receipts.receipt import Nature, TaxType
from receipts.rules import rules_on
from receipts.stored import PartAmounts, StoredReceipt, stored_receipt
from receipts.tax import split_plain

BASKETS = 4_999
"""Prime, so that terminals and baskets never march in step. No two of them are equal."""


@dataclass(frozen=True, slots=True)
class Basket:
    """What is sold, five lines made beforehand. Receipts that share it differ in seller, time, counter and turnover."""

    lines: tuple[Line, ...]
    total_mongo: int
    vat_mongo: int


@dataclass(frozen=True, slots=True)
class Period:
    """From when to when receipts are issued, at equal distances."""

    begins_at: datetime
    ends_at: datetime

    def at(self, number: int, of: int) -> datetime:
        """Answer when the receipt of that number is issued, of so many: whole seconds, never decreasing."""
        seconds = int((self.ends_at - self.begins_at).total_seconds())
        return self.begins_at + timedelta(seconds=seconds * number // of)


def baskets(on: datetime) -> list[Basket]:
    """Make every basket, with the VAT of that day's rules. The lines are like those that the load client posts."""
    per_mille = rules_on(business_date(on)).vat_per_mille
    return [_basket(number, per_mille) for number in range(BASKETS)]


def grow(
    heads: list[Head], keys: Sequence[ChainKey], sold: Sequence[Basket], period: Period, receipts: int
) -> Iterator[StoredReceipt]:
    """Issue receipts on chains in turns, and move `heads` along. Every seller has the TIN of its number."""
    for number in range(receipts):
        at = number % len(heads)
        basket = sold[(number * 31 + at) % len(sold)]
        receipt, heads[at] = _sale(heads[at], keys[at], basket, period.at(number, receipts))
        yield receipt


def _sale(head: Head, key: ChainKey, basket: Basket, issued_at: datetime) -> tuple[StoredReceipt, Head]:
    total, vat, seller = basket.total_mongo, basket.vat_mongo, head.seller
    part = Part(f"{seller:011d}", TaxType.VAT_ABLE, total, vat, 0, basket.lines)
    draft = Draft(
        Nature.SALE, business=False, lottery=True, branch=1, total_mongo=total, vat_mongo=vat,
        document=Document(parts=(part,)), part_sellers=(seller,),
    )  # fmt: skip
    link, after = advance(head, draft, issued_at=issued_at, key=key)
    amounts = [PartAmounts(seller, TaxType.VAT_ABLE, total, vat, 0)]
    payments = f"PAYMENT_CARD {total}"
    return stored_receipt(link, amounts, received_at=issued_at, computed_vat_mongo=vat, payments=payments), after


def _basket(number: int, per_mille: int) -> Basket:
    lines, unit = [], UNIT.decode()
    for at in range(LINES):
        units = (number + at) % 3 + 1
        price = (number * 7 + at * 131) % 9_973 * 100 + 50_000
        name = GOODS[(number + at * 5) % len(GOODS)].decode()
        barcode = f"{number * LINES + at:013d}"
        lines.append(Line(name, f"{units}.000", unit, units * price, unit_price_mongo=price, barcode=barcode))
    totals = [line.total_mongo for line in lines]
    return Basket(tuple(lines), sum(totals), split_plain(totals, vat_per_mille=per_mille))
