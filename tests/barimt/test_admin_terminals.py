"""`barimt admin terminal code|lost|reinstate`, and what a seller names: a register number, accounts."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from receipts.activate_terminal import Candidate, Certifier, activate_terminal
from receipts.activation_code import parse_code
from receipts.key_list import read_key_file
from runtime.data_dir import DataDir
from runtime.database import Database, Role
from runtime.key_files import read_signing_key
from tests.activating import Applicant
from tests.barimt.conftest import Barimt
from tests.barimt.test_admin import SELLER, TIN

LOST = ("admin", "terminal", "lost", "--seller", TIN, "--number", "10000001")
REINSTATE = ("admin", "terminal", "reinstate", "--seller", TIN, "--number", "10000001")
Activate = Callable[[str], str]


@pytest.fixture
def activate(database: Database, data_dir: DataDir) -> Activate:
    """Activate a till with a code as the gateway does, and answer its kid."""

    def run(code: str) -> str:
        applicant = Applicant()
        keys = (one.public_key().public_bytes_raw() for one in (applicant.key, applicant.client_key))
        root = read_signing_key(data_dir.keys / "root.key")
        certifier = Certifier(1, lambda _connection: root, lambda: f"t-{code[:4]}")
        with database.transaction(Role.GATEWAY) as connection:
            activated = activate_terminal(
                connection, lambda: datetime(2026, 11, 1, tzinfo=UTC), candidate=Candidate(parse_code(code), *keys),
                certifier=certifier,
            )  # fmt: skip
        return activated.certificate.kid.hex()

    return run


@pytest.fixture
def code(barimt: Barimt) -> str:
    """A code of an enrolled seller's."""
    barimt(*SELLER)
    return str(barimt("admin", "terminal", "code", "--seller", TIN, "--json")["code"])


class TestCode:
    def test_is_printed_with_its_terminal_and_its_end(self, barimt: Barimt) -> None:
        barimt(*SELLER)
        made = barimt("admin", "terminal", "code", "--seller", TIN, "--branch", "7", "--json")
        assert (made["terminal"], made["seller_tin"]) == ("10000001", TIN)
        left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)  # noqa: TID251 - codes live in real time
        assert timedelta(days=6, hours=23) < left < timedelta(days=7, seconds=1)
        said = barimt("admin", "terminal", "code", "--seller", TIN, "--number", "20000001")
        assert "20000001" in said
        assert f"barimt till activate {said[:19]} --centre http://" in said

    def test_is_refused_for_what_is_not_there_or_taken(self, barimt: Barimt) -> None:
        barimt(*SELLER)
        assert "No such seller" in barimt("admin", "terminal", "code", "--seller", "27900846788", expect=2)
        barimt("admin", "terminal", "add", "--seller", TIN, "--number", "10000001")
        assert "already" in barimt("admin", "terminal", "code", "--seller", TIN, "--number", "10000001", expect=2)
        assert "district" in barimt("admin", "terminal", "code", "--seller", TIN, "--district", "9999", expect=2)


class TestLost:
    def test_closes_the_till_and_revokes_its_key_in_shard_and_key_file(
        self, barimt: Barimt, activate: Activate, code: str, data_dir: DataDir
    ) -> None:
        kid = activate(code)
        [row] = [key for key in barimt("keys", "list").splitlines() if kid in key]
        assert "till" in row
        done = barimt(*LOST, "--json")
        assert done == {"seller_tin": TIN, "terminal": "10000001", "closed": True, "revoked": [kid]}
        keys, _ = read_key_file((data_dir.root / "keys.json").read_bytes())
        assert keys[bytes.fromhex(kid)].revoked_at is not None
        [terminal] = barimt("admin", "terminal", "list", "--seller", TIN, "--json")
        assert terminal["closed_at"] is not None
        assert "closed" in barimt(*LOST, expect=2)
        assert "✗" not in barimt("check")

    def test_does_nothing_without_the_root_key(
        self, barimt: Barimt, activate: Activate, code: str, data_dir: DataDir
    ) -> None:
        activate(code)
        (data_dir.keys / "root.key").rename(data_dir.root / "elsewhere")
        assert "BARIMT_ROOT_KEY" in barimt(*LOST, expect=2)
        [terminal] = barimt("admin", "terminal", "list", "--seller", TIN, "--json")
        assert terminal["closed_at"] is None

    def test_needs_no_root_key_where_the_centre_signs(self, barimt: Barimt, data_dir: DataDir) -> None:
        barimt(*SELLER)
        barimt("admin", "terminal", "add", "--seller", TIN, "--number", "10000001")
        (data_dir.keys / "root.key").unlink()
        assert barimt(*LOST, "--json")["revoked"] == []


