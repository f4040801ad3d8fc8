"""Tests of this folder may run a command line over the test's own database, or ask for the centre behind a socket."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from barimt.cli import main
from runtime.settings import Settings
from tests.serving import centre, shared_centre

__all__ = ["Barimt", "barimt", "centre", "shared_centre"]
Barimt = Callable[..., Any]


@pytest.fixture
def barimt(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Barimt:
    """Run a command line, expect its exit code, and answer what it printed: JSON where it was asked for."""
    monkeypatch.setenv("BARIMT_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("BARIMT_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, expect: int = 0) -> Any:
        monkeypatch.setattr("sys.argv", ["barimt", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert (ended.value.code or 0) == expect, said.out + said.err
        if expect:
            return said.err
        return json.loads(said.out) if "--json" in arguments else said.out

    return run
