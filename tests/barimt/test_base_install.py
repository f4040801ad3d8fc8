"""With the base install alone receipts are verified and scanned, and everything else says what it needs.

The libraries of the extras are hidden from a process of its own, as if they were not installed.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from barimt.cli import PARTS, load
from pos_gateway.till.installation import open_installation
from receipts.qr_image import qr_png
from runtime.clock import business_clock
from tests.serving import Centre

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HIDING = """
import json, sys
from importlib.abc import MetaPathFinder

class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

HIDDEN = set(json.loads(sys.argv.pop(1)))
sys.meta_path.insert(0, Hidden())
from barimt.cli import main
try:
    main()
finally:
    print("IMPORTED", json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
EXTRAS = PROJECT["project"]["optional-dependencies"]
OTHERWISE = {"vl_convert_python": "vl_convert"}
"""Where a module is not called as its distribution."""


def modules_of(*extras: str) -> set[str]:
    """The modules that extras bring."""
    named = [re.split(r"[\[>;]", line)[0].replace("-", "_") for extra in extras for line in EXTRAS[extra]]
    return {OTHERWISE.get(name, name) for name in named}


def modules_of_extras() -> set[str]:
    """The modules that the extras bring for users."""
    return modules_of("till", "server", "analytics", "demo")


def run(*arguments: str, hidden: set[str]) -> tuple[int, str, str, set[str]]:
    """Run a command line with modules hidden: exit code, output, what was said of failures, modules imported."""
    done = subprocess.run(
        [sys.executable, "-c", HIDING, json.dumps(sorted(hidden)), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    said, _, imported = done.stderr.partition("IMPORTED ")
    return done.returncode, done.stdout, said, {name.partition(".")[0] for name in json.loads(imported)}


@pytest.fixture(scope="module")
def keys(shared_centre: Centre, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published key file."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.write_bytes(shared_centre.http.get("/v1/keys").content)
    return path


class TestBaseInstall:
    def test_lists_the_commands(self) -> None:
        code, out, said, imported = run("--help", hidden=modules_of_extras())
        assert (code, said) == (0, "")
        for name, part in PARTS.items():
            assert re.search(rf"│ {name} +{re.escape(part.help)} +│", out)
        assert imported.isdisjoint({"fastapi", "httpx2", "cryptography"})

    def test_verifies_texts_and_pictures(self, shared_centre: Centre, keys: Path, tmp_path: Path) -> None:
        text = shared_centre.enrol().sell()["qr"]
        picture = tmp_path / "receipt.png"
        picture.write_bytes(qr_png(text))
        for receipt in (text, str(picture)):
            code, out, said, _ = run("verify", receipt, "--keys", str(keys), hidden=modules_of_extras())
            assert (code, said) == (0, "")
            assert "Genuine" in out
        assert run("verify", text[:-1] + "0", "--keys", str(keys), hidden=modules_of_extras())[0] == 1
        code, _, said, _ = run("verify", text, "--keys", str(tmp_path / "none.json"), hidden=modules_of_extras())
        assert (code, said.count("\n")) == (2, 1)

    def test_scans_pictures(self, shared_centre: Centre, tmp_path: Path) -> None:
        picture = tmp_path / "receipt.png"
        picture.write_bytes(qr_png(shared_centre.enrol().sell()["qr"]))
        given = ("--server", shared_centre.url, "--token", shared_centre.add_person().token)
        assert run("scan", str(picture), *given, hidden=modules_of_extras())[0] == 0
        other = ("--server", shared_centre.url, "--token", shared_centre.add_person().token)
        assert run("scan", str(picture), *other, hidden=modules_of_extras())[0] == 1

    @pytest.mark.parametrize("name", [name for name, part in PARTS.items() if part.extras])
    def test_says_in_one_line_what_a_command_needs(self, name: str) -> None:
        code, out, said, _ = run(name, "--help", hidden=modules_of_extras())
        assert (code, out, said.count("\n")) == (2, "", 1)
        assert f"pip install 'barimt[{PARTS[name].extras}]'" in said


class TestTill:
    """With the till's extra alone."""

    hidden = modules_of("server", "analytics", "demo") - modules_of("till")

    def test_says_how_it_stands(self, tmp_path: Path) -> None:
        with open_installation(tmp_path, business_clock(None)):
            pass
        code, out, said, imported = run("till", "status", "--json", "--data-dir", str(tmp_path), hidden=self.hidden)
        assert (code, said) == (0, "")
        assert json.loads(out)["running"] is False
        assert imported.isdisjoint(self.hidden)

    def test_says_in_one_line_what_the_sandbox_needs(self, tmp_path: Path) -> None:
        code, out, said, _ = run("till", "--sandbox", "--data-dir", str(tmp_path), hidden=self.hidden)
        assert (code, out, said.count("\n")) == (2, "", 1)
        assert "pip install 'barimt[till,server]'" in said


class TestVerify:
    def test_imports_neither_a_database_nor_data_frames_where_they_are_installed(
        self, shared_centre: Centre, keys: Path
    ) -> None:
        text = shared_centre.enrol().sell()["qr"]
        code, _, _, imported = run("verify", text, "--keys", str(keys), hidden=set())
        assert code == 0
        assert imported.isdisjoint(modules_of_extras() | {"PIL", "pyzbar", "zxingcpp", "fastapi", "httpx2"})


class TestParts:
    @pytest.mark.parametrize("name", PARTS)
    def test_say_in_the_list_what_they_say_themselves(self, name: str) -> None:
        assert " ".join(str(load(name).help).split("\n\n")[0].split()) == PARTS[name].help

    @pytest.mark.parametrize("name", [name for name, part in PARTS.items() if part.extras == "server"])
    def test_need_no_more_than_they_say(self, name: str) -> None:
        code, _, said, _ = run(name, "--help", hidden=modules_of("till", "analytics", "demo") - modules_of("server"))
        assert (code, said) == (0, "")

    def test_the_contract_names_what_the_extras_bring(self) -> None:
        [contract] = [
            each for each in PROJECT["tool"]["importlinter"]["contracts"] if each["name"].startswith("verifying")
        ]
        never_imported = {"apsw", "httptools", "uvloop"}
        assert set(contract["forbidden_modules"]) == modules_of_extras() - never_imported
