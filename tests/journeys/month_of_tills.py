"""A month of tills against a real centre in virtual time: outages of days, clocks that drift, disks put back.

Everything of ours is real: each till's installation, queue and uploader, and the centre behind HTTP with its
PostgreSQL. Only time passes an hour at a step, and the network between them breaks as it is told. Same seed, same
month.
"""

import contextlib
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

import httpx2

from pos_gateway.till.activate_till import activate_till, replace_till
from pos_gateway.till.ask_centre import AskCentre, CentreAway
from pos_gateway.till.centre_file import CentreFile
from pos_gateway.till.installation import Installation, open_installation
from pos_gateway.till.outcomes import Issued
from pos_gateway.till.refusals import ClockFarAhead, SeatSuspended
from pos_gateway.till.till_service import look_over
from pos_gateway.till.upload_receipts import Uploader
from pos_gateway.till.warn_in_time import warn_in_time
from receipts.ids import ReceiptId
from runtime.clock import real_now
from tests.activating import code_for, enrol_seller
from tests.pos_gateway.till.tilling import sale, sell
from tests.serving import Centre

HOUR = timedelta(hours=1)
OPENS_UTC, CLOSES_UTC = 1, 13
"""A shop sells from 9 to 21 in Ulaanbaatar."""
SALES_AN_HOUR_MAX = 2
OUTAGE_DAYS_MAX = 10
DRIFT_S_MAX, DRIFT_S_A_DAY_MAX = 240.0, 20.0
LOST_ANSWERS = 0.05
STEPS_MAX = 200


@dataclass(slots=True)
class World:
    """The time outside."""

    begins: datetime
    hours: int = 0

    @property
    def now(self) -> datetime:
        return self.begins + self.hours * HOUR


