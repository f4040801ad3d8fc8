"""The vectors are what the code writes today; the project's reader and the independent one both agree with them."""

import base64
import hashlib
import hmac
import importlib.util
import json
import re
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kernel.refusal import Malformed
from receipts import base45, qr
from receipts.document import decode_document, encode_document
from receipts.ids import ReceiptId
from receipts.key_list import read_key_list, read_shard
from receipts.keys import Key, keyring_of, turnover_key
from receipts.verification import NotGenuine, verify_receipt
from tests.vectors.generate import FILES, FOLDER, content
from tests.vectors.values import content_of

DOCS = FOLDER.parents[1] / "docs" / "formats"
WORDS = {
    1: {"length", "prefix"}, 2: {"base45"}, 3: {"constants"}, 4: {"unknown", "scope", "time", "revoked"},
    5: {"signature"}, 6: {"kind", "id", "amounts"}, 7: {"digest", "form"},
    8: {"predecessor", "terminal", "counter", "link", "time"},
}  # fmt: skip


def load_reader() -> Any:
    """Load the reader that was written from the pages alone."""
    spec = importlib.util.spec_from_file_location("reader_of_vectors", FOLDER.parent / "independent" / "reader_v1.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def rows(name: str) -> Any:
    """What stands in a file."""
    return json.loads((FOLDER / name).read_bytes())


def published(signed: str) -> dict[str, Any]:
    """The key file that anyone can make of a signed list; one that cannot be taken apart shows nothing."""
    try:
        body = signed.split(".")[1]
        return {"keys": json.loads(base64.urlsafe_b64decode(body + "=="))["keys"], "signed": signed}
    except (IndexError, ValueError, KeyError):
        return {"keys": [], "signed": signed}


def octets(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def tills_of(head: list[Key], prefix: str, signed: str) -> list[Key]:
    return read_shard(signed, prefix=prefix, head=head)


reader = load_reader()
LISTS = {one["name"]: one["signed"] for one in rows("keys.json")["lists"] if one["verdict"] == "accepted"}
SHARDS = rows("keys.json")["shards"]
TILLS = {one["head"]: {one["prefix"]: one["signed"]} for one in reversed(SHARDS) if one["verdict"] == "accepted"}
PROJECT = {
    name: keyring_of([*head, *(key for at in TILLS.get(name, {}).items() for key in tills_of(head, *at))])
    for name, signed in LISTS.items()
    for head in [read_key_list(signed)]
}
INDEPENDENT = {
    name: reader.read_key_list(published(signed) | {"shards": TILLS.get(name, {})}) for name, signed in LISTS.items()
}
CHAINS = rows("chains.json")
GENUINE = [*rows("receipts.json"), *(link for chain in CHAINS for link in chain["links"])]


def by_name(one: dict[str, Any]) -> str:
    return str(one["name"])


class TestFiles:
    @pytest.mark.parametrize("name", FILES)
    def test_are_what_the_code_writes(self, name: str) -> None:
        assert (FOLDER / name).read_bytes() == content(name)

    def test_are_all_that_lies_there(self) -> None:
        assert {path.name for path in FOLDER.glob("*.json")} == set(FILES)


class TestReceipts:
    @pytest.mark.parametrize("one", GENUINE, ids=by_name)
    def test_are_genuine_to_both_readers(self, one: dict[str, Any]) -> None:
        document = octets(one["document"])
        verified = verify_receipt(one["text"], PROJECT[one["keys"]], document=document)
        read = reader.verify(one["text"], INDEPENDENT[one["keys"]], document=document)
        assert verified.cose.hex() == one["cose"]
        verified.key.verifier.verify(verified.cose[80:], bytes.fromhex(one["sig_structure"]))
        shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in read.items()}
        assert {name: shown.get(name, one["cose"][160:]) for name in one["fields"]} == one["fields"]
        assert reader.lottery(bytes.fromhex(one["fields"]["hash"])) == one["lottery_of_this_root"]

    @pytest.mark.parametrize("one", rows("refused.json"), ids=by_name)
    def test_are_refused_by_both_readers_at_the_same_step_in_the_same_word(self, one: dict[str, Any]) -> None:
        beside = {"document": octets(one["document"]), "previous": one["previous"]}
        with pytest.raises(NotGenuine) as refused:
            verify_receipt(one["text"], PROJECT[one["keys"]], **beside)
        assert (refused.value.step, refused.value.why) == (one["step"], one["why"])
        with pytest.raises(reader.Refused) as refused_there:
            reader.verify(one["text"], INDEPENDENT[one["keys"]], **beside)
        assert (refused_there.value.step, refused_there.value.why) == (one["step"], one["why"])

    def test_fail_at_every_step_and_in_every_word(self) -> None:
        found: dict[int, set[str]] = {}
        for one in rows("refused.json"):
            found.setdefault(one["step"], set()).add(one["why"])
        assert found == WORDS

    def test_fail_in_the_words_of_the_page(self) -> None:
        table = re.findall(r"^\| ([1-8]) \| ([a-z0-9, ]+) \|$", (DOCS / "verification.md").read_text(), re.MULTILINE)
        assert {int(step): set(words.split(", ")) for step, words in table} == WORDS


class TestChains:
    @pytest.mark.parametrize("chain", CHAINS, ids=by_name)
    def test_begin_with_the_enrolment_and_have_no_gap(self, chain: dict[str, Any]) -> None:
        links = chain["links"]
        start = links[0]["fields"]
        assert (start["nature"], start["counter"]) == (6, 0)
        assert start["chain"] == hashlib.sha256(bytes.fromhex(chain["enrolment"])).hexdigest()[:16]
        for before, after in pairwise(links):
            verify_receipt(after["text"], PROJECT["published"], previous=before["text"])
            reader.verify(after["text"], INDEPENDENT["published"], previous=before["text"])

    @pytest.mark.parametrize("chain", CHAINS, ids=by_name)
    def test_seal_the_running_gross_sum(self, chain: dict[str, Any]) -> None:
        gross = 0
        for link in chain["links"]:
            fields = link["fields"]
            gross += fields["total"] if fields["nature"] in {0, 1, 3} else 0
            pad = hmac.digest(bytes.fromhex(chain["turnover_key"]), int(fields["id"]).to_bytes(14), "sha256")[:8]
            opened = int.from_bytes(pad) ^ int(fields["turnover"], 16)
            assert opened == gross == link["turnover_mongo"]

    def test_hold_every_nature(self) -> None:
        assert {link["fields"]["nature"] for link in CHAINS[0]["links"]} == set(range(8))


class TestKeys:
    @pytest.mark.parametrize("one", rows("keys.json")["lists"], ids=by_name)
    def test_lists_get_their_verdict_from_both_readers(self, one: dict[str, Any]) -> None:
        pinned = octets(one["root_kid"])
        if one["verdict"] == "accepted":
            kids = {key.kid for key in read_key_list(one["signed"], root_kid=pinned)}
            assert set(reader.read_key_list(published(one["signed"]), pinned)) == kids
            return
        with pytest.raises(Malformed) as refused:
            read_key_list(one["signed"], root_kid=pinned)
        assert refused.value.faults[0].code == f"key_list_{one['verdict']}"
        with pytest.raises(reader.UnusableKeyList):
            reader.read_key_list(published(one["signed"]), pinned)

    @pytest.mark.parametrize("one", SHARDS, ids=by_name)
    def test_shards_get_their_verdict_from_both_readers(self, one: dict[str, Any]) -> None:
        head = LISTS[one["head"]]
        file = published(head) | {"shards": {one["prefix"]: one["signed"]}}
        if one["verdict"] == "accepted":
            kids = {key.kid for key in read_shard(one["signed"], prefix=one["prefix"], head=read_key_list(head))}
            assert set(reader.read_key_list(file)) - set(reader.read_key_list(published(head))) == kids
            return
        with pytest.raises(Malformed) as refused:
            read_shard(one["signed"], prefix=one["prefix"], head=read_key_list(head))
        assert refused.value.faults[0].code == f"key_shard_{one['verdict']}"
        with pytest.raises(reader.UnusableKeyList):
            reader.read_key_list(file)


class TestDocuments:
    @pytest.mark.parametrize("one", rows("documents.json")["valid"], ids=by_name)
    def test_are_read_by_both_readers(self, one: dict[str, Any]) -> None:
        encoded = bytes.fromhex(one["cbor"])
        assert encode_document(decode_document(encoded)) == encoded
        assert hashlib.sha256(encoded).hexdigest() == one["sha256"]
        assert content_of(encoded) == one["content"]
        reader.read_document(encoded)

    @pytest.mark.parametrize("one", rows("documents.json")["invalid"], ids=by_name)
    def test_are_refused_by_both_readers(self, one: dict[str, Any]) -> None:
        with pytest.raises(Malformed):
            decode_document(bytes.fromhex(one["cbor"]))
        with pytest.raises(reader.Refused):
            reader.read_document(bytes.fromhex(one["cbor"]))


class TestValues:
    def test_ids(self) -> None:
        for one in rows("ids.json")["valid"]:
            fields = [one[name] for name in ("seller", "branch", "day", "number", "terminal")]
            assert ReceiptId.parse(one["id"]) == ReceiptId(*fields)
            assert int(one["id"]) == int(one["bytes"], 16)
            assert one["id"] == "{:012}{:03}{:05}{:05}{:08}".format(*fields)
        for text in rows("ids.json")["invalid"]:
            with pytest.raises(Malformed):
                ReceiptId.parse(text)

    def test_base45(self) -> None:
        for one in rows("base45.json")["valid"]:
            assert base45.decode(one["text"]) == bytes.fromhex(one["bytes"])
        assert {base45.decode(text) for text in rows("base45.json")["invalid"]} == {None}

    def test_taxes_are_half_up(self) -> None:
        for one in rows("taxes.json"):
            divisor = 1000 + one["vat_per_mille"] + one["city_tax_per_mille"]
            sign = -1 if one["total_mongo"] < 0 else 1
            for rate, tax in (("vat_per_mille", "vat_mongo"), ("city_tax_per_mille", "city_tax_mongo")):
                exact = Fraction(abs(one["total_mongo"]) * one[rate], divisor)
                assert one[tax] == sign * int(exact + Fraction(1, 2)), one

    def test_lottery_numbers(self) -> None:
        for one in rows("lottery.json"):
            assert reader.lottery(bytes.fromhex(one["root_hash"])) == one["lottery"]

    def test_turnovers(self) -> None:
        for one in rows("turnovers.json"):
            scope = {name: one[name] for name in ("seller", "terminal", "epoch")}
            key = turnover_key(bytes.fromhex(one["master"]), **scope)
            opened = qr.open_turnover(bytes.fromhex(one["sealed"]), turnover_key=key, id=ReceiptId.parse(one["id"]))
            assert (key.hex(), opened) == (one["key"], one["turnover_mongo"])


class TestPages:
    """Every run of hexadecimal in a worked example stands in a vector."""

    HELD = re.sub(r"\s", "", "".join(path.read_text() for path in sorted(Path(FOLDER).glob("*.json")))).lower()

    @pytest.mark.parametrize(
        "page", ["receipt-id", "document", "qr-v1", "chain", "keys", "verification", "lottery-number"]
    )
    def test_show_what_the_vectors_hold(self, page: str) -> None:
        examples = (DOCS / f"{page}.md").read_text().partition("## Worked example")[2]
        runs = re.findall(r"\b[0-9a-f]{16,}\b|MB1:[^`]{216}", examples)
        assert runs
        missing = [run for run in runs if re.sub(r"\s", "", run).lower() not in self.HELD]
        assert missing == []