class TestReinstate:
    def test_lets_a_suspended_till_go_on(
        self, barimt: Barimt, activate: Activate, code: str, database: Database
    ) -> None:
        activate(code)
        assert "not suspended" in barimt(*REINSTATE, expect=2)
        with database.transaction(Role.GATEWAY) as connection:
            connection.exec_driver_sql("UPDATE pos.terminals SET suspended_at = now(), suspended_for = 'fork'")
        [terminal] = barimt("admin", "terminal", "list", "--seller", TIN, "--json")
        assert (terminal["suspended_for"], terminal["suspended_at"] is None) == ("fork", False)
        assert "fork" in barimt("admin", "terminal", "list", "--seller", TIN)
        assert barimt(*REINSTATE, "--json")["was_suspended_for"] == "fork"
        [terminal] = barimt("admin", "terminal", "list", "--seller", TIN, "--json")
        assert (terminal["suspended_for"], terminal["suspended_at"]) == (None, None)


class TestKeysRevoke:
    def test_signs_the_shard_of_a_till_anew_and_leaves_the_head_alone(
        self, barimt: Barimt, activate: Activate, code: str
    ) -> None:
        kid = activate(code)
        before = barimt("keys", "list", "--json")
        assert list(before["shards"]) == [kid[:2]]
        barimt("keys", "revoke", kid)
        after = barimt("keys", "list", "--json")
        assert after["signed"] == before["signed"]
        assert after["shards"] != before["shards"]
        keys, prefixes = read_key_file(json.dumps(after).encode())
        assert keys[bytes.fromhex(kid)].revoked_at is not None
        assert prefixes == {kid[:2]}
        assert "revoked before" in barimt("keys", "revoke", kid, expect=2)


class TestSellers:
    def test_have_a_register_number_of_their_own(self, barimt: Barimt) -> None:
        barimt(*SELLER, "--reg-no", "2657457")
        assert barimt("admin", "seller", "list", "--json")[0]["reg_no"] == "2657457"
        other = (
            "admin",
            "seller",
            "add",
            "--tin",
            "27900846788",
            "--name",
            "Б",
            "--sector",
            "4711",
            "--district",
            "2501",
        )
        assert "state register" in barimt(*other, "--reg-no", "2657457", expect=2)
        assert "/reg_no" in barimt(*other, "--reg-no", "265745", expect=2)
        barimt(*other)

    def test_name_accounts(self, barimt: Barimt) -> None:
        barimt(*SELLER)
        add = ("admin", "seller", "account", "add", "--seller", TIN, "--number", "4990037827", "--name", "Дэлгүүр")
        added = barimt(*add, "--bank-id", "32", "--bank-name", "ХААН банк", "--iban", "10001004990037827", "--json")
        [account] = barimt("admin", "seller", "account", "list", "--seller", TIN, "--json")
        assert account == {
            "id": added["id"], "account_no": "4990037827", "account_name": "Дэлгүүр", "bank_id": 32,
            "bank_name": "ХААН банк", "iban": "10001004990037827",
        }  # fmt: skip
        assert "already" in barimt(*add, expect=2)
        assert "4990037827" in barimt("admin", "seller", "account", "list", "--seller", TIN)
        said = barimt("admin", "seller", "account", "add", "--seller", TIN, "--number", "", "--name", "x" * 256,
                      "--bank-id", "-1", expect=2)  # fmt: skip
        for path in ("/account_no", "/account_name", "/bank_id"):
            assert path in said
