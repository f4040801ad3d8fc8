"""A second reader of receipts, written from docs/formats alone.

It imports nothing of the project: the standard library, and one Ed25519 verification. Each part names its page.

    python tests/independent/reader_v1.py --keys keys.json qr.txt

reads a file of QR texts, one a line. Exit code 0: all are genuine; 1: one is not; 2: a file is unusable.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Ulaanbaatar")
FIRST_DAY = date(2000, 1, 7)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
NATURES = ("sale", "invoice", "payment", "correction", "void", "training", "start", "closing")
SALE, PAYMENT, CORRECTION, VOID, START, CLOSING = 0, 2, 3, 4, 6, 7


class Refused(Exception):  # noqa: N818  # the word of verification.md
    """A step of verification.md does not hold; of a revoked key the answer is "ask the centre"."""

    def __init__(self, step: int, why: str) -> None:
        super().__init__(f"step {step}: {why}")
        self.step = step
        self.why = why


class UnusableKeyList(Exception):  # noqa: N818
    """The published list is not what keys.md says."""


@dataclass(frozen=True)
class Key:
    """An entry of the key list (keys.md)."""

    public: bytes
    role: str
    not_before: int
    not_after: int
    revoked: bool
    scope: tuple[int, int] | None


Keys = dict[bytes, Key]
Fields = dict[str, Any]


def signature_holds(public: bytes, signature: bytes, message: bytes) -> bool:
    """Ed25519 (RFC 8032): the one thing that the standard library lacks."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # all else runs without it
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# keys.md


def must(holds: object, what: str) -> None:
    """Refuse the list when it is not what keys.md says."""
    if not holds:
        raise UnusableKeyList(what)


def from_base64url(text: Any) -> bytes:
    """Base64url without padding, in its one spelling."""
    octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    must(base64.urlsafe_b64encode(octets).rstrip(b"=").decode() == text, "not the one spelling of base64url")
    return octets


def unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Take a JSON object of which no member stands twice."""
    must(len({name for name, _ in members}) == len(members), "a member stands twice")
    return dict(members)


def seconds_of(text: Any) -> int:
    """Read a time in its one spelling as seconds since 1970."""
    pattern = r"(20[0-9]{2}|210[0-5])-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+00:00"
    must(re.fullmatch(pattern, text), "no time")
    return int(datetime.fromisoformat(text).timestamp())


def read_entry(entry: dict[str, Any]) -> tuple[bytes, Key]:
    """One entry of the list: exactly the members of the table."""
    till = entry["role"] == "till"
    members = {"kid", "public_key", "role", "epoch", "not_before", "not_after", "revoked_at"}
    must(set(entry) == members | ({"seller", "terminal"} if till else set()), "an entry has other members")
    must(entry["role"] in {"root", "gateway", "till"} and type(entry["epoch"]) is int, "no such role or epoch")
    must(not till or re.fullmatch("[0-9]{12} [0-9]{8}", f"{entry['seller']} {entry['terminal']}"), "no such till")
    public, revoked = from_base64url(entry["public_key"]), entry["revoked_at"] is not None
    kid = hashlib.sha256(public).digest()[:8]
    must(len(public) == 32 and kid.hex() == entry["kid"], "a kid is not that of its key")
    must(not revoked or seconds_of(entry["revoked_at"]) is not None, "no such time")
    scope = (int(entry["seller"]), int(entry["terminal"])) if till else None
    return kid, Key(
        public, entry["role"], seconds_of(entry["not_before"]), seconds_of(entry["not_after"]), revoked, scope
    )


def read_jws(text: str, typ: str, members: set[str]) -> tuple[dict[str, Any], list[tuple[bytes, Key]]]:
    """Take one compact JWS apart: its body and the entries in it. Whose signature it bears is looked at afterwards."""
    must(len(text) <= 16 * 2**20, "too long")
    header, body, _ = text.split(".")
    must(from_base64url(header) == b'{"alg":"Ed25519","typ":"%s"}' % typ.encode(), "another header")
    content = json.loads(from_base64url(body), object_pairs_hook=unique)
    must(set(content) == members | {"issued_at", "version", "keys"}, "other members in the body")
    must(type(content["version"]) is int and seconds_of(content["issued_at"]) is not None, "no such version or time")
    entries = [read_entry(entry) for entry in content["keys"]]
    must(all(one < other for (one, _), (other, _) in pairwise(entries)), "the kids do not ascend")
    return content, entries


def must_be_signed(text: str, roots: list[bytes]) -> None:
    """Refuse what none of the roots has signed."""
    signed, _, seal = text.rpartition(".")
    signature = from_base64url(seal)
    must(any(signature_holds(root, signature, signed.encode()) for root in roots), "no root has signed it")


def take_apart(published: dict[str, Any] | str, pinned: bytes | None) -> Keys:
    """Read a key file; what is malformed may raise any error of Python's."""
    if isinstance(published, str):
        published = json.loads(published, object_pairs_hook=unique)
    must(isinstance(published, dict) and set(published) - {"shards"} == {"keys", "signed"}, "not the members of a file")
    content, head = read_jws(published["signed"], "barimt-keys+jwt", set())  # type: ignore[index]
    must(all(key.role != "till" for _, key in head), "a till key in the head")
    roots = [key.public for kid, key in head if key.role == "root" and not key.revoked and pinned in {None, kid}]
    must_be_signed(published["signed"], roots)  # type: ignore[index]
    shown, signed = (json.dumps(keys, sort_keys=True) for keys in (published["keys"], content["keys"]))  # type: ignore[index]
    must(shown == signed, "the keys shown are not the keys signed")
    keys = dict(head)
    for prefix, text in published.get("shards", {}).items():  # type: ignore[union-attr]
        content, shard = read_jws(text, "barimt-till-keys+jwt", {"prefix"})
        must(content["prefix"] == prefix and re.fullmatch("[0-9a-f]{2}", prefix), "a shard under another prefix")
        must(all(key.role == "till" and kid.hex().startswith(prefix) for kid, key in shard), "a key of elsewhere")
        must_be_signed(text, roots)
        keys |= dict(shard)
    return keys


