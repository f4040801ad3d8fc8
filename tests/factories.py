"""A small world for tests: shops, tills and consumers in this test's own database, and receipts made by the real verbs.

async with open_world(database) as world:
    shop = world.add_shop()
    receipt = await world.sell(shop, 11_000_00)
    claimed = await world.claim(receipt, world.add_consumer())
"""

import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.canonical import sha256
from kernel.clock import Month, business_date
from receipts import qr
from receipts.chain import ChainKey, Draft, Head, Link, advance, first_head
from receipts.chunk import Event, Successor
from receipts.claim import Claimed
from receipts.claim_receipt import ByHand, claim_receipt
from receipts.document import Document, Line
from receipts.enrol import NewSeller, NewTerminal, add_client, add_consumer, add_seller, add_terminal
from receipts.follow_outbox import Followed, follow_outbox
from receipts.issue_receipts import issue_receipts
from receipts.keys import Key, KeyRole, Signer, turnover_key
from receipts.orders import Issued, SaleOrder, VoidOrder
from receipts.receipt import Nature, TaxType, lottery_number
from receipts.rules import rules_on
from receipts.store import issuing
from receipts.store.copying import copy_receipts
from receipts.store.issuing import PostgresIssuing
from receipts.stored import PartAmounts, StoredReceipt, stored_receipt
from receipts.submission import Merchant, StatedPart, Submission, price
from receipts.verification import Verified, verify_text
from refunds.claw_back import claw_back
from refunds.credit_claim import Credit, credit_claim
from refunds.ledger import Balances
from runtime.database import Database, Role

OPENED_AT = datetime(2017, 3, 1, 1, 0, tzinfo=UTC)
"""09:00 in Ulaanbaatar on the first of the demo's month."""
MASTER = sha256(b"the turnover secret of all tests")
EPOCH = 1
_DISTRICT = "2501"
_ACCOUNTS = tuple(one.name for one in fields(Balances))
_LONG_AGO, _LONG_AFTER = OPENED_AT - timedelta(days=400), OPENED_AT + timedelta(days=4000)


@dataclass(frozen=True, slots=True)
class Shop:
    """A seller with one terminal, which the centre signs for."""

    seller: int
    tin: str
    terminal: int
    vat_payer: bool


@dataclass(frozen=True, slots=True)
class PartOf:
    """A part of a bundle: by default what the shop itself sells with VAT."""

    total_mongo: int
    tax_type: TaxType = TaxType.VAT_ABLE
    shop: Shop | None = None


@dataclass(slots=True)
class Till:
    """A shop's till that signs its receipts itself and uploads them when the test says so."""

    shop: Shop
    key: ChainKey
    head: Head


