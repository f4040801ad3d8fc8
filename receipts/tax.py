"""Tax inside a price: VAT and capital city tax, both on the net base, half up to a möngö a line.

`base = total / (1 + VAT rate + city rate)`, `VAT = base x VAT rate`, `city = base x city rate`; parts and receipts are
sums of their lines. Source: PosAPI text of 2025-03-31 (1000 + 100 + 20 = 1120); half up as the published clients do.
"""

from collections.abc import Iterable

from msgspec import Struct

from kernel.money import half_up
from receipts.receipt import TaxType
from receipts.rules import Rules


class Split(Struct, frozen=True, gc=False):
    """The taxes inside a total, in möngö."""

    vat_mongo: int
    city_tax_mongo: int


def split_line(total_mongo: int, *, vat_per_mille: int, city_tax_per_mille: int) -> Split:
    """Take the two taxes out of a line's total; a rate that does not apply is 0."""
    divisor = 1000 + vat_per_mille + city_tax_per_mille
    return Split(half_up(total_mongo * vat_per_mille, divisor), half_up(total_mongo * city_tax_per_mille, divisor))


def split_plain(totals_mongo: Iterable[int], *, vat_per_mille: int) -> int:
    """Answer the VAT inside lines that carry no city tax: the sum of what `split_line` takes out of each. A receipt has
    many lines and the city tax is rare, so this is the whole of it for nearly all. Totals must not be negative.
    """
    if vat_per_mille == 0:
        return 0
    twice, divisor, half = 2 * vat_per_mille, 2 * (1000 + vat_per_mille), 1000 + vat_per_mille
    return sum([(total * twice + half) // divisor for total in totals_mongo])


def vat_rate(tax_type: TaxType, *, vat_payer: bool, rules: Rules) -> int:
    """Answer the VAT rate in per mille that applies to a part: only a VAT payer's taxable part carries VAT."""
    return rules.vat_per_mille if vat_payer and tax_type is TaxType.VAT_ABLE else 0


def refund(eligible_vat_mongo: int, rules: Rules) -> int:
    """Answer the consumer's share of VAT, rounded down to a möngö. The VAT must not be negative."""
    assert eligible_vat_mongo >= 0
    return eligible_vat_mongo * rules.refund_share_percent // 100
