"""Meters: what is counted is exposed, adds up over workers, and outlives them; gauges do not."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime import meters as module
from runtime.meters import Kind, Meters, has_ended
from runtime.metrics import exposition

ROOT = Path(__file__).parents[2]
WORKER = """
import sys, os
from pathlib import Path
from tests.runtime.test_meters import declared
counts = declared(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    counts.sold.inc()
    counts.seconds.observe(0.3)
counts.waiting.set(7)
counts.oldest.set(9)
print("counted", flush=True)
sys.stdin.read()
"""


class Counts:
    """A few families as a face would declare them."""

    def __init__(self, meters: Meters) -> None:
        self.meters = meters
        self.family = meters.family("shop_sales", Kind.COUNTER, "Sales.", ("kind",))
        self.sold = meters.counter(self.family, "cash")
        self.seconds = meters.histogram(meters.family("shop_seconds", Kind.HISTOGRAM, "Time.", (), (0.1, 0.5)))
        self.waiting = meters.gauge(meters.family("shop_waiting", Kind.SUM, "Customers that wait."))
        self.oldest = meters.gauge(meters.family("shop_oldest", Kind.MAX, "Who waits longest."))

    def __getitem__(self, name: str) -> float:
        """Answer the sum of all samples of a name."""
        text = exposition(self.meters).decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        found = [sample.value for sample in samples if sample.name == name]
        assert found, text
        return sum(found)


def declared(folder: Path | None = None) -> Counts:
    return Counts(Meters(folder))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another worker that has counted five."""
    command = [sys.executable, "-c", WORKER, str(tmp_path), "5"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "counted\n"
        yield process
        process.kill()


class TestOneProcess:
    def test_exposes_what_it_counts(self) -> None:
        counts = declared()
        counts.sold.inc()
        counts.sold.inc(2)
        counts.meters.counter(counts.family, 'card "x"\n').inc()
        counts.waiting.set(3)
        for seconds in (0.05, 0.1, 0.11, 7.0):
            counts.seconds.observe(seconds)
        assert exposition(counts.meters).decode() == (
            "# HELP shop_sales_total Sales.\n# TYPE shop_sales_total counter\n"
            'shop_sales_total{kind="card \\"x\\"\\n"} 1.0\nshop_sales_total{kind="cash"} 3.0\n'
            "# HELP shop_seconds Time.\n# TYPE shop_seconds histogram\n"
            'shop_seconds_bucket{le="0.1"} 2.0\nshop_seconds_bucket{le="0.5"} 3.0\nshop_seconds_bucket{le="+Inf"} 4.0\n'
            "shop_seconds_count 4.0\nshop_seconds_sum 7.26\n"
            "# HELP shop_waiting Customers that wait.\n# TYPE shop_waiting gauge\nshop_waiting 3.0\n"
            "# HELP shop_oldest Who waits longest.\n# TYPE shop_oldest gauge\nshop_oldest 0.0\n"
        )

    def test_the_same_labels_are_the_same_counter(self) -> None:
        counts = declared()
        counts.meters.counter(counts.family, "cash").inc()
        counts.sold.inc()
        assert counts["shop_sales_total"] == 2

    def test_what_finds_no_room_harms_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        counts = declared()
        counts.sold.inc()
        monkeypatch.setattr(module, "CELLS", counts.meters._used)
        late = counts.meters.family("late_seconds", Kind.HISTOGRAM, "Time.", ("n",), (0.1, 0.5))
        for seconds in (0.05, 7.0):
            counts.meters.histogram(late, "x").observe(seconds)
            counts.meters.counter(counts.family, "card").inc()
        assert counts["shop_sales_total"] == 1
        assert "late_seconds_count" not in exposition(counts.meters).decode()


class TestSeveralProcesses:
    def test_adds_up(self, tmp_path: Path, worker: "subprocess.Popen[str]") -> None:
        counts = declared(tmp_path)
        counts.sold.inc(2)
        counts.seconds.observe(0.3)
        counts.meters.counter(counts.family, "card").inc()
        counts.waiting.set(1)
        counts.oldest.set(4)
        assert counts["shop_sales_total"] == 8
        assert (counts["shop_seconds_count"], counts["shop_seconds_sum"]) == (6, pytest.approx(1.8))
        assert (counts["shop_waiting"], counts["shop_oldest"]) == (8, 9)

    def test_keeps_what_a_dead_worker_counted_and_forgets_its_gauges(
        self, tmp_path: Path, worker: "subprocess.Popen[str]"
    ) -> None:
        counts = declared(tmp_path)
        counts.waiting.set(1)
        assert counts["shop_waiting"] == 8
        worker.kill()
        worker.wait(10)
        assert counts["shop_sales_total"] == 5
        assert (counts["shop_waiting"], counts["shop_oldest"]) == (1, 0)

    def test_a_name_that_is_half_written_is_passed_over(self, tmp_path: Path) -> None:
        counts, other = declared(tmp_path), declared(tmp_path)
        other.sold.inc()
        names = next(path for path in tmp_path.glob("*.names") if path.stem == other.meters._worker)
        with names.open("ab") as file:
            file.write(b'["shop_sales", ["ca')
        assert counts["shop_sales_total"] == 1
        counts.meters.close()
        other.meters.close()


class TestHasEnded:
    def test_when_all_have(self, tmp_path: Path, worker: "subprocess.Popen[str]") -> None:
        own = declared(tmp_path)
        own.meters.close()
        assert not has_ended(tmp_path)
        worker.kill()
        worker.wait(10)
        assert has_ended(tmp_path)

    def test_not_before_one_has_begun(self, tmp_path: Path) -> None:
        assert not has_ended(tmp_path)


def test_names_follow_the_conventions() -> None:
    text = exposition(declared().meters).decode()
    assert all(re.fullmatch(r"[a-z_]+(_total|_seconds)?", name) for name in re.findall(r"# TYPE (\S+)", text))
