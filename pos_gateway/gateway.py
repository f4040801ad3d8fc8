"""One worker's gateway: the directory, the pool and its sequencer, and how a request becomes an order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import asyncpg

from kernel.clock import Clock, business_date
from kernel.refusal import Fault, Malformed, Refusal
from pos_gateway.directory import Directory, WrongSeller, pick_terminal
from pos_gateway.pool import Pool
from pos_gateway.sequence_batches import Sequencer
from pos_gateway.wire import ReceiptIn, VoidIn, content_hash, submission_of
from receipts.ids import ReceiptId
from receipts.orders import ChainKeys, Issued, Order, SaleOrder, UnknownReceipt, VoidOrder
from receipts.rules import rules_on
from receipts.store.reading import Client
from receipts.submission import price
from runtime.tokens.access import AccessTokens
from runtime.tokens.bearer import Unauthenticated, token_of


@dataclass(slots=True)
class Gateway:
    """Everything that the routes of the tills' side need. Belongs to one event loop."""

    database: "asyncpg.Pool[asyncpg.Record]"
    directory: Directory
    pool: Pool
    tokens: AccessTokens
    clock: Clock
    real_clock: Callable[[], datetime]

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        database: "asyncpg.Pool[asyncpg.Record]",
        *,
        clock: Clock,
        real_clock: Callable[[], datetime],
        chain_keys: ChainKeys,
        token_key: bytes,
        observe: Callable[[int, float], None] = lambda _receipts, _seconds: None,
    ) -> AsyncIterator[Self]:
        """Run a gateway with its sequencer; at the end what waits in the pool is still issued."""
        directory = Directory(database, real_clock)
        pool = Pool()
        sequencer = Sequencer(
            pool, database, clock=clock, real_clock=real_clock, chain_keys=chain_keys, observe=observe
        )
        running = asyncio.create_task(sequencer.run(), name="sequencer")
        try:
            yield cls(database, directory, pool, AccessTokens(token_key, directory.is_active), clock, real_clock)
        finally:
            pool.close()
            await running

    async def authenticate(self, authorization: str | None) -> Client:
        """Answer whose access token this is. Raises `Unauthenticated` or `TokenExpired`."""
        client = await self.directory.client(await self.tokens.read(token_of(authorization), self.real_clock()))
        if client is None:
            raise Unauthenticated
        return client

    async def sale_order(self, client: Client, key: str, body: ReceiptIn) -> SaleOrder:
        """Judge a well-formed receipt and answer the order to issue it. Raises `Malformed` or `WrongSeller`."""
        submission = submission_of(body)
        if body.seller_tin != client.seller_tin:
            raise WrongSeller
        day = business_date(submission.sold_at or self.clock())
        merchants = await self.directory.merchants({part.seller_tin for part in submission.parts}, day)
        return SaleOrder(
            client_id=client.client_id,
            key=key,
            content_hash=content_hash(body),
            seller=client.seller,
            terminal=pick_terminal(client, submission.terminal, key),
            submission=submission,
            priced=price(submission, merchants, rules=rules_on(day), day=day),
        )

    def void_order(self, client: Client, key: str, receipt: ReceiptId, body: VoidIn) -> VoidOrder:
        """Answer the order to void a receipt of this client's seller. Raises `UnknownReceipt`."""
        if receipt.seller != client.seller:
            raise UnknownReceipt
        named = receipt.terminal if receipt.terminal in client.terminals else None
        return VoidOrder(
            client_id=client.client_id,
            key=key,
            content_hash=content_hash(body, str(receipt)),
            seller=client.seller,
            terminal=pick_terminal(client, named, key),
            receipt=receipt,
            reason=body.reason,
        )

    async def issue(self, order: Order) -> Issued:
        """Wait until an order is durable. Raises the refusal or `Unavailable` that it ended with."""
        outcome = await self.pool.submit(order)
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome


def gateway_of(app: Any) -> Gateway:
    """Answer the gateway that the composition root hung on an app."""
    gateway = app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway


def require_key(value: str | None) -> str:
    """Read an `Idempotency-Key`. Raises `Malformed`."""
    if value is None:
        raise Malformed(Fault("idempotency_key_missing", "/Idempotency-Key", "a key of your own for each sale"))
    if not (1 <= len(value) <= 128 and all("!" <= character <= "~" for character in value)):  # noqa: PLR2004 - as Key
        raise Malformed(Fault("key_form", "/Idempotency-Key", "1 to 128 printable ASCII characters"))
    return value