def read_key_list(published: dict[str, Any] | str, pinned: bytes | None = None) -> Keys:
    """Read the published list: its JWS is verified, by the root of the pinned kid, before any key of it is used."""
    try:
        return take_apart(published, pinned)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise UnusableKeyList(str(error)) from error


# qr-v1.md and receipt-id.md


def cose_of(text: str) -> bytes:
    """Verify steps 1 and 2: the 144 octets of a text."""
    if not text.startswith("MB1:"):
        raise Refused(1, "prefix")
    if len(text) != 220:
        raise Refused(1, "length")
    values = [ALPHABET.find(character) for character in text[4:]]
    if -1 in values:
        raise Refused(2, "base45")
    octets = bytearray()
    for c, d, e in zip(values[::3], values[1::3], values[2::3], strict=True):
        pair = c + 45 * d + 2025 * e
        if pair > 65535:
            raise Refused(2, "base45")
        octets += pair.to_bytes(2, "big")
    return bytes(octets)


def fields_of(cose: bytes) -> Fields:
    """Take the payload apart; nothing is judged yet."""

    def unsigned(start: int, length: int) -> int:
        return int.from_bytes(payload[start : start + length], "big")

    payload = cose[18:78]
    number, kind = unsigned(0, 14), unsigned(30, 2)
    return {
        "kid": cose[7:15],
        "id": f"{number:033d}",
        "seller": number // 10**21,
        "branch": number // 10**18 % 10**3,
        "day": number // 10**13 % 10**5,
        "number": number // 10**8 % 10**5,
        "terminal": number % 10**8,
        "issued_at": unsigned(14, 4),
        "total": int.from_bytes(payload[18:24], "big", signed=True),
        "vat": int.from_bytes(payload[24:30], "big", signed=True),
        "kind": kind,
        "nature": kind & 15,
        "business": bool(kind & 16),
        "till": bool(kind & 32),
        "test": bool(kind & 64),
        "lottery": bool(kind & 128),
        "counter": unsigned(32, 4),
        "chain": payload[36:44],
        "turnover": payload[44:52],
        "document": payload[52:60],
        "hash": hashlib.sha256(cose).digest(),
    }


