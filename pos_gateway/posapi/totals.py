"""Totals that differ by rounding: what is stated further up is right within a möngö a line, and the largest line gives.

The header's total is what the customer pays and what the QR says; then come the sub-receipts' totals, then the items'.
Many clients round each by itself, some send thirteen decimals, and so the sums differ by hundredths. Anything more is
refused: nobody could say which of the figures is the sale.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from kernel.refusal import Fault
from pos_gateway.posapi.parts import Item, SubReceipt
from pos_gateway.posapi.spelling import tugriks
from receipts.submission import Payment


def fit_sub_receipts(
    subs: Sequence[SubReceipt], *, total_mongo: int | None, faults: list[Fault]
) -> tuple[SubReceipt, ...]:
    """Answer the sub-receipts with items that add up to them, and together to the header's total. All must be sound."""
    fitted = fit([sub.total_mongo for sub in subs], total_mongo, lines=sum(len(sub.items) for sub in subs))
    if fitted is None:
        faults.append(Fault("lines_mismatch", "totalAmount", tugriks(sum(sub.total_mongo for sub in subs))))
        fitted = [sub.total_mongo for sub in subs]
    return tuple(_fit_items(sub, total, faults) for sub, total in zip(subs, fitted, strict=True))


def fit_payments(payments: Sequence[Payment], *, total_mongo: int, lines: int) -> tuple[Payment, ...]:
    """Answer the payments so that they add up to the total where they nearly do."""
    fitted = fit([payment.amount_mongo for payment in payments], total_mongo, lines=lines)
    if fitted is None:
        return tuple(payments)
    return tuple(Payment(payment.method, amount) for payment, amount in zip(payments, fitted, strict=True))


def fit(amounts: list[int], total: int | None, *, lines: int) -> list[int] | None:
    """Answer amounts that add up to the total, the difference given to the largest; None where it is more than a möngö
    a line, or more than the largest has.
    """
    if total is None or not amounts:
        return amounts
    difference = total - sum(amounts)
    at = amounts.index(max(amounts))
    if abs(difference) > lines or amounts[at] + difference < 0:
        return None
    return [amount + difference if place == at else amount for place, amount in enumerate(amounts)]


def _fit_items(sub: SubReceipt, total_mongo: int, faults: list[Fault]) -> SubReceipt:
    stated = [item.line.total_mongo for item in sub.items]
    fitted = fit(stated, total_mongo, lines=len(stated) + abs(total_mongo - sub.total_mongo))
    if fitted is None:
        faults.append(Fault("lines_mismatch", f"{sub.place}.totalAmount", tugriks(sum(stated))))
        return replace(sub, sound=False)
    items = tuple(_with_total(item, total) for item, total in zip(sub.items, fitted, strict=True))
    return replace(sub, total_mongo=total_mongo, items=items)


def _with_total(item: Item, total_mongo: int) -> Item:
    if item.line.total_mongo == total_mongo:
        return item
    return replace(item, line=replace(item.line, total_mongo=total_mongo))
