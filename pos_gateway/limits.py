"""How fast a till may go: no honest one comes near, a program that runs in a circle is stopped before it does harm.

| policy     | counted for                          | a second | in one go | switch                                   |
|------------|--------------------------------------|----------|-----------|------------------------------------------|
| `terminal` | a client, once an open terminal      | 100      | 6,000     | `BARIMT_TERMINAL_RECEIPTS_PER_SECOND`    |
| `seller`   | all clients of a seller together     | 1,000    | 60,000    | `BARIMT_SELLER_RECEIPTS_PER_SECOND`      |
| `tokens`   | a client that has proved itself      | 1        | 60        | -                                        |
| `address`  | who asks for tokens, proved or not   | 20       | 1,200     | `BARIMT_ADDRESS_TOKENS_PER_SECOND`       |
| `lookups`  | an address that looks taxpayers up   | 5        | 300       | -                                        |
| `activate` | an address that activates tills      | 1        | 60        | -                                        |

A receipt costs one, so that a batch or an upload of n lines costs n; a void or a look-up costs one, too. 0 switches a
limit off.

The arithmetic. A turnstile sells twice a second and may retry thrice: 6 a second, a sixteenth of the limit. A till that
was cut off for the three days that the law allows, at 2,000 sales a day, sends 6,000 at once. A loop that posts as fast
as it is answered makes 300 to 1,000 a second, and would use up a terminal's 100,000 numbers of a day in minutes; at 100
a second it leaves 17 minutes to notice. A chain of 1,000 tills, a sale every 3 s, makes 333 a second. A token is good
for an hour, so a till asks for one an hour; 1,200 tills behind one address may all be switched on at once. A till looks
up a buyer for each sale to a business, and the code lists once a day; who wants the whole register of 100,000 sellers
needs more than five hours. A chain that activates 60 tills behind one address does it in a minute; who tries codes out
has 86,400 attempts a day at 2⁸⁰.

Each worker counts by itself, and a connection stays with its worker: who spreads connections over N workers may go N
times as fast. That is meant: the limits protect the workers, and counting together would cost each receipt a statement.
"""

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kernel.refusal import Unavailable
from pos_gateway.directory import REMEMBERED_S
from pos_gateway.wire import BATCH_LINES_MAX
from receipts.store.reading import Client
from runtime.rate_limits import Policy, Quotas
from runtime.tokens.assertion import SeenJti

WINDOW_S = 60
TOKENS_PER_SECOND = 1
LOOKUPS_PER_SECOND = 5
ACTIVATIONS_PER_SECOND = 1
EXCHANGES_AT_ONCE = 2
"""Assertions that may ask the database at the same time: of the gateway's seven connections the sequencers have two for
themselves, uploads two, and one is left for whoever sells, however many invented assertions come.
"""
EXCHANGES_WAITING_MAX = 512
"""At some 2 ms each the last of them waits for half a second."""
IPV6_SUBSCRIBER_BITS = 64
"""Of an IPv6 address what one subscriber is given (RFC 6177): the rest changes at will."""


class Bounds(Protocol):
    """What an operator may set: rates a second, of which 0 switches one off, and how long a worker may be behind."""

    @property
    def terminal_receipts_per_second(self) -> float:
        """Receipts of a client, for each of its open terminals."""
        ...

    @property
    def seller_receipts_per_second(self) -> float:
        """Receipts of all clients of a seller."""
        ...

    @property
    def address_tokens_per_second(self) -> float:
        """Requests for tokens from an address."""
        ...

    @property
    def remembered_s(self) -> float:
        """How long a worker believes what it knows of tills and sellers."""
        ...


@dataclass(frozen=True, slots=True)
class StatedBounds:
    """Bounds that are stated one by one; nothing stated limits nothing."""

    terminal_receipts_per_second: float = 0
    seller_receipts_per_second: float = 0
    address_tokens_per_second: float = 0
    remembered_s: float = REMEMBERED_S


UNLIMITED = StatedBounds()


class Limits:
    """One worker's limits. Belongs to one event loop."""

    def __init__(self, bounds: Bounds, elapsed_ns: Callable[[], int] = time.monotonic_ns) -> None:
        def quotas(name: str, rate: float, quota_min: int = 1) -> Quotas | None:
            policy = Policy.per_second(name, rate, window_s=WINDOW_S, quota_min=quota_min)
            return None if policy is None else Quotas(policy, elapsed_ns)

        self._terminals = quotas("terminal", bounds.terminal_receipts_per_second, BATCH_LINES_MAX)
        self._sellers = quotas("seller", bounds.seller_receipts_per_second, BATCH_LINES_MAX)
        self._addresses = quotas("address", bounds.address_tokens_per_second)
        self._tokens = quotas("tokens", TOKENS_PER_SECOND)
        self._lookups = quotas("lookups", LOOKUPS_PER_SECOND)
        self._activations = quotas("activate", ACTIVATIONS_PER_SECOND)
        self._exchanges = asyncio.Semaphore(EXCHANGES_AT_ONCE)
        self._waiting = 0
        self.listing = asyncio.Semaphore(1)
        """Who lists a day, and takes turns meanwhile: one at a time, however many ask."""

    def spend(self, client: Client, receipts: int = 1) -> None:
        """Count what a client asks for. Raises `RateLimited`."""
        if self._terminals is not None:
            self._terminals.spend(client.client_id, receipts, factor=len(client.terminals) or 1)
        if self._sellers is not None:
            self._sellers.spend(client.seller, receipts)

    def ask_token(self, address: str | None) -> None:
        """Count a request for a token, before anything of it is believed. Raises `RateLimited`."""
        if self._addresses is not None:
            self._addresses.spend(subscriber_of(address))

    def ask_lookup(self, address: str | None) -> None:
        """Count a look-up that needs no token. Raises `RateLimited`."""
        if self._lookups is not None:
            self._lookups.spend(subscriber_of(address))

    def ask_activation(self, address: str | None) -> None:
        """Count an activation, before its code is looked at. Raises `RateLimited`."""
        if self._activations is not None:
            self._activations.spend(subscriber_of(address))

    def grant_token(self, client_id: str) -> None:
        """Count a token for a client that has proved itself: nobody else can use up its quota. Raises `RateLimited`."""
        if self._tokens is not None:
            self._tokens.spend(client_id)

    @asynccontextmanager
    async def exchanging(self) -> AsyncIterator[None]:
        """Wait for one's turn to have an assertion looked at. Raises `Unavailable` when too many wait."""
        if self._waiting >= EXCHANGES_WAITING_MAX:
            raise Unavailable("token requests")
        self._waiting += 1
        try:
            await self._exchanges.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._exchanges.release()


@dataclass(frozen=True, slots=True)
class LimitedJti:
    """Remembers used assertions, after counting the client that has just proved itself with one."""

    seen: SeenJti
    limits: Limits

    async def remember(self, client_id: str, jti: str, *, expires_at: datetime, now: datetime) -> bool:
        """Remember an assertion. Answers whether this was its first use. Raises `RateLimited`."""
        self.limits.grant_token(client_id)
        return await self.seen.remember(client_id, jti, expires_at=expires_at, now=now)


def subscriber_of(address: str | None) -> str:
    """Answer the part of an address that its owner cannot change at will."""
    try:
        ip = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if ip.version == 4:  # noqa: PLR2004 - IPv4
        return str(ip)
    mapped = ip.ipv4_mapped
    return str(mapped or ipaddress.ip_network((ip, IPV6_SUBSCRIBER_BITS), strict=False).network_address)
