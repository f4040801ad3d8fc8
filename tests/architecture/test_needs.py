"""Runs of pytest in processes of their own: what is skipped, what is counted, and which run fails for it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFTEST = """
from tests.needs import (
    pytest_collection_modifyitems, pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown,
)
"""
DECLARED = """
import pytest

@pytest.mark.needs("shared data")
def test_declared(): raise AssertionError("this was to be skipped")
"""
UNDECLARED = """
import pytest

def test_undeclared(): pytest.skip("a reason of its own")
"""
SAID = "the folder ../shared/data is not beside this checkout"
WORKERS = pytest.mark.parametrize("workers", ["0", "2"])


def run(*arguments: str, shared: Path) -> tuple[int, str]:
    """Run pytest on tests of the project or of a folder; the plugins of this run stay out of it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "BARIMT", "COV"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env=kept | {"BARIMT_TEST_SHARED_DATA": str(shared), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of tests with our hooks."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    needs: as in the project\n")
    (tmp_path / "test_passes.py").write_text("def test_passes(): pass\n")
    return tmp_path


class TestSkips:
    @WORKERS
    def test_a_declared_one_is_skipped_counted_and_said(self, folder: Path, workers: str) -> None:
        (folder / "test_declared.py").write_text(DECLARED)
        code, said = run(str(folder), "-n", workers, shared=folder / "absent")
        assert (code, f"1 skipped: {SAID}" in said) == (0, True), said
        code, said = run(str(folder), "-n", workers, shared=folder)
        assert (code, "this was to be skipped" in said) == (1, True), said

    def test_nothing_is_skipped_where_all_is_there(self, folder: Path) -> None:
        code, said = run(str(folder), shared=folder)
        assert (code, "0 skipped" in said) == (0, True), said

    @WORKERS
    def test_an_undeclared_one_fails_the_run_and_is_named(self, folder: Path, workers: str) -> None:
        (folder / "test_undeclared.py").write_text(UNDECLARED)
        code, said = run(str(folder), "-n", workers, shared=folder)
        assert (code, "need (tests/needs.py): test_undeclared.py::test_undeclared" in said) == (1, True), said
        assert "0 tests were to be skipped, and 1 were" in said

    def test_one_of_a_whole_module_fails_the_run(self, folder: Path) -> None:
        (folder / "test_module.py").write_text('import pytest\npytest.importorskip("no_such_module")\n')
        code, said = run(str(folder), shared=folder)
        assert (code, "and 1 were" in said) == (1, True), said

    def test_one_too_few_fails_the_run(self, folder: Path) -> None:
        (folder / "test_declared.py").write_text(DECLARED.replace("raise AssertionError", "str"))
        (folder / "conftest.py").write_text(
            CONFTEST + "\nimport pytest\n"
            "@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_setup(item):\n    item.own_markers.clear()\n"
        )
        code, said = run(str(folder), shared=folder / "absent")
        assert (code, "1 tests were to be skipped, and 0 were" in said) == (1, True), said


class TestTheProject:
    def test_skips_exactly_what_reads_the_shared_folder(self, tmp_path: Path) -> None:
        chosen = ("tests/receipts/test_base45.py", "tests/receipts/test_qr.py", "tests/receipts/test_tax.py",
                  "tests/demo/test_goods.py")  # fmt: skip
        readers = sum(
            len(re.findall(r"shared_data: Path|@needs_codes|needs\(\"shared data\"\)\n +def", text))
            for text in ((ROOT / name).read_text() for name in chosen)
        )
        code, said = run(*chosen, "-n", "2", shared=tmp_path / "absent")
        assert (code, f"{readers} skipped: {SAID}" in said) == (0, True), said
