"""What no linter states: sizes of modules, where SQL may stand, and words that have no place in the project."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("kernel", "runtime", "receipts", "refunds", "lottery", "analytics", "pos_gateway", "mobile_stub", "barimt")
LINES_MAX, TEST_LINES_MAX = 400, 600
"""A test may stand longer than what it tests: it is read case by case."""
FUNCTION_LINES_MAX = 60
TOP_LEVEL = {
    *PACKAGES, "benchmarks", "docs", "tests", ".ci", ".gitignore", "LICENSE", "Makefile", "README.md", "bootstrap.sh",
    "pyproject.toml", "requirements.lock",
}  # fmt: skip
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\.\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE)\b", re.DOTALL
)
REGISTRIES = re.compile(r"files\.pythonhosted|registry\.npmjs|pypi\.org/simple|deb\.debian")
FLOATED = re.compile(r"float\(\s*\w*_mongo|_mongo\s*/\s*(?!/)")


def tracked(*patterns: str) -> list[Path]:
    """Answer the files that git knows, tracked or new."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / line for line in listed if (ROOT / line).is_file()]


def sources() -> list[Path]:
    """Answer every module of the packages."""
    return tracked(*[f"{package}/*.py" for package in PACKAGES])


def texts_of(path: Path) -> list[tuple[int, str]]:
    """Answer every text in a module that is no docstring, with its line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    ]


def may_hold_sql(path: Path) -> bool:
    """Whether SQL may stand in a module."""
    return path.stem in {"store", "tables"} or "store" in path.parts or "migrations" in path.parts


class TestTidy:
    def test_the_house_has_the_rooms_of_its_plan(self) -> None:
        assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP_LEVEL

    def test_no_module_is_longer_than_a_reader_can_bear(self) -> None:
        long = {
            str(path.relative_to(ROOT)): lines
            for path in tracked("*.py")
            if (lines := len(path.read_text(encoding="utf-8").splitlines()))
            > (TEST_LINES_MAX if path.is_relative_to(ROOT / "tests") else LINES_MAX)
        }
        assert long == {}

    def test_no_function_is_longer_than_a_screen(self) -> None:
        long = [
            f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
            for path in sources()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
        ]
        assert long == []

    def test_sql_stands_in_stores_and_tables_only(self) -> None:
        found = [
            f"{path.relative_to(ROOT)}:{line}"
            for path in sources()
            if not may_hold_sql(path)
            for line, text in texts_of(path)
            if SQL.search(text)
        ]
        assert found == []

    def test_only_the_rim_catches_everything(self) -> None:
        caught = [
            f"{path.relative_to(ROOT)}:{at}"
            for path in sources()
            for at, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if re.search(r"except( Exception)?( as \w+)?:", line) and "noqa" not in line
        ]
        assert [
            place for place in caught if not place.startswith(("pos_gateway/sequence_batches.py", "barimt/demo/"))
        ] == []

    def test_money_is_never_a_float(self) -> None:
        found = [
            f"{path.relative_to(ROOT)}:{at}"
            for path in sources()
            if path.parts[len(ROOT.parts)] != "analytics"  # ratios of sums, for statistics and plots
            for at, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if FLOATED.search(line)
        ]
        assert found == []

    @pytest.mark.parametrize("package", ["kernel", "receipts", "refunds", "lottery", "pos_gateway"])
    def test_every_module_says_what_it_is(self, package: str) -> None:
        silent = [
            str(path.relative_to(ROOT))
            for path in tracked(f"{package}/*.py")
            if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        ]
        assert silent == []

    def test_no_registry_is_named(self) -> None:
        me = Path(__file__)
        found = [
            str(path.relative_to(ROOT))
            for path in tracked()
            if path != me and path.suffix not in {".png", ".parquet"}
            and REGISTRIES.search(path.read_text(encoding="utf-8", errors="replace"))
        ]  # fmt: skip
        assert found == []

    def test_the_lock_has_hashes_for_everything(self) -> None:
        lock = (ROOT / "requirements.lock").read_text()
        pinned = re.findall(
            r"^[A-Za-z0-9._-]+(?:\[[^]]*\])?==[^\n]*\\\n(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+",
            lock,
            re.MULTILINE,
        )
        assert len(pinned) == len(re.findall(r"^[A-Za-z0-9._-]+(?:\[[^]]*\])?==", lock, re.MULTILINE)) > 100
