"""What is looked at from outside of the hot path: how the pools stand every quarter of a second, and what the database
says when somebody asks for the metrics, at most every `READ_EVERY_S` and for no longer than `READ_S`.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import asyncpg
from prometheus_client.core import GaugeMetricFamily, Metric

from kernel.clock import Month
from mobile_stub.app import Claims
from pos_gateway.gateway import Gateway
from receipts.store import following, months, reading
from runtime.data_dir import DataDir
from runtime.meters import Gauge, Kind, Meters, has_ended

LOOK_EVERY_S: Final = 0.25
READ_EVERY_S: Final = 5.0
READ_S: Final = 1.0
MONTHS_LOOKED_AHEAD: Final = 3
LAGS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_AWAY = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresError)


class Readings:
    """What was read of the database at one moment; a collector of prometheus_client."""

    def __init__(self, values: dict[str, float]) -> None:
        self._values = values

    def collect(self) -> Iterator[Metric]:
        """Answer a gauge for each value that could be read."""
        for name, said in _SAID.items():
            if name in self._values:
                yield GaugeMetricFamily(name, said, value=self._values[name])


_SAID: Final = {
    "barimt_database_up": "1 when the database answers within a second. At 0 every till is answered 503.",
    "barimt_outbox_rows": "Voids, corrections and uploads that the claims have yet to follow, counted up to 100000.",
    "barimt_outbox_oldest_seconds": "How long the first of them has waited. Above 5 the claims side does not follow.",
    "barimt_signing_key_valid_seconds": "How long the signing key is still good. At 0 nothing is issued.",
    "barimt_months_made_seconds": "How far ahead tables of receipts are made. Below 3 days nobody makes them.",
    "barimt_key_list_age_seconds": "Age of the published key list. Falls to 0 when a key is made or revoked.",
}


class Watch:
    """One worker's watch. Belongs to one event loop."""

    def __init__(self, gateway: Gateway, claims: Claims, meters: Meters) -> None:
        self._gateway = gateway
        self._claims = claims
        self._lag = meters.histogram(
            meters.family(
                "barimt_loop_lag_seconds",
                Kind.HISTOGRAM,
                "How late a worker's event loop is: so long every request of that worker waits, whatever it asks.",
                bounds=LAGS_S,
            )
        )
        connections = meters.family(
            "barimt_database_connections",
            Kind.SUM,
            "Connections to the database by pool and state. Where none is idle and busy is at its most, look-ups wait.",
            ("pool", "state"),
        )
        self._connections: list[tuple[Any, Gauge, Gauge]] = [
            (pool, meters.gauge(connections, name, "busy"), meters.gauge(connections, name, "idle"))
            for name, pool in (("tills", gateway.database), ("consumers", claims.database))
        ]
        self._values: dict[str, float] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def kept(cls, gateway: Gateway, claims: Claims, meters: Meters) -> AsyncIterator["Watch"]:
        """Keep watch until the end."""
        watch = cls(gateway, claims, meters)
        looking = asyncio.create_task(watch.look_for_ever(), name="watch")
        try:
            yield watch
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking

    async def look_for_ever(self) -> None:
        """Look every `LOOK_EVERY_S`, and note how much later it became."""
        while True:
            self.look()
            due = perf_counter() + LOOK_EVERY_S
            await asyncio.sleep(LOOK_EVERY_S)
            self._lag.observe(max(perf_counter() - due, 0.0))

    def look(self) -> None:
        """Take note of how the pools stand now."""
        self._gateway.metrics.look(self._gateway.pool.depth, self._gateway.pool.oldest_since)
        for pool, busy, idle in self._connections:
            waiting = pool.get_idle_size()
            idle.set(waiting)
            busy.set(pool.get_size() - waiting)

    async def read(self) -> Readings:
        """Answer what the database says, not older than `READ_EVERY_S`; without what it could not be asked in time."""
        self.look()
        async with self._reading:
            if perf_counter() - self._read_at > READ_EVERY_S:
                self._values = await self._ask()
                self._read_at = perf_counter()
        return Readings(self._values)

    async def _ask(self) -> dict[str, float]:
        now = self._claims.clock()
        try:
            async with asyncio.timeout(READ_S):
                rows, oldest = await following.find_backlog(self._claims.database)
                keys = await reading.find_gateway_keys(self._gateway.database)
                listed_at = await reading.find_key_list_time(self._gateway.database)
                ahead = [Month.of(now).plus(at) for at in range(MONTHS_LOOKED_AHEAD)]
                unmade = await months.find_unmade(self._gateway.database, ahead)
        except _AWAY:
            return {"barimt_database_up": 0}
        signer = self._gateway.signing.signer
        good = [_seconds(key.not_after, now) for key in keys if signer is not None and key.kid == signer.kid]
        values = {
            "barimt_database_up": 1,
            "barimt_outbox_rows": rows,
            "barimt_outbox_oldest_seconds": 0.0 if oldest is None else _seconds(now, oldest),
            "barimt_signing_key_valid_seconds": max(good, default=0.0),
            "barimt_months_made_seconds": _seconds(unmade[0].starts_at if unmade else ahead[-1].ends_at, now),
        }
        if listed_at is not None:
            values["barimt_key_list_age_seconds"] = _seconds(now, listed_at)
        return values


def _seconds(later: datetime, earlier: datetime) -> float:
    return max((later - earlier).total_seconds(), 0.0)


def shared_folder(data_dir: DataDir, parent: int) -> Path:
    """Answer where the workers of a parent process share their meters."""
    return data_dir.folder("metrics") / str(parent)


@contextlib.contextmanager
def sharing_meters(data_dir: DataDir) -> Iterator[None]:
    """Give the workers of this process an empty folder for their meters, and take it away at the end; and those of
    services that were killed.
    """
    folder = shared_folder(data_dir, os.getpid())
    for left in folder.parent.iterdir():
        if left == folder or has_ended(left):
            shutil.rmtree(left, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