def lottery(root_hash: bytes) -> str:
    """The number on the receipt (lottery-number.md), from the receipt hash of the root."""
    h = hashlib.sha256(b"lottery" + root_hash).digest()
    return f"{chr(65 + h[0] % 26)}{chr(65 + h[1] % 26)} {int.from_bytes(h[2:10], 'big') % 10**8:08d}"


# verification.md


def judge_key(fields: Fields, keys: Keys) -> Key:
    """Verify step 4."""
    key = keys.get(fields["kid"])
    if key is None or key.role == "root":
        raise Refused(4, "unknown")
    if key.role == "till" and key.scope != (fields["seller"], fields["terminal"]):
        raise Refused(4, "scope")
    if not key.not_before <= fields["issued_at"] <= key.not_after:
        raise Refused(4, "time")
    return key


def judge_kind_and_ranges(fields: Fields, key: Key) -> None:
    """Verify step 6."""
    nature = fields["nature"]
    if fields["kind"] >> 8 or nature >= len(NATURES) or fields["till"] != (key.role == "till"):
        raise Refused(6, "kind")
    if fields["lottery"] and (nature not in {SALE, PAYMENT, CORRECTION} or fields["business"]):
        raise Refused(6, "kind")
    day = (datetime.fromtimestamp(fields["issued_at"], ZONE).date() - FIRST_DAY).days
    if len(fields["id"]) != 33 or fields["day"] != day:
        raise Refused(6, "id")
    sign = -1 if nature == VOID else 1
    if not 0 <= sign * fields["vat"] <= sign * fields["total"] or (nature in {START, CLOSING} and fields["total"]):
        raise Refused(6, "amounts")


def verify_alone(text: str, keys: Keys) -> Fields:
    """Verify steps 1 to 6, and whether the key is revoked."""
    cose = cose_of(text)
    if (cose[0:7], cose[15:18], cose[78:80]) != (b"\x84\x4d\xa2\x01\x32\x04\x48", b"\xa0\x58\x3c", b"\x58\x40"):
        raise Refused(3, "constants")
    fields = fields_of(cose)
    key = judge_key(fields, keys)
    if not signature_holds(key.public, cose[80:], b"\x84\x6aSignature1" + cose[1:15] + b"\x40" + cose[16:78]):
        raise Refused(5, "signature")
    judge_kind_and_ranges(fields, key)
    if key.revoked:
        raise Refused(4, "revoked")
    return fields


def judge_link(link: Fields, previous: Fields) -> None:
    """Verify step 8 (chain.md) of two receipts that are verified by themselves."""
    if (link["seller"], link["terminal"]) != (previous["seller"], previous["terminal"]):
        raise Refused(8, "terminal")
    if link["counter"] != previous["counter"] + 1:
        raise Refused(8, "counter")
    if link["chain"] != previous["hash"][:8]:
        raise Refused(8, "link")
    if link["issued_at"] < previous["issued_at"]:
        raise Refused(8, "time")


def verify(text: str, keys: Keys, *, document: bytes | None = None, previous: str | None = None) -> Fields:
    """Walk the whole list; raises Refused at the first step that does not hold."""
    fields = verify_alone(text, keys)
    if document is not None:
        if hashlib.sha256(document).digest()[:8] != fields["document"]:
            raise Refused(7, "digest")
        read_document(document)
    if previous is not None:
        try:
            before = verify_alone(previous, keys)
        except Refused as error:
            raise Refused(8, "predecessor") from error
        judge_link(fields, before)
    return fields


# document.md: a value is taken only in the shape that the tables give it


def head(octets: bytes, at: int) -> tuple[int, int, int]:
    """Read a CBOR head in its shortest form: major type, argument, where the rest begins."""
    if at >= len(octets):
        raise Refused(7, "form")
    major, low = octets[at] >> 5, octets[at] & 31
    if low < 24:
        return major, low, at + 1
    end = at + 1 + (1 << max(low - 24, 0))
    argument = int.from_bytes(octets[at + 1 : end], "big")
    if low > 27 or end > len(octets) or argument < (24, 2**8, 2**16, 2**32)[low - 24]:
        raise Refused(7, "form")
    return major, argument, end


