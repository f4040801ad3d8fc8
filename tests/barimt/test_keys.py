"""The authority's keys: made once, never again without a word, the root kept apart."""

from pathlib import Path

import pytest

from barimt.open_authority import open_authority
from receipts.key_list import read_key_list
from receipts.keys import keyring_of
from receipts.qr import encode_text
from receipts.verification import AskTheCentre, verify_text
from runtime.data_dir import DataDir
from runtime.database import Database, Role
from runtime.settings import Settings
from tests.barimt.conftest import Barimt
from tests.barimt.test_admin import SELLER, TERMINAL, TIN
from tests.serving import OPENED_AT

TERMINAL_ADD = ("admin", "terminal", "add", "--seller", TIN, "--number", TERMINAL)
NAMES = {"root.key", "gateway-1.key", "turnover-1.key", "tokens.key", "development.key"}


@pytest.fixture
def keys(barimt: Barimt, data_dir: DataDir) -> Path:
    """The folder of the keys after first use."""
    barimt(*SELLER)
    assert {path.name for path in data_dir.keys.iterdir()} == NAMES
    return data_dir.keys


def kids(barimt: Barimt, role: str = "gateway") -> list[str]:
    return [key["kid"] for key in barimt("keys", "list", "--json")["keys"] if key["role"] == role]


