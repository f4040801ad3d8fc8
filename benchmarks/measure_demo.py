"""What the demo costs: seconds by step, and the most memory that all its processes held together.

    python benchmarks/measure_demo.py [--data-dir DIR]

Memory is the proportional set size (PSS) of the whole process tree, so that pages which PostgreSQL's processes share
count once; sampled four times a second. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

SAMPLE_S = 0.25
MIB = 2**20


def tree_pss(process: psutil.Process) -> int:
    """Add up the proportional memory of a process and all its descendants, in bytes."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def main() -> None:
    """Run the demo and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path)
    root = parser.parse_args().data_dir or Path(tempfile.mkdtemp(prefix="barimt-")) / "demo"
    began = time.perf_counter()
    demo = subprocess.Popen(
        [sys.executable, "-m", "barimt.cli", "demo", "--data-dir", str(root)], stdout=subprocess.DEVNULL
    )
    watched, peak = psutil.Process(demo.pid), 0
    while demo.poll() is None:
        peak = max(peak, tree_pss(watched))
        time.sleep(SAMPLE_S)
    seconds = time.perf_counter() - began
    summary = json.loads((root / "out" / "summary.json").read_bytes())
    print(json.dumps({"exit": demo.returncode, "seconds": round(seconds, 1), "peak_mib": peak // MIB,
                      "steps": summary["seconds"]}, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
