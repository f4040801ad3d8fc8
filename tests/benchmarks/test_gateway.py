"""The gateway's benchmarks run: small here, in full by their own commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import bench_gateway
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
