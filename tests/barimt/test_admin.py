"""Administration from the command line, over the test's own database."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from receipts.key_list import read_key_list
from receipts.keys import keyring_of
from receipts.qr import encode_text
from receipts.verification import verify_text
from runtime.database import Database, Role
from tests.barimt.conftest import Barimt

TIN, TERMINAL = "37900846788", "10012619"
SELLER = ("admin", "seller", "add", "--tin", TIN, "--name", "Дэлгүүр", "--sector", "4711", "--district", "2501")


class TestSellerAdd:
    def test_enrols_a_seller_once(self, barimt: Barimt) -> None:
        assert barimt(*SELLER, "--vat-from", "2016-01-01", "--json") == {
            "seller_tin": TIN,
            "seller": "037900846788",
        }
        assert "enrolled already" in barimt(*SELLER, expect=2)
        [listed] = barimt("admin", "seller", "list", "--json")
        assert (listed["tin"], listed["vat_from"], listed["terminals"]) == (TIN, "2016-01-01", 0)

    def test_gives_a_long_tin_a_number_of_the_reserved_prefix(self, barimt: Barimt) -> None:
        numbers = [
            barimt("admin", "seller", "add", "--tin", tin, "--name", "Бат", "--sector", "4711", "--district", "2501",
                   "--json")["seller"]
            for tin in ("1234567890123", "12345678901234")
        ]  # fmt: skip
        assert numbers == ["990000000000", "990000000001"]

    def test_names_every_fault_and_changes_nothing(self, barimt: Barimt) -> None:
        said = barimt("admin", "seller", "add", "--tin", "1", "--name", "", "--sector", "!", "--district", "0000",
                      expect=2)  # fmt: skip
        for path in ("/tin", "/name", "/sector", "/district"):
            assert path in said
        assert barimt("admin", "seller", "list", "--json") == []


class TestSellerImport:
    def test_enrols_all_or_none(self, barimt: Barimt, tmp_path: Path) -> None:
        file = tmp_path / "sellers.csv"
        head = "tin,name,sector,district,city_tax_payer,vat_registered_from\n"
        file.write_text(head + f"{TIN},Нэг,4711,2501,true,2016-01-01\n37900846789,Хоёр,4711,9999,,\n")
        assert "/district" in barimt("admin", "seller", "import", str(file), expect=2)
        assert barimt("admin", "seller", "list", "--json") == []
        file.write_text(head + f"{TIN},Нэг,4711,2501,true,2016-01-01\n37900846789,Хоёр,4711,2501,,\n")
        assert barimt("admin", "seller", "import", str(file), "--json") == {"sellers": 2}

    @pytest.mark.parametrize("content", [b"", b"tin,name\n1,2\n", b"\xff\xfe", b"tin"])
    def test_says_what_is_wrong_with_a_file(self, barimt: Barimt, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "sellers.csv"
        file.write_bytes(content)
        assert "✗" in barimt("admin", "seller", "import", str(file), expect=2)


class TestTerminalAdd:
    def test_makes_a_key_that_only_its_owner_can_read(self, barimt: Barimt) -> None:
        barimt(*SELLER)
        printed = barimt("admin", "terminal", "add", "--seller", TIN, "--number", TERMINAL, "--json")
        assert set(printed) == {"client_id", "token_url", "seller_tin", "terminal", "key_file"}
        file = Path(printed["key_file"])
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert load_pem_private_key(file.read_bytes(), None)

    def test_gives_a_client_one_more_terminal(self, barimt: Barimt) -> None:
        barimt(*SELLER)
        first = barimt("admin", "terminal", "add", "--seller", TIN, "--number", TERMINAL, "--json")
        second = barimt("admin", "terminal", "add", "--seller", TIN, "--number", "10012620", "--client",
                        first["client_id"], "--json")  # fmt: skip
        assert second["client_id"] == first["client_id"]
        assert "key_file" not in second
        assert len(barimt("admin", "terminal", "list", "--seller", TIN, "--json")) == 2

    def test_takes_a_public_key_of_ones_own(self, barimt: Barimt, tmp_path: Path) -> None:
        barimt(*SELLER)
        file = tmp_path / "public.pem"
        own = generate_private_key(SECP256R1()).public_key()
        file.write_bytes(own.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        printed = barimt("admin", "terminal", "add", "--seller", TIN, "--number", TERMINAL, "--public-key", str(file),
                         "--json")  # fmt: skip
        assert "key_file" not in printed

    def test_refuses_a_key_that_we_do_not_use(self, barimt: Barimt, tmp_path: Path) -> None:
        barimt(*SELLER)
        file = tmp_path / "public.pem"
        own = generate_rsa_key(65537, 2048).public_key()
        file.write_bytes(own.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        assert "Ed25519" in barimt("admin", "terminal", "add", "--seller", TIN, "--number", TERMINAL, "--public-key",
                                   str(file), expect=2)  # fmt: skip

    def test_starts_the_chain_with_a_link_that_verifies(self, barimt: Barimt, database: Database) -> None:
        barimt(*SELLER)
        barimt("admin", "terminal", "add", "--seller", TIN, "--number", TERMINAL)
        signed = barimt("keys", "list", "--json")["signed"]
        with database.transaction(Role.OWNER) as connection:
            [cose] = connection.exec_driver_sql("SELECT cose FROM pos.receipts").scalars()
        assert verify_text(encode_text(bytes(cose)), keyring_of(read_key_list(signed))).kind.nature.name == "START"

    @pytest.mark.parametrize(
        "options", [("--number", "1"), ("--mode", "robot"), ("--district", "0000"), ("--seller", "37900846789")]
    )
    def test_refuses_what_is_not_so(self, barimt: Barimt, options: tuple[str, str]) -> None:
        barimt(*SELLER)
        given = {"--seller": TIN, "--number": TERMINAL} | dict([options])
        assert "✗" in barimt("admin", "terminal", "add", *(word for pair in given.items() for word in pair), expect=2)


class TestClientRevoke:
    def test_takes_the_right_to_speak_once(self, barimt: Barimt) -> None:
        barimt(*SELLER)
        add = ("admin", "terminal", "add", "--seller", TIN, "--json", "--number")
        client = barimt(*add, TERMINAL)["client_id"]
        assert barimt("admin", "client", "revoke", client, "--json") == {"client_id": client, "revoked": True}
        assert "✗" in barimt("admin", "client", "revoke", client, expect=2)
        assert "✗" in barimt(*add, "10012620", "--client", client, expect=2)


class TestPeople:
    def test_enrols_consumers_with_tokens(self, barimt: Barimt) -> None:
        one = barimt("admin", "consumer", "add", "--json")
        assert len(one["login_no"]) == 8
        many = barimt("admin", "consumer", "add", "--count", "3", "--json")
        assert len({one["consumer_id"], *(each["consumer_id"] for each in many)}) == 4
        assert all(each["token"].count(".") == 2 for each in many)

    def test_records_whose_shop_it_is(self, barimt: Barimt, database: Database) -> None:
        barimt(*SELLER)
        barimt("admin", "consumer", "add", "--owner-of", TIN)
        with database.transaction(Role.OWNER) as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM private.seller_people").scalar() == 1

    def test_enrols_an_officer_once(self, barimt: Barimt) -> None:
        assert "token" in barimt("admin", "officer", "add", "--id", "o1", "--name", "Туяа", "--json")
        assert "✗" in barimt("admin", "officer", "add", "--id", "o1", "--name", "Туяа", expect=2)


class TestWords:
    def test_help_lists_every_part(self, barimt: Barimt) -> None:
        said = barimt("--help")
        for part in ("serve", "demo", "admin", "verify", "scan", "draw", "payouts", "lake", "plausibility", "check"):
            assert part in said

    def test_an_unusable_setting_is_said_in_words(self, barimt: Barimt, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BARIMT_PORT", "many")
        assert "BARIMT_PORT" in barimt("admin", "seller", "list", expect=2)

    def test_an_unknown_command_is_said_in_words(self, barimt: Barimt) -> None:
        assert "No such command" in barimt("chek", expect=2)

    def test_codes_are_listed(self, barimt: Barimt) -> None:
        assert barimt("admin", "codes", "districts", "--json")["2501"]
