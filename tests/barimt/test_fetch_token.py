"""`barimt admin terminal token`, against the running centre."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from barimt.cli import main
from receipts.enrol import add_client
from runtime.database import Role
from tests.serving import Centre, Till, pem_of

PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the command and answer its exit code and what it said."""
    monkeypatch.setattr("sys.argv", ["barimt", "admin", "terminal", "token", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), (said.out if not ended.value.code else said.err).strip()


def enrolled(till: Till, folder: Path, **changes: str) -> Path:
    """Write down what `terminal add --json` prints."""
    (folder / "key.pem").write_bytes(pem_of(till.key))
    said = {"client_id": till.client_id, "key_file": str(folder / "key.pem"), "token_url": till.token_url} | changes
    file = folder / "terminal.json"
    file.write_text(json.dumps(said))
    return file


class TestTerminalToken:
    def test_prints_a_token_that_the_centre_takes(
        self, shared_centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        till = shared_centre.enrol()
        code, token = run(monkeypatch, capsys, str(enrolled(till, tmp_path)))
        assert code == 0
        answer = shared_centre.http.get("/v1/receipts?key=none", headers={"Authorization": f"Bearer {token}"})
        assert answer.json() == {"receipts": []}

    def test_finds_the_key_that_the_data_directory_keeps(
        self, shared_centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        till = shared_centre.enrol()
        (tmp_path / "clients").mkdir()
        (tmp_path / "clients" / f"{till.client_id}.pem").write_bytes(pem_of(till.key))
        (tmp_path / "address").write_text(shared_centre.url)
        options = ("--client-id", till.client_id, "--data-dir", str(tmp_path), "--json")
        code, said = run(monkeypatch, capsys, *options)
        assert code == 0
        assert json.loads(said)["token"].count(".") == 2

    def test_signs_with_a_p256_key_too(
        self, shared_centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        till, key = shared_centre.enrol(), generate_private_key(SECP256R1())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        with shared_centre.database.transaction(Role.JOBS) as connection:
            add_client(connection, shared_centre.clock, client_id="es256", seller_tin=till.tin, public_key=public)
        (tmp_path / "es256.pem").write_bytes(key.private_bytes(*PEM))
        options = ("--client-id", "es256", "--key-file", str(tmp_path / "es256.pem"), "--token-url", till.token_url,
                   "--data-dir", str(tmp_path))  # fmt: skip
        assert run(monkeypatch, capsys, *options)[0] == 0

    def test_says_why_there_is_none(
        self, shared_centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        till, other = shared_centre.enrol(), shared_centre.enrol()
        refused = enrolled(till, tmp_path, client_id=other.client_id)
        assert "401" in run(monkeypatch, capsys, str(refused))[1]
        unreachable = enrolled(till, tmp_path, token_url="http://127.0.0.1:9/v1/oauth/token")
        assert "does not answer" in run(monkeypatch, capsys, str(unreachable))[1]
        keyless = enrolled(till, tmp_path, key_file=str(tmp_path / "none.pem"))
        assert "P-256" in run(monkeypatch, capsys, str(keyless))[1]
        assert "client_id" in run(monkeypatch, capsys, str(tmp_path / "key.pem"))[1]
        assert "--client-id" in run(monkeypatch, capsys)[1]
