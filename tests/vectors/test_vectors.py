"""The vectors are what the code writes today, and both readers agree on them."""

import base64
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from receipts.keys import keyring_of, read_key_list
from receipts.verification import NotGenuine, verify_receipt
from tests.vectors.generate import FILES, FOLDER, content

RECEIPTS = json.loads((FOLDER / "receipts.json").read_bytes())


def load_reader() -> Any:
    """Load the reader that was written from the pages alone."""
    spec = importlib.util.spec_from_file_location("reader_of_vectors", FOLDER.parent / "independent" / "reader_v1.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def published(signed: str) -> dict[str, Any]:
    """Answer a key file, as anyone can make it of a signed list."""
    body = signed.split(".")[1]
    return {"keys": json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["keys"], "signed": signed}


@pytest.mark.parametrize("name", FILES)
def test_are_what_the_code_writes(name: str) -> None:
    assert (FOLDER / name).read_bytes() == content(name)


class TestReceipts:
    keys = keyring_of(read_key_list(RECEIPTS["signed_keys"]))

    @pytest.mark.parametrize("link", RECEIPTS["chain"], ids=lambda link: link["nature"])
    def test_are_genuine(self, link: dict[str, Any]) -> None:
        verified = verify_receipt(link["text"], self.keys, document=bytes.fromhex(link["document"]))
        assert str(verified.payload.id) == link["id"]
        assert verified.receipt_hash.hex() == link["receipt_hash"]

    def test_follow_each_other(self) -> None:
        for before, after in zip(RECEIPTS["chain"], RECEIPTS["chain"][1:], strict=False):
            verify_receipt(after["text"], self.keys, previous=before["text"])

    @pytest.mark.parametrize("one", RECEIPTS["refused"], ids=lambda one: one["name"])
    def test_are_refused_at_their_step(self, one: dict[str, Any]) -> None:
        document = None if one["document"] is None else bytes.fromhex(one["document"])
        with pytest.raises(NotGenuine) as refused:
            verify_receipt(one["text"], self.keys, document=document, previous=one["previous"])
        assert (refused.value.step, refused.value.why) == (one["step"], one["why"])

    def test_every_step_and_word_has_a_failing_one(self) -> None:
        words = {(one["step"], one["why"]) for one in RECEIPTS["refused"]}
        assert {step for step, _ in words} == set(range(1, 9))
        assert len(words) == 15


class TestTheSecondReader:
    reader = load_reader()
    keys = reader.read_key_list(published(RECEIPTS["signed_keys"]))

    @pytest.mark.parametrize("link", RECEIPTS["chain"], ids=lambda link: link["nature"])
    def test_reads_the_genuine_ones(self, link: dict[str, Any]) -> None:
        self.reader.verify(link["text"], self.keys, document=bytes.fromhex(link["document"]))

    @pytest.mark.parametrize("one", RECEIPTS["refused"], ids=lambda one: one["name"])
    def test_refuses_the_others_at_the_same_step_in_the_same_word(self, one: dict[str, Any]) -> None:
        document = None if one["document"] is None else bytes.fromhex(one["document"])
        with pytest.raises(self.reader.Refused) as refused:
            self.reader.verify(one["text"], self.keys, document=document, previous=one["previous"])
        assert str(refused.value) == f"step {one['step']}: {one['why']}"


def test_the_folder_holds_nothing_else() -> None:
    assert {path.name for path in Path(FOLDER).glob("*.json")} == set(FILES)
