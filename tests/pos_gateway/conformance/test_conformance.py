"""`barimt conformance` on the real till, on one that is broken in one way, and on one of another vendor."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from barimt.keys import published_file
from pos_gateway.conformance.catalogue import catalogue
from runtime.database import Role
from tests.barimt.test_base_install import modules_of_extras
from tests.barimt.test_base_install import run as run_hiding
from tests.journeys.shops import SHOP, Shop
from tests.pos_gateway.conformance.broken_tills import BROKEN, Spoil, in_receipts, proxied
from tests.pos_gateway.conformance.verdicts import run, verdict

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def keys(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The centre's published keys, with the till's."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    with shop.centre.database.transaction(Role.JOBS) as connection:
        path.write_text(json.dumps(published_file(connection)))
    return path


class TestTheRealTill:
    def test_conforms_in_every_case(self, shop: Shop, keys: Path) -> None:
        code, told = verdict(shop.url, "--keys", str(keys))
        assert (code, told["failing"], told["follows"], told["remark"]) == (0, [], 0, 0)
        assert told["verdict"] == "conforms"
        assert told["till"] == {"url": shop.url, "version": "3.2.48-barimt", "posNo": shop.terminal, "tin": SHOP}
        assert told["passed"] == told["cases"] == len(catalogue().cases) + len(catalogue().watches)
        assert told["not_run"] == 0

    def test_conforms_for_its_other_merchant(self, shop: Shop) -> None:
        code, told = verdict(shop.url, "--tin", "61200064714", "--second", SHOP, "--real")
        assert (code, told["failing"]) == (0, [])

    def test_prints_a_table_and_a_line_of_json_with_the_base_install_alone(self, shop: Shop) -> None:
        asked = ("conformance", shop.url, "--only", "sale", "--only", "qr-is-text")
        code, out, said, imported = run_hiding(*asked, hidden=modules_of_extras())
        assert (code, said) == (0, "")
        for word in ("case", "expected", "came", "why", "sale-minimal", "qr-is-text", "Conforms."):
            assert word in out
        assert json.loads(out.splitlines()[-1])["passed"] == 4
        assert imported.isdisjoint(modules_of_extras())


class TestABrokenTill:
    @pytest.mark.parametrize("name", BROKEN)
    def test_fails_with_the_one_case_that_says_why(self, shop: Shop, name: str) -> None:
        spoil, case = BROKEN[name]
        with proxied(shop.url, spoil()) as url:
            code, told = verdict(url)
        assert (code, told["verdict"], told["failing"]) == (1, "fails", [case])

    def test_is_told_what_was_expected_what_came_and_why(self, shop: Shop) -> None:
        spoil, case = BROKEN["whole numbers have a point"]
        with proxied(shop.url, spoil()) as url:
            result = run(url, "--only", case)
        assert result.exit_code == 1
        assert "Does not conform" in result.stdout
        for words in ("expected  5600 and not 5600.0", "totalAmount: ", "Recorded: 5600, never 5600.0"):
            assert words in result.stdout


def of_another_vendor() -> Spoil:
    """A till that knows nothing of what only Barimt promises: another version, another QR, no keys, no look-ups."""
    spoils: list[Callable[[], Spoil]] = [
        BROKEN["a retried key makes a second receipt"][0],
        in_receipts(lambda receipt, _: receipt | {"version": "3.2.48", "qrData": "30892326524546672474" * 10}),
    ]
    keys_unknown, other = (make() for make in spoils)

    def spoil(ask: Any, forward: Any) -> Any:
        told = other(ask, lambda passed: keys_unknown(passed, forward))
        if ask.path == "/rest/info":
            told = told.saying(json.loads(told.body) | {"version": "3.2.48"})
        return told

    return spoil


class TestATillOfAnotherVendor:
    def test_is_not_held_to_what_only_barimt_promises(self, shop: Shop) -> None:
        with proxied(shop.url, of_another_vendor()) as url:
            code, told = verdict(url)
        assert (code, told["failing"]) == (0, [])
        remarks = {each["case"] for each in told["results"] if each["outcome"] == "remark"}
        assert remarks >= {"idempotency-key", "qr-form", "qr-lottery"}
        assert {each["case"] for each in told["results"] if each["ours_only"]} >= remarks


class TestWhatCannotBeTried:
    def test_says_that_nothing_answers(self) -> None:
        done = cli("http://127.0.0.1:1")
        assert (done.returncode, done.stdout) == (2, "")
        assert "Nothing at http://127.0.0.1:1 answers /rest/info" in done.stderr

    def test_issues_no_real_receipts_unless_told_to(self, shop: Shop) -> None:
        waiting = shop.till.backlog(shop.till.seats[0]).count
        done = cli(shop.url, "--tin", "61200064714")
        assert done.returncode == 2
        assert "--real" in done.stderr
        assert shop.till.backlog(shop.till.seats[0]).count <= waiting

    def test_says_that_a_case_is_unknown(self, shop: Shop) -> None:
        done = cli(shop.url, "--only", "nothing-of-the-kind")
        assert done.returncode == 2
        assert "nothing-of-the-kind" in done.stderr


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "barimt.cli", "conformance", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
