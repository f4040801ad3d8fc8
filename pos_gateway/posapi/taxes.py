"""The taxes that a client states, made into parts that `receipts.submission.price` can judge.

What is stated of a sub-receipt is signed where it is right within a möngö an item; where nothing is stated of it, the
header's figure counts (of a single sub-receipt) or the sum of its items', else we compute. The items' own taxes are in
no document: they are judged where they say something, because they stand on the customer's paper.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date

from msgspec.structs import replace

from kernel.identity import seller_number_of
from kernel.refusal import Fault
from pos_gateway.posapi.parts import Item, SubReceipt
from pos_gateway.posapi.spelling import tugriks
from receipts.receipt import TaxType
from receipts.rules import Rules, rules_on
from receipts.submission import Merchant, StatedPart
from receipts.tax import split_line, vat_rate

SellerOf = Callable[[str], Merchant | None]


def with_stated_taxes(
    subs: Sequence[SubReceipt], *, vat_mongo: int | None, city_tax_mongo: int | None
) -> tuple[SubReceipt, ...]:
    """Answer the sub-receipts with the taxes that are stated of them, wherever they are stated; `vat_mongo` and
    `city_tax_mongo` are the header's. Items bear city tax that say so, or all where only the sub-receipt says so.
    """
    alone = len(subs) == 1
    taxed = []
    for sub in subs:
        vat = _first(sub.vat_mongo, vat_mongo if alone else None, _sum([item.vat_mongo for item in sub.items]))
        of_items = _sum([item.city_tax_mongo for item in sub.items])
        city_tax = _first(sub.city_tax_mongo, city_tax_mongo if alone else None, of_items)
        items = sub.items
        if city_tax and not any(item.line.city_tax for item in items):
            items = tuple(replace(item, line=replace(item.line, city_tax=True)) for item in items)
        taxed.append(replace(sub, vat_mongo=vat, city_tax_mongo=city_tax, items=items))
    return tuple(taxed)


def stated_part(sub: SubReceipt, *, pays_invoice: bool) -> StatedPart:
    """Answer a sub-receipt as a part; `pays_invoice` where each part names the invoice that it pays."""
    return StatedPart(
        sub.merchant_tin,
        sub.tax_type,
        sub.total_mongo,
        sub.vat_mongo,
        sub.city_tax_mongo,
        tuple(item.line for item in sub.items),
        sub.pays_invoice if pays_invoice else None,
    )


def merchants_of(subs: Sequence[SubReceipt], seller_of: SellerOf) -> dict[str, Merchant]:
    """Answer the merchants of the sub-receipts by TIN. One that the till does not know, as a lessee of whom it has not
    yet heard, is taken at the client's word: it pays the taxes that are stated. Of a TIN of more than 12 digits nobody
    knows the seller number but the centre, so it is left out.
    """
    merchants = {}
    for tin in {sub.merchant_tin: None for sub in subs}:
        known, number = seller_of(tin), seller_number_of(tin)
        if known is not None:
            merchants[tin] = known
        elif number is not None:
            vats = [sub.vat_mongo for sub in subs if sub.merchant_tin == tin and sub.tax_type is TaxType.VAT_ABLE]
            pays_vat = any(vat != 0 for vat in vats)
            merchants[tin] = Merchant(number, tin, vat_payer=pays_vat, city_tax_payer=True)
    return merchants


def item_faults(subs: Sequence[SubReceipt], merchants: Mapping[str, Merchant], day: date) -> Iterator[Fault]:
    """Answer the items whose stated taxes are off by more than a möngö. One that says 0 has said nothing: clients fill
    fields that they do not know of with zeros.
    """
    rules = rules_on(day)
    for sub in subs:
        merchant = merchants.get(sub.merchant_tin)
        if merchant is not None:
            for item in sub.items:
                yield from _item_faults(item, sub.tax_type, merchant, rules)


def header_fault(name: str, code: str, *, stated_mongo: int | None, signed_mongo: int, lines: int) -> Iterator[Fault]:
    """Answer what is wrong with a tax of the header, which is in no document: it is the sum, within a möngö a line."""
    assert code in HEADER_CODES
    if stated_mongo is not None and abs(stated_mongo - signed_mongo) > lines:
        yield Fault(code, name, tugriks(signed_mongo))


HEADER_CODES = ("vat_mismatch", "city_tax_mismatch")


def _item_faults(item: Item, tax_type: TaxType, merchant: Merchant, rules: Rules) -> Iterator[Fault]:
    city = rules.city_tax_per_mille if item.line.city_tax and merchant.city_tax_payer else 0
    vat = vat_rate(tax_type, vat_payer=merchant.vat_payer, rules=rules)
    split = split_line(item.line.total_mongo, vat_per_mille=vat, city_tax_per_mille=city)
    if item.vat_mongo and abs(item.vat_mongo - split.vat_mongo) > 1:
        yield Fault("vat_mismatch", f"{item.place}.totalVAT", tugriks(split.vat_mongo))
    if item.city_tax_mongo and merchant.city_tax_payer and abs(item.city_tax_mongo - split.city_tax_mongo) > 1:
        yield Fault("city_tax_mismatch", f"{item.place}.totalCityTax", tugriks(split.city_tax_mongo))


def _first(*amounts: int | None) -> int | None:
    return next((amount for amount in amounts if amount is not None), None)


def _sum(amounts: list[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
