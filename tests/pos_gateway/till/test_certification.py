"""What an activation's answer must prove, check by check; each one alone makes it untrusted."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.refusal import Malformed
from pos_gateway.till.certification import CLOCK_OFF, ActivationUntrusted, check_activation, parse_kid
from pos_gateway.till.seat import Activated
from receipts.key_list import prefix_of, sign_key_list, sign_shard
from receipts.keys import Key, KeyRole, key_as_json, kid_of
from tests.pos_gateway.till.tilling import OPENED_AT, Activations, b64

ROOT, OTHER_ROOT = (Ed25519PrivateKey.from_private_bytes(bytes([at]) * 32) for at in (7, 8))
UNTIL = OPENED_AT + timedelta(days=365)


def root_key(root: Ed25519PrivateKey) -> Key:
    return Key(root.public_key().public_bytes_raw(), KeyRole.ROOT, OPENED_AT, UNTIL)


def till_key(activated: Activated, **changes: Any) -> Key:
    seat = activated.seat()
    usual = {
        "public_key": activated.signing_key.public_key().public_bytes_raw(), "role": KeyRole.TILL,
        "not_before": OPENED_AT, "not_after": UNTIL, "seller": seat.seller, "terminal": seat.terminal,
        "epoch": seat.epoch,
    }  # fmt: skip
    return Key(**(usual | changes))


def answered(
    key: Key | None = None,
    *,
    head_root: Ed25519PrivateKey = ROOT,
    shard_root: Ed25519PrivateKey = ROOT,
    shard_keys: list[Key] | None = None,
    **changes: Any,
) -> Activated:
    """An activation as the centre answers it, signed by roots, with a key of one's own choice."""
    activated = Activations().activated()
    key = key or till_key(activated)
    prefix = prefix_of(kid_of(activated.signing_key.public_key().public_bytes_raw()))
    shard = sign_shard(
        [key] if shard_keys is None else shard_keys, prefix=prefix, version=1, issued_at=OPENED_AT, root=shard_root
    )
    heads = [root_key(root) for root in (ROOT, OTHER_ROOT)]
    signed = {
        "certificate": key_as_json(key),
        "keys": sign_key_list(heads, version=1, issued_at=OPENED_AT, root=head_root),
        "shard": {"prefix": prefix, "signed": shard},
    }
    return Activated(dict(activated.answer) | signed | changes, activated.signing_key, activated.client_key)


def check(activated: Activated, *, root: bytes | None = None, now: datetime = OPENED_AT) -> bytes:
    return check_activation(activated, root_kid=root, now=now)


def kid(root: Ed25519PrivateKey) -> bytes:
    return kid_of(root.public_key().public_bytes_raw())


class TestCheckActivation:
    @pytest.mark.parametrize("root", [ROOT, OTHER_ROOT])
    def test_answers_the_root_that_vouches(self, root: Ed25519PrivateKey) -> None:
        activated = answered(head_root=root, shard_root=root)
        assert check(activated) == kid(root)
        assert check(activated, root=kid(root)) == kid(root)

    @pytest.mark.parametrize("now", [OPENED_AT - CLOCK_OFF, UNTIL])
    def test_takes_a_clock_that_is_a_day_behind(self, now: datetime) -> None:
        assert check(answered(), now=now) == kid(ROOT)

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda: (answered(head_root=OTHER_ROOT), kid(ROOT)), "key list is not signed"),
            (lambda: (answered(), kid(OTHER_ROOT)), "key list is not signed"),
            (lambda: (answered(keys="a.b.c"), None), "key list is not signed"),
            (lambda: (answered(shard_root=OTHER_ROOT), None), "shard of till keys is not signed"),
            (lambda: (answered(shard=None), None), "shard of till keys is not signed"),
            (lambda: (answered(shard={"prefix": "00", "signed": None}), None), "shard of till keys is not signed"),
            (lambda: (answered(shard_keys=[]), None), "does not name this till's key"),
            (lambda: (answered(shard_keys=[till_key(answered(), not_after=UNTIL - CLOCK_OFF)]), None), "not the one"),
            (lambda: (answered(till_key(answered(), terminal=20000009)), None), "another seller, terminal or epoch"),
            (lambda: (answered(till_key(answered(), seller=1)), None), "another seller, terminal or epoch"),
            (lambda: (answered(till_key(answered(), epoch=2)), None), "another seller, terminal or epoch"),
            (lambda: (answered(till_key(answered(), revoked_at=OPENED_AT)), None), "in force"),
            (lambda: (answered(enrolment=b64(b'{"seller":"037900846788","terminal":"1"}')), None), "enrolment"),
            (lambda: (answered(enrolment=b64(b"nonsense")), None), "enrolment"),
        ],
        ids=[
            "head of another root", "another root was pinned", "no head", "shard of another root", "no shard",
            "shard without a signature", "not in the shard", "other words in the shard", "another terminal",
            "another seller", "another epoch", "revoked", "enrolment of another", "no enrolment",
        ],
    )  # fmt: skip
    def test_believes_nothing_that_one_check_denies(
        self, make: Callable[[], tuple[Activated, bytes | None]], reason: str
    ) -> None:
        activated, root = make()
        with pytest.raises(ActivationUntrusted) as caught:
            check(activated, root=root)
        assert reason in caught.value.values["reason"]

    @pytest.mark.parametrize("now", [OPENED_AT - CLOCK_OFF - timedelta(seconds=1), UNTIL + timedelta(seconds=1)])
    def test_believes_no_certificate_out_of_its_time(self, now: datetime) -> None:
        with pytest.raises(ActivationUntrusted):
            check(answered(), now=now)

    def test_refuses_an_answer_of_another_form(self) -> None:
        with pytest.raises(Malformed):
            check(Activated({}, ROOT, ROOT))


class TestParseKid:
    def test_reads_sixteen_digits(self) -> None:
        assert parse_kid(" 0123456789ABCDEF\n") == bytes.fromhex("0123456789abcdef")

    @pytest.mark.parametrize("text", ["", "0123", "0123456789abcdef00", "x" * 16])
    def test_reads_nothing_else(self, text: str) -> None:
        assert parse_kid(text) is None
