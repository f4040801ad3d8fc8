"""Where nothing was compiled the same tests of issuing pass: the Python twins are whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ISSUING = (
    "tests/receipts/test_chain.py", "tests/receipts/test_chunk.py", "tests/receipts/test_issue_receipts.py",
    "tests/receipts/test_copying.py", "tests/pos_gateway/test_wire.py", "tests/pos_gateway/test_answers.py",
    "tests/pos_gateway/test_issue_over_http.py", "tests/pos_gateway/test_sign_beside.py",
)  # fmt: skip


@pytest.mark.slow
def test_issuing_passes_its_tests() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", *ISSUING],
        cwd=ROOT, env=environment | {"BARIMT_SPEEDUPS": "off"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-2000:]
    assert "skipped: nothing was compiled" in ran.stdout
