import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.needs("demo data")
def test_three_seeds_meet_the_bars():
    command = [sys.executable, str(ROOT / "benchmarks" / "bench_plausibility.py"), "--seeds", "3", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True, timeout=500)
    assert done.returncode == 0, done.stderr or done.stdout
    figures = json.loads(done.stdout)
    assert (figures["first_planted"], figures["first_found"]) == (12, 12)
    assert figures["honest_accused_mean"] <= 1
    assert figures["accused_without_plant_max"] <= 1
    low, high = figures["second_recall_interval"]
    assert 0 <= low <= figures["second_recall"] <= high <= 1
    assert len({json.dumps(one["rules"]) for one in figures["tallies"]}) > 1
