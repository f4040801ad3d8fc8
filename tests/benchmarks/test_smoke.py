"""Each benchmark runs: small here, in full by its own command."""

from collections import Counter
from typing import Any

from benchmarks import bench_paper, bench_qr_edits, bench_stages, bench_verify, bench_watching
from benchmarks.receipts_made import keyring, texts
from receipts.verification import verify_text


def test_verify(benchmark: Any) -> None:
    made, keys = texts(1 if benchmark.disabled else 200), keyring()
    benchmark(lambda: [verify_text(text, keys) for text in made])


def test_verify_ratios() -> None:
    ratios = bench_verify.measure(rounds=1, receipts=50)
    assert 0.2 < ratios["verify"][0] < 2
    assert 0 < ratios["encode"][0] < 1


def test_qr_edits() -> None:
    ended = bench_qr_edits.try_edits(3000, seed=7)
    assert ended.total() == 3000
    assert ended["accepted"] == ended["crashed"] == 0
    assert ended["5"] >= 900


def test_paper() -> None:
    for kind in bench_paper.PRINTS:
        assert bench_paper.read(kind, "clean", count=1, seed=1) == Counter(zbar=1, zxing=1, scan=1)
    read = sum(
        (bench_paper.read(bench_paper.PRINTS[2], case, count=1, seed=3) for case in bench_paper.CASES), Counter()
    )
    assert read["scan"] >= 10
    assert read["wrong"] == 0


def test_watching() -> None:
    found = bench_watching.measure(calls=2_000, rounds=2)
    assert set(map(type, found.values())) == {float}
    assert 0 < found["limits"] < 3 * 2  # three times the budget of two microseconds
    assert 0 < found["single"] + found["chunk of 16, a receipt"] < 3 * 3


def test_stages() -> None:
    told = bench_stages.run(receipts=256)
    assert 10 < told["sign"] < 500
    assert sum(told.values()) > told["sign"] + told["database server"]
