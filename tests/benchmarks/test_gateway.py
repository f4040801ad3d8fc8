"""The gateway's benchmarks run: small here, in full by their own commands."""

import json
from collections.abc import Iterator

import pytest

from benchmarks import (
    bench_bad_clients,
    bench_baseline,
    bench_batches,
    bench_gateway,
    bench_latency,
    bench_overload,
    bench_signed,
    bench_workers,
)
from benchmarks.prepared import Prepared
from benchmarks.served import scratch_dir
from benchmarks.stored_sample import verify_sample


@pytest.fixture(scope="module")
def prepared() -> Iterator[Prepared]:
    with scratch_dir() as folder:
        yield Prepared.make(folder, tills=8)


def test_singles_against_an_empty_endpoint(prepared: Prepared) -> None:
    figures = bench_gateway.measure(prepared, pairs=1, seconds=2.0, warm_up=0.5)
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
def test_the_orm_baseline(prepared: Prepared) -> None:
    size = bench_baseline.Size(pairs=1, seconds=1.5, warm_up=0.5, pools=(5,), forms=("orm", "core"), batch=20)
    figures = bench_baseline.measure(prepared, size)
    assert figures.not_as_answered == []
    assert figures.sampled > 0
    for kind in (figures.singles, figures.bulk):
        assert min(kind.tried.values()) > 0
        assert 0 < kind.top[0][1] <= 1
        assert kind.baseline_postgres_us.least > 0
    bench_baseline.show(figures)


def test_batches_against_signatures(prepared: Prepared) -> None:
    cost = bench_batches.measure_cost(prepared, rounds=1, seconds=2.0, warm_up=0.5, batch=20)
    assert 0.5 < cost.signatures.median < 100
    assert cost.sampled > 0
    assert cost.not_as_answered == []
    bench_batches.show_cost(cost)


def test_uploads_against_verifications(prepared: Prepared) -> None:
    with prepared.served() as server:
        figures = bench_signed.measure(server, prepared.data_dir, rounds=1, bodies=1)
    assert figures.stored == 2001
    assert 0.5 < figures.of_verification.median < 50
    assert figures.repeated_us > 0
    bench_signed.show(figures)


def test_memory_over_many_receipts(prepared: Prepared) -> None:
    memory = bench_batches.measure_memory(prepared, receipts=200, step=100, batch=20)
    assert [count for count, _ in memory.steps] == [100, 200]
    assert 10 < memory.last_mib < 1000
    bench_batches.show_memory(memory)


@pytest.mark.slow
def test_latency_beside_bare_commits(prepared: Prepared) -> None:
    figures = bench_latency.measure(prepared, seconds=2.0, warm_up=0.5)
    assert figures.receipts.count > 0
    assert figures.commits.count > 0
    assert figures.lone.count >= 40
    assert 0 < figures.lone.p50_ms < figures.lone.worst_ms
    assert figures.lone_worker_ms > 0
    assert figures.not_as_answered == []
    bench_latency.show(figures)


@pytest.mark.slow
def test_overload(prepared: Prepared) -> None:
    size = bench_overload.Size(seconds=3.0, most_seconds=2.0, connections=100)
    figures = bench_overload.measure(prepared, size)
    assert figures.acknowledged > 0
    assert figures.missing == []
    assert set(figures.statuses) <= {"201", "503"}
    assert figures.without_retry_after == figures.broken == 0
    assert figures.offered_a_second > figures.issued_a_second
    assert 10 < figures.memory_second_half_mib < 1000
    bench_overload.show(figures)


@pytest.mark.slow
def test_bad_clients(prepared: Prepared) -> None:
    figures = bench_bad_clients.measure(prepared, seconds=1.5, bad=3)
    assert [case.kind for case in figures.cases] == ["slow", "half-sent", "idle", "never-reads"]
    for case in figures.cases:
        assert set(case.statuses) == {"201"}
        assert case.seen.connections == 3
        assert case.beside.count > 0
    bench_bad_clients.show(figures)


@pytest.mark.slow
def test_a_second_worker(prepared: Prepared) -> None:
    figures = bench_workers.measure(prepared, pairs=1, seconds=2.0, warm_up=0.5)
    assert 0.2 < figures.cpu_ratio.median < 5
    assert figures.check_holds, figures.check
    assert figures.not_as_answered == []
    bench_workers.show(figures)


def test_a_receipt_that_is_not_stored_as_it_was_answered_is_found(prepared: Prepared) -> None:
    sample = prepared.folder / "sample"
    with prepared.served() as server:
        prepared.load(server, "--through", "--sample-every", "1", "--connections", "2", prepare=4)
        answers = [json.loads(line) for line in sample.read_bytes().splitlines()]
        other = answers[0] | {"qr": answers[1]["qr"]}
        sample.write_text("\n".join(map(json.dumps, [*answers, other])), encoding="utf-8")
        assert verify_sample(sample, prepared.data_dir) == (5, [answers[0]["id"]])
