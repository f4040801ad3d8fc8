"""The sequencer's fault table, row by row: one order, one connection, and exactly the faults that the row names."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from kernel.clock import Clock, Month
from kernel.refusal import Refusal, Unavailable
from pos_gateway.pool import OutcomeUnknown, Pool
from pos_gateway.sequence_batches import PATIENCE_S, UNKNOWN_PATIENCE_S, Sequencer
from receipts.chain import ChainKey, first_head
from receipts.chunk import LockedChain
from receipts.orders import Issued
from receipts.submission import Merchant
from tests.simulation.chance import Chance, History
from tests.simulation.gateways import said_of
from tests.simulation.memory_database import MemoryDatabase
from tests.simulation.memory_transactions import CONNECT_S, Fault, MemoryTransactions, Unforeseen
from tests.simulation.orders import sale_order
from tests.simulation.simulate import EPOCH, SIGNER
from tests.simulation.virtual_time import virtual_time
from tests.simulation.weather import STILL, Climate, Weather

BEGAN_AT = datetime(2026, 6, 15, 4, tzinfo=UTC)
SHOP, TERMINAL = Merchant(37900846788, "37900846788", vat_payer=True, city_tax_payer=False), 10012619
KEY = ChainKey(SIGNER, b"k" * 32)


class Still(Weather):
    """A weather without any."""

    def __init__(self) -> None:
        super().__init__(Chance(1, "weather"), 0)

    def at(self, time_s: float) -> Climate:
        return STILL


@dataclass(frozen=True, slots=True)
class Ended:
    """What was said of an order, after how long, and what is stored a while later."""

    said: object
    after_s: float
    stored: int
    violations: tuple[str, ...]


def issue(faults: Sequence[Fault], *, away_from: int | None = None, clock: Clock | None = None) -> Ended:
    """Submit one sale to a sequencer whose transactions meet these faults, one each, at their second statement; before
    transaction number `away_from` the database goes away and stays away.
    """
    with virtual_time() as loop, capture_logs():
        return loop.run_until_complete(_live(iter(faults), away_from, clock))


async def _live(planned: Iterator[Fault], away_from: int | None, clock: Clock | None) -> Ended:
    loop = asyncio.get_running_loop()
    head = first_head(seller=SHOP.seller, terminal=TERMINAL, enrolment=b"x", enrolled_at=BEGAN_AT)
    chain = LockedChain(head, EPOCH, "gateway", suspended=False, closed=False, branch=1)
    database = MemoryDatabase(History(loop.time), {(SHOP.seller, TERMINAL): chain})
    begun = itertools.count()

    def draw() -> tuple[Fault, int] | None:
        if next(begun) == away_from:
            database.crash()
        fault = next(planned, None)
        return None if fault is None else (fault, 1)

    def now() -> datetime:
        return BEGAN_AT + timedelta(seconds=int(loop.time()))

    pool = Pool()
    connection = MemoryTransactions(database, Still(), Chance(1, "store"), "worker", draw)
    running = asyncio.create_task(
        Sequencer(pool, connection, clock=clock or now, real_clock=now, chain_keys=lambda *_: KEY).run()
    )
    said = await said_of(pool, sale_order(SHOP, TERMINAL, "k", client_id="c", total_mongo=110_000, at=BEGAN_AT))
    after_s = loop.time()
    pool.close()
    await running
    await asyncio.sleep(60)  # what is on its way to the server arrives
    return Ended(said, after_s, len(database.receipts), tuple(database.violations))


class TestOneTry:
    @pytest.mark.parametrize("fault", [None, Fault.STALL])
    def test_issues_when_nothing_breaks(self, fault: Fault | None) -> None:
        ended = issue([] if fault is None else [fault])
        assert isinstance(ended.said, Issued)
        assert (ended.said.repeated, ended.stored) == (False, 1)


class TestAnotherTry:
    @pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.COMMIT_LOST])
    def test_issues_what_did_not_arrive(self, fault: Fault) -> None:
        ended = issue([fault])
        assert isinstance(ended.said, Issued)
        assert (ended.said.repeated, ended.stored) == (False, 1)

    @pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.COMMIT_LATE])
    def test_finds_what_did_arrive(self, fault: Fault) -> None:
        ended = issue([fault])
        assert isinstance(ended.said, Issued)
        assert (ended.said.repeated, ended.stored) == (True, 1)

    @pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.UNFORESEEN])
    def test_is_given_also_to_what_was_refused_or_nobody_foresaw(self, fault: Fault) -> None:
        assert isinstance(issue([fault]).said, Issued)


class TestGuilty:
    def test_what_is_refused_twice_is_not_issued(self) -> None:
        ended = issue([Fault.REFUSE] * 2)
        assert isinstance(ended.said, Unavailable)
        assert (ended.stored, ended.after_s < 0.1) == (0, True)

    def test_what_nobody_foresaw_twice_is_an_incident(self) -> None:
        ended = issue([Fault.UNFORESEEN] * 2)
        assert isinstance(ended.said, Unforeseen)
        assert (ended.stored, ended.after_s < 0.1) == (0, True)


class TestUnknown:
    @pytest.mark.parametrize("last", [Fault.REFUSE, Fault.UNFORESEEN])
    @pytest.mark.parametrize("commit", [Fault.COMMIT_LOST, Fault.ANSWER_LOST, Fault.COMMIT_LATE])
    @pytest.mark.parametrize("first", [None, Fault.CUT_AFTER, Fault.REFUSE])
    def test_stays_unknown_whatever_follows_a_commit_without_an_answer(
        self, first: Fault | None, commit: Fault, last: Fault
    ) -> None:
        ended = issue([*([] if first is None else [first]), commit, last])
        assert isinstance(ended.said, OutcomeUnknown)
        assert ended.stored == (0 if commit is Fault.COMMIT_LOST else 1)

    @pytest.mark.parametrize("before", [[], [Fault.CUT_BEFORE]])
    def test_is_looked_after_for_longer(self, before: list[Fault]) -> None:
        ended = issue([*before, Fault.ANSWER_LOST], away_from=len(before) + 1)
        assert isinstance(ended.said, OutcomeUnknown)
        assert UNKNOWN_PATIENCE_S <= ended.after_s < UNKNOWN_PATIENCE_S + CONNECT_S + 1
        assert ended.stored == 1


class TestMonths:
    def test_are_those_of_the_moment_that_receipts_state(self) -> None:
        """Also where the clock is put on over the month's end in the middle of a transaction."""
        ends_at = Month.of(BEGAN_AT).ends_at
        put_on = itertools.chain([ends_at - timedelta(minutes=5)], itertools.repeat(ends_at))
        ended = issue([], clock=lambda: next(put_on))
        assert isinstance(ended.said, Issued)
        assert ended.violations == ()


class TestAway:
    def test_is_said_in_time(self) -> None:
        ended = issue([], away_from=0)
        assert isinstance(ended.said, Unavailable)
        assert not isinstance(ended.said, Refusal)
        assert PATIENCE_S <= ended.after_s < PATIENCE_S + CONNECT_S + 1
        assert ended.stored == 0
