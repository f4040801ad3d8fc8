"""A till is activated at a running centre with two workers, sells offline, is believed everywhere, and is lost."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kernel.canonical import of_base64url
from kernel.clock import parse_instant
from receipts.chain import ChainKey, Link, advance, first_head
from receipts.document import Document
from receipts.keys import Signer
from receipts.qr import encode_text
from receipts.receipt import Nature
from tests.activating import Applicant
from tests.crash.serve_process import ServeProcess
from tests.signing import bare, sale

pytestmark = pytest.mark.slow
TIN, NUMBER = "37900846788", "20000001"
CONNECTIONS = 12


@pytest.fixture
def process(open_dir: Path) -> ServeProcess:
    """A centre of two workers in processes of its own."""
    made = ServeProcess(open_dir / "data")
    made.environment["BARIMT_WORKERS"] = "2"
    return made


class OfflineTill:
    """What an activated till needs to sell: its key, and what it was answered."""

    def __init__(self, applicant: Applicant, answer: dict[str, Any]) -> None:
        self.key = ChainKey(Signer(applicant.key, by_till=True), of_base64url(answer["turnover_key"]))
        self.tin, self.seller = answer["seller_tin"], int(answer["seller"])
        self.enrolled_at = parse_instant(answer["enrolled_at"], "/enrolled_at")
        self.head = first_head(
            seller=self.seller, terminal=int(answer["terminal"]), enrolment=of_base64url(answer["enrolment"]),
            enrolled_at=self.enrolled_at,
        )  # fmt: skip
        self.sign(bare(Nature.START, Document(district="2501")))

    def sign(self, draft: Any) -> Link:
        link, self.head = advance(self.head, draft, issued_at=self.enrolled_at, key=self.key)
        return link

    def sell(self) -> str:
        return encode_text(self.sign(sale(self, 11_000_00)).cose)  # type: ignore[arg-type]


def claims(process: ServeProcess, token: str, text: str) -> list[httpx2.Response]:
    """Claim over connections of their own, so that every worker is asked."""
    answers = []
    for _ in range(CONNECTIONS):
        with httpx2.Client(base_url=process.url, timeout=60, headers={"Authorization": f"Bearer {token}"}) as http:
            answers.append(http.post("/v1/claims", json={"qr": text}))
    return answers


def test_a_till_is_believed_by_every_worker_from_its_first_second_to_its_loss(
    process: ServeProcess, tmp_path: Path
) -> None:
    with process.running():
        process.command("admin", "seller", "add", "--tin", TIN, "--name", "Дэлгүүр", "--sector", "4711",
                        "--district", "2501", "--vat-from", "2016-01-01")  # fmt: skip
        token = json.loads(process.command("admin", "consumer", "add", "--json"))["token"]
        made = json.loads(process.command("admin", "terminal", "code", "--seller", TIN, "--number", NUMBER, "--json"))
        assert made["centre"] == process.url
        applicant = Applicant()
        with httpx2.Client(base_url=process.url, timeout=60) as http:
            answer = http.post("/v1/terminals/activate", json=applicant.body(made["code"]))
            assert answer.status_code == 201, answer.text
            till = OfflineTill(applicant, answer.json())
            sold = till.sell()
        assert [answer.status_code for answer in claims(process, token, sold)] == [200] * CONNECTIONS

        keys = tmp_path / "keys.json"
        keys.write_text(process.command("keys", "list", "--json"))
        said = json.loads(process.command("verify", sold, "--keys", str(keys), "--json"))
        assert (said["genuine"], said["receipt"]["terminal"]) == (True, NUMBER)

        lost = json.loads(process.command("admin", "terminal", "lost", "--seller", TIN, "--number", NUMBER, "--json"))
        assert lost["revoked"] == [answer.json()["certificate"]["kid"]]
        keys.write_text(process.command("keys", "list", "--json"))
        said = json.loads(process.command("verify", till.sell(), "--keys", str(keys), "--json", expect=1))
        assert (said["ask_the_centre"], said["why"]) == (True, "revoked")
        assert process.command("check").count("✗") == 0
