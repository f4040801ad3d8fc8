"""Who signs in the vectors: private keys made of their names (published here, so never to be used), and key lists."""

import base64
import hashlib
import itertools
import json
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from receipts import qr
from receipts.key_list import sign_key_list, sign_shard
from receipts.keys import Key, KeyRole, key_as_json, kid_of

SELLER, TERMINAL, TILL_TERMINAL = 37900846788, 10012619, 20000001
LISTED_AT = datetime(2017, 2, 28, 16, tzinfo=UTC)
MASTER = hashlib.sha256(b"barimt test vectors: turnover master").digest()


def seed_of(name: str) -> bytes:
    """The 32 private bytes of a name."""
    return hashlib.sha256(b"barimt test vectors: " + name.encode()).digest()


PRIVATE = {
    name: Ed25519PrivateKey.from_private_bytes(seed_of(name))
    for name in ("root", "second root", "gateway", "gateway of 2016", "till", "stranger")
}


def published(name: str, role: KeyRole, first: int = 2017, last: int = 2027, **fields: Any) -> Key:
    """A key by its name, valid from the first second of one year to the first second of another."""
    years = {"not_before": datetime(first, 1, 1, tzinfo=UTC), "not_after": datetime(last, 1, 1, tzinfo=UTC)}
    return Key(PRIVATE[name].public_key().public_bytes_raw(), role, **{**years, **fields})


ROOT = published("root", KeyRole.ROOT)
GATEWAY = published("gateway", KeyRole.GATEWAY)
OLD_GATEWAY = published("gateway of 2016", KeyRole.GATEWAY, 2016, 2017)
TILL = published("till", KeyRole.TILL, seller=SELLER, terminal=TILL_TERMINAL, epoch=2)
KEYS = [ROOT, GATEWAY, OLD_GATEWAY]
PREFIX = TILL.kid.hex()[:2]
REVOKED = published("gateway", KeyRole.GATEWAY, revoked_at=datetime(2017, 6, 1, tzinfo=UTC))


def kid(name: str) -> bytes:
    """The key id of a name."""
    return kid_of(PRIVATE[name].public_key().public_bytes_raw())


def signed(payload: qr.Payload, by: str = "gateway") -> bytes:
    """144 bytes over any payload whatever, with a good signature."""
    packed = qr.pack(payload)
    return qr.assemble(kid(by), packed, PRIVATE[by].sign(qr.to_sign(kid(by), packed)))


def key_vectors() -> dict[str, Any]:
    """The file keys.json: the private keys, and key lists that a reader accepts or refuses."""
    good = list_of(KEYS)
    header, body, signature = good.split(".")
    entries = [key_as_json(key) for key in sorted(KEYS, key=lambda key: key.kid)]
    old = key_as_json(OLD_GATEWAY)
    lists = [
        ("published", good, None, "accepted"),
        ("published, the root pinned", good, ROOT.kid, "accepted"),
        ("a revoked gateway key", list_of([ROOT, REVOKED]), None, "accepted"),
        ("the root alone", list_of([ROOT]), None, "accepted"),
        ("signed by the second of two roots", _two_roots(), None, "accepted"),
        ("another root pinned", good, kid("second root"), "signature"),
        ("signed by a stranger", list_of(KEYS, "stranger"), None, "signature"),
        ("signed by a gateway key", list_of(KEYS, "gateway"), None, "signature"),
        ("signed by a revoked root", list_of([_revoked_root()]), None, "signature"),
        ("a body that was not signed", f"{header}.{_b64(_unb64(body).replace(b'2027', b'2037'))}.{signature}", None,
         "signature"),
        ("no signature", f"{header}.{body}.", None, "signature"),
        ("two pieces", f"{header}.{body}", None, "form"),
        ("padded base64", good + "=", None, "form"),
        ("base64 with a plus", f"{header}.{body}.+{signature[1:]}", None, "form"),
        ("another alg", jws({"keys": entries}, {"alg": "none", "typ": "barimt-keys+jwt"}), None, "form"),
        ("another typ", jws({"keys": entries}, {"alg": "Ed25519", "typ": "JWT"}), None, "form"),
        ("no keys", jws({}), None, "form"),
        ("keys out of order", jws({"keys": entries[::-1]}), None, "form"),
        ("a key twice", jws({"keys": [entries[0], *entries]}), None, "form"),
        ("a kid of another key", jws({"keys": [{**entries[0], "kid": kid("stranger").hex()}]}), None, "form"),
        ("a till key", list_of([*KEYS, TILL]), None, "form"),
        ("a shard", shard_of([TILL]), None, "form"),
        ("a gateway key with a seller", jws({"keys": [{**key_as_json(GATEWAY), "seller": "037900846788"}]}), None,
         "form"),
        ("a time that ends in Z", jws({"keys": [{**old, "not_before": "2017-01-01T00:00:00Z"}]}), None, "form"),
        ("an epoch in words", jws({"keys": [{**old, "epoch": "2"}]}), None, "form"),
        ("an epoch with a point", jws({"keys": [{**old, "epoch": 2.0}]}), None, "form"),
        ("a public key of 31 bytes", jws({"keys": [{**old, "public_key": _b64(bytes(31))}]}), None, "form"),
        ("an unknown role", jws({"keys": [{**old, "role": "king"}]}), None, "form"),
        ("a field too many", jws({"keys": [{**old, "colour": "blue"}]}), None, "form"),
        ("a field too few", jws({"keys": [_without(old, "revoked_at")]}), None, "form"),
    ]  # fmt: skip
    return {
        "private_keys": {name: seed_of(name).hex() for name in PRIVATE},
        "public_keys": {name: key.public_key().public_bytes_raw().hex() for name, key in PRIVATE.items()},
        "kids": {name: kid(name).hex() for name in PRIVATE},
        "keys": entries,
        "lists": [
            {"name": name, "root_kid": None if pinned is None else pinned.hex(), "verdict": verdict, "signed": text}
            for name, text, pinned, verdict in lists
        ],
        "shards": [
            {"name": name, "prefix": prefix, "head": head, "verdict": verdict, "signed": text}
            for name, prefix, head, text, verdict in _shards()
        ],
    }


def _shards() -> list[tuple[str, str, str, str, str]]:
    """Name, prefix, the accepted head beside it, text, verdict."""
    good = shard_of([TILL])
    header, body, signature = good.split(".")
    till, head = key_as_json(TILL), "published"
    revoked = published("till", KeyRole.TILL, seller=SELLER, terminal=TILL_TERMINAL, epoch=2, revoked_at=LISTED_AT)
    other = "00" if PREFIX != "00" else "01"
    two = _tills_of_one_prefix()
    return [
        ("published", PREFIX, head, good, "accepted"),
        ("a revoked till key", PREFIX, head, shard_of([revoked]), "accepted"),
        ("no key", PREFIX, head, shard_of([]), "accepted"),
        ("by the second of two roots", PREFIX, "signed by the second of two roots", shard_of([TILL], "second root"),
         "accepted"),
        ("two keys", two[0].kid.hex()[:2], head, shard_of(two, prefix=two[0].kid.hex()[:2]), "accepted"),
        ("by a root that the head does not name", PREFIX, head, shard_of([TILL], "second root"), "signature"),
        ("by a gateway key", PREFIX, head, shard_of([TILL], "gateway"), "signature"),
        ("by the till itself", PREFIX, head, shard_of([TILL], "till"), "signature"),
        ("a body that was not signed", PREFIX, head,
         f"{header}.{_b64(_unb64(body).replace(b'2027', b'2037'))}.{signature}", "signature"),
        ("no signature", PREFIX, head, f"{header}.{body}.", "signature"),
        ("under another prefix", other, head, good, "form"),
        ("a key of another prefix", other, head, shard_of([TILL], prefix=other), "form"),
        ("a gateway key", GATEWAY.kid.hex()[:2], head, shard_of([GATEWAY], prefix=GATEWAY.kid.hex()[:2]), "form"),
        ("a head", PREFIX, head, list_of(KEYS), "form"),
        ("the header of a head", PREFIX, head, shard_jws([till], "barimt-keys+jwt"), "form"),
        ("keys out of order", two[0].kid.hex()[:2], head,
         shard_jws([key_as_json(key) for key in reversed(two)], prefix=two[0].kid.hex()[:2]), "form"),
        ("a till key without a terminal", PREFIX, head, shard_jws([_without(till, "terminal")]), "form"),
        ("a till key without a seller", PREFIX, head, shard_jws([_without(till, "seller")]), "form"),
        ("a seller number of eleven digits", PREFIX, head, shard_jws([{**till, "seller": "37900846788"}]), "form"),
        ("a terminal of seven digits", PREFIX, head, shard_jws([{**till, "terminal": "0000001"}]), "form"),
        ("no prefix", PREFIX, head, jws({"keys": [till]}, {"alg": "Ed25519", "typ": "barimt-till-keys+jwt"}), "form"),
    ]  # fmt: skip


def _tills_of_one_prefix() -> list[Key]:
    """The first two tills, named by a number, whose kids begin with the same two digits."""
    found: dict[str, Key] = {}
    for number in itertools.count():
        private = Ed25519PrivateKey.from_private_bytes(seed_of(f"till {number}"))
        key = Key(
            private.public_key().public_bytes_raw(), KeyRole.TILL, TILL.not_before, TILL.not_after, SELLER, number
        )
        before = found.setdefault(key.kid.hex()[:2], key)
        if before is not key:
            return sorted((before, key), key=lambda key: key.kid)
    raise AssertionError


def list_of(keys: list[Key], by: str = "root") -> str:
    """A published list."""
    return sign_key_list(keys, version=1, issued_at=LISTED_AT, root=PRIVATE[by])


def shard_of(keys: list[Key], by: str = "root", prefix: str = PREFIX) -> str:
    """A published shard."""
    return sign_shard(keys, prefix=prefix, version=1, issued_at=LISTED_AT, root=PRIVATE[by])


def shard_jws(entries: list[Any], typ: str = "barimt-till-keys+jwt", prefix: str = PREFIX) -> str:
    """A shard of any entries with a good signature by the root."""
    return jws({"prefix": prefix, "keys": entries}, {"alg": "Ed25519", "typ": typ})


def jws(content: dict[str, Any], header: dict[str, str] | None = None) -> str:
    """A list of any content and header with a good signature by the root."""
    shown = header or {"alg": "Ed25519", "typ": "barimt-keys+jwt"}
    body = {"issued_at": LISTED_AT.isoformat(), "version": 1, **content}
    text = ".".join(_b64(json.dumps(piece, separators=(",", ":"), sort_keys=True).encode()) for piece in (shown, body))
    return f"{text}.{_b64(PRIVATE['root'].sign(text.encode()))}"


def _two_roots() -> str:
    return list_of([*KEYS, published("second root", KeyRole.ROOT)], "second root")


def _revoked_root() -> Key:
    return published("root", KeyRole.ROOT, revoked_at=LISTED_AT)


def _without(entry: dict[str, Any], name: str) -> dict[str, Any]:
    return {field: value for field, value in entry.items() if field != name}


def _b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")
