"""Shops and their tills: each sells, corrects, voids and posts batches, and asks again until it knows."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from kernel.refusal import Refusal
from pos_gateway.pool import OutcomeUnknown
from receipts.orders import Issued, Order, SaleOrder, VoidOrder
from receipts.receipt import Nature
from receipts.stored import StoredReceipt
from receipts.submission import Merchant
from tests.simulation.chance import Chance, History
from tests.simulation.network import Network
from tests.simulation.orders import sale_order, void_order
from tests.simulation.promises import Said
from tests.simulation.weather import DAY_S, RUSH_S, Weather

CALM_ACTS, RUSH_ACTS = 10, 3
"""What a till does over the day, and in each rush."""
REMEMBERED = 12
ACTS = {"sell": 58, "void": 11, "correct": 11, "batch": 7, "invoice": 5, "quarrel": 5, "reuse": 3}
"""What a till does next, by weight."""


@dataclass(slots=True)
class Shop:
    """A seller with some terminals, and the receipts that its people may still change."""

    merchant: Merchant
    client_id: str
    terminals: tuple[int, ...]
    open: list[StoredReceipt] = field(default_factory=list)

    def remember(self, receipt: StoredReceipt) -> None:
        self.open = [*self.open[1 - REMEMBERED :], receipt]


class Till:
    """One terminal through one day. Its clock is a little wrong; its patience is its own."""

    def __init__(
        self, shop: Shop, terminal: int, *, network: Network, weather: Weather, chance: Chance, history: History,
        began_at: datetime,
    ) -> None:  # fmt: skip
        self.shop = shop
        self.terminal = terminal
        self._network = network
        self._weather = weather
        self._chance = chance
        self._history = history
        self._began_at = began_at
        self._ahead_s = chance.uniform(-20, 20)
        self._numbers = count(1)
        self.settled: dict[str, Said] = {}
        """What each key came to in the end."""

    async def work(self) -> None:
        """Live through the day, and go on asking until everything is known."""
        asked = [asyncio.create_task(self._act(at)) for at in self._times()]
        for task in asked:
            await task

    def _times(self) -> list[float]:
        calm = [self._chance.uniform(0, DAY_S) for _ in range(CALM_ACTS)]
        rushed = [began + self._chance.uniform(0, RUSH_S) for began in self._weather.rushes for _ in range(RUSH_ACTS)]
        return sorted(time_s for time_s in (*calm, *rushed) if 0 <= time_s < DAY_S)

    async def _act(self, at_s: float) -> None:
        await asyncio.sleep(at_s)
        [name] = self._chance.choices(list(ACTS), list(ACTS.values()))
        act = getattr(self, f"_{name}")
        await act()

    async def _sell(self) -> None:
        await self._settle([self._sale()])

    async def _batch(self) -> None:
        await self._settle([self._sale() for _ in range(self._chance.randint(2, 9))])

    async def _invoice(self) -> None:
        [said] = await self._settle([self._sale(nature=Nature.INVOICE)])
        if isinstance(said, Issued):
            await self._settle([self._sale(nature=Nature.PAYMENT, pays_invoice=said.receipt.id)])

    async def _void(self) -> None:
        if self.shop.open:
            await self._settle([self._void_of(self._chance.choice(self.shop.open))])

    async def _correct(self) -> None:
        if self.shop.open:
            await self._settle([self._correction_of(self._chance.choice(self.shop.open))])

    async def _quarrel(self) -> None:
        """Two people change one receipt at once: at most one of them may have it."""
        if self.shop.open:
            receipt = self.shop.open[-1]
            both = [self._settle([self._void_of(receipt)]), self._settle([self._correction_of(receipt)])]
            await asyncio.gather(*both)

    async def _reuse(self) -> None:
        """Use a key again for another sale, as a till with a broken counter does."""
        first = self._sale()
        other = self._sale(key=first.key)
        await asyncio.gather(self._settle([first]), self._settle([other]))

    async def _settle(self, orders: Sequence[Order]) -> list[Said]:
        """Ask until every order has an answer that says how it ended."""
        said: list[Said | None] = [None] * len(orders)
        while None in said:
            places = [at for at, known in enumerate(said) if known is None]
            answers = await self._network.ask([orders[at] for at in places], self._chance.uniform(2, 15))
            for at, answer in zip(places, answers, strict=True):
                if isinstance(answer, Issued | Refusal) and not isinstance(answer, OutcomeUnknown):
                    said[at] = answer
                    self._know(orders[at], answer)
            if None in said:
                await asyncio.sleep(self._pause_s())
        return [known for known in said if known is not None]

    def _pause_s(self) -> float:
        """Mostly a moment; now and then until somebody switches the till on again."""
        return self._chance.uniform(0.2, 4) if self._chance.happens(0.93) else self._chance.uniform(60, 3000)

    def _know(self, order: Order, answer: Said) -> None:
        self.settled[order.key] = answer
        self._history.note("known", order.key)
        if isinstance(answer, Issued) and isinstance(order, SaleOrder):
            self.shop.remember(answer.receipt)

    def _sale(self, *, key: str = "", nature: Nature = Nature.SALE, **given: object) -> SaleOrder:
        now = self._now()
        return sale_order(
            self.shop.merchant, self.terminal, key or f"{self.terminal}-{next(self._numbers)}",
            client_id=self.shop.client_id, total_mongo=self._chance.randint(1, 10_000_00), at=now, nature=nature,
            sold_at=now if self._chance.happens(0.3) else None, **given,
        )  # fmt: skip

    def _correction_of(self, receipt: StoredReceipt) -> SaleOrder:
        return self._sale(nature=Nature.CORRECTION, corrects=receipt.id)

    def _void_of(self, receipt: StoredReceipt) -> VoidOrder:
        own = self._chance.happens(0.5)
        key = f"{self.terminal}-{next(self._numbers)}" if own else f"void {receipt.id}"
        return void_order(receipt, key, client_id=self.shop.client_id)

    def _now(self) -> datetime:
        now_s = asyncio.get_running_loop().time() + self._ahead_s
        return (self._began_at + timedelta(seconds=now_s)).replace(microsecond=0)
