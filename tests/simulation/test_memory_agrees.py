"""The store in memory answers as PostgreSQL does, statement by statement, and refuses what PostgreSQL refuses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from kernel.clock import Month
from pos_gateway.failures import in_our_words
from pos_gateway.transactions import Refused
from receipts.chunk import Chunk
from receipts.issue_receipts import issue_receipts
from receipts.orders import Issued, Order
from receipts.receipt import Nature
from receipts.store.issuing import PostgresIssuing, ensure_month
from receipts.stored import StoredReceipt
from receipts.submission import Merchant
from runtime.database import Database
from tests.factories import Shop, World, open_world
from tests.simulation.chance import Chance, History
from tests.simulation.memory_database import MemoryDatabase
from tests.simulation.memory_transactions import MemoryIssuing, MemoryTransactions
from tests.simulation.orders import sale_order, void_order
from tests.simulation.weather import Weather

CHUNKS = 40


@dataclass(slots=True)
class Both:
    """A transaction on both stores: every statement goes to both, and both must answer the same."""

    postgres: PostgresIssuing
    memory: MemoryIssuing
    blind: frozenset[str] = frozenset()
    """Statements whose answer is kept from whoever asks."""
    asked: int = 0

    async def _ask(self, statement: str, *given: Any, **options: Any) -> Any:
        given = tuple(list(one) if isinstance(one, Iterable) else one for one in given)
        said = await getattr(self.postgres, statement)(*given, **options)
        assert await getattr(self.memory, statement)(*given, **options) == said
        self.asked += 1
        return {} if statement in self.blind else said

    async def lock_chains(self, terminals: Any) -> Any:
        return await self._ask("lock_chains", terminals)

    async def find_keys(self, asked: Any, received_month: int) -> Any:
        return await self._ask("find_keys", asked, received_month)

    async def find_receipts(self, keys: Any, *, lock: bool = False) -> Any:
        return await self._ask("find_receipts", keys, lock=lock)

    async def find_latest(self, roots: Any) -> Any:
        return await self._ask("find_latest", roots)

    async def add(self, chunk: Chunk, received_month: int) -> None:
        refused = []
        for add in (self.postgres.add, self.memory.add):
            try:
                with in_our_words():
                    await add(chunk, received_month)
            except Refused as refusal:
                refused.append(refusal)
        assert len(refused) in {0, 2}
        if refused:
            raise refused[0]


@dataclass(slots=True)
class Twins:
    """Both stores, with the same shops."""

    world: World
    connection: asyncpg.Connection
    database: MemoryDatabase
    transactions: MemoryTransactions
    shops: list[Shop]
    chance: Chance
    issued: list[StoredReceipt] = field(default_factory=list)
    asked: int = 0

    async def issue(
        self, *orders: Order, received: Month, blind: Iterable[str] = (), commits: bool = True
    ) -> list[Issued]:
        """Issue orders in one transaction on both; without `commits` it is rolled back on both."""
        months = [received, Month.of(self.world.now)]
        for month in months:
            await ensure_month(self.connection, month)
        outcomes: list[Any] = []
        with contextlib.suppress(RolledBack):
            async with self.transactions.begin(months) as memory, self.connection.transaction():
                assert isinstance(memory, MemoryIssuing)
                both = Both(PostgresIssuing(self.connection), memory, frozenset(blind))
                outcomes = await issue_receipts(
                    both, self.world.clock, orders=orders, chain_keys=self.world.chain_key, received_month=received
                )
                self.asked += both.asked
                roll_back(unless=commits)
        return [outcome for outcome in outcomes if isinstance(outcome, Issued) and commits]

    def sale(self, shop: Shop, key: str, **given: Any) -> Order:
        merchant = Merchant(shop.seller, shop.tin, vat_payer=True, city_tax_payer=False)
        total = self.chance.randint(1, 10**6)
        return sale_order(
            merchant, shop.terminal, key, client_id=shop.tin, total_mongo=total, at=self.world.now, **given
        )

    def some_order(self, number: int) -> Order:
        """Draw an order: a sale, a retry, or a change of some receipt."""
        shop = self.chance.choice(self.shops)
        own = [receipt for receipt in self.issued if receipt.seller == shop.seller]
        drawn = self.chance.random()
        if own and drawn < 0.25:
            return void_order(self.chance.choice(own), f"v{number}", client_id=shop.tin)
        if own and drawn < 0.5:
            return self.sale(shop, f"c{number}", nature=Nature.CORRECTION, corrects=self.chance.choice(own).id)
        used = [receipt.reference for receipt in own if receipt.reference is not None]
        return self.sale(shop, self.chance.choice(used) if used and self.chance.happens(0.5) else f"s{number}")


class RolledBack(Exception):  # noqa: N818 - named by what happened
    """The transaction ends without a commit."""


def roll_back(*, unless: bool) -> None:
    if not unless:
        raise RolledBack


@contextlib.asynccontextmanager
async def twins(database: Database) -> AsyncIterator[Twins]:
    async with open_world(database) as world, world.gateway.acquire() as connection:
        shops = [world.add_shop() for _ in range(3)]
        chains = await PostgresIssuing(connection).lock_chains([(shop.seller, shop.terminal) for shop in shops])
        history = History(asyncio.get_running_loop().time)
        memory = MemoryDatabase(history, chains)
        calm = Weather(Chance(1, "weather"), 10**9)
        transactions = MemoryTransactions(memory, calm, Chance(1, "store"), "twin", lambda: None)
        yield Twins(world, connection, memory, transactions, shops, Chance(1, "twins"))


class TestMemory:
    async def test_answers_every_statement_as_postgresql_does(self, database: Database) -> None:
        async with twins(database) as both:
            month = Month.of(both.world.now)
            for at in range(CHUNKS):
                drawn = [both.some_order(10 * at + one) for one in range(both.chance.randint(1, 6))]
                orders = list({(order.client_id, order.key): order for order in drawn}.values())
                received = month.plus(both.chance.randint(0, 1))
                commits = both.chance.happens(0.8)
                issued = await both.issue(*orders, received=received, commits=commits)
                both.issued += [one.receipt for one in issued if not one.repeated]
                both.world.now += timedelta(hours=both.chance.randint(0, 3))
            assert both.asked > 3 * CHUNKS
            assert len(both.issued) > CHUNKS
            assert both.database.violations == []
            everything = {receipt.key: receipt for receipt in both.issued}
            assert both.database.receipts == everything
            assert await PostgresIssuing(both.connection).find_receipts(list(everything)) == everything

    @pytest.mark.parametrize("blind", ["find_keys", "find_latest"])
    async def test_refuses_what_postgresql_refuses(self, database: Database, blind: str) -> None:
        """A sequencer that did not see the key, or the successor, that is there already."""
        async with twins(database) as both:
            month = Month.of(both.world.now)
            shop = both.shops[0]
            [sold] = await both.issue(both.sale(shop, "k"), received=month)
            correction = both.sale(shop, "c", nature=Nature.CORRECTION, corrects=sold.receipt.id)
            await both.issue(correction, received=month)
            order = {
                "find_keys": both.sale(shop, "k"),
                "find_latest": void_order(sold.receipt, "v", client_id=shop.tin),
            }[blind]
            with pytest.raises(Refused):
                await both.issue(order, received=month, blind=[blind])
            assert len(both.database.violations) == 1