class Network(httpx2.AsyncBaseTransport):
    """The way to the centre: cut while an outage lasts; otherwise an answer is lost now and then."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._way = httpx2.AsyncHTTPTransport()
        self.cut = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.cut:
            raise httpx2.ConnectError("no network", request=request)
        answer = await self._way.handle_async_request(request)
        if self._chance.random() < LOST_ANSWERS:
            await answer.aread()
            await answer.aclose()
            raise httpx2.ReadError("the answer was lost", request=request)
        return answer

    async def aclose(self) -> None:
        await self._way.aclose()


@dataclass(frozen=True, slots=True)
class Fate:
    """What a till meets: outages (first and last hour), the error of its clock, and when its disk is copied and put
    back; None where it never is.
    """

    outages: tuple[tuple[int, int], ...]
    ahead_s: float
    drift_s_a_day: float
    copied: int | None
    put_back: int | None

    @classmethod
    def drawn(cls, chance: Random, *, days: int, restored: bool) -> "Fate":
        """Draw a fate. A restored till is copied while it is online, and put back within an outage that follows."""
        outages: list[tuple[int, int]] = []
        at = chance.randrange(24, 72)
        while at < days * 24 - 24:
            lasts = chance.choice([2, 7, 30, 60, 70, 80, 24 * chance.randint(4, OUTAGE_DAYS_MAX)])
            outages.append((at, min(at + lasts, days * 24 - 12)))
            at += lasts + chance.randrange(24, 120)
        first, last = outages[0]
        middle = first + max(1, (last - first) // 2)
        error, drift = chance.uniform(-1, 1) * DRIFT_S_MAX, chance.uniform(-1, 1) * DRIFT_S_A_DAY_MAX
        return cls(tuple(outages), error, drift, first - 10 if restored else None, middle if restored else None)

    def is_cut(self, hour: int) -> bool:
        """Whether an outage lasts."""
        return any(first <= hour < last for first, last in self.outages)


@dataclass(slots=True)
class SimulatedTill:
    """A till, what it acknowledged, and what was lost with its disk before the centre had it."""

    world: World
    centre: Centre
    folder: Path
    tin: str
    fate: Fate
    chance: Random
    network: Network
    http: httpx2.AsyncClient
    sold: dict[bytes, Issued] = field(default_factory=dict)
    lost: set[bytes] = field(default_factory=set)
    ticks: list[datetime] = field(default_factory=list)
    """Its own clock at each hour's end, when warnings are looked for."""
    replaced: int = 0
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _installation: Installation | None = None
    _uploader: Uploader | None = None

    @property
    def till(self) -> Installation:
        assert self._installation is not None
        return self._installation

    @property
    def uploader(self) -> Uploader:
        assert self._uploader is not None
        return self._uploader

    @property
    def asked(self) -> AskCentre:
        return AskCentre(self.http, self.till.dir.client_key, real_clock=real_now)

    def clock(self) -> datetime:
        """Its own time, which is wrong."""
        wrong_s = self.fate.ahead_s + self.fate.drift_s_a_day * self.world.hours / 24
        return self.world.now + timedelta(seconds=wrong_s)

    def elapsed_s(self) -> float:
        return self.world.hours * 3600.0

    def switch_on(self) -> None:
        """Open the installation."""
        self._installation = self._open.enter_context(
            open_installation(self.folder, self.clock, elapsed_s=self.elapsed_s)
        )
        self._uploader = Uploader(
            self.till, self.asked, clock=self.clock, elapsed_s=self.elapsed_s, jitter=self.chance.random
        )

    def switch_off(self) -> None:
        """Close it, as at night."""
        self._open.close()

    async def activate(self) -> None:
        """Be activated; as often as it takes."""
        await self._until_answered(
            lambda code: activate_till(self.till, self.asked, code=code, clock=self.clock)
        )  # fmt: skip

    async def _until_answered(self, ask: Callable[[str], Awaitable[object]]) -> None:
        code = code_for(self.centre, self.tin)
        for _ in range(20):
            with contextlib.suppress(CentreAway):
                await ask(code)
                return
        await ask(code)

    async def live_an_hour(self) -> None:
        """Sell, upload, look for warnings."""
        hour = self.world.hours
        self.network.cut = self.fate.is_cut(hour)
        if hour == self.fate.copied:
            self._copy()
        if hour == self.fate.put_back:
            self._put_back()
        if OPENS_UTC <= self.world.now.hour < CLOSES_UTC:
            await self._sell()
        await self.upload()
        await self._warn()
        if not self.network.cut and self._needs_replacing():
            await self._replace()

    async def upload(self) -> None:
        """Let the uploader do what is due."""
        for _ in range(STEPS_MAX):
            if await self.uploader.step() > 0:
                return

    def _copy(self) -> None:
        self.switch_off()
        shutil.copytree(self.folder, self._backup)
        self.switch_on()

    def _put_back(self) -> None:
        """The disk breaks: what was not uploaded is lost with it. The copy is put in, and the shop goes on."""
        seat = next(seat for seat in self.till.seats if seat.closed_at is None)
        waits = self.till.backlog(seat).count
        self.lost |= set(list(self.sold)[len(self.sold) - waits :]) if waits else set()
        self.switch_off()
        shutil.rmtree(self.folder)
        shutil.move(self._backup, self.folder)
        self.switch_on()

    @property
    def _backup(self) -> Path:
        return self.folder.with_name(self.folder.name + "-backup")

    async def _sell(self) -> None:
        for _ in range(self.chance.randint(0, SALES_AN_HOUR_MAX)):
            seat = self.till.seat_of(self.tin)
            if seat is None:
                return
            try:
                await self._keep(await sell(self.till, seat, sale(self.chance.randint(1, 9) * 111_000, tin=self.tin)))
                if self.chance.random() < 0.05:
                    last = next(reversed(self.sold.values()))
                    await self._keep(await self.till.void(last.id, reason="Буцаалт"))
            except SeatSuspended:
                return
            except ClockFarAhead:  # the disk that was put back knows no later time; the shopkeeper does
                await self.till.learn_time(self.clock().replace(microsecond=0))

    async def _keep(self, issued: Issued) -> None:
        self.sold[issued.receipt_hash] = issued
        self.uploader.issued(issued)

    async def _warn(self) -> None:
        self.ticks.append(self.clock())
        overview = look_over(self.till, self.uploader, CentreFile.of(self.till.dir), self.clock, "1")
        await warn_in_time(self.till, overview)

    def _needs_replacing(self) -> bool:
        seat = self.till.seat_of(self.tin)
        return seat is not None and seat.suspended_for is not None and not self.till.backlog(seat).count

    async def _replace(self) -> None:
        async def upload() -> int:
            return await self.uploader.send_now(within_s=60)

        await self._until_answered(
            lambda code: replace_till(self.till, self.asked, code=code, clock=self.clock, upload=upload)
        )
        self.replaced += 1


