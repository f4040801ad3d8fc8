"""One simulated day: at least fifty tills, two workers, one store, and everything that can go wrong between them.

The pool, the sequencer, the issuing of a chunk, the chain, the signatures and the tax arithmetic are the real ones; the
event loop, the network, the store and the clocks are arguments, and these hang on the seed alone.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from kernel.canonical import sha256
from kernel.clock import Month
from receipts.chain import ChainKey, first_head
from receipts.chunk import LockedChain
from receipts.keys import Key, KeyRole, Signer, keyring_of, turnover_key
from receipts.link_in_chain import Enrolled, Evidence
from receipts.submission import Merchant
from tests.simulation.chance import Chance, History
from tests.simulation.disasters import Disasters
from tests.simulation.gateways import Plant, Site, Slot
from tests.simulation.judgement import judge
from tests.simulation.memory_database import MemoryDatabase, Place
from tests.simulation.memory_transactions import MemoryTransactions
from tests.simulation.network import Network
from tests.simulation.promises import BrokenPromise, Promises
from tests.simulation.tills import Shop, Till
from tests.simulation.virtual_time import VirtualLoop, virtual_time
from tests.simulation.weather import DAY_S, Weather

TERMINALS_MIN = 50
WORKERS = 2
MASTER, EPOCH = sha256(b"the turnover secret of simulations"), 1
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(b"s" * 32))
MONTHS = (Month(2017, 3), Month(2024, 2), Month(2025, 12), Month(2026, 6))
GRACE_S = 4 * 3600.0
"""After the day nothing fails any more: by then everybody must know."""
EVENTS_MAX, LOOK_EVERY_S = 100_000, 60.0
"""A day has some 12,000 events. One with many more is caught in a circle and will not get out of it."""


@dataclass(frozen=True, slots=True)
class Day:
    """How a seed's day went."""

    seed: int
    digest: str
    counts: Counter[str]
    terminals: int
    receipts: int
    ended_s: float
    breaches: tuple[BrokenPromise, ...]


class Failed(AssertionError):  # noqa: N818 - named by what the day did
    """A seed's day did not end well. Says which, why, and how to see it again."""

    def __init__(self, day: Day) -> None:
        broken = "\n".join(f"  {breach}" for breach in day.breaches[:10])
        super().__init__(
            f"seed {day.seed}: {len(day.breaches)} broken\n{broken}\n"
            f"again: python -m benchmarks.simulate_days --first {day.seed} --seeds 1 --trace"
        )


def sound(connection: MemoryTransactions, _database: MemoryDatabase) -> MemoryTransactions:
    """Plant nothing."""
    return connection


def simulate(seed: int, *, plant: Plant = sound, watch: Callable[[str], None] = lambda _line: None) -> Day:
    """Live through a seed's day and answer how it went. `watch` is told every line of its history."""
    with virtual_time() as loop, capture_logs() as logs:
        world = World(seed, loop, plant, watch)
        breaches = loop.run_until_complete(world.live())
    ended = [entry["event"] for entry in logs if entry["log_level"] == "critical"]
    breaches += [BrokenPromise("a sequencer ended", event) for event in ended]
    return Day(
        seed=seed,
        digest=world.history.digest,
        counts=world.history.counts,
        terminals=len(world.terminals),
        receipts=len(world.database.receipts),
        ended_s=world.ended_s,
        breaches=tuple(breaches),
    )


def require(day: Day) -> Day:
    """Answer a day that went well; raise `Failed` otherwise."""
    if day.breaches:
        raise Failed(day)
    return day


