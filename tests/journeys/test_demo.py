"""`barimt demo` as `make demo` runs it, once for all the questions asked of what it leaves."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(reachable_dir: Path) -> Path:
    """The data directory of a demo that has run."""
    root = reachable_dir / f"demo-{time.monotonic_ns()}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_")}
    done = subprocess.run(
        [sys.executable, "-m", "barimt.cli", "demo", "--data-dir", str(root)],
        cwd=ROOT, env=kept | {"BARIMT_SYSTEM_DIR": str(reachable_dir / "demo-system")}, capture_output=True,
        text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (root / "said.txt").write_text(done.stdout)
    return root


@pytest.fixture(scope="module")
def summary(demo: Path) -> dict[str, Any]:
    """The demo's own figures."""
    return dict(json.loads((demo / "out" / "summary.json").read_bytes()))


def test_adds_up_to_the_mongo(summary: dict[str, Any]) -> None:
    source = summary["source"]
    assert (source["baskets"], source["total_mongo"]) == (12_981, 92_793_380_560)
    assert summary["receipts"]["issued"] == 12_981 - source["kept_back"]
    assert summary["total_mongo"] == 92_793_380_560 - source["kept_back_mongo"]
    assert summary["check"] == "ok"


def test_most_claims_are_credited_and_take_part(summary: dict[str, Any], demo: Path) -> None:
    assert 0.35 * summary["receipts"]["issued"] < summary["claims"] < 0.45 * summary["receipts"]["issued"]
    assert summary["credits"]["mongo"] > 0
    assert 0 < summary["entries"] <= summary["claims"]
    assert len(list((demo / "out" / "receipts").glob("*.png"))) >= 200


def test_findings_follow_the_plant(summary: dict[str, Any], demo: Path) -> None:
    planted = json.loads((demo / "out" / "planted.json").read_bytes())["planted"]
    under_declared = {one["seller_tin"] for one in planted if one["kind"] == "under_declared"}
    assert len(under_declared) == 4
    assert under_declared <= set(summary["found"])
    assert len(summary["false_alarms"]) <= 1


def test_every_receipt_is_read_by_somebody_else(demo: Path, summary: dict[str, Any]) -> None:
    out, receipts = demo / "out", summary["receipts"]
    texts = (out / "qr.txt").read_text("ascii").splitlines()
    assert len(texts) == receipts["issued"] + receipts["voided"] + receipts["corrected"]
    assert {len(text) for text in texts} == {220}
    done = subprocess.run(
        [sys.executable, "-I", str(ROOT / "tests" / "independent" / "reader_v1.py"), "--keys", str(out / "keys.json"),
         str(out / "qr.txt")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(texts):,}" in done.stdout or str(len(texts)) in done.stdout


def test_the_draw_is_verified_by_one_file_alone(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "verify_draw.py").write_bytes((ROOT / "lottery" / "verify_draw.py").read_bytes())
    transcript = demo / "out" / "draw" / "transcript.json"
    command = [sys.executable, "-I", "verify_draw.py"]
    done = subprocess.run([*command, str(transcript)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    changed = transcript.read_text().replace('"main":"', '"main":"9', 1)
    (tmp_path / "changed.json").write_text(changed)
    done = subprocess.run([*command, "changed.json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1


def test_tells_a_newcomer_what_to_open(demo: Path) -> None:
    said = (demo / "said.txt").read_text()
    for word in ("Receipts issued", "agree to the möngö", "report", "transcript.json"):
        assert word in said


def test_nothing_failed_inside(demo: Path) -> None:
    log = (demo / "serve.log").read_text()
    assert '"status":500' not in log
    assert '"event": "incident"' not in log
