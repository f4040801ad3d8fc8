"""Keys, their published list and the turnover key."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from kernel.canonical import canonical_json
from kernel.refusal import Malformed
from receipts.keys import (
    KEY_LIST_BYTES_MAX,
    Key,
    KeyRole,
    Signer,
    key_as_json,
    keyring_of,
    kid_of,
    read_key_list,
    sign_key_list,
    turnover_key,
)
from tests.receipts.examples import GATEWAY, GATEWAY_KEY, NOON, ROOT, ROOT_KEY, STRANGER, TILL, TILL_KEY, key_of

KEYS = [ROOT_KEY, GATEWAY_KEY, TILL_KEY]
LIST = sign_key_list(KEYS, version=7, issued_at=NOON, root=ROOT)
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


def listed(*entries: object) -> str:
    """A list with a good signature over these entries, whatever they are."""
    return signed_by(ROOT, json.dumps({**EMPTY, "keys": entries}).encode())


def fault_of(signed: str, root_kid: bytes | None = None) -> str:
    with pytest.raises(Malformed) as caught:
        read_key_list(signed, root_kid=root_kid)
    [fault] = caught.value.faults
    return fault.code


class TestKey:
    def test_is_named_by_the_start_of_its_hash(self) -> None:
        public = GATEWAY.public_key().public_bytes_raw()
        assert GATEWAY_KEY.kid == kid_of(public) == hashlib.sha256(public).digest()[:8] == Signer(GATEWAY).kid

    def test_is_found_by_its_name(self) -> None:
        assert keyring_of(KEYS) == {key.kid: key for key in KEYS}

    def test_knows_its_seconds(self) -> None:
        assert (GATEWAY_KEY.first_second, GATEWAY_KEY.last_second) == (1483228800, 1514764800)

    @pytest.mark.parametrize(
        ("role", "scope"),
        [
            (KeyRole.TILL, {"seller": None}),
            (KeyRole.TILL, {"terminal": None}),
            (KeyRole.GATEWAY, {"seller": 1, "terminal": 1}),
            (KeyRole.ROOT, {"seller": 1}),
        ],
    )
    def test_has_a_scope_exactly_when_a_till_holds_it(self, role: KeyRole, scope: dict[str, int | None]) -> None:
        with pytest.raises(AssertionError):
            key_of(GATEWAY, role, **scope)

    def test_never_shows_the_private_key(self) -> None:
        assert "private" not in repr(Signer(GATEWAY))

    @given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
    def test_signs_the_bytes_that_cryptography_signs(self, secret: bytes, message: bytes) -> None:
        private = Ed25519PrivateKey.from_private_bytes(secret)
        assert Signer(private).sign(message) == private.sign(message)


class TestTurnoverKey:
    @given(st.binary(min_size=1, max_size=64), st.integers(0, 10**12 - 1), st.integers(0, 10**8 - 1), st.integers(1, 9))
    def test_is_hkdf_of_the_master(self, master: bytes, seller: int, terminal: int, epoch: int) -> None:
        pseudorandom = hmac.new(bytes(32), master, "sha256").digest()
        info = b"barimt turnover v1" + seller.to_bytes(8) + terminal.to_bytes(4) + epoch.to_bytes(4)
        expected = hmac.new(pseudorandom, info + b"\1", "sha256").digest()
        assert turnover_key(master, seller=seller, terminal=terminal, epoch=epoch) == expected

    def test_differs_by_seller_terminal_and_epoch(self) -> None:
        found = {
            turnover_key(b"master", seller=seller, terminal=terminal, epoch=epoch)
            for seller in (1, 2)
            for terminal in (1, 2)
            for epoch in (1, 2)
        }
        assert len(found) == 8


class TestKeyAsJson:
    def test_shows_a_till_key_with_its_scope(self) -> None:
        assert key_as_json(TILL_KEY) == {
            "kid": TILL_KEY.kid.hex(),
            "public_key": b64(TILL.public_key().public_bytes_raw()),
            "role": "till",
            "epoch": 1,
            "not_before": "2017-01-01T00:00:00+00:00",
            "not_after": "2018-01-01T00:00:00+00:00",
            "revoked_at": None,
            "seller": "037900846788",
            "terminal": "10012619",
        }

    def test_shows_a_gateway_key_without_one(self) -> None:
        assert {"seller", "terminal"} & key_as_json(GATEWAY_KEY).keys() == set()

    def test_writes_whole_seconds_of_utc(self) -> None:
        ulaanbaatar = timezone(timedelta(hours=8))
        revoked = key_of(
            GATEWAY, KeyRole.GATEWAY, revoked_at=datetime(2017, 5, 1, 8, 0, 0, 999_999, tzinfo=ulaanbaatar)
        )
        assert key_as_json(revoked)["revoked_at"] == "2017-05-01T00:00:00+00:00"


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
            {"kid": GATEWAY_KEY.kid.hex()}, {"kid": TILL_KEY.kid.hex().upper()}, {"kid": None},
            {"public_key": b64(bytes(31))}, {"public_key": ""}, {"public_key": None},
            {"public_key": base64.b64encode(TILL_KEY.public_key).decode()},
            {"role": "king"}, {"role": "root"}, {"role": "gateway"}, {"role": None}, {"role": []},
            {"epoch": "1"}, {"epoch": 1.0}, {"epoch": 1.5}, {"epoch": True}, {"epoch": None}, {"epoch": float("inf")},
            {"not_before": "2017-01-01"}, {"not_before": "2017-01-01T00:00:00Z"}, {"not_before": None},
            {"not_before": "1816-01-01T00:00:00+00:00"}, {"not_after": "2018-01-01T08:00:00+08:00"},
            {"not_after": 1514764800}, {"revoked_at": ""}, {"revoked_at": False},
            {"seller": "37900846788"}, {"seller": 37900846788}, {"seller": None}, {"terminal": " 10012619"},
            {"more": 1},
        ],
    )  # fmt: skip
    def test_refuses_an_entry_that_is_written_in_another_way(self, change: Mapping[str, object]) -> None:
        assert fault_of(listed(key_as_json(ROOT_KEY), {**key_as_json(TILL_KEY), **change})) == "key_list_form"

    @pytest.mark.parametrize("name", sorted(key_as_json(TILL_KEY)))
    def test_refuses_an_entry_that_lacks_a_field(self, name: str) -> None:
        entry = {field: value for field, value in key_as_json(TILL_KEY).items() if field != name}
        assert fault_of(listed(entry)) == "key_list_form"

    @pytest.mark.parametrize("entry", [1, "a", None, [], {}])
    def test_refuses_an_entry_that_is_none(self, entry: object) -> None:
        assert fault_of(listed(entry)) == "key_list_form"

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
                seller=draw.draw(st.integers(0, 10**12 - 1)) if role is KeyRole.TILL else None,
                terminal=draw.draw(st.integers(0, 10**8 - 1)) if role is KeyRole.TILL else None,
                epoch=draw.draw(st.integers(1, 2**32 - 1)),
                revoked_at=draw.draw(st.none() | instants),
            )
            for seed in seeds
            for role in [draw.draw(st.sampled_from(KeyRole))]
        ]
        signed = sign_key_list([ROOT_KEY, *made], version=1, issued_at=NOON, root=ROOT)
        assert set(read_key_list(signed, root_kid=ROOT_KEY.kid)) == {ROOT_KEY, *made}
