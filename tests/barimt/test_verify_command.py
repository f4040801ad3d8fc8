"""`barimt verify`: exit codes, each step in words, and only a signed key list is believed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from barimt.cli import main
from receipts.chain import ChainKey, Draft, advance, first_head
from receipts.document import Document
from receipts.key_list import sign_key_list, sign_shard
from receipts.keys import Key, KeyRole, Signer, key_as_json
from receipts.qr import encode_text
from receipts.qr_image import qr_png
from receipts.receipt import Nature
from tests.changing import replace

NOW = datetime(2017, 3, 1, 4, tzinfo=UTC)
ROOT, GATEWAY, TILL = (Ed25519PrivateKey.from_private_bytes(letter * 32) for letter in (b"r", b"g", b"t"))
Verify = Callable[..., tuple[int, str, str]]


def key(private: Ed25519PrivateKey, role: KeyRole) -> Key:
    return Key(private.public_key().public_bytes_raw(), role, NOW - timedelta(days=1), NOW + timedelta(days=99))


KEYS = [key(ROOT, KeyRole.ROOT), key(GATEWAY, KeyRole.GATEWAY)]


TILL_KEY = Key(TILL.public_key().public_bytes_raw(), KeyRole.TILL, NOW, NOW + timedelta(days=9), 37900846788, 10012619)
PREFIX = TILL_KEY.kid.hex()[:2]
SHARD = sign_shard([TILL_KEY], prefix=PREFIX, version=1, issued_at=NOW, root=ROOT)


def two_links(signer: Signer | None = None) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    chain_key = ChainKey(signer or Signer(GATEWAY), b"k" * 32)
    head = first_head(seller=37900846788, terminal=10012619, enrolment=b"x", enrolled_at=NOW)
    draft = Draft(Nature.SALE, business=False, lottery=True, branch=1, total_mongo=110_000, vat_mongo=10_000,
                  document=Document(reference="a"))  # fmt: skip
    first, head = advance(head, draft, issued_at=NOW, key=chain_key)
    second, _ = advance(head, draft, issued_at=NOW, key=chain_key)
    return (encode_text(first.cose), first.document), (encode_text(second.cose), second.document)


FIRST, SECOND = two_links()
BY_TILL, _ = two_links(Signer(TILL, by_till=True))


def write_keys(path: Path, keys: list[Key], root: Ed25519PrivateKey = ROOT) -> Path:
    shown = [key_as_json(key) for key in sorted(keys, key=lambda key: key.kid)]
    path.write_text(json.dumps({"keys": shown, "signed": sign_key_list(keys, version=1, issued_at=NOW, root=root)}))
    return path


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The published keys."""
    return write_keys(tmp_path / "keys.json", KEYS)