class TestFirstUse:
    def test_makes_every_key_once_and_for_its_owner_alone(self, keys: Path, barimt: Barimt) -> None:
        before = {path.name: path.read_bytes() for path in keys.iterdir()}
        barimt(*TERMINAL_ADD)
        assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
        assert {path.stat().st_mode & 0o777 for path in keys.iterdir()} == {0o600}

    def test_makes_the_root_key_where_the_setting_says(
        self, barimt: Barimt, data_dir: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BARIMT_ROOT_KEY", str(tmp_path / "safe.key"))
        barimt(*SELLER)
        assert {path.name for path in data_dir.keys.iterdir()} == NAMES - {"root.key"}
        assert (tmp_path / "safe.key").stat().st_mode & 0o777 == 0o600

    def test_goes_on_where_it_was_interrupted(self, barimt: Barimt, data_dir: DataDir) -> None:
        (data_dir.keys / "root.key").write_text("5" * 64)
        barimt(*SELLER)
        assert (data_dir.keys / "root.key").read_text() == "5" * 64
        assert {path.name for path in data_dir.keys.iterdir()} == NAMES

    def test_publishes_restored_keys_in_an_empty_database(self, barimt: Barimt, data_dir: DataDir) -> None:
        for name in NAMES - {"gateway-1.key"}:
            (data_dir.keys / name).write_text("5" * 64)
        (data_dir.keys / "gateway-7.key").write_text("7" * 64)
        barimt(*SELLER)
        assert len(kids(barimt)) == 1
        assert not (data_dir.keys / "gateway-1.key").exists()

    def test_makes_no_root_key_for_restored_ones(self, barimt: Barimt, data_dir: DataDir) -> None:
        (data_dir.keys / "gateway-1.key").write_text("7" * 64)
        said = barimt(*SELLER, expect=2)
        assert str(data_dir.keys / "root.key") in said
        assert "BARIMT_ROOT_KEY" in said
        assert not (data_dir.keys / "root.key").exists()


class TestLost:
    @pytest.mark.parametrize(
        ("name", "purpose", "remedy"),
        [
            ("turnover-1.key", "encrypts the turnover counters", "backup"),
            ("tokens.key", "signs the tills' access tokens", "openssl rand -hex 32"),
            ("gateway-1.key", "sign receipts", "barimt keys rotate"),
        ],
    )
    def test_a_key_is_named_and_not_made_anew(
        self, keys: Path, barimt: Barimt, settings: Settings, database: Database, name: str, purpose: str, remedy: str
    ) -> None:
        (keys / name).unlink()
        said = barimt(*TERMINAL_ADD, expect=2)
        assert name.replace("gateway-1", "gateway-N") in said
        assert str(keys) in said
        assert purpose in said
        assert remedy in said
        assert not (keys / name).exists()

    def test_the_development_key_is_missed_only_where_it_is_used(self, keys: Path, barimt: Barimt) -> None:
        (keys / "development.key").unlink()
        barimt(*TERMINAL_ADD)
        assert "development issuer" in barimt("admin", "consumer", "add", expect=2)
        assert not (keys / "development.key").exists()

    def test_a_new_folder_before_an_old_database_gets_no_keys(self, keys: Path, barimt: Barimt, tmp_path: Path) -> None:
        keys.rename(tmp_path / "elsewhere")
        assert "gateway-N.key" in barimt(*TERMINAL_ADD, expect=2)
        assert list(keys.iterdir()) == []

    def test_a_gateway_key_is_replaced_by_rotating(self, keys: Path, barimt: Barimt) -> None:
        (keys / "gateway-1.key").unlink()
        barimt("keys", "rotate")
        barimt(*TERMINAL_ADD)

    def test_a_file_that_is_no_key_is_named(self, keys: Path, barimt: Barimt) -> None:
        (keys / "turnover-1.key").write_text("")
        assert str(keys / "turnover-1.key") in barimt(*TERMINAL_ADD, expect=2)

    def test_a_list_that_its_root_did_not_sign_is_refused(self, keys: Path, barimt: Barimt, database: Database) -> None:
        with database.transaction(Role.OWNER) as connection:
            connection.exec_driver_sql("ALTER TABLE pos.key_lists DISABLE TRIGGER USER")
            connection.exec_driver_sql("UPDATE pos.key_lists SET signed = left(signed, -4) || 'AAAA'")
        assert "not signed by its root key" in barimt(*TERMINAL_ADD, expect=2)


class TestRootKeptApart:
    def test_all_goes_on_without_it_but_rotating_and_revoking(
        self, keys: Path, barimt: Barimt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (keys / "root.key").rename(tmp_path / "root.key")
        barimt(*TERMINAL_ADD)
        [kid] = kids(barimt)
        for command in (("rotate",), ("revoke", kid)):
            said = barimt("keys", *command, expect=2)
            assert str(keys / "root.key") in said
            assert "BARIMT_ROOT_KEY" in said
        assert kids(barimt) == [kid]
        assert {path.name for path in keys.iterdir()} == NAMES - {"root.key"}
        monkeypatch.setenv("BARIMT_ROOT_KEY", str(tmp_path / "root.key"))
        new = barimt("keys", "rotate", "--json")["kid"]
        assert set(kids(barimt)) == {kid, new}
        assert str(tmp_path / "root.key") in barimt("keys", "revoke", kid)

    def test_another_root_key_is_refused(
        self, keys: Path, barimt: Barimt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "other.key").write_text("5" * 64)
        monkeypatch.setenv("BARIMT_ROOT_KEY", str(tmp_path / "other.key"))
        said = barimt("keys", "rotate", expect=2)
        assert str(tmp_path / "other.key") in said
        assert kids(barimt, "root")[0] in said
        assert {path.name for path in keys.iterdir()} == NAMES

    def test_it_cannot_revoke_itself(self, keys: Path, barimt: Barimt) -> None:
        assert "root key" in barimt("keys", "revoke", *kids(barimt, "root"), expect=2)
        assert len(kids(barimt, "root")) == 1


class TestRotateAndRevoke:
    def test_a_rotated_key_is_published_and_a_revoked_one_is_marked(self, keys: Path, barimt: Barimt) -> None:
        first = kids(barimt)
        printed = barimt("keys", "rotate", "--json")
        new = printed["kid"]
        assert printed["file"] == str(keys / "gateway-2.key")
        assert set(kids(barimt)) == {*first, new}
        barimt("keys", "revoke", new, "--json")
        revoked = {key["kid"]: key["revoked_at"] for key in barimt("keys", "list", "--json")["keys"]}
        assert revoked[new] is not None
        assert all(revoked[kid] is None for kid in first)
        assert "✗" in barimt("keys", "revoke", new, expect=2)
        assert "✗" in barimt("keys", "revoke", "zz", expect=2)

    def test_the_newest_key_signs_that_is_published_and_not_revoked(
        self, keys: Path, barimt: Barimt, settings: Settings, database: Database
    ) -> None:
        def signing() -> str | None:
            with database.transaction(Role.JOBS) as connection:
                authority = open_authority(connection, lambda: OPENED_AT, settings=settings)
            signer = authority.signing_keys(OPENED_AT).signer
            return None if signer is None else signer.kid.hex()

        [first] = kids(barimt)
        assert signing() == first
        second = barimt("keys", "rotate", "--json")["kid"]
        assert signing() == second
        (keys / "gateway-10.key").write_text("7" * 64)  # made, and never published
        assert signing() == second
        barimt("keys", "revoke", second)
        assert signing() == first
        barimt("keys", "revoke", first)
        assert signing() is None
        assert "✗" in barimt(*TERMINAL_ADD, expect=2)
        third = barimt("keys", "rotate", "--json")
        assert (signing(), Path(third["file"]).name) == (third["kid"], "gateway-11.key")

    def test_a_revoked_gateway_key_sends_readers_to_the_centre(
        self, keys: Path, barimt: Barimt, database: Database
    ) -> None:
        barimt(*TERMINAL_ADD)
        [kid] = kids(barimt)
        barimt("keys", "revoke", kid)
        keyring = keyring_of(read_key_list(barimt("keys", "list", "--json")["signed"]))
        with database.transaction(Role.OWNER) as connection:
            [cose] = connection.exec_driver_sql("SELECT cose FROM pos.receipts").scalars()
        text = encode_text(bytes(cose))
        with pytest.raises(AskTheCentre):
            verify_text(text, keyring)
        barimt("verify", text, "--keys", str(keys.parent / "keys.json"), expect=1)
