"""Keys, how they are written, and the turnover key."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from receipts.keys import KeyRole, Signer, is_weak_key, key_as_json, keyring_of, kid_of, turnover_key
from tests.receipts.examples import GATEWAY, GATEWAY_KEY, ROOT_KEY, TILL, TILL_KEY, key_of

KEYS = [ROOT_KEY, GATEWAY_KEY, TILL_KEY]


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


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


class TestWeakKeys:
    def test_are_all_points_whose_order_divides_eight(self) -> None:
        """Computed from the curve itself: eight points, some with a second spelling of y."""
        found = {y.to_bytes(32, "little") for y in _ys_of_small_order()}
        assert len(found) == 7
        for y in found:
            for sign in (0, 0x80):
                assert is_weak_key(y[:31] + bytes([y[31] | sign]))

    @given(st.binary(min_size=32, max_size=32))
    def test_are_no_others(self, secret: bytes) -> None:
        assert not is_weak_key(Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw())

    def test_let_anybody_sign(self) -> None:
        weak = Ed25519PublicKey.from_public_bytes(b"\x01" + bytes(31))
        weak.verify(b"\x01" + bytes(63), b"whatever")


PRIME = 2**255 - 19
D = -121665 * pow(121666, -1, PRIME) % PRIME


def _ys_of_small_order() -> set[int]:
    """The y, and where it fits y + p, of every multiple of a point of order eight."""
    point = _times(_some_point(), 2**252 + 27742317777372353535851937790883648493)
    ys = {_times(point, factor)[1] for factor in range(8)}
    return {spelt for y in ys for spelt in (y, y + PRIME) if spelt < 2**255}


def _some_point() -> tuple[int, int]:
    """A point whose part of small order has order eight."""
    for y in range(2, 100):
        square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
        root = pow(square, (PRIME + 3) // 8, PRIME)
        for x in (root, root * pow(2, (PRIME - 1) // 4, PRIME) % PRIME):
            if x * x % PRIME == square:
                part = _times((x, y), 2**252 + 27742317777372353535851937790883648493)
                if _times(part, 4) != (0, 1):
                    return x, y
    raise AssertionError


def _plus(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    (x1, y1), (x2, y2) = one, other
    k = D * x1 * x2 * y1 * y2 % PRIME
    return (
        (x1 * y2 + x2 * y1) * pow(1 + k, -1, PRIME) % PRIME,
        (y1 * y2 + x1 * x2) * pow(1 - k, -1, PRIME) % PRIME,
    )


def _times(point: tuple[int, int], factor: int) -> tuple[int, int]:
    done = (0, 1)
    while factor:
        if factor & 1:
            done = _plus(done, point)
        point, factor = _plus(point, point), factor >> 1
    return done