class World:
    """Everybody and everything of one day."""

    def __init__(self, seed: int, loop: VirtualLoop, plant: Plant, watch: Callable[[str], None]) -> None:
        self._seed = seed
        self._plant = plant
        self.history = History(loop.time)
        self.history.watch = watch
        chance = self._chance("world")
        month = chance.choice(MONTHS)
        self._midnight_s = chance.uniform(DAY_S / 4, DAY_S * 3 / 4)
        self._began_at = month.ends_at - timedelta(seconds=self._midnight_s)
        self._weather = Weather(self._chance("weather"), self._midnight_s)
        self._shops = _shops(chance)
        self.terminals = _enrolled(self._shops, self._began_at - timedelta(days=30))
        self.database = MemoryDatabase(self.history, {at: _chain(terminal) for at, terminal in self.terminals.items()})
        self.promises = Promises(self.database, self.history)
        self.ended_s = 0.0
        """When the last till knew everything."""
        self._keys: dict[Place, ChainKey] = {}

    async def live(self) -> list[BrokenPromise]:
        """Let the day pass, and judge it."""
        site = Site(
            self.database, self._weather, self._chance("store"), self.promises, self._chain_key, self._began_at,
            self._plant,
        )  # fmt: skip
        slots = [Slot(site, f"worker{number}") for number in range(1, WORKERS + 1)]
        network = Network(slots, self._weather, self._chance("network"), self.history)
        disasters = Disasters(self.database, slots, self._weather, self._chance("disasters"), self._midnight_s)
        tills = [
            Till(
                shop, terminal, network=network, weather=self._weather, chance=self._chance(f"till {terminal}"),
                history=self.history, began_at=self._began_at,
            )
            for shop in self._shops
            for terminal in shop.terminals
        ]  # fmt: skip
        working = asyncio.gather(*(till.work() for till in tills), disasters.strike(), asyncio.sleep(DAY_S))
        ended = asyncio.create_task(self._end_early())
        await asyncio.wait([working, ended], timeout=DAY_S + GRACE_S, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return self._broken() or [BrokenPromise("a till never got an answer", self.history.recent[-1])]
        working.result()
        self.ended_s = asyncio.get_running_loop().time()
        await asyncio.sleep(GRACE_S * 3)  # what is late arrives, what was forgotten ends
        for slot in slots:
            await slot.stop()
        settled = [(till.shop.client_id, key, said) for till in tills for key, said in till.settled.items()]
        public = SIGNER.private_key.public_key().public_bytes_raw()
        always = (self._began_at - timedelta(days=400), self._began_at + timedelta(days=400))
        evidence = Evidence(keyring_of([Key(public, KeyRole.GATEWAY, *always)]), {EPOCH: MASTER}, {})
        found = judge(self.database, self.promises, terminals=self.terminals, evidence=evidence, settled=settled)
        return list(found)

    async def _end_early(self) -> None:
        """Wait until there is no sense in going on."""
        while not self._broken() and self.history.counts.total() < EVENTS_MAX:  # noqa: ASYNC110 - virtual time is free
            await asyncio.sleep(LOOK_EVERY_S)

    def _broken(self) -> list[BrokenPromise]:
        violations = [BrokenPromise("the store had to refuse", what) for what in self.database.violations]
        return [*self.promises.breaches, *violations]

    def _chance(self, purpose: str) -> Chance:
        return Chance(self._seed, purpose)

    def _chain_key(self, seller: int, terminal: int, epoch: int) -> ChainKey:
        at = (seller, terminal)
        if at not in self._keys:
            secret = turnover_key(MASTER, seller=seller, terminal=terminal, epoch=epoch)
            self._keys[at] = ChainKey(SIGNER, secret)
        return self._keys[at]


def _shops(chance: Chance) -> list[Shop]:
    shops: list[Shop] = []
    terminals = 0
    while terminals < TERMINALS_MIN:
        number = 37_900_000_001 + len(shops)
        own = tuple(10_000_001 + terminals + at for at in range(chance.randint(1, 5)))
        shops.append(Shop(Merchant(number, str(number), vat_payer=True, city_tax_payer=False), f"client{number}", own))
        terminals += len(own)
    return shops


def _enrolled(shops: list[Shop], at: datetime) -> dict[Place, Enrolled]:
    return {
        (shop.merchant.seller, terminal): Enrolled(
            shop.merchant.seller, terminal, "gateway", EPOCH, str(terminal).encode(), at.replace(microsecond=0), None
        )
        for shop in shops
        for terminal in shop.terminals
    }


def _chain(terminal: Enrolled) -> LockedChain:
    head = first_head(
        seller=terminal.seller,
        terminal=terminal.terminal,
        enrolment=terminal.enrolment,
        enrolled_at=terminal.enrolled_at,
    )
    return LockedChain(head, EPOCH, "gateway", suspended=False, closed=False, branch=1)
