"""Two readers that share no line give the same answer: the project's and the one written from the formats' pages."""

import contextlib
import hashlib
import importlib.util
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.refusal import Malformed
from receipts import verification
from receipts.chain import ChainKey, Link, advance
from receipts.document import Document, Line, Part, decode_document, encode_document
from receipts.key_list import prefix_of, read_key_file, sign_key_list, sign_shard
from receipts.keys import Key, KeyRole, key_as_json
from receipts.receipt import Nature, TaxType, lottery_number
from tests.changing import replace
from tests.receipts.examples import (
    BY_GATEWAY,
    BY_TILL,
    GATEWAY,
    GATEWAY_KEY,
    NOON,
    ROOT,
    ROOT_KEY,
    SALE,
    SELLER,
    STRANGER,
    TILL,
    TILL_KEY,
    draft,
    head,
    key_of,
)

READER = Path(__file__).with_name("reader_v1.py")
VECTORS = sorted((Path(__file__).parents[1] / "vectors").glob("*.json"))
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def load_reader() -> Any:
    spec = importlib.util.spec_from_file_location("reader_v1", READER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reader_v1"] = module
    spec.loader.exec_module(module)
    return module


reader = load_reader()


class Ring:
    """The same keys as both readers hold them, each by its own reading of the published list."""

    def __init__(self, *keys: Key) -> None:
        listed = sorted((ROOT_KEY, *keys), key=lambda key: key.kid)
        tills = [key for key in listed if key.role is KeyRole.TILL]
        head = [key for key in listed if key.role is not KeyRole.TILL]
        signed = sign_key_list(head, version=1, issued_at=NOON, root=ROOT)
        shards = {
            prefix: sign_shard(named, prefix=prefix, version=1, issued_at=NOON, root=ROOT)
            for prefix, found in groupby(tills, key=lambda key: prefix_of(key.kid))
            for named in [list(found)]
        }
        self.published = {"keys": [key_as_json(key) for key in head], "signed": signed, "shards": shards}
        self.project, _ = read_key_file(json.dumps(self.published).encode())
        self.reader = reader.read_key_list(json.dumps(self.published))


def taken(published: dict[str, Any]) -> bool:
    """Whether both readers take a key file; that they agree, and on the same keys."""
    found: list[set[bytes] | None] = [None, None]
    with contextlib.suppress(Malformed):
        found[0] = set(read_key_file(json.dumps(published).encode())[0])
    with contextlib.suppress(reader.UnusableKeyList):
        found[1] = set(reader.read_key_list(json.dumps(published)))
    assert found[0] == found[1], found
    return found[0] is not None


RING = Ring(GATEWAY_KEY, TILL_KEY)
MINUTE = timedelta(minutes=1)
OTHER_ID = "037900846788001095330000010012619"


def a_chain(key: ChainKey) -> list[Link]:
    """A start, sales, a correction, a void, a payment, a training, a sale of the next day and a closing."""
    links: list[Link] = []
    at = head()
    steps: list[tuple[Nature, dict[str, Any]]] = [
        (Nature.START, {}),
        (Nature.SALE, {}),
        (Nature.SALE, {"business": True, "lottery": False, "part_sellers": (SELLER, 5)}),
        (Nature.INVOICE, {"total_mongo": 2**47 - 1, "vat_mongo": 0}),
        (Nature.PAYMENT, {"lottery": True}),
        (Nature.CORRECTION, {"lottery": True, "total_mongo": 0, "vat_mongo": 0}),
        (Nature.VOID, {"total_mongo": -560000, "vat_mongo": -50909}),
        (Nature.TRAINING, {}),
        (Nature.SALE, {"total_mongo": 1, "vat_mongo": 1}),
        (Nature.CLOSING, {}),
    ]
    for number, (nature, fields) in enumerate(steps):
        link, at = advance(at, draft(nature, **fields), issued_at=NOON + number * 2 * 60 * MINUTE, key=key)
        links.append(link)
    return links


def base45(octets: bytes) -> str:
    text = ""
    for high, low in zip(octets[::2], octets[1::2], strict=True):
        rest, c = divmod(256 * high + low, 45)
        e, d = divmod(rest, 45)
        text += ALPHABET[c] + ALPHABET[d] + ALPHABET[e]
    return text


def text_of(cose: bytes) -> str:
    return "MB1:" + base45(cose)


def signed(payload: bytes, by: Ed25519PrivateKey, named: Ed25519PrivateKey | None = None) -> str:
    """Any payload with a good signature, under its own kid or another's."""
    kid = hashlib.sha256((named or by).public_key().public_bytes_raw()).digest()[:8]
    protected, tail = b"\x4d\xa2\x01\x32\x04\x48" + kid, b"\x58\x3c" + payload
    seal = by.sign(b"\x84\x6aSignature1" + protected + b"\x40" + tail)
    return text_of(b"\x84" + protected + b"\xa0" + tail + b"\x58\x40" + seal)


GATEWAY_CHAIN, TILL_CHAIN = a_chain(BY_GATEWAY), a_chain(BY_TILL)
CHAINS = {GATEWAY: GATEWAY_CHAIN, TILL: TILL_CHAIN}
LINKS = [*GATEWAY_CHAIN, *TILL_CHAIN]
TEXTS = [text_of(link.cose) for link in LINKS]
TEXT, PAYLOAD = TEXTS[1], LINKS[1].cose[18:78]


def with_field(payload: bytes, at: int, length: int, value: int) -> bytes:
    return payload[:at] + (value % 256**length).to_bytes(length, "big") + payload[at + length :]


def fields_of_project(found: verification.Verified) -> dict[str, Any]:
    payload, kind = found.payload, found.kind
    return {
        "kid": found.key.kid, "id": str(payload.id), "seller": payload.id.seller, "branch": payload.id.branch,
        "day": payload.id.day, "number": payload.id.number, "terminal": payload.id.terminal,
        "issued_at": payload.issued_at, "total": payload.total_mongo, "vat": payload.vat_mongo,
        "kind": payload.kind_bits, "nature": int(kind.nature), "business": kind.business, "till": kind.by_till,
        "test": kind.test, "lottery": kind.lottery, "counter": payload.counter, "chain": payload.chain,
        "turnover": payload.turnover_sealed, "document": payload.document, "hash": found.receipt_hash,
    }  # fmt: skip


Answer = dict[str, Any] | tuple[int, str]


def answers(text: str, ring: Ring, document: bytes | None, previous: str | None) -> tuple[Answer, Answer]:
    ours: Answer
    theirs: Answer
    try:
        found = verification.verify_receipt(text, ring.project, document=document, previous=previous)
        ours = fields_of_project(found)
    except verification.AskTheCentre:
        ours = (4, "revoked")
    except verification.NotGenuine as refused:
        ours = (refused.step, refused.why)
    try:
        theirs = reader.verify(text, ring.reader, document=document, previous=previous)
    except reader.Refused as refused:
        theirs = (refused.step, refused.why)
    return ours, theirs


def agreed(text: str, ring: Ring = RING, *, document: bytes | None = None, previous: str | None = None) -> str:
    """The word on which both readers agree."""
    ours, theirs = answers(text, ring, document, previous)
    assert ours == theirs, (text, document and document.hex(), previous)
    return "genuine" if isinstance(ours, dict) else f"{ours[0]} {ours[1]}"


def words(texts: Iterable[str], ring: Ring = RING) -> Counter[str]:
    return Counter(agreed(text, ring) for text in texts)


class TestGenuine:
    @pytest.mark.parametrize("chain", CHAINS.values(), ids=["gateway", "till"])
    def test_every_link_with_its_document_and_its_predecessor(self, chain: list[Link]) -> None:
        for number, link in enumerate(chain):
            previous = text_of(chain[number - 1].cose) if number else None
            assert agreed(text_of(link.cose), document=link.document, previous=previous) == "genuine"

    def test_lottery_numbers(self) -> None:
        for number in range(500):
            root_hash = hashlib.sha256(bytes([number % 256, number // 256])).digest()
            ours = lottery_number(root_hash)
            assert reader.lottery(root_hash) == f"{ours.letters} {ours.digits}"


class TestEditedTexts:
    def test_single_characters(self) -> None:
        strange = "aé\n\x00,_\u0661\U0001f600"
        edits = (
            TEXT[:at] + other + TEXT[at + 1 :]
            for at in range(len(TEXT))
            for other in [*strange, *(ALPHABET[(ALPHABET.index(TEXT[at]) + step) % 45] for step in (1, 3, 8, 20, 44))]
        )
        found = words(edits)
        assert set(found) == {"1 prefix", "2 base45", "3 constants", "4 unknown", "4 time", "5 signature"}
        assert found.total() == 220 * 13

    def test_swapped_characters(self) -> None:
        edits = [
            TEXT[:a] + TEXT[b] + TEXT[a + 1 : b] + TEXT[a] + TEXT[b + 1 :]
            for step in (1, 3, 90)
            for a, b in ((at, at + step) for at in range(220 - step))
        ]
        assert {"genuine", "1 prefix", "5 signature"} <= set(words(edits))

    def test_other_lengths(self) -> None:
        edits = [TEXT[:end] for end in range(4, 220)] + [TEXT[:4] + TEXT[start:] for start in range(5, 220)]
        edits += [TEXT + more for more in ("0", "\n", " ", TEXT)] + [f"{TEXT[:-1]}\r\n"]
        assert words(edits) == {"1 length": len(edits)}

    @pytest.mark.parametrize("text", ["", TEXT[:3], TEXT[1:], " " + TEXT, "\ufeff" + TEXT, "MB2:" + TEXT[4:-1]])
    def test_of_another_length_and_prefix(self, text: str) -> None:
        assert agreed(text) == "1 prefix"

    def test_other_prefixes_and_alphabets(self) -> None:
        edits = [prefix + TEXT[4:] for prefix in ("mb1:", "MB2:", "MB1;", "MB1 ", "    ")]
        assert words(edits) == {"1 prefix": 5}
        edits = ["MB1:" + TEXT[4:].lower(), "MB1:" + ":" * 216, "MB1:" + "0" * 216, "MB1:" + TEXT[:3:-1]]
        edits += [TEXT[:at] + triple + TEXT[at + 3 :] for at in range(4, 220, 3) for triple in (":::", "GGW", "FGW")]
        assert set(words(edits)) <= {"2 base45", "3 constants", "4 unknown", "4 time", "5 signature"}

    def test_single_bits(self) -> None:
        cose = LINKS[1].cose
        edits = [
            text_of(cose[:at] + bytes([cose[at] ^ 1 << bit]) + cose[at + 1 :]) for at in range(144) for bit in range(8)
        ]
        # what a gateway signed knows no scope and one bit of the time leaves the year: the signature comes later
        assert set(words(edits)) == {"3 constants", "4 unknown", "4 time", "5 signature"}


def payloads(link: Link) -> Iterator[bytes]:
    """Every field of a payload at values that matter, and every bit of it."""
    payload = link.cose[18:78]
    for bit in range(480):
        yield with_field(payload, 0, 60, int.from_bytes(payload, "big") ^ 1 << bit)
    number = int.from_bytes(payload[:14], "big")
    for id_ in (0, 10**33 - 1, 10**33, 10**33 + number, 2**112 - 1, number + 10**13, number - 10**13, number + 10**21):
        yield with_field(payload, 0, 14, id_)
    seconds = int.from_bytes(payload[14:18], "big")
    for time in (
        0,
        2**32 - 1,
        seconds // 86400 * 86400 + 57599,
        seconds // 86400 * 86400 + 57600,
        947174399,
        947174400,
    ):
        yield with_field(payload, 14, 4, time)
    amounts = (0, 1, -1, 100, -100, 2**47 - 1, -(2**47), -(2**47) + 1)
    for total in amounts:
        for vat in amounts:
            for nature in range(8):
                kind = int.from_bytes(payload[30:32], "big") & 32 | nature
                changed = with_field(with_field(payload, 18, 6, total), 24, 6, vat)
                yield with_field(changed, 30, 2, kind)
    for kind in [*range(256), *(1 << bit for bit in range(8, 16)), 65535]:
        yield with_field(payload, 30, 2, kind)


class TestPayloadsSignedAnew:
    @pytest.mark.parametrize("number", [1, 6], ids=["sale", "void"])
    def test_by_the_right_key(self, number: int) -> None:
        for by, chain in CHAINS.items():
            found = words(signed(payload, by) for payload in payloads(chain[number]))
            assert {"genuine", "4 time", "6 kind", "6 id", "6 amounts"} <= set(found)
            assert ("4 scope" in found) == (by is TILL)

    def test_by_a_wrong_key(self) -> None:
        drawn = list(payloads(LINKS[1]))[::3]
        assert set(words(signed(payload, STRANGER) for payload in drawn)) == {"4 unknown"}
        assert set(words(signed(payload, ROOT) for payload in drawn)) == {"4 unknown"}
        assert set(words(signed(payload, STRANGER, GATEWAY) for payload in drawn)) == {"4 time", "5 signature"}
        assert {"4 scope", "4 time", "5 signature"} == set(words(signed(payload, STRANGER, TILL) for payload in drawn))
        assert {"4 scope", "4 time", "6 kind"} <= set(words(signed(payload, TILL) for payload in drawn))

    def test_a_signature_that_is_not_canonical(self) -> None:
        order = 2**252 + 27742317777372353535851937790883648493
        cose = LINKS[1].cose
        scalar = (int.from_bytes(cose[112:], "little") + order).to_bytes(32, "little")
        assert agreed(text_of(cose[:112] + scalar)) == "5 signature"
        assert agreed(text_of(cose[:80] + bytes(64))) == "5 signature"


class TestKeys:
    def test_revoked(self) -> None:
        for by, role in ((GATEWAY, KeyRole.GATEWAY), (TILL, KeyRole.TILL)):
            for moment in (NOON - 600 * MINUTE, NOON, datetime(2019, 1, 1, tzinfo=UTC)):
                ring = Ring(key_of(by, role, revoked_at=moment))
                found = words((signed(payload, by) for payload in [*payloads(CHAINS[by][1])][::9]), ring)
                assert {"4 revoked", "6 kind", "6 id", "6 amounts"} <= set(found)
                assert "genuine" not in found
                link = CHAINS[by][1]
                assert agreed(text_of(link.cose), ring, document=b"", previous="") == "4 revoked"

    def test_at_the_ends_of_their_time(self) -> None:
        for first, last, word in ((0, 0, "genuine"), (1, 1, "4 time"), (-1, -1, "4 time"), (-1, 1, "genuine")):
            at, second = LINKS[1].issued_at, timedelta(seconds=1)
            key = key_of(GATEWAY, KeyRole.GATEWAY, not_before=at + first * second, not_after=at + last * second)
            assert agreed(TEXT, Ring(key)) == word

    @pytest.mark.parametrize("scope", [{"seller": SELLER + 1}, {"terminal": 1}, {"seller": 0, "terminal": 0}])
    def test_out_of_scope(self, scope: dict[str, int]) -> None:
        assert set(words(TEXTS[10:], Ring(key_of(TILL, KeyRole.TILL, **scope)))) == {"4 scope"}

    def test_out_of_scope_and_out_of_time(self) -> None:
        key = key_of(TILL, KeyRole.TILL, seller=1, not_after=datetime(2017, 1, 2, tzinfo=UTC))
        assert set(words(TEXTS[10:], Ring(key))) == {"4 scope"}

    def test_of_another_role(self) -> None:
        exchanged = Ring(key_of(TILL, KeyRole.GATEWAY), key_of(GATEWAY, KeyRole.TILL))
        assert set(words(TEXTS, exchanged)) == {"6 kind"}
        assert set(words(TEXTS, Ring(key_of(GATEWAY, KeyRole.ROOT)))) == {"4 unknown"}

    def test_the_list_changed(self) -> None:
        """Any character of the signed list: what one reader takes, the other takes, and with the same keys."""
        whole = RING.published["signed"]
        for at in range(0, len(whole), 3):
            for other in "A_.=":
                changed = whole[:at] + other + whole[at + 1 :]
                if changed != whole:
                    assert not taken({**RING.published, "signed": changed})

    def test_the_shard_changed(self) -> None:
        [(prefix, whole)] = RING.published["shards"].items()
        for at in range(0, len(whole), 3):
            for other in "A_.=":
                changed = whole[:at] + other + whole[at + 1 :]
                if changed != whole:
                    assert not taken({**RING.published, "shards": {prefix: changed}})

    def test_shards_that_are_none(self) -> None:
        [(prefix, whole)] = RING.published["shards"].items()
        for shards in (None, [], {"": whole}, {prefix.upper() + "0": whole}, {prefix: None}, {prefix: ""},
                       {prefix: RING.published["signed"]}):  # fmt: skip
            assert not taken({**RING.published, "shards": shards})
        assert taken({**RING.published, "shards": {}})
        assert not taken({**RING.published, "more": 1})

    def test_the_list_shown_differs_from_the_list_signed(self) -> None:
        shown = RING.published["keys"]
        for keys in (shown[:-1], shown[::-1], [], {}, None, [{**shown[0], "epoch": 2}, *shown[1:]]):
            assert not taken({**RING.published, "keys": keys})


LOAF = Line("Талх", "1.000", "ш", 560000, unit_price_mongo=-(2**47) + 1, city_tax=True, classification="2349010",
            tax_product="1", barcode="19059010880001")  # fmt: skip
RICH = Document(
    parts=(
        Part("37900846788", TaxType.VAT_ABLE, 2**47 - 1, 50909, 0, (LOAF, LOAF)),
        Part("5", TaxType.NO_VAT, 0, 0, 0, (), LINKS[3].id),
    ),
    reference="till-1", buyer_tin="12345678901", root_id=LINKS[1].id, previous_id=LINKS[2].id,
    pays_invoice=LINKS[3].id, reason="алдаа", report_month="2017-02",
)  # fmt: skip


def word_of_document(octets: bytes) -> str:
    """A receipt that vouches for these octets, with them: what both readers say of their form."""
    payload = PAYLOAD[:52] + hashlib.sha256(octets).digest()[:8]
    return agreed(signed(payload, GATEWAY), document=octets)


def names_a_district(octets: bytes) -> bool:
    """A key changed to 7: on districts the readers differ, as a test of its own says."""
    try:
        return decode_document(octets).district is not None
    except Malformed:
        return False


class TestDocuments:
    def test_another_than_was_signed(self) -> None:
        whole = LINKS[1].document
        edits = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
        for edit in [*edits, b"", whole + b"\0", whole[:-1], encode_document(RICH)]:
            assert agreed(TEXT, document=edit) == "7 digest"

    @pytest.mark.parametrize("content", [replace(SALE, sold_at=None), RICH, Document()], ids=["sale", "rich", "empty"])
    def test_octets_changed_and_vouched_for(self, content: Document) -> None:
        whole = encode_document(content)
        assert decode_document(whole) == content
        assert word_of_document(whole) == "genuine"
        edits = [whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :] for at in range(len(whole))
                 for flip in (1, 2, 0x20, 0x40, 0x80, 0x18)]  # fmt: skip
        edits += [whole[:at] + whole[at + 1 :] for at in range(len(whole))]
        edits += [whole[:at] + b"\x18" + whole[at:] for at in range(len(whole) + 1)]
        found = Counter(word_of_document(edit) for edit in edits if not names_a_district(edit))
        assert {"7 form"} <= set(found) <= {"7 form", "genuine"}
        assert len(edits) - found.total() < 3

    @pytest.mark.parametrize("name", sorted(DOCUMENT_CASES := {
        "sold_at u32": {1: 2**32 - 1},
        "short root": {4: "1"}, "long root": {4: "0" * 34}, "root": {4: "0" * 33},
        "arabic digits": {4: "٣" * 33}, "district": {7: "2401"},
        "no parts": {8: []},
        "part not a map": {8: [1]}, "part without lines": {8: [{0: "1", 1: 0, 2: 0, 3: 0, 4: 0}]},
        "part of no lines": {8: [{0: "1", 1: 0, 2: 0, 3: 0, 4: 0, 5: []}]},
        "tax type 4": {8: [{0: "1", 1: 4, 2: 0, 3: 0, 4: 0, 5: []}]},
        "empty tin": {8: [{0: "", 1: 3, 2: 0, 3: 0, 4: 0, 5: []}]},
        "large amount": {8: [{0: "1", 1: 0, 2: 2**47, 3: 0, 4: 0, 5: []}]},
        "small amount": {8: [{0: "1", 1: 0, 2: -(2**47), 3: 0, 4: 0, 5: []}]},
        "city tax 0": {8: [{0: "1", 1: 0, 2: 0, 3: 0, 4: 0, 5: [{0: "a", 1: "1", 2: "a", 4: 1, 5: 0}]}]},
        "city tax 1": {8: [{0: "1", 1: 0, 2: 0, 3: 0, 4: 0, 5: [{0: "a", 1: "1", 2: "a", 4: 1, 5: 1}]}]},
        "no quantity": {8: [{0: "1", 1: 0, 2: 0, 3: 0, 4: 0, 5: [{0: "a", 2: "a", 4: 1}]}]},
        "words as quantity": {8: [{0: "1", 1: 0, 2: 0, 3: 0, 4: 0, 5: [{0: "a", 1: "x", 2: "a", 4: 1}]}]},
        "reason": {9: "x"}, "empty reason": {9: ""}, "key 10": {10: 1}, "text key": {"a": 1}, "key -1": {-1: 1},
        "version 2": {0: 2}, "version true": {0: True}, "version 1.0": {0: 1.0}, "null": {2: None},
        "bytes": {2: b"a"}, "decomposed": {2: "и\u0306"}, "composed": {2: "й"}, "nul": {2: "a\0"},
        "line feed": {2: "a\nb"}, "reference of 24": {2: "a" * 24}, "buyer": {3: "anyone"},
        "not a character": {2: "\uffff"}, "singleton": {2: "\u212b"}, "hangul": {2: "\u1112\u1161"},
    }))  # fmt: skip
    def test_content_changed_and_vouched_for(self, name: str) -> None:
        content = {0: 1, **self.DOCUMENT_CASES[name]}
        assert word_of_document(cbor2.dumps(content, canonical=True)) in {"7 form", "genuine"}

    @pytest.mark.parametrize("octets", [
        "", "00", "a0", "a10001", "a1001801", "b80100 01", "bf0001ff", "a2000100 01", "a201000001", "a200010261ff",
        "a2000102 7f6161ff", "a20001 0261", "d9d9f7a10001", "a1000100", "81a10001", "a20001 08 9fff",
        "a20001 08 9bffffffffffffffff",
        "a20001 02 7bffffffffffffffff", "a2 0001 08 81", "81" * 5000, "a20001 02 63eda080", "a20001 02 62c080",
        "a1 1800 01",
    ])  # fmt: skip
    def test_cbor_of_another_kind(self, octets: str) -> None:
        word = word_of_document(bytes.fromhex(octets))
        assert word == ("genuine" if octets == "a10001" else "7 form")

    @pytest.mark.parametrize("sold_at", [-1, 2**32, 2**64 - 1])
    def test_a_time_beyond_the_range(self, sold_at: int) -> None:
        assert word_of_document(cbor2.dumps({0: 1, 1: sold_at}, canonical=True)) == "7 form"

    @pytest.mark.parametrize("district", ["", "1", "abcd", "240\n", "2401\n", "24010"])
    def test_a_district_that_is_not_four_digits(self, district: str) -> None:
        assert word_of_document(cbor2.dumps({0: 1, 7: district}, canonical=True)) == "7 form"

    def test_of_the_largest_size(self) -> None:
        whole = cbor2.dumps({0: 1, 2: "a" * (524_288 - 9)}, canonical=True)
        assert len(whole) == 524_288
        assert word_of_document(whole) == "genuine"

    def test_beyond_the_largest_size(self) -> None:
        assert word_of_document(cbor2.dumps({0: 1, 2: "a" * (524_289 - 9)}, canonical=True)) == "7 form"


class TestPredecessors:
    def test_every_pair(self) -> None:
        found = Counter(agreed(text, previous=previous) for text in TEXTS for previous in TEXTS)
        assert set(found) == {"genuine", "8 counter", "8 link"}
        assert found["genuine"] == 18

    def test_one_that_is_not_genuine(self) -> None:
        edits = [TEXT[:at] + ("0" if TEXT[at] != "0" else "1") + TEXT[at + 1 :] for at in range(0, 220, 5)]
        assert {agreed(TEXTS[2], previous=edit) for edit in [*edits, "", TEXT + "\n"]} == {"8 predecessor"}

    def test_one_by_a_revoked_key(self) -> None:
        ring = Ring(key_of(GATEWAY, KeyRole.GATEWAY, revoked_at=NOON), TILL_KEY)
        follower = with_field(LINKS[2].cose[18:78], 30, 2, 0x30)
        assert agreed(signed(follower, TILL), previous=TEXT) == "genuine"
        assert agreed(signed(follower, TILL), ring, previous=TEXT) == "8 predecessor"

    @pytest.mark.parametrize(("at", "length"), [(0, 14), (14, 4), (32, 4), (36, 8)])
    def test_fields_changed_and_signed_anew(self, at: int, length: int) -> None:
        payload = LINKS[2].cose[18:78]
        value = int.from_bytes(payload[at : at + length], "big")
        values = [value ^ 1 << bit for bit in range(8 * length)] + [
            value + 10**21,
            value - 10**21,
            value - 7200,
            value - 7201,
        ]
        found = Counter(agreed(signed(with_field(payload, at, length, to), GATEWAY), previous=TEXT) for to in values)
        expected = {0: "8 terminal", 14: "8 time", 32: "8 counter", 36: "8 link"}
        assert expected[at] in found

    def test_the_last_counter_has_no_successor(self) -> None:
        last = signed(with_field(PAYLOAD, 32, 4, 2**32 - 1), GATEWAY)
        assert agreed(signed(with_field(LINKS[2].cose[18:78], 32, 4, 0), GATEWAY), previous=last) == "8 counter"

    def test_the_document_comes_first(self) -> None:
        assert agreed(TEXTS[2], document=b"", previous="") == "7 digest"


def run_reader(folder: Path, texts: str, keys: str) -> subprocess.CompletedProcess[str]:
    (folder / "qr.txt").write_text(texts)
    (folder / "keys.json").write_text(keys)
    command = [sys.executable, "-I", str(READER), "--keys", str(folder / "keys.json"), str(folder / "qr.txt")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


class TestCommandLine:
    KEYS = json.dumps(RING.published)

    def test_genuine(self, tmp_path: Path) -> None:
        done = run_reader(tmp_path, "\n".join(TEXTS[:10]) + "\n", self.KEYS)
        assert done.returncode == 0
        assert done.stdout.splitlines()[:3] == ["read 10", "genuine 10", "links checked 9"]
        assert {"sale 3", "void 1", "start 1"} <= set(done.stdout.splitlines())

    def test_one_is_not(self, tmp_path: Path) -> None:
        done = run_reader(tmp_path, "\n".join([*TEXTS[:10], TEXT[:-1]]), self.KEYS)
        assert done.returncode == 1
        assert "refused at step 1: length: 1" in done.stdout.splitlines()

    def test_a_link_does_not_follow(self, tmp_path: Path) -> None:
        done = run_reader(tmp_path, "\n".join([TEXTS[1], TEXTS[12]]), self.KEYS)
        assert done.returncode == 1
        assert "refused at step 8: link: 1" in done.stdout.splitlines()

    def test_an_unusable_file(self, tmp_path: Path) -> None:
        assert run_reader(tmp_path, TEXT, "{}").returncode == 2
        assert run_reader(tmp_path, TEXT, self.KEYS.replace("gateway", "till")).returncode == 2
        assert run_reader(tmp_path, "", self.KEYS).returncode == 2


def texts_in(value: Any) -> Iterator[str]:
    """Every QR text of a vector, wherever it stands."""
    if isinstance(value, str):
        if value.startswith("MB1:") or len(value) == 220:
            yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_in(inner)


class TestVectors:
    def test_every_text(self) -> None:
        """Whatever keys a vector was made with: both readers say the same of its texts by the keys of this page."""
        for path in VECTORS:
            words(texts_in(json.loads(path.read_text("utf-8"))))
