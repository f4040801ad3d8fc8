"""What is published of keys: a head, shards of till keys, and files of both, of which only what is signed counts."""

import base64
import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from kernel.canonical import canonical_json
from kernel.refusal import Malformed
from receipts.key_list import (
    KEY_LIST_BYTES_MAX,
    key_file,
    keys_shown,
    read_key_file,
    read_key_list,
    read_shard,
    sign_key_list,
    sign_shard,
)
from receipts.keys import Key, KeyRole, key_as_json, keyring_of
from tests.receipts.examples import GATEWAY, GATEWAY_KEY, NOON, ROOT, ROOT_KEY, STRANGER, TILL, TILL_KEY, key_of

KEYS = [ROOT_KEY, GATEWAY_KEY]
LIST = sign_key_list(KEYS, version=7, issued_at=NOON, root=ROOT)
PREFIX = TILL_KEY.kid.hex()[:2]
SHARD = sign_shard([TILL_KEY], prefix=PREFIX, version=3, issued_at=NOON, root=ROOT)
SHARD_HEADER = b'{"alg":"Ed25519","typ":"barimt-till-keys+jwt"}'
EMPTY = {"issued_at": "2017-03-01T04:00:00+00:00", "version": 1, "keys": []}
EMPTY_JSON = json.dumps(EMPTY).encode()
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def signed_by(
    root: Ed25519PrivateKey, body: bytes, header: bytes = b'{"alg":"Ed25519","typ":"barimt-keys+jwt"}'
) -> str:
    """A compact JWS over any body whatever."""
    signed = f"{b64(header)}.{b64(body)}"
    return f"{signed}.{b64(root.sign(signed.encode()))}"


STRANGER_KEY = key_of(STRANGER, KeyRole.GATEWAY)


def in_order(*entries: Any) -> list[Any]:
    """Entries as a list orders them."""
    return sorted(entries, key=lambda entry: str(entry["kid"]))


def listed(*entries: object) -> str:
    """A list with a good signature over these entries, whatever they are."""
    return signed_by(ROOT, json.dumps({**EMPTY, "keys": entries}).encode())


def shard_of(*entries: object, **change: object) -> str:
    """A shard with a good signature over these entries, whatever they are."""
    body = {**EMPTY, "prefix": PREFIX, "keys": entries, **change}
    return signed_by(ROOT, json.dumps(body).encode(), SHARD_HEADER)


def fault_of_shard(signed: str, root_kid: bytes | None = None, prefix: str = PREFIX) -> str:
    with pytest.raises(Malformed) as caught:
        read_shard(signed, prefix=prefix, head=KEYS, root_kid=root_kid)
    [fault] = caught.value.faults
    return fault.code


def fault_of(signed: str, root_kid: bytes | None = None) -> str:
    with pytest.raises(Malformed) as caught:
        read_key_list(signed, root_kid=root_kid)
    [fault] = caught.value.faults
    return fault.code


