"""Who the merchants of a bundle are: the seats, and of others what the centre was heard to say of them."""

from collections.abc import Callable, Iterable

import msgspec

from kernel.identity import seller_number_of
from pos_gateway.till.outcomes import Remembered
from pos_gateway.till.seat import Seat
from receipts.submission import Merchant


class KnownMerchant(msgspec.Struct, frozen=True, rename="camel"):
    """What is remembered of a merchant: of the centre's answer to getInfo, with its seller number where it has one."""

    vat_payer: bool = False
    city_payer: bool = False
    seller: str | None = None


def remembered_as(tin: str) -> str:
    """Answer the name under which a merchant is remembered, as JSON that `KnownMerchant` reads."""
    return f"merchant/{tin}"


def merchant_of(tin: str, seats: Iterable[Seat], remembered: Callable[[str], Remembered | None]) -> Merchant | None:
    """Answer a merchant that has a seat, or of whom the centre was heard to tell; None where nothing is known."""
    for seat in seats:
        if seat.tin == tin:
            return Merchant(seat.seller, tin, seat.vat_payer, seat.city_tax_payer)
    found = remembered(remembered_as(tin))
    known = None if found is None else _read(found.body)
    if known is None:
        return None
    seller = seller_number_of(tin) if known.seller is None else int(known.seller)
    return None if seller is None else Merchant(seller, tin, known.vat_payer, known.city_payer)


def _read(body: bytes) -> KnownMerchant | None:
    try:
        return msgspec.json.decode(body, type=KnownMerchant)
    except msgspec.DecodeError:
        return None