@dataclass(slots=True)
class World:
    """Shops, consumers and a clock; `gateway` and `claims` are pools of those two database roles."""

    database: Database
    gateway: "asyncpg.Pool[asyncpg.Record]"
    claims: "asyncpg.Pool[asyncpg.Record]"
    now: datetime = OPENED_AT
    gateway_key: Ed25519PrivateKey = field(default_factory=lambda: Ed25519PrivateKey.from_private_bytes(b"g" * 32))
    keys: dict[bytes, Key] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def clock(self) -> datetime:
        """The business time of this world."""
        return self.now

    def add_shop(self, *, vat_payer: bool = True, mode: str = "gateway") -> Shop:
        """Enrol a seller with a client and a terminal."""
        number = next(self._numbers)
        tin, terminal, client = f"{37_900_000_000 + number}", 10_000_000 + number, f"client-{number}"
        since = date(2016, 1, 1) if vat_payer else None
        with self.database.transaction(Role.OWNER) as connection:
            seller = add_seller(
                connection,
                self.clock,
                seller=NewSeller(tin, f"Дэлгүүр {number}", "4711", _DISTRICT, vat_registered_from=since),
            )
            add_client(connection, self.clock, client_id=client, seller_tin=tin, public_key="none")
            new = NewTerminal(tin, terminal, client, mode, 1, _DISTRICT)
            add_terminal(connection, self.clock, terminal=new, epoch=EPOCH, chain_key=self.chain_key)
        return Shop(seller, tin, terminal, vat_payer)

    def add_consumer(self, *, owner_of: Shop | None = None) -> int:
        """Enrol a consumer and answer its number."""
        return self.add_person(owner_of=owner_of)[0]

    def add_person(self, *, owner_of: Shop | None = None) -> tuple[int, int]:
        """Enrol a consumer and answer its number and its login number."""
        login = 11_000_000 + next(self._numbers)
        tin = None if owner_of is None else owner_of.tin
        with self.database.transaction(Role.OWNER) as connection:
            return add_consumer(connection, self.clock, draw_login=lambda *_: login, owner_of=tin)

    def add_till(self, *, vat_payer: bool = True) -> Till:
        """Enrol a seller whose terminal signs by itself, and certify its key."""
        shop = self.add_shop(vat_payer=vat_payer, mode="till")
        private = Ed25519PrivateKey.from_private_bytes(shop.terminal.to_bytes(4) * 8)
        key = Key(
            private.public_key().public_bytes_raw(), KeyRole.TILL, _LONG_AGO, _LONG_AFTER,
            shop.seller, shop.terminal, EPOCH,
        )  # fmt: skip
        self.keys[key.kid] = key
        sealing = turnover_key(MASTER, seller=shop.seller, terminal=shop.terminal, epoch=EPOCH)
        head = first_head(seller=shop.seller, terminal=shop.terminal, enrolment=b"till", enrolled_at=self.now)
        return Till(shop, ChainKey(Signer(private, by_till=True), sealing), head)

    def chain_key(self, seller: int, terminal: int, epoch: int) -> ChainKey:
        """Answer what signs and seals at the centre."""
        sealing = turnover_key(MASTER, seller=seller, terminal=terminal, epoch=epoch)
        return ChainKey(Signer(self.gateway_key), sealing)

    async def sell(
        self,
        shop: Shop,
        *parts: int | PartOf,
        nature: Nature = Nature.SALE,
        business: bool = False,
        corrects: StoredReceipt | None = None,
        consumer_no: int | None = None,
        sold_at: datetime | None = None,
    ) -> StoredReceipt:
        """Issue a receipt at the centre, in a transaction of its own."""
        order = self.order_of(
            shop, *parts, nature=nature, business=business, corrects=corrects, consumer_no=consumer_no, sold_at=sold_at
        )
        return (await self.issue(order))[0]

    def order_of(
        self,
        shop: Shop,
        *parts: int | PartOf,
        nature: Nature = Nature.SALE,
        business: bool = False,
        corrects: StoredReceipt | None = None,
        consumer_no: int | None = None,
        sold_at: datetime | None = None,
    ) -> SaleOrder:
        """Answer the order for a sale or correction."""
        stated = [PartOf(part) if isinstance(part, int) else part for part in parts]
        submission = Submission(
            nature=Nature.CORRECTION if corrects else nature,
            business=business,
            seller_tin=shop.tin,
            parts=tuple(_stated(part, shop) for part in stated),
            buyer_tin="37900846788" if business else None,
            consumer_no=consumer_no,
            corrects=None if corrects is None else corrects.id,
            sold_at=sold_at,
        )
        shops = [shop, *(part.shop for part in stated if part.shop is not None)]
        merchants = {one.tin: Merchant(one.seller, one.tin, one.vat_payer, city_tax_payer=False) for one in shops}
        day = business_date(sold_at or self.now)
        priced = price(submission, merchants, rules=rules_on(day), day=day)
        key = f"sale-{next(self._numbers)}"
        return SaleOrder("test", key, sha256(key.encode()), shop.seller, shop.terminal, submission, priced)

    async def correct(self, receipt: StoredReceipt, shop: Shop, *parts: int | PartOf) -> StoredReceipt:
        """Issue a correction of a receipt."""
        return await self.sell(shop, *parts, corrects=receipt)

    async def void(self, receipt: StoredReceipt) -> StoredReceipt:
        """Issue a void of a receipt."""
        key = f"void-{next(self._numbers)}"
        order = VoidOrder("test", key, sha256(key.encode()), receipt.seller, receipt.terminal, receipt.id, "returned")
        return (await self.issue(order))[0]

    async def issue(self, *orders: SaleOrder | VoidOrder) -> list[StoredReceipt]:
        """Issue orders in one transaction; raises the first refusal."""
        async with self.gateway.acquire() as connection, connection.transaction():
            return await self.issue_in(connection, *orders)

    async def issue_in(self, connection: asyncpg.Connection, *orders: SaleOrder | VoidOrder) -> list[StoredReceipt]:
        """Issue orders in an open transaction."""
        month = Month.of(self.now)
        await issuing.ensure_month(connection, month)
        outcomes = await issue_receipts(
            PostgresIssuing(connection), self.clock, orders=orders, chain_keys=self.chain_key, received_month=month
        )
        for outcome in outcomes:
            if not isinstance(outcome, Issued):
                raise outcome
        return [outcome.receipt for outcome in outcomes]

    def ring_up(self, till: Till, total_mongo: int, *, nature: Nature = Nature.SALE, business: bool = False) -> Link:
        """Sign a sale on a till; nobody but its customer knows of it yet."""
        return self.sign(till, nature, total_mongo, total_mongo // 11 if till.shop.vat_payer else 0, business=business)

    def sign(self, till: Till, nature: Nature, total_mongo: int, vat_mongo: int, *, business: bool = False) -> Link:
        """Sign a link of any nature on a till."""
        lottery = nature.claimable and not business
        draft = Draft(
            nature, business, lottery=lottery, branch=1, total_mongo=total_mongo, vat_mongo=vat_mongo,
            document=Document(), part_sellers=(till.shop.seller,),
        )  # fmt: skip
        link, till.head = advance(till.head, draft, issued_at=self.now, key=till.key)
        return link

    async def upload(
        self, till: Till, *links: Link, root: StoredReceipt | None = None, merchants: Sequence[Shop] = ()
    ) -> list[StoredReceipt]:
        """Store a till's links as an upload does: the rows and one event for each root, in one transaction."""
        rows = [self._row(till, link, root, merchants or [till.shop]) for link in links]
        async with self.gateway.acquire() as connection, connection.transaction():
            await issuing.ensure_month(connection, Month.of(self.now))
            await copy_receipts(connection, rows)
            await issuing.add_events(connection, [Event(row.root_key, "upload", None, self.now) for row in rows])
        return rows

    async def correct_by_till(self, till: Till, root: StoredReceipt, correction: Link) -> StoredReceipt:
        """Store a till's correction of a stored sale."""
        return await self._follow_by_till(till, root, correction)

    async def void_by_till(self, till: Till, root: StoredReceipt) -> StoredReceipt:
        """Sign and store a till's void of a stored sale."""
        link = self.sign(till, Nature.VOID, -root.total_mongo, -root.vat_mongo)
        return await self._follow_by_till(till, root, link)

    async def _follow_by_till(self, till: Till, root: StoredReceipt, link: Link) -> StoredReceipt:
        row = self._row(till, link, root, [till.shop])
        nature = link.kind.nature
        async with self.gateway.acquire() as connection, connection.transaction():
            await issuing.find_receipts(connection, [root.key], lock=True)
            await copy_receipts(connection, [row])
            await issuing.add_successors(connection, [Successor(root.key, row.key, root.key, nature, self.now, None)])
            event = "void" if nature is Nature.VOID else "correction"
            await issuing.add_events(connection, [Event(root.key, event, None, self.now)])
        return row

    def _row(self, till: Till, link: Link, root: StoredReceipt | None, merchants: Sequence[Shop]) -> StoredReceipt:
        payload = qr.unpack(link.cose[18:78])
        amounts = [PartAmounts(merchants[0].seller, 0, payload.total_mongo, payload.vat_mongo, 0)]
        amounts += [PartAmounts(shop.seller, TaxType.NO_VAT, 0, 0, 0) for shop in merchants[1:]]
        return stored_receipt(link, amounts, received_at=self.now, computed_vat_mongo=payload.vat_mongo, root=root)

    def scan(self, receipt: StoredReceipt | Link) -> Verified:
        """Read a receipt's QR as a consumer's phone would."""
        return verify_text(qr.encode_text(receipt.cose), self.keyring)

    @property
    def keyring(self) -> dict[bytes, Key]:
        """Every key in use."""
        public = self.gateway_key.public_key().public_bytes_raw()
        key = Key(public, KeyRole.GATEWAY, _LONG_AGO, _LONG_AFTER)
        return self.keys | {key.kid: key}

    async def claim(self, receipt: StoredReceipt | Link | Verified | ByHand, consumer: int) -> Claimed:
        """Claim a receipt and post its credit, in one transaction as the face does it."""
        return (await self.claim_and_credit(receipt, consumer))[0]

    async def claim_and_credit(
        self, receipt: StoredReceipt | Link | Verified | ByHand, consumer: int
    ) -> tuple[Claimed, Credit]:
        """Claim a receipt and answer its credit too."""
        presented = receipt if isinstance(receipt, Verified | ByHand) else self.scan(receipt)
        async with self.claims.acquire() as connection, connection.transaction():
            return await self.claim_in(connection, presented, consumer)

    async def claim_in(
        self, connection: asyncpg.Connection, presented: Verified | ByHand, consumer: int
    ) -> tuple[Claimed, Credit]:
        """Claim and credit in an open transaction."""
        claimed = await claim_receipt(
            connection, self.clock, presented=presented, consumer=consumer, masters={EPOCH: MASTER}
        )
        return claimed, await credit_claim(connection, self.clock, claim=claimed.claim)

    async def follow(self, *, limit: int = 1000) -> Followed:
        """Apply what is in the outbox, as the worker does it."""
        async with self.claims.acquire() as connection, connection.transaction():
            followed = await follow_outbox(connection, self.clock, limit=limit)
            await claw_back(connection, self.clock, claims=followed.claims)
        return followed

    async def balances(self, consumer: int) -> dict[str, int]:
        """Answer a consumer's accounts that are not zero, by name."""
        row = await self.claims.fetchrow("SELECT * FROM private.accounts WHERE consumer = $1", consumer)
        return {} if row is None else {name[:-6]: row[name] for name in _ACCOUNTS if row[name]}


def by_hand(receipt: StoredReceipt, *, root: StoredReceipt | None = None) -> ByHand:
    """What a consumer types from the paper: a receipt's id and the lottery number of its root."""
    return ByHand(receipt.id, lottery_number((root or receipt).receipt_hash))


@contextlib.asynccontextmanager
async def open_world(database: Database, *, connections: int = 8) -> AsyncIterator[World]:
    """Open the two pools of a world and close them."""
    async with (
        await database.pool(Role.GATEWAY, min_size=1, max_size=connections) as gateway,
        await database.pool(Role.CLAIMS, min_size=1, max_size=connections) as claims,
    ):
        yield World(database, gateway, claims)


def _stated(part: PartOf, shop: Shop) -> StatedPart:
    product = {TaxType.VAT_FREE: "304", TaxType.VAT_ZERO: "501"}.get(part.tax_type)
    line = Line("Талх", "1", "ш", part.total_mongo, tax_product=product)
    return StatedPart((part.shop or shop).tin, part.tax_type, part.total_mongo, None, None, (line,))
