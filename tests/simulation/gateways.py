"""Workers with the real pool and the real sequencer, each in a slot that is killed, restarted and misled about time."""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta

from kernel.refusal import Refusal, Unavailable
from pos_gateway.gateway import SEQUENCERS
from pos_gateway.pool import Pool, Result, Waiting
from pos_gateway.sequence_batches import Sequencer
from pos_gateway.transactions import Transactions
from receipts.orders import ChainKeys, Order
from tests.simulation.chance import Chance, History
from tests.simulation.memory_database import MemoryDatabase
from tests.simulation.memory_transactions import MemoryTransactions
from tests.simulation.promises import Promises, Said
from tests.simulation.weather import Weather

Reply = Callable[[int, Said], None]
Plant = Callable[[MemoryTransactions, MemoryDatabase], Transactions]
"""Stands between the sequencer and the store: nothing, or a bug."""


@dataclass(frozen=True, slots=True)
class Site:
    """What all workers share."""

    database: MemoryDatabase
    weather: Weather
    chance: Chance
    promises: Promises
    chain_keys: ChainKeys
    began_at: datetime
    plant: Plant

    @property
    def history(self) -> History:
        return self.database.history


class Slot:
    """A place where a worker runs, one life after another, on a machine with a clock of its own."""

    def __init__(self, site: Site, name: str) -> None:
        self.site = site
        self.name = name
        self.lives = 0
        self.ahead_s = site.chance.uniform(-1.5, 1.5)
        """How far the machine's clock is ahead of the true time."""
        self.life: Life | None = None
        self.start()

    def now(self) -> datetime:
        """The machine's time."""
        return self.site.began_at + timedelta(seconds=asyncio.get_running_loop().time() + self.ahead_s)

    def start(self) -> None:
        """Begin a life."""
        self.lives += 1
        self.life = Life(self, f"{self.name}.{self.lives}")

    def kill(self) -> None:
        """End a life as kill -9 does."""
        life, self.life = self.life, None
        if life is not None:
            self.site.history.note("killed", life.name)
            life.kill()

    async def stop(self) -> None:
        """End a life as an operator does, who waits until everybody has an answer."""
        life = self.life
        if life is not None:
            self.site.history.note("stopped", life.name)
            life.pool.close()
            await asyncio.wait([life.running])
            life.running.result()
            if self.life is life:
                self.life = None

    async def restart(self) -> None:
        """Stop, and begin another life."""
        await self.stop()
        if self.life is None:
            self.start()

    def receive(self, orders: Sequence[Order], reply: Reply) -> None:
        """Take a request in, where anybody is there to take it."""
        if self.life is not None:
            self.life.receive(orders, reply)


class Life:
    """One worker from its start to its end. What a killed one still does reaches nobody."""

    def __init__(self, slot: Slot, name: str) -> None:
        site = slot.site
        self.name = name
        self.site = site
        self.alive = True
        self.pool = Pool(receipts_max=256)
        self.connections = [
            MemoryTransactions(site.database, site.weather, site.chance, f"{name}.{at}") for at in range(SEQUENCERS)
        ]
        sequencers = [
            Sequencer(
                self.pool,
                site.plant(connection, site.database),
                clock=lambda: slot.now().replace(microsecond=0),
                real_clock=slot.now,
                chain_keys=site.chain_keys,
                watch=self,
            )
            for connection in self.connections
        ]
        self.running = asyncio.gather(*[asyncio.create_task(sequencer.run()) for sequencer in sequencers])
        self._requests: set[asyncio.Task[None]] = set()

    def taken(self, waiting: Sequence[Waiting]) -> None:
        """Note that a chunk was taken out of the pool."""
        self.site.history.note("taken", self.name, len(waiting))

    def settled(self, results: Sequence[Result]) -> None:
        """Note that it is over."""
        self.site.history.note("settled", self.name, len(results))

    def kill(self) -> None:
        """Die: nothing is answered any more, and the store hears nothing any more."""
        self.alive = False
        for connection in self.connections:
            connection.kill()
        self.pool.close()

    def receive(self, orders: Sequence[Order], reply: Reply) -> None:
        """Put the orders of a request into the pool, as one body after another would be."""
        request = asyncio.create_task(self._answer([copy(order) for order in orders], reply))
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)

    async def _answer(self, orders: Sequence[Order], reply: Reply) -> None:
        try:
            self.pool.require_room(len(orders))
        except Unavailable as full:
            for at, order in enumerate(orders):
                self._say(order, full, at, reply)
            return
        verdicts = [asyncio.create_task(said_of(self.pool, order)) for order in orders]
        self._hang_up(verdicts)
        for at, verdict in enumerate(verdicts):
            await asyncio.wait([verdict])
            if not verdict.cancelled():
                self._say(orders[at], verdict.result(), at, reply)

    def _hang_up(self, verdicts: Sequence[asyncio.Task[Said]]) -> None:
        """Now and then, let the client be gone before it is answered: nobody waits for the promises any more."""
        loop, chance = asyncio.get_running_loop(), self.site.chance
        if chance.happens(self.site.weather.at(loop.time()).client_hangs_up):
            self.site.history.note("hung up", self.name)
            after_s = chance.uniform(0, 0.3)
            for verdict in verdicts:
                loop.call_later(after_s, verdict.cancel)

    def _say(self, order: Order, said: Said, at: int, reply: Reply) -> None:
        if self.alive:
            self.site.promises.said(order, said)
            reply(at, said)


async def said_of(pool: Pool, order: Order) -> Said:
    """Wait for what a till is told of an order."""
    try:
        return await pool.enter(order)
    except (Refusal, Unavailable) as said:
        return said
    except Exception as incident:  # noqa: BLE001 - the rim: a till is told of an incident
        return incident
