"""Who speaks and who sells, remembered for a minute: the hot path asks the database only about strangers.

A revocation, a new terminal or a changed VAT status takes effect within `REMEMBERED_S`.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Generic, TypeVar
from zlib import crc32

from kernel.identity import format_terminal
from kernel.refusal import Refusal
from pos_gateway.failures import reaching_database
from pos_gateway.store import find_terminal_client
from receipts.orders import TerminalUnknown
from receipts.store import reading
from receipts.store.reading import Client, Seller
from receipts.submission import Merchant

REMEMBERED_S = 60.0
REMEMBERED_MAX = 50_000
"""Clients or sellers remembered by one worker: 50,000 at some 500 bytes are 25 MB."""
T = TypeVar("T")


class WrongSeller(Refusal):
    """The client belongs to another seller than the one named."""

    code = "wrong_seller"


class _Remembered(Generic[T]):
    """Values by name, each for a minute, the first remembered forgotten first."""

    def __init__(self, remembered_s: float, elapsed_s: Callable[[], float]) -> None:
        self._remembered_s = remembered_s
        self._elapsed_s = elapsed_s
        self._values: OrderedDict[str, tuple[T, float]] = OrderedDict()

    def get(self, name: str) -> T | None:
        found = self._values.get(name)
        return found[0] if found is not None and self._elapsed_s() < found[1] else None

    def put(self, name: str, value: T, asked_at: float) -> None:
        self._values[name] = (value, asked_at + self._remembered_s)
        self._values.move_to_end(name)
        if len(self._values) > REMEMBERED_MAX:
            self._values.popitem(last=False)

    def forget(self, name: str) -> None:
        self._values.pop(name, None)


class Directory:
    """Clients and sellers. Belongs to one event loop. Raises `Unavailable` where the database is away.

    Args:
        database: asked about strangers.
        remembered_s: how long they are no strangers after that.
        elapsed_s: measures that time; not the clock, which may be set back.
    """

    def __init__(
        self, database: Any, *, remembered_s: float = REMEMBERED_S, elapsed_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._elapsed_s = elapsed_s
        self._clients: _Remembered[Client] = _Remembered(remembered_s, elapsed_s)
        self._sellers: _Remembered[Seller] = _Remembered(remembered_s, elapsed_s)

    async def client(self, client_id: str) -> Client | None:
        """Answer a client that is enrolled and not revoked."""
        return self._clients.get(client_id) or await self._client_now(client_id)

    async def is_active(self, client_id: str) -> bool:
        """Whether the database knows the client now; asked once a minute and token."""
        return await self._client_now(client_id) is not None

    async def sellers(self, tins: Iterable[str]) -> dict[str, Seller]:
        """Answer the enrolled ones of these TINs."""
        found = {tin: self._sellers.get(tin) for tin in tins}
        strangers = [tin for tin, seller in found.items() if seller is None]
        if strangers:
            asked_at = self._elapsed_s()
            with reaching_database():
                enrolled = await reading.find_sellers(self._database, tins=strangers)
            for seller in enrolled:
                self._sellers.put(seller.tin, seller, asked_at)
                found[seller.tin] = seller
        return {tin: seller for tin, seller in found.items() if seller is not None}

    async def merchants(self, tins: Iterable[str], day: date) -> dict[str, Merchant]:
        """Answer merchants with their tax status on a business day."""
        return {
            tin: Merchant(seller.seller, tin, seller.vat_payer_on(day), seller.city_tax_payer)
            for tin, seller in (await self.sellers(tins)).items()
        }

    async def terminal(self, client: Client, named: int | None, key: str) -> int:
        """Answer the terminal that issues: the one named, or one chosen by the key, so that a retry meets the same
        chain. Raises `TerminalUnknown` when it is not this client's, or the client has none.

        A terminal of the client's own that is not open is answered too: issuing says what is the matter with it.
        """
        if named is None:
            return pick_terminal(client if client.terminals else await self._client_now(client.client_id), key)
        if named not in client.terminals:
            with reaching_database():
                owner = await find_terminal_client(self._database, client.seller, named)
            if owner != client.client_id:
                raise TerminalUnknown(terminal=format_terminal(named))
        return named

    async def _client_now(self, client_id: str) -> Client | None:
        asked_at = self._elapsed_s()
        with reaching_database():
            client = await reading.find_client(self._database, client_id)
        if client is None:
            self._clients.forget(client_id)
        else:
            self._clients.put(client_id, client, asked_at)
        return client


def pick_terminal(client: Client | None, key: str) -> int:
    """Choose one of a client's open terminals by a key. Raises `TerminalUnknown` when there is none."""
    if client is None or not client.terminals:
        raise TerminalUnknown(terminal="")
    return client.terminals[crc32(key.encode()) % len(client.terminals)]
