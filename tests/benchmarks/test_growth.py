"""The benchmark of growth runs small: its chains are genuine, spread over months, and loaded beside one another."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.progress import Progress

from benchmarks import bench_growth, grow_centre
from benchmarks.enrolled import Seat
from benchmarks.grow_centre import NotGrown, period_of
from benchmarks.grown_chains import Period, baskets, grow
from benchmarks.served import scratch_dir
from benchmarks.stored_bytes import verify_chains
from kernel.clock import Month
from receipts.chain import ChainKey, first_head
from receipts.keys import Signer
from receipts.verification import NotGenuine
from runtime.clock import real_now
from runtime.database import Database, Role

BEGINS_AT = datetime(2026, 1, 31, 15, 59, tzinfo=UTC)
"""A minute before February in Ulaanbaatar."""


class TestGrow:
    def test_spreads_receipts_evenly_over_time_and_terminals(self) -> None:
        key = ChainKey(Signer(Ed25519PrivateKey.generate()), b"k" * 32)
        heads = [
            first_head(seller=seller, terminal=1, enrolment=b"e", enrolled_at=BEGINS_AT) for seller in (1, 2, 3)
        ]  # fmt: skip
        period = Period(BEGINS_AT, BEGINS_AT + timedelta(minutes=2))
        grown = list(grow(heads, [key] * 3, baskets(BEGINS_AT), period, 12))
        assert [receipt.issued_at for receipt in grown] == [BEGINS_AT + timedelta(seconds=10 * at) for at in range(12)]
        assert [receipt.seller for receipt in grown] == [1, 2, 3] * 4
        assert [(head.counter, head.turnover_mongo) for head in heads] == [
            (4, sum(receipt.total_mongo for receipt in grown if receipt.seller == head.seller)) for head in heads
        ]
        assert {Month.of(receipt.issued_at).number for receipt in grown} == {1, 2}

    def test_twenty_million_receipts_spread_over_twenty_months(self) -> None:
        period = Period(BEGINS_AT, BEGINS_AT + timedelta(days=609))
        assert period.at(19_999_999, 20_000_000) == BEGINS_AT + timedelta(days=609, seconds=-3)

    def test_no_two_baskets_are_equal(self) -> None:
        assert len({basket.lines for basket in baskets(BEGINS_AT)}) == len(baskets(BEGINS_AT))

    @pytest.mark.parametrize(("receipts", "months"), [(10_000, 1), (1_999_999, 1), (2_000_000, 2), (90_000_000, 20)])
    def test_a_million_is_a_month(self, receipts: int, months: int) -> None:
        period, found = period_of(receipts)
        assert found == months
        assert period.begins_at == Month.of(real_now()).plus(1 - months).starts_at
        assert period.ends_at <= real_now()


@pytest.mark.slow
def test_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grow_centre, "RECEIPTS_A_MONTH", 40)
    size = bench_growth.Size(rounds=1, seconds=1.0, warm_up=0.5, batch=20, terminals=8, posting=8)
    with scratch_dir() as folder, Progress(disable=True) as progress:
        figures = bench_growth.measure(folder, [200, 50], size, progress)
    assert [(stage.receipts, stage.months) for stage in figures.stages] == [(50, 1), (200, 5)]
    few, many = figures.stages
    assert few.bytes.keys == 50
    assert 80 <= many.bytes.keys < 200, "two months and what has passed of this one"
    for stage in figures.stages:
        assert stage.verified == stage.receipts + 8
        assert 300 < stage.bytes.columns["document"] < stage.bytes.receipt < 5_000
        assert stage.batches.cpu_us.least > stage.batches.worker_us.least > 0
    assert figures.sampled > 0
    assert figures.not_as_answered == []
    assert figures.check_holds, figures.check
    bench_growth.show(figures)


def test_a_broken_chain_is_found() -> None:
    def look(database: Database, seats: Sequence[Seat]) -> None:
        assert verify_chains(database, seats) == 30 + 2
        with psycopg.connect(database.url(Role.OWNER)) as connection:
            connection.execute("ALTER TABLE pos.receipts DISABLE TRIGGER USER")
            connection.execute("DELETE FROM pos.receipts WHERE counter = 7")
        with pytest.raises(NotGenuine) as found:
            verify_chains(database, seats)
        assert (found.value.step, found.value.why) == (8, "counter")

    with scratch_dir() as folder:
        grow_centre.grow_centre(folder / "data", 30, terminals=2, look=look)


def test_what_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(NotGrown, match="GB are needed"):
        bench_growth.require_room(tmp_path, [10_000, 50_000_000])