class TestReadKeyList:
    def test_reads_what_sign_key_list_writes(self) -> None:
        assert read_key_list(LIST) == sorted(KEYS, key=lambda key: key.kid)

    def test_reads_a_revoked_key(self) -> None:
        revoked = key_of(GATEWAY, KeyRole.GATEWAY, revoked_at=NOON)
        signed = sign_key_list([ROOT_KEY, revoked], version=1, issued_at=NOON, root=ROOT)
        assert revoked in read_key_list(signed)

    def test_is_a_compact_jws_over_canonical_json(self) -> None:
        header, body, _ = (base64.urlsafe_b64decode(piece + "==") for piece in LIST.split("."))
        assert json.loads(header) == {"alg": "Ed25519", "typ": "barimt-keys+jwt"}
        content = json.loads(body)
        assert content["issued_at"] == "2017-03-01T04:00:00+00:00"
        assert content["version"] == 7
        assert [entry["kid"] for entry in content["keys"]] == sorted(key.kid.hex() for key in KEYS)
        assert canonical_json(content) == body

    def test_reads_a_list_from_a_file_with_a_last_line_end(self) -> None:
        assert read_key_list(f" {LIST}\n") == read_key_list(LIST)

    @given(st.integers(0, len(LIST) - 1), st.sampled_from(BASE64URL + "+/=. \né"))
    def test_refuses_a_list_with_any_character_changed(self, at: int, character: str) -> None:
        changed = LIST[:at] + character + LIST[at + 1 :]
        if changed.strip() != LIST:
            assert fault_of(changed) in {"key_list_form", "key_list_signature"}

    def test_takes_the_pinned_root_alone(self) -> None:
        assert read_key_list(LIST, root_kid=ROOT_KEY.kid) == read_key_list(LIST)
        assert fault_of(LIST, root_kid=GATEWAY_KEY.kid) == "key_list_signature"

    def test_takes_the_root_that_signed_among_several(self) -> None:
        other = key_of(STRANGER, KeyRole.ROOT)
        for root in (ROOT, STRANGER):
            signed = sign_key_list([*KEYS, other], version=1, issued_at=NOON, root=root)
            assert other in read_key_list(signed)

    @pytest.mark.parametrize("signer", [STRANGER, GATEWAY, TILL])
    def test_refuses_the_signature_of_any_key_but_a_root(self, signer: Ed25519PrivateKey) -> None:
        assert fault_of(sign_key_list(KEYS, version=1, issued_at=NOON, root=signer)) == "key_list_signature"

    def test_refuses_a_till_key(self) -> None:
        assert fault_of(sign_key_list([*KEYS, TILL_KEY], version=1, issued_at=NOON, root=ROOT)) == "key_list_form"

    def test_refuses_the_signature_of_a_revoked_root(self) -> None:
        revoked = key_of(ROOT, KeyRole.ROOT, revoked_at=NOON)
        assert fault_of(sign_key_list([revoked], version=1, issued_at=NOON, root=ROOT)) == "key_list_signature"

    def test_refuses_a_list_without_a_root(self) -> None:
        assert fault_of(sign_key_list([GATEWAY_KEY], version=1, issued_at=NOON, root=ROOT)) == "key_list_signature"

    def test_refuses_a_signature_of_another_length(self) -> None:
        signed, _, signature = LIST.rpartition(".")
        octets = base64.urlsafe_b64decode(signature + "==")
        for wrong in (octets[:-1], octets + b"\0", b""):
            assert fault_of(f"{signed}.{b64(wrong)}") == "key_list_signature"

    @pytest.mark.parametrize(
        "signed",
        [
            "", ".", "..", "a.b", "a.b.c.d", LIST + ".", LIST + "=", LIST.replace(".", " "), "é.é.é",
            signed_by(ROOT, b""), signed_by(ROOT, b"\xff"), signed_by(ROOT, b"[]"), signed_by(ROOT, b"{}"),
            signed_by(ROOT, b"1"), signed_by(ROOT, b'{"keys": 1}'), signed_by(ROOT, b'{"keys": {"a": 1}}'),
            signed_by(ROOT, b"[" * 100_000), signed_by(ROOT, b'{"keys": [Infinity]}'),
            signed_by(ROOT, EMPTY_JSON, b'{"alg":"none"}'), signed_by(ROOT, EMPTY_JSON, b"{}"),
            signed_by(ROOT, EMPTY_JSON, b'{"alg":"EdDSA","typ":"barimt-keys+jwt"}'),
            signed_by(ROOT, EMPTY_JSON, b'{"alg": "Ed25519", "typ": "barimt-keys+jwt"}'),
            signed_by(ROOT, EMPTY_JSON[:-1] + b', "version": 1}'),
        ],
    )  # fmt: skip
    def test_refuses_what_is_not_a_list(self, signed: str) -> None:
        assert fault_of(signed) == "key_list_form"

    @pytest.mark.parametrize(
        "change",
        [
            {"issued_at": "x"}, {"issued_at": None}, {"issued_at": "2017-03-01T04:00:00Z"}, {"version": "1"},
            {"version": 1.0}, {"version": True}, {"version": None}, {"more": 1},
        ],
        ids=str,
    )  # fmt: skip
    def test_refuses_another_body(self, change: Mapping[str, object]) -> None:
        root = {**EMPTY, "keys": [key_as_json(ROOT_KEY)]}
        assert read_key_list(signed_by(ROOT, json.dumps(root).encode())) == [ROOT_KEY]
        assert fault_of(signed_by(ROOT, json.dumps({**root, **change}).encode())) == "key_list_form"

    @pytest.mark.parametrize("name", ["issued_at", "version", "keys"])
    def test_refuses_a_body_that_lacks_a_member(self, name: str) -> None:
        body = {member: value for member, value in EMPTY.items() if member != name}
        assert fault_of(signed_by(ROOT, json.dumps(body).encode())) == "key_list_form"

    @pytest.mark.parametrize(
        "change",
        [
            {"kid": STRANGER_KEY.kid.hex()}, {"kid": TILL_KEY.kid.hex().upper()}, {"kid": None},
            {"public_key": b64(bytes(31))}, {"public_key": ""}, {"public_key": None},
            {"public_key": base64.b64encode(TILL_KEY.public_key).decode()},
            {"role": "king"}, {"role": "gateway"}, {"role": None}, {"role": []},
            {"epoch": "1"}, {"epoch": 1.0}, {"epoch": 1.5}, {"epoch": True}, {"epoch": None}, {"epoch": float("inf")},
            {"not_before": "2017-01-01"}, {"not_before": "2017-01-01T00:00:00Z"}, {"not_before": None},
            {"not_before": "1816-01-01T00:00:00+00:00"}, {"not_after": "2018-01-01T08:00:00+08:00"},
            {"not_after": 1514764800}, {"revoked_at": ""}, {"revoked_at": False},
            {"seller": "37900846788"}, {"seller": 37900846788}, {"seller": None}, {"terminal": " 10012619"},
            {"more": 1},
        ],
    )  # fmt: skip
    def test_refuses_an_entry_that_is_written_in_another_way(self, change: Mapping[str, object]) -> None:
        assert fault_of_shard(shard_of({**key_as_json(TILL_KEY), **change})) == "key_shard_form"
        if not change.keys() & {"seller", "terminal"}:
            shown = {**key_as_json(GATEWAY_KEY), **change} | ({"role": "till"} if change == {"role": "gateway"} else {})
            assert fault_of(listed(*in_order(key_as_json(ROOT_KEY), shown))) == "key_list_form"

    @pytest.mark.parametrize("name", sorted(key_as_json(TILL_KEY)))
    def test_refuses_an_entry_that_lacks_a_field(self, name: str) -> None:
        entry = {field: value for field, value in key_as_json(TILL_KEY).items() if field != name}
        assert fault_of_shard(shard_of(entry)) == "key_shard_form"

    @pytest.mark.parametrize("entry", [1, "a", None, [], {}])
    def test_refuses_an_entry_that_is_none(self, entry: object) -> None:
        assert fault_of(listed(entry)) == "key_list_form"
        assert fault_of_shard(shard_of(entry)) == "key_shard_form"

    def test_refuses_keys_out_of_order_and_a_key_twice(self) -> None:
        entries = [key_as_json(key) for key in sorted(KEYS, key=lambda key: key.kid)]
        assert read_key_list(listed(*entries))
        assert fault_of(listed(*reversed(entries))) == "key_list_form"
        assert fault_of(listed(*entries, entries[-1])) == "key_list_form"

    def test_refuses_a_list_beyond_its_size(self) -> None:
        assert read_key_list(LIST.ljust(KEY_LIST_BYTES_MAX))
        assert fault_of(LIST.ljust(KEY_LIST_BYTES_MAX + 1)) == "key_list_form"

    @given(st.lists(st.integers(1, 40), unique=True, max_size=6), st.data())
    def test_reads_any_list(self, seeds: list[int], draw: st.DataObject) -> None:
        instants = st.datetimes(datetime(2000, 1, 2), datetime(2105, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001
            lambda instant: instant.replace(microsecond=0)
        )
        made = [
            Key(
                Ed25519PrivateKey.from_private_bytes(bytes([seed, 9] * 16)).public_key().public_bytes_raw(),
                role=role,
                not_before=draw.draw(instants),
                not_after=draw.draw(instants),
                epoch=draw.draw(st.integers(1, 2**32 - 1)),
                revoked_at=draw.draw(st.none() | instants),
            )
            for seed in seeds
            for role in [draw.draw(st.sampled_from([KeyRole.ROOT, KeyRole.GATEWAY]))]
        ]
        signed = sign_key_list([ROOT_KEY, *made], version=1, issued_at=NOON, root=ROOT)
        assert set(read_key_list(signed, root_kid=ROOT_KEY.kid)) == {ROOT_KEY, *made}


class TestReadShard:
    def test_reads_what_sign_shard_writes(self) -> None:
        assert read_shard(SHARD, prefix=PREFIX, head=KEYS) == [TILL_KEY]

    def test_is_a_compact_jws_of_its_own_type_over_canonical_json(self) -> None:
        header, body, _ = (base64.urlsafe_b64decode(piece + "==") for piece in SHARD.split("."))
        assert header == SHARD_HEADER
        assert json.loads(body) == {
            "issued_at": "2017-03-01T04:00:00+00:00", "version": 3, "prefix": PREFIX, "keys": [key_as_json(TILL_KEY)],
        }  # fmt: skip
        assert canonical_json(json.loads(body)) == body

    def test_orders_its_keys_and_reads_no_other_order(self) -> None:
        keys = tills_of(PREFIX, 3)
        signed = sign_shard(reversed(keys), prefix=PREFIX, version=1, issued_at=NOON, root=ROOT)
        assert read_shard(signed, prefix=PREFIX, head=KEYS) == keys
        assert fault_of_shard(shard_of(*(key_as_json(key) for key in reversed(keys)))) == "key_shard_form"
        assert fault_of_shard(shard_of(*[key_as_json(keys[0])] * 2)) == "key_shard_form"

    def test_refuses_a_key_of_another_prefix(self) -> None:
        assert fault_of_shard(SHARD, prefix="00") == "key_shard_form"
        assert fault_of_shard(shard_of(key_as_json(TILL_KEY), prefix="00"), prefix="00") == "key_shard_form"

    @pytest.mark.parametrize("key", KEYS)
    def test_refuses_a_key_that_is_no_tills(self, key: Key) -> None:
        prefix = key.kid.hex()[:2]
        assert fault_of_shard(shard_of(key_as_json(key), prefix=prefix), prefix=prefix) == "key_shard_form"

    @pytest.mark.parametrize("change", [{"version": "1"}, {"version": True}, {"more": 1}, {"prefix": None}], ids=str)
    def test_refuses_another_body(self, change: Mapping[str, object]) -> None:
        assert fault_of_shard(shard_of(key_as_json(TILL_KEY), **change)) == "key_shard_form"

    def test_is_no_head_and_a_head_is_no_shard(self) -> None:
        assert fault_of(SHARD) == "key_list_form"
        assert fault_of_shard(LIST) == "key_shard_form"

    @given(st.integers(0, len(SHARD) - 1), st.sampled_from(BASE64URL + "+/=. \né"))
    def test_refuses_a_shard_with_any_character_changed(self, at: int, character: str) -> None:
        changed = SHARD[:at] + character + SHARD[at + 1 :]
        if changed.strip() != SHARD:
            assert fault_of_shard(changed) in {"key_shard_form", "key_shard_signature"}

    @pytest.mark.parametrize("signer", [STRANGER, GATEWAY, TILL])
    def test_refuses_the_signature_of_any_key_but_a_root_of_the_head(self, signer: Ed25519PrivateKey) -> None:
        signed = sign_shard([TILL_KEY], prefix=PREFIX, version=1, issued_at=NOON, root=signer)
        assert fault_of_shard(signed) == "key_shard_signature"

    def test_refuses_the_signature_of_a_revoked_root_and_of_another_than_the_pinned_one(self) -> None:
        revoked = [key_of(ROOT, KeyRole.ROOT, revoked_at=NOON), key_of(STRANGER, KeyRole.ROOT)]
        with pytest.raises(Malformed):
            read_shard(SHARD, prefix=PREFIX, head=revoked)
        assert read_shard(SHARD, prefix=PREFIX, head=KEYS, root_kid=ROOT_KEY.kid)
        assert fault_of_shard(SHARD, root_kid=GATEWAY_KEY.kid) == "key_shard_signature"


class TestKeyFile:
    def test_holds_head_and_shards(self) -> None:
        keys, prefixes = read_key_file(file_of(key_file(LIST, {PREFIX: SHARD})))
        assert keys == keyring_of([*KEYS, TILL_KEY])
        assert prefixes == {PREFIX}

    def test_may_hold_the_head_alone(self) -> None:
        assert read_key_file(file_of(key_file(LIST))) == (keyring_of(KEYS), frozenset())
        assert key_file(LIST, {})["shards"] == {}

    def test_is_joined_by_shards_in_files_of_their_own(self) -> None:
        beside = {"prefix": PREFIX, "keys": keys_shown(SHARD), "signed": SHARD}
        keys, prefixes = read_key_file(file_of(key_file(LIST)), shard_files=[file_of(beside)])
        assert (TILL_KEY.kid in keys, prefixes) == (True, {PREFIX})

    @pytest.mark.parametrize(
        "change",
        [
            {"keys": []}, {"keys": None}, {"signed": None}, {"signed": SHARD}, {"shards": []}, {"shards": None},
            {"shards": {PREFIX: None}}, {"shards": {PREFIX: LIST}}, {"shards": {"00": SHARD}}, {"more": 1},
            {"shards": {PREFIX: shard_of(key_as_json(TILL_KEY))[:-4] + "AAAA"}},
        ],
        ids=str,
    )  # fmt: skip
    def test_of_another_form_is_refused(self, change: Mapping[str, object]) -> None:
        with pytest.raises(Malformed):
            read_key_file(file_of({**key_file(LIST, {PREFIX: SHARD}), **change}))

    @pytest.mark.parametrize(
        "beside",
        [1, {}, {"prefix": PREFIX, "signed": SHARD}, {"prefix": "00", "keys": [], "signed": SHARD},
         {"prefix": PREFIX, "keys": [], "signed": SHARD}, {"prefix": [], "keys": [], "signed": SHARD}],
    )  # fmt: skip
    def test_beside_it_shards_of_another_form_are_refused(self, beside: object) -> None:
        with pytest.raises(Malformed):
            read_key_file(file_of(key_file(LIST)), shard_files=[file_of(beside)])

    @pytest.mark.parametrize("content", [b"", b"[]", b"1", b"{}", b"\xff", b"[" * 100_000, b'{"keys": [], "keys": []}'])
    def test_that_is_no_file_of_keys_is_refused(self, content: bytes) -> None:
        with pytest.raises(Malformed):
            read_key_file(content)


def file_of(content: object) -> bytes:
    return json.dumps(content).encode()


def tills_of(prefix: str, count: int) -> list[Key]:
    """Till keys whose kid begins with two digits."""
    made = (
        key_of(Ed25519PrivateKey.from_private_bytes(number.to_bytes(32)), KeyRole.TILL) for number in itertools.count()
    )
    found = itertools.islice((key for key in made if key.kid.hex().startswith(prefix)), count)
    return sorted(found, key=lambda key: key.kid)
