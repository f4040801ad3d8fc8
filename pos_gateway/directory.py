"""Who speaks and who sells, remembered for a minute: the hot path asks the database only about strangers.

A revocation, a new terminal or a changed VAT status takes effect within `REMEMBERED_S`.
"""

import time
from collections.abc import Callable, Collection, Iterable
from datetime import date
from typing import Any
from zlib import crc32

from kernel.identity import format_terminal
from kernel.refusal import Refusal
from pos_gateway.failures import reaching_database
from pos_gateway.store import find_terminal_client
from receipts.orders import TerminalUnknown
from receipts.store import reading
from receipts.store.reading import Client
from receipts.submission import Merchant
from runtime.remembered import Remembered

REMEMBERED_S = 60.0
REMEMBERED_MAX = 50_000
"""Clients or merchants remembered by one worker: 50,000 at some 500 bytes are 25 MB."""


class WrongSeller(Refusal):
    """The client belongs to another seller than the one named."""

    code = "wrong_seller"


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
        self._clients = Remembered[str, Client](
            lambda client_id, _: self._client_now(client_id),
            remembered_s=remembered_s,
            most=REMEMBERED_MAX,
            elapsed_s=elapsed_s,
        )
        self._merchants = Remembered[tuple[str, date], Merchant](
            lambda named, _: self._merchants_now([named[0]], named[1]),
            remembered_s=remembered_s,
            most=REMEMBERED_MAX,
            elapsed_s=elapsed_s,
        )

    def known_client(self, client_id: str) -> Client | None:
        """Answer a client, if it is remembered."""
        return self._clients.get(client_id)

    async def client(self, client_id: str) -> Client | None:
        """Answer a client that is enrolled and not revoked."""
        return self._clients.get(client_id) or await self._client_now(client_id)

    async def is_active(self, client_id: str) -> bool:
        """Whether the database knows the client now; asked once a minute and token."""
        return await self._client_now(client_id) is not None

    def known_merchants(self, tins: Iterable[str], day: date) -> dict[str, Merchant] | None:
        """Answer merchants with their tax status on a business day, if all of them are remembered."""
        known = {}
        for tin in tins:
            merchant = self._merchants.get((tin, day))
            if merchant is None:
                return None
            known[tin] = merchant
        return known

    async def merchants(self, tins: Collection[str], day: date) -> dict[str, Merchant]:
        """Answer the enrolled ones of these TINs as merchants, with their tax status on a business day."""
        known = self.known_merchants(tins, day)
        return await self._merchants_now(tins, day) if known is None else known

    async def _merchants_now(self, tins: Collection[str], day: date) -> dict[str, Merchant]:
        asked_at = self._elapsed_s()
        with reaching_database():
            sellers = await reading.find_sellers(self._database, tins=tins)
        found = {
            seller.tin: Merchant(seller.seller, seller.tin, seller.vat_payer_on(day), seller.city_tax_payer)
            for seller in sellers
        }
        for tin, merchant in found.items():
            self._merchants.put((tin, day), merchant, asked_at)
        return found

    def known_terminal(self, client: Client, named: int | None, key: str) -> int | None:
        """Answer the terminal that issues, as `terminal` does, if that takes no look-up."""
        if named is None:
            return pick_terminal(client, key) if client.terminals else None
        return named if named in client.terminals else None

    async def terminal(self, client: Client, named: int | None, key: str) -> int:
        """Answer the terminal that issues: the one named, or one chosen by the key, so that a retry meets the same
        chain. Raises `TerminalUnknown` when it is not this client's, or the client has none.

        A terminal of the client's own that is not open is answered too: issuing says what is the matter with it.
        """
        known = self.known_terminal(client, named, key)
        if known is not None:
            return known
        if named is None:
            return pick_terminal(await self._client_now(client.client_id), key)
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