@pytest.fixture
def verify(keys: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Run `barimt verify` and answer exit code, output and errors."""

    def run(*arguments: str, keys: Path | None = keys) -> tuple[int, str, str]:
        given = () if keys is None else ("--keys", str(keys))
        monkeypatch.setattr("sys.argv", ["barimt", "verify", *arguments, *given])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


class TestGenuine:
    def test_says_what_the_receipt_is(self, verify: Verify) -> None:
        code, said, _ = verify(FIRST[0])
        assert code == 0
        for words in ("Genuine", "1,100 ₮", "100 ₮", "2017-03-01T12:00:00+08:00", "037900846788", "lottery"):
            assert words in said
        assert said.count("✓") == 6

    def test_reads_a_picture(self, verify: Verify, tmp_path: Path) -> None:
        picture = tmp_path / "receipt.png"
        picture.write_bytes(qr_png(FIRST[0]))
        assert verify(str(picture))[0] == 0

    def test_checks_document_and_predecessor(self, verify: Verify, tmp_path: Path) -> None:
        document = tmp_path / "document.cbor"
        document.write_bytes(SECOND[1])
        code, said, _ = verify(SECOND[0], "--document", str(document), "--previous", FIRST[0])
        assert (code, said.count("✓")) == (0, 8)

    def test_answers_machines(self, verify: Verify) -> None:
        said: dict[str, Any] = json.loads(verify(FIRST[0], "--json")[1])
        assert said["genuine"] is True
        assert said["receipt"]["total_mongo"] == 110_000
        assert [step["holds"] for step in said["steps"]] == [True] * 6

    def test_trusts_the_pinned_root(self, verify: Verify) -> None:
        assert verify(FIRST[0], "--root", KEYS[0].kid.hex())[0] == 0


class TestTill:
    def test_is_verified_by_a_key_file_with_its_shard(self, verify: Verify, tmp_path: Path, keys: Path) -> None:
        path = tmp_path / "k.json"
        path.write_text(json.dumps(json.loads(keys.read_bytes()) | {"shards": {PREFIX: SHARD}}))
        assert verify(BY_TILL[0], keys=path)[0] == 0

    def test_is_verified_by_a_shard_beside_the_key_file(self, verify: Verify, tmp_path: Path) -> None:
        path = tmp_path / "shard.json"
        path.write_text(json.dumps({"prefix": PREFIX, "keys": [key_as_json(TILL_KEY)], "signed": SHARD}))
        code, said, _ = verify(BY_TILL[0], "--shard", str(path))
        assert (code, "Genuine" in said) == (0, True)

    def test_whose_shard_is_missing_is_told_where_it_is(self, verify: Verify, tmp_path: Path, keys: Path) -> None:
        code, said, _ = verify(BY_TILL[0])
        assert (code, f"/v1/keys/tills/{PREFIX}" in said) == (1, True)
        empty = sign_shard([], prefix=PREFIX, version=1, issued_at=NOW, root=ROOT)
        path = tmp_path / "k.json"
        path.write_text(json.dumps(json.loads(keys.read_bytes()) | {"shards": {PREFIX: empty}}))
        code, said, _ = verify(BY_TILL[0], keys=path)
        assert (code, "fetch it again" in said) == (1, True)

    def test_is_not_believed_by_a_shard_of_somebody_else(self, verify: Verify, tmp_path: Path) -> None:
        forged = sign_shard([TILL_KEY], prefix=PREFIX, version=1, issued_at=NOW, root=TILL)
        path = tmp_path / "shard.json"
        path.write_text(json.dumps({"prefix": PREFIX, "keys": [key_as_json(TILL_KEY)], "signed": forged}))
        code, _, said = verify(BY_TILL[0], "--shard", str(path))
        assert (code, "signature" in said) == (2, True)


class TestNotGenuine:
    @pytest.mark.parametrize(
        ("text", "step"),
        [
            (FIRST[0][:-1], 1),
            ("MB2:" + FIRST[0][4:], 1),
            (FIRST[0][:4] + ":::" + FIRST[0][7:], 2),
            (FIRST[0][:4] + "000" + FIRST[0][7:], 3),
            (FIRST[0][:-3] + "000", 5),
        ],
    )
    def test_names_the_step(self, verify: Verify, text: str, step: int) -> None:
        code, said, _ = verify(text)
        assert code == 1
        assert f"({step})" in said.splitlines()[step - 1]
        assert "Not genuine" in said

    def test_another_document(self, verify: Verify, tmp_path: Path) -> None:
        document = tmp_path / "document.cbor"
        document.write_bytes(FIRST[1] + b"\0")
        assert verify(FIRST[0], "--document", str(document))[0] == 1

    def test_another_predecessor(self, verify: Verify) -> None:
        assert verify(FIRST[0], "--previous", SECOND[0])[0] == 1

    def test_a_key_of_nobody(self, verify: Verify, tmp_path: Path) -> None:
        assert verify(FIRST[0], keys=write_keys(tmp_path / "k.json", KEYS[:1]))[0] == 1

    def test_a_revoked_key_sends_to_the_centre(self, verify: Verify, tmp_path: Path) -> None:
        revoked = [KEYS[0], replace(KEYS[1], revoked_at=NOW)]
        code, said, _ = verify(FIRST[0], keys=write_keys(tmp_path / "k.json", revoked))
        assert code == 1
        assert "Ask the centre" in said


class TestUnusable:
    def test_no_key_file(self, verify: Verify, tmp_path: Path) -> None:
        assert verify(FIRST[0], keys=tmp_path / "none.json")[0] == 2

    @pytest.mark.parametrize(
        "content", [b"", b"[]", b"{}", b'{"keys": [], "signed": "a.b.c"}', b"\xff", b"[" * 100_000]
    )
    def test_a_key_file_of_another_form(self, verify: Verify, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "k.json"
        path.write_bytes(content)
        assert verify(FIRST[0], keys=path)[0] == 2

    def test_keys_signed_by_somebody_else(self, verify: Verify, tmp_path: Path) -> None:
        assert verify(FIRST[0], keys=write_keys(tmp_path / "k.json", KEYS, GATEWAY))[0] == 2
        assert verify(FIRST[0], "--root", KEYS[1].kid.hex())[0] == 2
        assert verify(FIRST[0], "--root", "root")[0] == 2

    def test_keys_shown_that_were_not_signed(self, verify: Verify, tmp_path: Path, keys: Path) -> None:
        shown = json.loads(keys.read_text())
        shown["keys"][0]["role"] = "till"
        path = tmp_path / "k.json"
        path.write_text(json.dumps(shown))
        assert verify(FIRST[0], keys=path)[0] == 2

    def test_a_picture_without_a_code_and_files_that_are_not_there(self, verify: Verify, tmp_path: Path) -> None:
        picture = tmp_path / "p.png"
        picture.write_bytes(b"none")
        assert verify(str(picture))[0] == 2
        assert verify(FIRST[0], "--document", str(tmp_path / "none"))[0] == 2

    def test_a_forged_predecessor_proves_nothing(self, verify: Verify) -> None:
        assert verify(SECOND[0], "--previous", FIRST[0][:-3] + "000")[0] == 2
