"""A shop, its till and the centre, as processes of their own: activated by a code, sold online, cut off, and back."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.crash.serve_process import ServeProcess
from tests.crash.till_process import TillProcess
from tests.pos_gateway.posapi.bodies import OFFICIAL, changed

TIN = "37900846788"


def bread(number: int, **changes: Any) -> dict[str, Any]:
    """The vendor's own example as the till of a shop sends it, each a little different."""
    return changed(OFFICIAL | {"consumerNo": None, "billIdSuffix": f"{number:02d}"}, **changes)


@pytest.fixture
def centre(open_dir: Path) -> ServeProcess:
    """A centre that has never run."""
    return ServeProcess(open_dir / "data")


@pytest.fixture
def till(tmp_path: Path) -> TillProcess:
    """A till that was never activated."""
    return TillProcess(tmp_path / "till")


def enrol(centre: ServeProcess) -> str:
    """Enrol the shop, and answer a code for a till of it."""
    centre.command("admin", "seller", "add", "--tin", TIN, "--name", "Дэлгүүр", "--sector", "4711",
                   "--district", "2501", "--vat-from", "2016-01-01", "--city-tax")  # fmt: skip
    return new_code(centre)


def new_code(centre: ServeProcess) -> str:
    """A code for one more till of the shop."""
    made = json.loads(centre.command("admin", "terminal", "code", "--seller", TIN, "--json"))
    return str(made["code"])


def sold(till: TillProcess, *bodies: dict[str, Any]) -> list[dict[str, Any]]:
    answers = [till.post(body) for body in bodies]
    assert [answer.status_code for answer in answers] == [200] * len(bodies), [answer.text for answer in answers]
    return [dict(answer.json()) for answer in answers]


def test_a_till_is_cut_off_sells_on_and_everything_arrives_once(centre: ServeProcess, till: TillProcess) -> None:
    with centre.running():
        code = enrol(centre)
        consumer = json.loads(centre.command("admin", "consumer", "add", "--json"))
        with till.running():
            assert till.post(bread(0)).status_code == 400, "nobody has activated it"
            activated = till.shown("activate", code.lower(), "--centre", centre.url)
            assert activated["seller_tin"] == TIN
            assert till.shown("activate", code)["terminal"] == activated["terminal"], "the same code again"
            till.await_state("ONLINE", waiting=0)
            online = sold(till, bread(1), bread(2) | {"consumerNo": consumer["login_no"]})
            assert [one["easy"] for one in online] == [False, True]
            till.await_state("ONLINE", waiting=0)

            centre.process.kill()
            centre.process.wait(10)
            offline = sold(till, *[bread(number) for number in range(3, 9)])
            assert till.void(offline[0]["id"]).json()["success"] is True
            info = till.await_state("OFFLINE", waiting=7)
            assert info["lastError"]["code"] == "centre_unreachable"
            (eager,) = sold(till, bread(9) | {"consumerNo": consumer["login_no"]})
            assert eager["easy"] is False, "the centre has not seen it"
            till.kill()

        with till.running():  # it was killed and comes back while the centre is away
            assert till.post(bread(10)).status_code == 200
            till.await_state("OFFLINE", waiting=9)
            centre.start()
            centre.await_ready()
            assert till.get("/rest/sendData")["success"] is True
            till.await_state("ONLINE", waiting=0)
            day = till.shown("day")
            standing = till.shown("status")
            replaced = till.shown("replace", new_code(centre))
            assert (replaced["replaced"], replaced["waiting"]) == (activated["terminal"], 0)
            (after,) = sold(till, bread(11))  # the service has followed the command beside it
            assert after["id"].endswith(replaced["terminal"])
            till.await_state("ONLINE", waiting=0)

    (seller,) = day["sellers"]
    assert (seller["receipts"], seller["voids"], seller["net_mongo"]) == (10, 1, 9 * 560_000)
    assert (standing["running"], standing["state"], standing["waiting"]["receipts"]) == (True, "ONLINE", 0)
    assert till.shown("check") == {"whole": True, "faults": []}
    with centre.running():
        assert json.loads(centre.command("check", "--json"))["holds"] is True
        old, new = json.loads(centre.command("admin", "terminal", "list", "--seller", TIN, "--json"))
        assert old["counter"] == 13, "the start, ten receipts, a void, the end: each once, in one unbroken chain"
        assert (new["counter"], old["closed_at"] is None, new["closed_at"]) == (2, False, None)
        headers = {"Authorization": f"Bearer {consumer['token']}"}
        claims = httpx2.get(f"{centre.url}/v1/me/claims", headers=headers).raise_for_status().json()["claims"]
        assert {one["receipt_id"] for one in claims} == {online[1]["id"], eager["id"]}
