"""`barimt till --sandbox`: a maker of POS software has a till in one command, and nothing of it passes for real."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from barimt.cli import load
from barimt.keys import published_file
from barimt.sandbox import sandbox_settings
from pos_gateway.conformance.catalogue import catalogue
from receipts import base45, qr
from receipts.receipt import Kind
from runtime.database import Role
from tests.journeys.sandboxes import Json, Sandbox
from tests.pos_gateway.conformance.verdicts import verdict
from tests.pos_gateway.posapi.bodies import OFFICIAL
from tests.serving import Centre, wait_for

ROOT = Path(__file__).parents[2]
TEST_TIN, STRANGER, PERSON = "37900846788", "12345678901", "12345678901234"


def kind_of(receipt: Json) -> Kind:
    """The marks in a receipt's QR."""
    cose = base45.decode(receipt["qrData"].removeprefix(qr.PREFIX))
    assert cose is not None
    pieces = qr.take_apart(cose)
    assert pieces is not None
    return qr.unpack(pieces[1]).kind


def verify(text: str, keys: Path) -> tuple[int, str]:
    """Verify a QR text offline by a key file."""
    result = CliRunner().invoke(load("verify"), [text, "--keys", str(keys)])
    return result.exit_code, result.stdout


class TestTheSandbox:
    def test_sells_for_the_test_merchant_at_once(self, sandbox: Sandbox) -> None:
        receipt = sandbox.sell()
        assert receipt["id"].startswith(f"0{TEST_TIN}")
        assert {each["tin"] for each in sandbox.get("/rest/info")["merchants"]} >= {TEST_TIN, "61200064714"}

    def test_marks_its_receipts_in_the_qr_and_in_words(self, sandbox: Sandbox) -> None:
        receipt = sandbox.sell()
        assert kind_of(receipt).test
        info = sandbox.get("/rest/info")
        assert info["test"] is True
        assert "TEST" in info["notice"]
        assert "ТУРШИЛТ" in info["notice"]
        assert all(each["test"] for each in sandbox.get("/web/standing")["sellers"])

    def test_enrols_a_stranger_on_sight(self, sandbox: Sandbox) -> None:
        part = OFFICIAL["receipts"][0] | {"merchantTin": STRANGER}  # type: ignore[index]
        assert sandbox.sell(merchantTin=STRANGER, receipts=[part])["id"].startswith(f"0{STRANGER}")
        assert STRANGER in {each["tin"] for each in sandbox.get("/rest/info")["merchants"]}
        assert sandbox.get(f"/api/info/check/getInfo?tin={STRANGER}")["data"]["vatPayer"] is True

    def test_enrols_a_stranger_as_another_merchant_of_a_bundle(self, sandbox: Sandbox) -> None:
        part = OFFICIAL["receipts"][0] | {"merchantTin": PERSON}  # type: ignore[index]
        receipt = sandbox.sell(receipts=[part])
        assert receipt["id"].startswith(f"0{TEST_TIN}")
        assert receipt["receipts"][0]["id"].startswith("99")
        assert PERSON not in {each["tin"] for each in sandbox.get("/rest/info")["merchants"]}

    def test_leaves_what_is_no_tin_to_the_till(self, sandbox: Sandbox) -> None:
        answer = httpx2.post(f"{sandbox.url}/rest/receipt", json=OFFICIAL | {"merchantTin": "7"}, timeout=30)
        assert answer.status_code == 400
        assert "merchantTin" in answer.json()["message"]

    def test_uploads_to_its_centre_which_finds_nothing_wrong(self, sandbox: Sandbox) -> None:
        sandbox.sell()
        assert sandbox.get("/rest/sendData")["waiting"] == 0
        [(stored,)] = sandbox.ask("SELECT count(*) FROM pos.receipts WHERE kind & 64 = 0")
        assert stored == 0
        assert sandbox.ask("SELECT * FROM pos.link_findings") == []

    def test_answers_the_look_ups_of_the_vendors_test_environment(self, sandbox: Sandbox) -> None:
        assert sandbox.get("/api/info/check/getTinInfo?regNo=99119911")["data"] == int(TEST_TIN)
        [account] = sandbox.get(f"/rest/bankAccounts?tin={TEST_TIN}")
        assert account["bankAccountNo"] == "4990037827"

    def test_conforms(self, sandbox: Sandbox) -> None:
        code, told = verdict(sandbox.url, "--keys", str(sandbox.keys()))
        assert (code, told["failing"]) == (0, [])
        not_run = [each["case"] for each in told["results"] if each["outcome"] == "not run"]
        assert not_run == ["refuses-foreign-merchant"]
        assert told["cases"] == len(catalogue().cases) + len(catalogue().watches)