@dataclass(slots=True)
class Lived:
    """A month that is over."""

    tills: list[SimulatedTill]

    @property
    def sold(self) -> int:
        return sum(len(till.sold) for till in self.tills)


async def live(centre: Centre, folder: Path, *, tills: int, days: int, seed: int) -> Lived:
    """Let tills live so many days, bring all of them back, and switch them off. One in four has its disk put back."""
    chance = Random(seed)
    world = World(centre.now.replace(minute=0, second=0, microsecond=0))
    shops: list[SimulatedTill] = []
    for number in range(tills):
        own = Random(chance.randrange(2**32))
        network = Network(own)
        http = httpx2.AsyncClient(base_url=centre.url, transport=network, timeout=60)
        fate = Fate.drawn(own, days=days, restored=number % 4 == 3)
        tin = enrol_seller(centre)
        shops.append(SimulatedTill(world, centre, folder / f"till-{number}", tin, fate, own, network, http))
    for shop in shops:
        shop.switch_on()
        await shop.activate()
    for hour in range(1, days * 24):
        world.hours = hour
        centre.set_clock(world.now)
        for shop in chance.sample(shops, len(shops)):
            await shop.live_an_hour()
    for _ in range(48):
        world.hours += 1
        centre.set_clock(world.now)
        for shop in shops:
            shop.network.cut = False
            await shop.upload()
    for shop in shops:
        assert all(not shop.till.backlog(seat).count for seat in shop.till.seats), shop.tin
        await shop.http.aclose()
    return Lived(shops)


@contextlib.contextmanager
def switched_off(lived: Lived) -> Iterator[Lived]:
    """Switch every till off at the end."""
    try:
        yield lived
    finally:
        for till in lived.tills:
            till.switch_off()


def missing_or_doubled(centre: Centre, till: SimulatedTill) -> list[ReceiptId]:
    """Answer what a till acknowledged and the centre does not have exactly once, among receipts and forks."""
    seller = next(iter(till.sold.values())).seller
    stored = [
        bytes(row[0])
        for row in centre.ask(
            "SELECT receipt_hash FROM pos.receipts WHERE seller = %s"
            " UNION ALL SELECT receipt_hash FROM pos.forks WHERE seller = %s",
            seller, seller,
        )
    ]  # fmt: skip
    return [
        issued.id for receipt_hash, issued in till.sold.items()
        if stored.count(receipt_hash) != (0 if receipt_hash in till.lost else 1)
    ]  # fmt: skip


def warnings_due(centre: Centre, till: SimulatedTill) -> dict[tuple[str, datetime], datetime]:
    """Answer the warnings (code and deadline) that a shop had to be given and by when: at the end of each hour by its
    own clock, for the oldest receipt that the centre did not have by then. Found from the centre's times of receipt,
    not from the till's.
    """
    rows = centre.ask(
        "SELECT issued_at, received_at FROM pos.receipts WHERE seller = %s AND kind & 15 <> 6 ORDER BY issued_at",
        next(iter(till.sold.values())).seller,
    )
    due: dict[tuple[str, datetime], datetime] = {}
    for at, tick in enumerate(till.ticks, 1):
        outside = till.world.begins + at * HOUR
        waits = [issued for issued, received in rows if issued <= tick and received > outside]
        if not waits:
            continue
        deadline = min(waits).astimezone(UTC) + timedelta(hours=72)
        for code, before in (("deadline_passed", 0), ("deadline_6h", 6), ("deadline_24h", 24)):
            if tick >= deadline - before * HOUR:
                due.setdefault((code, deadline), tick)
                break
    return due
