"""Key lists and shards of any content, well signed: the project and the independent reader take the same ones."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from receipts.key_list import prefix_of
from receipts.keys import key_as_json
from tests.independent.test_reader_agrees import RING, taken
from tests.receipts.examples import GATEWAY, ROOT, ROOT_KEY, STRANGER, TILL, TILL_KEY

ENTRIES = RING.published["keys"]
BODY = {"issued_at": "2017-03-01T04:00:00+00:00", "version": 1, "keys": ENTRIES}
HEADER = '{"alg":"Ed25519","typ":"barimt-keys+jwt"}'
SHARD_HEADER = HEADER.replace("barimt", "barimt-till")
PREFIX = prefix_of(TILL_KEY.kid)


def base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def list_taken(body: dict[str, Any], header: str = HEADER, by: Ed25519PrivateKey = ROOT) -> bool:
    """Whether both readers take a head of this content, well signed."""
    return taken({"keys": body["keys"], "signed": well_signed(body, header, by)})


def shard_taken(body: dict[str, Any], header: str = SHARD_HEADER, by: Ed25519PrivateKey = ROOT) -> bool:
    """Whether both readers take a shard of this content, well signed, beside a good head."""
    return taken({**RING.published, "shards": {PREFIX: well_signed(body, header, by)}})


def well_signed(body: dict[str, Any], header: str, by: Ed25519PrivateKey) -> str:
    message = f"{base64url(header.encode())}.{base64url(json.dumps(body).encode())}"
    return f"{message}.{base64url(by.sign(message.encode()))}"


def with_entry(**fields: Any) -> dict[str, Any]:
    """A head in which the gateway's entry is another."""
    return {**BODY, "keys": [{**entry, **(fields if entry["role"] == "gateway" else {})} for entry in ENTRIES]}


def with_till(**fields: Any) -> dict[str, Any]:
    """A shard in which the till's entry is another."""
    return {**BODY, "prefix": PREFIX, "keys": [{**key_as_json(TILL_KEY), **fields}]}


class TestKeyListSignedAnew:
    def test_by_a_root_or_another(self) -> None:
        assert list_taken(BODY)
        assert not any(list_taken(BODY, by=by) for by in (GATEWAY, TILL, STRANGER))
        assert shard_taken(with_till())
        assert not any(shard_taken(with_till(), by=by) for by in (GATEWAY, TILL, STRANGER))

    def test_a_shard_as_a_head_and_a_head_as_a_shard(self) -> None:
        assert not list_taken(BODY, SHARD_HEADER)
        assert not list_taken(with_till(), HEADER)
        assert not list_taken({**BODY, "keys": with_till()["keys"]})
        assert not shard_taken(with_till(), HEADER)
        assert not shard_taken({**with_till(), "keys": ENTRIES})
        assert not shard_taken({**with_till(), "prefix": "00"})
        assert not shard_taken({**BODY, "keys": with_till()["keys"]})
        assert shard_taken({**with_till(), "keys": []})

    @pytest.mark.parametrize("fields", [
        {"more": 1}, {"kid": "0" * 16}, {"kid": key_as_json(ROOT_KEY)["kid"]}, {"public_key": "AA"},
        {"public_key": None}, {"role": "king"}, {"role": "gateway"}, {"role": "root"}, {"role": None},
        {"epoch": "1"}, {"epoch": 1.0}, {"epoch": True}, {"seller": 37900846788}, {"seller": "37900846788"},
        {"terminal": "1"}, {"terminal": None}, {"not_before": None}, {"not_before": "2017-01-01"},
        {"not_before": "2017-01-01 00:00:00+00:00"}, {"not_after": 1514764800},
        {"not_after": "2017-02-30T00:00:00+00:00"}, {"revoked_at": False}, {"revoked_at": ""},
    ], ids=str)  # fmt: skip
    def test_an_entry_that_is_none(self, fields: dict[str, Any]) -> None:
        assert not shard_taken(with_till(**fields))
        if fields not in ({"role": "gateway"}, {"role": "root"}):
            assert not list_taken(with_entry(**fields))

    @pytest.mark.parametrize("fields", [{"epoch": 0}, {"revoked_at": "2050-01-01T00:00:00+00:00"}], ids=str)
    def test_an_entry_that_is_one(self, fields: dict[str, Any]) -> None:
        assert shard_taken(with_till(**fields))
        assert list_taken(with_entry(**fields))

    def test_keys_twice_and_out_of_order(self) -> None:
        assert not list_taken({**BODY, "keys": ENTRIES[::-1]})
        assert not list_taken({**BODY, "keys": [*ENTRIES, ENTRIES[-1]]})
        assert not list_taken({**BODY, "keys": {}})

    @pytest.mark.parametrize("time", [
        "2017-01-01T00:00:00Z", "2017-01-01T08:00:00+08:00", "2017-01-01T00:00:00.5+00:00", "1816-01-01T00:00:00+00:00",
        "1999-12-31T23:59:59+00:00", "2106-01-01T00:00:00+00:00", "2017-01-01t00:00:00+00:00",
    ])  # fmt: skip
    def test_other_times_of_rfc_3339(self, time: str) -> None:
        assert not shard_taken(with_till(not_before=time))
        assert not list_taken(with_entry(not_before=time))

    @pytest.mark.parametrize("time", ["2000-01-01T00:00:00+00:00", "2105-12-31T23:59:59+00:00"])
    def test_the_first_and_the_last_time(self, time: str) -> None:
        assert shard_taken(with_till(not_before=time))
        assert list_taken(with_entry(not_before=time))

    @pytest.mark.parametrize("fields", [{"issued_at": "x"}, {"version": "1"}, {"more": 1}], ids=str)
    def test_other_members_of_the_body(self, fields: dict[str, Any]) -> None:
        assert not list_taken({**BODY, **fields})
        assert not shard_taken({**with_till(), **fields})

    def test_another_spelling_of_the_header(self) -> None:
        assert not list_taken(BODY, HEADER.replace(":", ": "))
