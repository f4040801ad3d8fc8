"""Take what tills signed, a transaction for each piece of an upload, and say what became of each link.

Fault table:

| what happened                         | what is done                                        | who is told what     |
|---------------------------------------|-----------------------------------------------------|----------------------|
| a rule refuses a link                 | the others are stored                               | its refusal          |
| the database refuses the piece        | each terminal's links by themselves, then one by one| from the guilty: 503 |
| something unforeseen                  | the same                                            | from the guilty: 500 |
| the connection broke before a commit  | once more on a new one, for `PATIENCE_S`            | the outcome, or 503  |
| the connection broke while committing | the same: what was stored is found again            | the outcome, or 504  |

Whatever is said, a till sends again what it has no 200 or 201 for: the same bytes are stored once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import structlog

from kernel.clock import Clock, Month, date_of_day
from kernel.refusal import Unavailable
from pos_gateway.directory import Directory
from pos_gateway.keep_connection import KeptConnection
from pos_gateway.pool import OutcomeUnknown
from pos_gateway.transactions import RETRY_AFTER_S, Lost, Refused, unavailable
from receipts.accept_signed import MerchantsOfDay, Upload, accept_signed
from receipts.intake import Outcome
from receipts.signed_link import SignedLink
from receipts.signing_keys import SigningKeys
from receipts.store.reading import Client

CONNECTIONS = 2
"""Uploads of one worker that have a transaction at the same time; the others wait for one of these to end theirs."""
WAITING_MAX = 32
"""Uploads of one worker that wait or are being stored: at 8 MiB at most they hold 256 MiB, at some 1 KiB a line 32."""
PATIENCE_S = 2.0
PAUSE_S = 0.1
Result = Outcome | Exception
"""What became of a link: accepted, refused, or an exception that is said as a problem."""
_log = structlog.get_logger()


@dataclass(slots=True)
class _Attempt:
    """One transaction: whether its commit was asked for."""

    committing: bool = False


class Uploads:
    """One worker's transactions over signed links. Belongs to one event loop."""

    def __init__(self, database: Any, directory: Directory, *, clock: Clock, signing: SigningKeys) -> None:
        self._directory = directory
        self._clock = clock
        self._signing = signing
        self._free: asyncio.Queue[KeptConnection] = asyncio.Queue()
        self._all = [KeptConnection(database) for _ in range(CONNECTIONS)]
        for kept in self._all:
            self._free.put_nowait(kept)
        self._under_way = 0

    def require_room(self) -> None:
        """Refuse with `Unavailable` when as many uploads wait as may."""
        if self._under_way >= WAITING_MAX:
            raise Unavailable("pool_full", retry_after_s=RETRY_AFTER_S)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count an upload until its last verdict is made."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """Give the connections up."""
        for kept in self._all:
            await kept.close()

    async def accept(self, client: Client, links: Sequence[SignedLink]) -> list[Result]:
        """Store a piece of an upload and answer what became of each link, in their order, when that is durable."""
        async with self._connection() as kept:
            failed, results = await self._patiently(kept, client, links)
            if failed is None:
                return results
            _log.warning("upload_failed", links=len(links), error=type(_cause(failed)).__name__)
            if isinstance(failed, Lost):
                return results
            ended: dict[int, Result] = {}
            for places in _by_terminal(links):
                of_terminal = await self._by_itself(kept, client, [links[at] for at in places])
                ended.update(zip(places, of_terminal, strict=True))
            return [ended[at] for at in range(len(links))]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[KeptConnection]:
        kept = await self._free.get()
        try:
            yield kept
        finally:
            self._free.put_nowait(kept)

    async def _by_itself(self, kept: KeptConnection, client: Client, links: Sequence[SignedLink]) -> list[Result]:
        """Store one terminal's links; where that fails one by one, as far as it goes."""
        failed, results = await self._patiently(kept, client, links)
        if failed is None or isinstance(failed, Lost) or len(links) == 1:
            return results
        results = []
        for link in links:
            failed, [result] = await self._patiently(kept, client, [link])
            results.append(result)
            if failed is not None:
                _log.error("link_failed", exc_info=_cause(failed))
                return results + [unavailable()] * (len(links) - len(results))
        return results

    async def _patiently(
        self, kept: KeptConnection, client: Client, links: Sequence[SignedLink]
    ) -> tuple[Exception | None, list[Result]]:
        """Run one transaction, again while the database is away, and answer what failed it at the last."""
        loop = asyncio.get_running_loop()
        ends, unknown = loop.time() + PATIENCE_S, False
        while True:
            attempt = _Attempt()
            try:
                return None, list(await self._transaction(kept, client, links, attempt))
            except Lost as lost:
                unknown = unknown or attempt.committing
                if loop.time() >= ends:
                    said: Exception = OutcomeUnknown() if unknown else unavailable()
                    return lost, [said] * len(links)
            except Refused as refused:
                return refused, [unavailable()] * len(links)
            except Exception as error:  # noqa: BLE001 - the rim, for a piece: the others are stored all the same
                return error, [error] * len(links)
            await asyncio.sleep(PAUSE_S)

    async def _transaction(
        self, kept: KeptConnection, client: Client, links: Sequence[SignedLink], attempt: _Attempt
    ) -> list[Outcome]:
        merchants = await self._merchants(links)
        months = sorted({Month.of(link.issued_at) for link in links})
        async with kept.begin(months) as issuing:
            outcomes = await accept_signed(
                issuing.connection,
                self._clock,
                links=links,
                upload=Upload(client.client_id, self._signing.sealing_key, self._signing.test),
                merchants=merchants,
            )
            attempt.committing = True
        return outcomes

    async def _merchants(self, links: Sequence[SignedLink]) -> MerchantsOfDay:
        """Answer the enrolled merchants of all parts, by day."""
        tins: dict[int, set[str]] = {}
        for link in links:
            tins.setdefault(link.id.day, set()).update([part.merchant_tin for part in link.document.parts])
        return {day: await self._directory.merchants(of_day, date_of_day(day)) for day, of_day in tins.items()}


def _by_terminal(links: Sequence[SignedLink]) -> list[list[int]]:
    """Answer the places of each terminal's links, in the order in which they came."""
    terminal: Callable[[int], tuple[int, int]] = lambda at: links[at].terminal  # noqa: E731 - a key, said once
    return [list(places) for _, places in groupby(sorted(range(len(links)), key=terminal), key=terminal)]


def _cause(error: BaseException) -> BaseException:
    """Answer what lies below our own word for it."""
    return error.__cause__ or error
