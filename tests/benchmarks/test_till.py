"""The benchmark of the till runs: small here, in full by its own command."""

from pathlib import Path

from benchmarks import bench_till


def test_till(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    figures = bench_till.measure(bench_till.staged(tmp_path, sellers=2), backlog=40, seconds=0.5)
    assert figures.backlog >= 40
    assert figures.left == figures.centre_check == figures.till_check == 0
    assert all(run.receipts > 0 == run.failed for run in (figures.one, figures.eight, figures.paced, figures.uploading))
