"""What the tills' side asks of the consumers' side, which it cannot see: does this consumer have the claim now?

The composition root hands the answer over as a callable. A till learns it only for a consumer whose number it was told
itself, of a receipt that was issued a moment ago.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence

from msgspec import Struct

from receipts.stored import ReceiptKey

EASY_FOR_S = 60
"""How old a receipt may be for its till to be told."""


class Wanted(Struct, frozen=True):
    """A receipt that is its own root, and the consumer number that was said at the till."""

    root_key: ReceiptKey
    consumer_no: int


ClaimEasily = Callable[[Sequence[Wanted]], Awaitable[Collection[Wanted]]]
"""Lets the claims follow what was just stored, for a bounded time, and answers those that the consumers have now."""


async def nobody(_wanted: Sequence[Wanted]) -> Collection[Wanted]:
    """Answer for a gateway that has no consumers' side: nobody has anything."""
    return ()
