"""The gateway's benchmarks run: small here, in full by their own commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import bench_baseline, bench_batches, bench_gateway
from benchmarks.served import scratch_dir


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch_dir() as made:
        yield made


def test_singles_against_an_empty_endpoint(folder: Path) -> None:
    figures = bench_gateway.measure(folder, pairs=1, seconds=0.5, warm_up=0.1, tills=4)
    assert 0.02 < figures.ratio.median < 10
    assert figures.sampled > 0
    assert figures.not_as_answered == []
    for run in (*figures.ours, *figures.empty):
        assert set(run.statuses) == {"201"}
        assert run.broken == 0
        assert run.cpu_s["worker"] > 0
    (ours,), (empty,) = figures.ours, figures.empty
    assert ours.cpu_s["postgres"] > 0
    assert abs(ours.answer_bytes - empty.answer_bytes) < 80, "the heads may differ, the bodies must not"
    bench_gateway.show(figures)


@pytest.mark.slow
def test_the_orm_baseline(folder: Path) -> None:
    size = bench_baseline.Size(pairs=1, seconds=1.5, warm_up=0.5, tills=4, pools=(5,), forms=("orm", "core"), batch=20)
    figures = bench_baseline.measure(folder, size)
    assert figures.not_as_answered == []
    assert figures.sampled > 0
    for kind in (figures.singles, figures.bulk):
        assert min(kind.tried.values()) > 0
        assert 0 < kind.top[0][1] <= 1
        assert kind.baseline_postgres_us.least > 0
    bench_baseline.show(figures)


def test_batches_against_signatures(folder: Path) -> None:
    cost = bench_batches.measure_cost(folder, rounds=1, seconds=1.5, warm_up=0.2, batch=20, tills=4)
    assert 0.5 < cost.signatures.median < 100
    assert cost.sampled > 0
    assert cost.not_as_answered == []
    bench_batches.show_cost(cost)


def test_memory_over_many_receipts(folder: Path) -> None:
    memory = bench_batches.measure_memory(folder, receipts=200, step=100, batch=20)
    assert [count for count, _ in memory.steps] == [100, 200]
    assert 10 < memory.last_mib < 1000
    bench_batches.show_memory(memory)
