"""Who the merchants of a bundle are: the seats, what the centre was heard to say of others, else what the bill says.

A till that is offline may not know a lessee. A merchant of whom nothing is known counts as a VAT payer where VAT is
stated, or nothing; the centre judges by its register (a finding, never a refusal: CONTRACT 6).
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from kernel.identity import seller_number_of
from pos_gateway.till.outcomes import Remembered
from pos_gateway.till.seat import Seat
from receipts.submission import Merchant, StatedPart, Submission


class KnownMerchant(msgspec.Struct, frozen=True, rename="camel"):
    """What is remembered of a merchant: of the centre's answer to getInfo, with its seller number where it has one."""

    vat_payer: bool = False
    city_payer: bool = False
    seller: str | None = None


def remembered_as(tin: str) -> str:
    """Answer the name under which a merchant is remembered, as JSON that `KnownMerchant` reads."""
    return f"merchant/{tin}"


def merchants_of(
    submission: Submission, seats: Iterable[Seat], remembered: Callable[[str], Remembered | None]
) -> Mapping[str, Merchant]:
    """Answer the merchants of a bundle's parts by TIN. One whose seller number nobody here knows (a TIN of 13 or 14
    digits) is left out.
    """
    known = {seat.tin: Merchant(seat.seller, seat.tin, seat.vat_payer, seat.city_tax_payer) for seat in seats}
    merchants: dict[str, Merchant] = {}
    for part in submission.parts:
        if part.seller_tin not in merchants:
            merchant = known.get(part.seller_tin) or _merchant(part, remembered)
            if merchant is not None:
                merchants[part.seller_tin] = merchant
    return merchants


def _merchant(part: StatedPart, remembered: Callable[[str], Remembered | None]) -> Merchant | None:
    tin = part.seller_tin
    found = remembered(remembered_as(tin))
    known = None if found is None else _read(found.body)
    seller = seller_number_of(tin) if known is None or known.seller is None else int(known.seller)
    if seller is None:
        return None
    if known is not None:
        return Merchant(seller, tin, known.vat_payer, known.city_payer)
    vat, city = part.vat_mongo is None or part.vat_mongo > 0, (part.city_tax_mongo or 0) > 0
    return Merchant(seller, tin, vat, city or any(line.city_tax for line in part.lines))


def _read(body: bytes) -> KnownMerchant | None:
    try:
        return msgspec.json.decode(body, type=KnownMerchant)
    except msgspec.DecodeError:
        return None