def as_text(pattern: str, octets: bytes) -> str:
    """Take a text in NFC without U+0000 that fits the pattern."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(7, "form") from error
    if "\0" in text or not unicodedata.is_normalized("NFC", text) or not re.fullmatch(pattern, text, re.DOTALL):
        raise Refused(7, "form")
    return text


def read_item(shape: Any, octets: bytes, at: int) -> tuple[Any, int]:
    """Read one item: of a range, a text of a pattern, an array [shape, least length] or a map {key: shape}."""
    major, argument, at = head(octets, at)
    if isinstance(shape, range):
        number = -1 - argument if major == 1 else argument
        if major <= 1 and number in shape:
            return number, at
    elif isinstance(shape, str) and major == 3 and at + argument <= len(octets):
        return as_text(shape, octets[at : at + argument]), at + argument
    elif isinstance(shape, list) and major == 4 and argument >= shape[1]:
        items = []
        for _ in range(argument):
            value, at = read_item(shape[0], octets, at)
            items.append(value)
        return items, at
    elif isinstance(shape, dict) and major == 5:
        found: dict[int, Any] = {}
        for _ in range(argument):
            kind, key, at = head(octets, at)
            if kind != 0 or key not in shape or any(key <= earlier for earlier in found):
                raise Refused(7, "form")
            found[key], at = read_item(shape[key], octets, at)
        if shape[ALWAYS] <= set(found):
            return found, at
    raise Refused(7, "form")


ALWAYS = "always"
TEXT, ID, AMOUNT = ".*", "[0-9]{33}", range(1 - 2**47, 2**47)
LINE = {ALWAYS: {0, 1, 2, 4}, 3: AMOUNT, 4: AMOUNT, 5: range(1, 2)} | dict.fromkeys((0, 1, 2, 6, 7, 8), TEXT)
PART = {ALWAYS: set(range(6)), 0: TEXT, 1: range(4), 2: AMOUNT, 3: AMOUNT, 4: AMOUNT, 5: [LINE, 0], 6: ID}
DOCUMENT = {ALWAYS: {0}, 0: range(1, 2), 1: range(2**32), 2: TEXT, 3: TEXT, 4: ID, 5: ID, 6: ID}
DOCUMENT |= {7: "[0-9]{4}", 8: [PART, 1], 9: TEXT, 10: "20[0-9]{2}-(0[1-9]|1[0-2])"}


def read_document(octets: bytes) -> dict[int, Any]:
    """Read a canonical document as nested maps with the integer keys of document.md."""
    fields, end = read_item(DOCUMENT, octets, 0)
    if end != len(octets) or end > 524_288:
        raise Refused(7, "form")
    return dict(fields)


# the command line


def check_links(genuine: list[Fields], refused: Counter[str]) -> int:
    """Check step 8 of all neighbours of each chain; gives their number."""
    at: dict[tuple[int, int, int], list[Fields]] = {}
    for fields in genuine:
        at.setdefault((fields["seller"], fields["terminal"], fields["counter"]), []).append(fields)
    pairs = [(link, last) for (s, t, c), links in at.items() for last in at.get((s, t, c - 1), []) for link in links]
    for link, before in pairs:
        try:
            judge_link(link, before)
        except Refused as error:
            refused[str(error)] += 1
    return len(pairs)


def main(arguments: list[str] | None = None) -> int:
    """Verify a file of texts and say what was found."""
    parser = argparse.ArgumentParser(description="verifies receipts, one QR text a line")
    parser.add_argument("--keys", type=Path, required=True, help="the published key list")
    parser.add_argument("texts", type=Path)
    options = parser.parse_args(arguments)
    try:
        keys = read_key_list(options.keys.read_text("utf-8"))
        texts = options.texts.read_text("utf-8").removesuffix("\n").split("\n")
        must(any(texts), "no text")
    except (OSError, UnicodeError, UnusableKeyList) as error:
        sys.stderr.write(f"unusable: {error}\n")
        return 2
    genuine, refused = [], Counter[str]()
    for text in texts:
        try:
            genuine.append(verify(text, keys))
        except Refused as error:
            refused[str(error)] += 1
    links = check_links(genuine, refused)
    natures = Counter(fields["nature"] for fields in genuine)
    lines = [f"read {len(texts)}", f"genuine {len(genuine)}", f"links checked {links}"]
    lines += [f"refused at {what}: {number}" for what, number in sorted(refused.items())]
    lines += [f"{name} {natures[nature]}" for nature, name in enumerate(NATURES)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