class TestWhatIsReal:
    def test_refuses_the_sandboxs_receipts(self, sandbox: Sandbox, shared_centre: Centre, tmp_path: Path) -> None:
        text = sandbox.sell()["qrData"]
        code, said = verify(text, sandbox.keys())
        assert (code, "TEST, no tax document" in said) == (0, True)
        real = tmp_path / "keys.json"
        with shared_centre.database.transaction(Role.JOBS) as connection:
            real.write_text(json.dumps(published_file(connection)))
        code, said = verify(text, real)
        assert (code, "Not genuine." in said) == (1, True)

    def test_has_no_route_that_enrols_on_sight(self, sandbox: Sandbox, shared_centre: Centre) -> None:
        wanted = {"tin": "12345678902", "code": True}
        assert httpx2.post(f"{sandbox.centre.url}/sandbox/sellers", json=wanted).json()["code"]
        assert shared_centre.http.post("/sandbox/sellers", json=wanted).status_code == 404

    def test_is_not_touched_by_a_sandbox_whatever_the_environment_says(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BARIMT_DATABASE_URL", "postgresql://real@db.example:5432/barimt")
        monkeypatch.setenv("BARIMT_DATA_DIR", "/srv/barimt")
        monkeypatch.setenv("BARIMT_ROOT_KEY", "/media/root.key")
        monkeypatch.setenv("BARIMT_HOST", "0.0.0.0")
        settings = sandbox_settings(tmp_path)
        assert (settings.database_url, settings.data_dir, settings.root_key) == (None, tmp_path, None)
        assert settings.host == "127.0.0.1"


@contextlib.contextmanager
def command(folder: Path, system_dir: Path, stop: signal.Signals) -> Iterator[tuple[str, Path]]:
    """Run the command as a newcomer does, until it says where it listens; at the end press Ctrl-C, or end it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_")}
    log = folder.with_suffix(".log")
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "barimt.cli", "till", "--sandbox", "--port", "0", "--data-dir", str(folder)],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            env=kept | {"BARIMT_SYSTEM_DIR": str(system_dir), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    try:
        ends = time.monotonic() + 120
        while (found := re.search(r"PosAPI 3\.0 on (http://\S+?) ", log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.1)
        yield found[1], log
        process.send_signal(stop)
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
class TestTheCommand:
    def test_works_says_what_it_does_stops_cleanly_and_works_again(self, open_dir: Path, system_dir: Path) -> None:
        ids: list[str] = []
        for stop in (signal.SIGINT, signal.SIGTERM):
            with command(open_dir / "sandbox", system_dir, stop) as (url, log):
                wait_for(lambda url=url: httpx2.get(f"{url}/rest/info").status_code, lambda code: code == 200, 30)  # type: ignore[misc]
                for _ in range(2):
                    sale = OFFICIAL | {"billIdSuffix": f"{len(ids):02d}"}
                    ids.append(httpx2.post(f"{url}/rest/receipt", json=sale, timeout=30).json()["id"])
            said = log.read_text()
            for words in ("test centre listens on", "no tax documents", "barimt conformance", "Stopped cleanly."):
                assert words in said
            assert "Traceback" not in said
        assert [int(each[20:25]) for each in ids] == [1, 3, 5, 7]
        keys = json.loads((open_dir / "sandbox" / "centre" / "keys.json").read_bytes())
        assert sum(len(shard) > 0 for shard in keys["shards"].values()) >= 1

    def test_listens_on_this_machine_only(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "barimt.cli", "till", "--sandbox", "--host", "0.0.0.0", "--data-dir", str(tmp_path)],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 2
        assert "127.0.0.1" in done.stderr
        assert list(tmp_path.iterdir()) == []
