"""How large the project is: lines by package, the median and the largest module, functions, tests against source.

python benchmarks/measure_code.py
"""

import ast
import subprocess
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "kernel", "runtime", "receipts", "refunds", "lottery", "analytics", "pos_gateway", "mobile_stub", "barimt",
)  # fmt: skip


def tracked(folder: str) -> list[Path]:
    """Answer the Python files of a folder that git tracks, empty package markers aside."""
    listed = subprocess.run(["git", "ls-files", f"{folder}/*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).stat().st_size > 200]


def lines_of(path: Path) -> int:
    """Count a file's lines."""
    return len(path.read_text(encoding="utf-8").splitlines())


def function_lengths(path: Path) -> list[int]:
    """Answer how long each function of a module is, in lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def main() -> None:
    """Print the table."""
    print(f"{'package':<14}{'modules':>8}{'lines':>8}{'median':>8}{'largest':>9}")
    every: list[Path] = []
    for package in (*PACKAGES, "benchmarks", "tests"):
        modules = tracked(package)
        sizes = [lines_of(module) for module in modules]
        largest = max(modules, key=lines_of)
        print(f"{package:<14}{len(sizes):>8}{sum(sizes):>8}{median(sizes):>8.0f}{max(sizes):>9}  {largest.name}")
        if package in PACKAGES:
            every += modules
    functions = sorted(length for module in every for length in function_lengths(module))
    print(
        f"source: {len(every)} modules, {sum(map(lines_of, every))} lines, median {median(map(lines_of, every)):.0f}; "
        f"{len(functions)} functions, median {median(functions):.0f} lines, "
        f"90 % under {functions[len(functions) * 9 // 10]}, longest {functions[-1]}"
    )


if __name__ == "__main__":
    main()
