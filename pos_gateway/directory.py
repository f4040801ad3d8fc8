"""Who speaks and who sells, remembered for a minute: the hot path asks the database only about strangers.

A revocation, a new terminal or a changed VAT status takes effect within `REMEMBERED_S`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, Generic, TypeVar
from zlib import crc32

from kernel.refusal import Refusal
from receipts.orders import TerminalUnknown
from receipts.store import reading
from receipts.store.reading import Client, Seller
from receipts.submission import Merchant

REMEMBERED_S = 60
REMEMBERED_MAX = 50_000
"""Clients or sellers remembered by one worker: 50,000 at some 500 bytes are 25 MB."""
T = TypeVar("T")


class WrongSeller(Refusal):
    """The client belongs to another seller than the one named."""

    code = "wrong_seller"


class _Remembered(Generic[T]):
    """Values by name, each for a minute, the longest unused forgotten first."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._values: OrderedDict[str, tuple[T, datetime]] = OrderedDict()

    def get(self, name: str) -> T | None:
        value, until = self._values.get(name, (None, datetime.max.replace(tzinfo=self._now().tzinfo)))
        return value if until > self._now() else None

    def put(self, name: str, value: T) -> None:
        self._values[name] = (value, self._now() + timedelta(seconds=REMEMBERED_S))
        self._values.move_to_end(name)
        if len(self._values) > REMEMBERED_MAX:
            self._values.popitem(last=False)


class Directory:
    """Clients and sellers. Belongs to one event loop."""

    def __init__(self, database: Any, real_clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clients: _Remembered[Client] = _Remembered(real_clock)
        self._sellers: _Remembered[Seller] = _Remembered(real_clock)

    async def client(self, client_id: str) -> Client | None:
        """Answer a client that is enrolled and not revoked."""
        known = self._clients.get(client_id)
        if known is None:
            known = await reading.find_client(self._database, client_id)
            if known is not None:
                self._clients.put(client_id, known)
        return known

    async def is_active(self, client_id: str) -> bool:
        """Whether the database knows the client now; asked once a minute and token."""
        client = await reading.find_client(self._database, client_id)
        if client is not None:
            self._clients.put(client_id, client)
        return client is not None

    async def sellers(self, tins: Iterable[str]) -> dict[str, Seller]:
        """Answer the enrolled ones of these TINs."""
        found = {tin: self._sellers.get(tin) for tin in tins}
        strangers = [tin for tin, seller in found.items() if seller is None]
        if strangers:
            for seller in await reading.find_sellers(self._database, tins=strangers):
                self._sellers.put(seller.tin, seller)
                found[seller.tin] = seller
        return {tin: seller for tin, seller in found.items() if seller is not None}

    async def merchants(self, tins: Iterable[str], day: date) -> dict[str, Merchant]:
        """Answer merchants with their tax status on a business day."""
        return {
            tin: Merchant(seller.seller, tin, seller.vat_payer_on(day), seller.city_tax_payer)
            for tin, seller in (await self.sellers(tins)).items()
        }


def pick_terminal(client: Client, named: int | None, key: str) -> int:
    """Answer the terminal that issues: the one named, or one chosen by the key, so that a retry meets the same chain.

    Raises `TerminalUnknown` when the client has none. A terminal that is named but not open is refused by issuing.
    """
    if named is not None:
        return named
    if not client.terminals:
        raise TerminalUnknown(terminal="")
    return client.terminals[crc32(key.encode()) % len(client.terminals)]
