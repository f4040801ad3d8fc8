"""One worker's gateway: the directory, the pool and its sequencer, and how a request becomes an order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Self

import asyncpg
import structlog
from msgspec import Struct

from kernel.clock import Clock, Month, business_date
from kernel.refusal import Malformed, Refusal
from pos_gateway.accept_uploads import Uploads
from pos_gateway.callers import MOMENT_S, Callers
from pos_gateway.content import digest_key, first_difference, sale_digest, void_digest
from pos_gateway.directory import Directory, WrongSeller, pick_terminal
from pos_gateway.easy import ClaimEasily, nobody
from pos_gateway.failures import reaching_database
from pos_gateway.keep_connection import KeptConnection
from pos_gateway.limits import UNLIMITED, Bounds, Limits
from pos_gateway.metrics import GatewayMetrics
from pos_gateway.pool import WORTHWHILE, WORTHWHILE_ALONE, Pool
from pos_gateway.sequence_batches import Sequencer
from pos_gateway.sign_beside import signing_beside
from pos_gateway.watch_transactions import WatchedTransactions
from pos_gateway.wire import ReceiptIn, VoidIn, reason_of, submission_of
from receipts.document import Part
from receipts.ids import ReceiptId
from receipts.issuing import KnownKey
from receipts.orders import (
    AlreadyVoid,
    InvoiceUnknown,
    Issued,
    KeyReused,
    Order,
    Outcome,
    SaleOrder,
    UnknownReceipt,
    VoidOrder,
)
from receipts.rules import rules_on
from receipts.signing_keys import SigningKeys
from receipts.store import issuing
from receipts.store.reading import Client
from receipts.stored import StoredReceipt
from receipts.submission import Submission, price
from runtime.tokens.access import AccessTokens

SEQUENCERS = 2
"""While one waits for its commit, the other has the worker: each takes terminals that the other has not."""


class Sold(Struct, frozen=True, gc=False):
    """An issued receipt; `parts` as they were judged just now, or None where the stored document tells them."""

    issued: Issued
    parts: Sequence[Part] | None


@dataclass(slots=True)
class Gateway:
    """Everything that the routes of the tills' side need. Belongs to one event loop."""

    database: "asyncpg.Pool[asyncpg.Record]"
    directory: Directory
    pool: Pool
    tokens: AccessTokens
    callers: Callers
    clock: Clock
    real_clock: Callable[[], datetime]
    limits: Limits
    metrics: GatewayMetrics
    uploads: Uploads
    content_key: bytes = field(repr=False)
    signing: SigningKeys = field(repr=False)
    claim_easily: ClaimEasily = nobody
    """Set by whoever runs a consumers' side beside this gateway."""

    @classmethod
    @asynccontextmanager
    async def opened(  # noqa: PLR0913 - what the composition root knows of it
        cls,
        database: "asyncpg.Pool[asyncpg.Record]",
        *,
        clock: Clock,
        real_clock: Callable[[], datetime],
        signing: SigningKeys,
        token_key: bytes,
        metrics: GatewayMetrics,
        bounds: Bounds = UNLIMITED,
        workers: int = 1,
    ) -> AsyncIterator[Self]:
        """Run the gateway of one of so many workers; at the end what waits in the pool is still issued."""
        moment_s = min(MOMENT_S, bounds.remembered_s / 4)
        remembered_s = bounds.remembered_s - moment_s
        directory = Directory(database, remembered_s=remembered_s)
        pool = Pool(worthwhile=WORTHWHILE_ALONE if workers == 1 else WORTHWHILE)
        beside = AsyncExitStack()
        sign = await beside.enter_async_context(signing_beside())
        sequencers = [
            Sequencer(
                pool,
                WatchedTransactions(KeptConnection(database), metrics),
                clock=clock,
                real_clock=real_clock,
                chain_keys=signing,
                sign=sign,
                watch=metrics.of_sequencer(),
            )
            for _ in range(SEQUENCERS)
        ]
        running = [asyncio.create_task(one.run(), name=f"sequencer-{at}") for at, one in enumerate(sequencers)]
        for one in running:
            one.add_done_callback(lambda ended: _ended(pool, ended))
        tokens = AccessTokens(token_key, directory.is_active, remembered_s=remembered_s)
        uploads = Uploads(database, directory, clock=clock, signing=signing)
        try:
            yield cls(
                database=database,
                directory=directory,
                pool=pool,
                tokens=tokens,
                callers=Callers(directory, tokens, real_clock, moment_s=moment_s),
                clock=clock,
                real_clock=real_clock,
                limits=Limits(bounds),
                metrics=metrics,
                uploads=uploads,
                content_key=digest_key(token_key),
                signing=signing,
            )
        finally:
            pool.close()
            await asyncio.wait(running)
            await beside.aclose()
            await uploads.close()

    async def authenticate(self, authorization: str | None) -> Client:
        """Answer whose access token this is. Raises `Unauthenticated` or `TokenExpired`."""
        return await self.callers.caller(authorization)

    def today(self) -> date:
        """Answer the business day."""
        return business_date(self.clock())

    def judge_now(self, client: Client, key: str, body: ReceiptIn, today: date) -> SaleOrder | None:
        """Answer the order to issue a well-formed receipt, if that takes no look-up. Raises as `judge` does."""
        submission = _submission(client, body)
        day = today if submission.sold_at is None else business_date(submission.sold_at)
        merchants = self.directory.known_merchants([part.seller_tin for part in submission.parts], day)
        terminal = self.directory.known_terminal(client, submission.terminal, key)
        if merchants is None or terminal is None:
            return None
        try:
            priced = price(submission, merchants, rules=rules_on(day), day=day)
        except Malformed:
            return None  # it may be a retry
        digest = sale_digest(submission, self.content_key)
        return SaleOrder(client.client_id, key, digest, client.seller, terminal, submission, priced)

    async def judge(self, client: Client, key: str, body: ReceiptIn) -> SaleOrder | Sold:
        """Answer the order to issue a well-formed receipt; or what was issued before, where only today's law stands
        against a retry. Raises `Malformed` with every fault that the law finds, or a refusal.
        """
        order = self.judge_now(client, key, body, self.today())
        if order is not None:
            return order
        submission = _submission(client, body)
        digest = sale_digest(submission, self.content_key)
        day = business_date(submission.sold_at or self.clock())
        merchants = await self.directory.merchants({part.seller_tin for part in submission.parts}, day)
        try:
            priced = price(submission, merchants, rules=rules_on(day), day=day)
        except Malformed:
            before = await self._sold_before(client, key, digest)
            if before is None:
                raise
            return before
        terminal = await self.directory.terminal(client, submission.terminal, key)
        return SaleOrder(client.client_id, key, digest, client.seller, terminal, submission, priced)

    async def issue(self, order: SaleOrder | Sold) -> Sold:
        """Wait until a judged receipt is durable. Raises the refusal that it ended with, or `Unavailable`."""
        return await self.sold(order, await self.enter(order)) if isinstance(order, SaleOrder) else order

    def enter(self, order: Order) -> "asyncio.Future[Outcome]":
        """Put an order into the pool and answer the promise of its outcome. Raises `Unavailable`."""
        self.signing.require_signer()
        return self.pool.enter(order)

    async def sold(self, order: SaleOrder, outcome: Outcome) -> Sold:
        """Answer the receipt that an order ended with, or raise its refusal."""
        issued = await self._issued(order, outcome)
        return Sold(issued, None if issued.repeated else order.priced.parts)

    async def void(self, client: Client, key: str | None, receipt: ReceiptId, body: VoidIn) -> Issued:
        """Void a receipt of this client's seller and wait until that is durable. Without a key of the client's own the
        same reason again gets the first answer. Raises the refusal that it ended with, or `Unavailable`.
        """
        if receipt.seller != client.seller:
            raise UnknownReceipt
        reason = reason_of(body)
        own_key = f"void {receipt}" if key is None else key  # with a space, as no client's key can be
        own_terminal = receipt.terminal in client.terminals
        order = VoidOrder(
            client_id=client.client_id,
            key=own_key,
            content_hash=void_digest(receipt, reason, self.content_key),
            seller=client.seller,
            terminal=receipt.terminal if own_terminal else pick_terminal(client, own_key),
            receipt=receipt,
            reason=reason,
        )
        try:
            return await self._issued(order, await self.enter(order))
        except KeyReused:
            if key is None:
                raise AlreadyVoid from None
            raise

    async def _issued(self, order: Order, outcome: Outcome) -> Issued:
        if isinstance(outcome, KeyReused):
            raise KeyReused(field=await self._difference(order)) from None
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    async def _sold_before(self, client: Client, key: str, digest: bytes) -> Sold | None:
        """Answer what was issued before for a submission that the rules of today refuse: a retry gets its first answer
        whatever has changed since.
        """
        before = await self._before(client.seller, client.client_id, key)
        if before is None or before[0].content_hash != digest:
            return None
        stored = before[1]
        root = (await issuing.find_receipts(self.database, [stored.root_key]))[stored.root_key]
        return Sold(Issued(stored, root.receipt_hash, repeated=True), None)

    async def _difference(self, order: Order) -> str:
        before = await self._before(order.seller, order.client_id, order.key)
        assert before is not None
        known, stored = before
        return first_difference(
            order, stored, content_hash=known.content_hash, digest=lambda said: sale_digest(said, self.content_key)
        )

    async def _before(self, seller: int, client_id: str, key: str) -> tuple[KnownKey, StoredReceipt] | None:
        """Answer what a key was used for."""
        month = Month.of(self.real_clock())
        with reaching_database():
            known = await issuing.find_keys(
                self.database, [(seller, client_id, key)], month.year * 12 + month.number - 1
            )
            if (client_id, key) not in known:
                return None
            used = known[client_id, key]
            return used, (await issuing.find_receipts(self.database, [used.receipt]))[used.receipt]


def _submission(client: Client, body: ReceiptIn) -> Submission:
    submission = submission_of(body)
    if submission.seller_tin != client.seller_tin:
        raise WrongSeller
    if submission.pays_invoice is not None and submission.pays_invoice.seller != client.seller:
        raise InvoiceUnknown
    return submission


def _ended(pool: Pool, sequencer: "asyncio.Task[None]") -> None:
    """Let nobody wait for a sequencer that is no more."""
    error = None if sequencer.cancelled() else sequencer.exception()
    if error is not None:
        structlog.get_logger().critical("sequencer_ended", exc_info=error)
        pool.give_up()


def gateway_of(app: Any) -> Gateway:
    """Answer the gateway that the composition root hung on an app."""
    gateway = app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway
