"""The published keys, which anyone verifies offline (docs/formats/keys.md): a head and shards, signed by the root key.

| what  | names                                              | header `typ`           | changes when          |
|-------|----------------------------------------------------|------------------------|-----------------------|
| head  | root and gateway keys                              | `barimt-keys+jwt`      | the centre rotates    |
| shard | the till keys whose kid begins with its two digits | `barimt-till-keys+jwt` | a till is activated   |

Each is a compact JWS (RFC 7515, alg Ed25519) over `{"issued_at", "version", "keys": [...]}`, a shard's with `"prefix"`
too. A shard is trusted where a root key of the head signed it.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.canonical import Json, base64url, canonical_json, of_base64url
from kernel.clock import parse_instant
from kernel.refusal import Fault, Malformed
from receipts.keys import Key, Keyring, KeyRole, key_as_json, key_of_json, keyring_of, written_time

KEY_LIST_BYTES_MAX = 16 * 1024 * 1024
"""Of a head, and of a shard: some 30,000 keys."""
_HEAD, _SHARD = "barimt-keys+jwt", "barimt-till-keys+jwt"
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, Malformed)


def prefix_of(kid: bytes) -> str:
    """Answer the first two hexadecimal digits of a kid: which shard names it, if it is a till's."""
    return kid[:1].hex()


def sign_key_list(keys: Iterable[Key], *, version: int, issued_at: datetime, root: Ed25519PrivateKey) -> str:
    """Write the head: a compact JWS by the root key over root and gateway keys, ordered by kid."""
    return _sign(_HEAD, {"issued_at": written_time(issued_at), "version": version, "keys": _entries(keys)}, root)


def sign_shard(keys: Iterable[Key], *, prefix: str, version: int, issued_at: datetime, root: Ed25519PrivateKey) -> str:
    """Write a shard: a compact JWS by the root key over the till keys of a prefix, ordered by kid."""
    body: dict[str, Json] = {"issued_at": written_time(issued_at), "version": version, "keys": _entries(keys)}
    return _sign(_SHARD, body | {"prefix": prefix}, root)


def read_key_list(signed: str, *, root_kid: bytes | None = None) -> list[Key]:
    """Read a head and check its signature.

    The signer must be a root key named in the list and not revoked; with `root_kid` (pinned by the reader) exactly
    that one. Raises `Malformed` with `key_list_form` or `key_list_signature`.
    """
    try:
        keys = _keys_of(_body_of(signed, _HEAD), {})
        well_formed = all(key.role is not KeyRole.TILL for key in keys)
    except _UNREADABLE:
        well_formed = False
    if not well_formed:
        raise Malformed(Fault("key_list_form", "", "a compact JWS as docs/formats/keys.md says"))
    if not _signed_by_root(signed, keys, root_kid):
        raise Malformed(Fault("key_list_signature", "", "the signature of the root key over exactly this list"))
    return keys


def read_shard(signed: str, *, prefix: str, head: Iterable[Key], root_kid: bytes | None = None) -> list[Key]:
    """Read a shard and check that a root key of a head, which was read before, has signed it; with `root_kid` exactly
    that one. Raises `Malformed` with `key_shard_form` or `key_shard_signature`.
    """
    try:
        keys = _keys_of(_body_of(signed, _SHARD), {"prefix": prefix})
        well_formed = all(key.role is KeyRole.TILL and prefix_of(key.kid) == prefix for key in keys)
    except _UNREADABLE:
        well_formed = False
    if not well_formed:
        raise Malformed(Fault("key_shard_form", f"/shards/{prefix}", "a compact JWS as docs/formats/keys.md says"))
    if not _signed_by_root(signed, head, root_kid):
        raise Malformed(
            Fault("key_shard_signature", f"/shards/{prefix}", "the signature of a root key of the list over this shard")
        )
    return keys


def key_file(signed: str, shards: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Answer a key file: readable keys of the head, the signed head, and the signed shards where there are any to say.
    Only what is signed is to be trusted.
    """
    shown: dict[str, Any] = {"keys": keys_shown(signed), "signed": signed}
    return shown if shards is None else shown | {"shards": dict(sorted(shards.items()))}


def keys_shown(signed: str) -> list[Any]:
    """Answer the entries of a head or shard that we signed ourselves, to be read by people."""
    entries: list[Any] = json.loads(of_base64url(signed.split(".")[1]))["keys"]
    return entries


def read_key_file(
    content: bytes, *, shard_files: Iterable[bytes] = (), root_kid: bytes | None = None
) -> tuple[Keyring, frozenset[str]]:
    """Read a key file with every shard in it, and files with a shard each as `GET /v1/keys/tills/{prefix}` answers it;
    answer the keys, and the prefixes whose till keys are among them.

    Raises `Malformed` with the codes of `read_key_list` and `read_shard`, or with `key_file_form` where a file is not
    of its form or shows other keys than those that were signed.
    """
    try:
        published = json.loads(content, object_pairs_hook=_unique)
        shown, signed, shards = published.pop("keys"), published.pop("signed"), published.pop("shards", {})
        beside = [json.loads(shard, object_pairs_hook=_unique) for shard in shard_files]
        shards |= {shard["prefix"]: shard["signed"] for shard in beside}
        well_formed = not published and all(isinstance(text, str) for text in (signed, *shards.values()))
    except _UNREADABLE:
        well_formed = False
    if not well_formed:
        raise Malformed(Fault("key_file_form", "", '{"keys": […], "signed": "…", "shards": {"d5": "…"}}'))
    head = read_key_list(signed, root_kid=root_kid)
    tills = {prefix: read_shard(text, prefix=prefix, head=head, root_kid=root_kid) for prefix, text in shards.items()}
    _require_same(shown, head, "/keys")
    for shard in beside:
        _require_same(shard.get("keys"), tills[shard["prefix"]], f"/{shard['prefix']}/keys")
    return keyring_of([*head, *(key for shard in tills.values() for key in shard)]), frozenset(tills)


def _require_same(shown: Any, signed: Iterable[Key], path: str) -> None:
    if shown != [key_as_json(key) for key in signed]:
        raise Malformed(Fault("key_file_form", path, "the keys that were signed"))


def _sign(typ: str, body: Mapping[str, Json], root: Ed25519PrivateKey) -> str:
    signed = base64url(canonical_json(_header(typ))) + "." + base64url(canonical_json(body))
    return signed + "." + base64url(root.sign(signed.encode()))


def _header(typ: str) -> dict[str, Json]:
    return {"alg": "Ed25519", "typ": typ}


def _entries(keys: Iterable[Key]) -> list[Json]:
    return [key_as_json(key) for key in sorted(keys, key=lambda key: key.kid)]


def _body_of(signed: str, typ: str) -> bytes:
    """Answer the body of a compact JWS with exactly our header. Raises one of `_UNREADABLE`."""
    if len(signed) > KEY_LIST_BYTES_MAX:
        raise ValueError
    header, body, _ = (of_base64url(piece) for piece in signed.strip().split("."))
    if header != canonical_json(_header(typ)):
        raise ValueError
    return body


def _keys_of(body: bytes, more: Mapping[str, Json]) -> list[Key]:
    """Read a body: its members (`more` beside the three of all), keys in ascending order of kid. Raises one of
    `_UNREADABLE`.
    """
    content = json.loads(body, object_pairs_hook=_unique)
    keys = [key_of_json(entry) for entry in content["keys"]]
    kids = [key.kid for key in keys]
    issued_at = parse_instant(content["issued_at"], "/issued_at")
    told = {"issued_at": written_time(issued_at), "version": int(content["version"]), "keys": content["keys"], **more}
    if kids != sorted(set(kids)) or json.dumps(content, sort_keys=True) != json.dumps(told, sort_keys=True):
        raise ValueError
    return keys


def _signed_by_root(signed: str, head: Iterable[Key], root_kid: bytes | None) -> bool:
    roots = [key for key in head if key.role is KeyRole.ROOT and key.revoked_at is None]
    return any(_signed_by(root, signed) for root in roots if root_kid in {None, root.kid})


def _signed_by(root: Key, signed: str) -> bool:
    said, _, signature = signed.strip().rpartition(".")
    try:
        root.verifier.verify(of_base64url(signature), said.encode())
    except InvalidSignature:
        return False
    return True


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(members)) != len(members):
        raise ValueError
    return dict(members)
