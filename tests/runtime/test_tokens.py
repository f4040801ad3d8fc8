"""Access tokens, and what every signed token and public key has to stand."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey

from kernel.refusal import Malformed
from runtime.tokens import access
from runtime.tokens.access import LIFETIME_S, REMEMBERED_S, AccessTokens
from runtime.tokens.bearer import Bearer, Forbidden, Role, TokenExpired, Unauthenticated, token_of
from runtime.tokens.dev_issuer import DevIssuer
from runtime.tokens.jose import ISSUERS, OURS, Signed, TokenInvalid, ed25519_key, read_public_key
from tests.runtime.forging import (
    ED,
    GARBAGE,
    NOW,
    OTHER_SECRET,
    P256,
    SECRET,
    Clients,
    b64,
    claims,
    handmade,
    public,
    signed,
)


class StopWatch:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class TestAccessTokens:
    @pytest.fixture
    def clients(self) -> Clients:
        return Clients(till1=["x"])

    @pytest.fixture
    def watch(self) -> StopWatch:
        return StopWatch()

    @pytest.fixture
    def tokens(self, clients: Clients, watch: StopWatch) -> AccessTokens:
        return AccessTokens(SECRET, clients.is_active, elapsed_s=watch)

    async def test_asks_for_a_client_once_a_minute(
        self, tokens: AccessTokens, clients: Clients, watch: StopWatch
    ) -> None:
        token = tokens.issue("till1", NOW)
        for watch.seconds in (0.0, 30.0, 59.9):
            assert await tokens.read(token, NOW) == "till1"
        assert clients.asked == 1
        watch.seconds = REMEMBERED_S
        assert await tokens.read(token, NOW) == "till1"
        assert clients.asked == 2

    async def test_asks_again_before_the_minute_is_over_and_nobody_waits(
        self, tokens: AccessTokens, clients: Clients, watch: StopWatch
    ) -> None:
        token = tokens.issue("till1", NOW)
        assert tokens.known(token, NOW) is None
        await tokens.read(token, NOW)
        for watch.seconds in (50.0, 100.0, 150.0):
            assert tokens.known(token, NOW) == "till1"
            await asyncio.sleep(0)
        assert clients.asked == 4
        clients.keys = {}
        watch.seconds = 200.0
        assert tokens.known(token, NOW) == "till1"
        await asyncio.sleep(0)
        assert tokens.known(token, NOW) is None

    async def test_a_revocation_takes_a_minute_at_most(
        self, tokens: AccessTokens, clients: Clients, watch: StopWatch
    ) -> None:
        token = tokens.issue("till1", NOW)
        await tokens.read(token, NOW)
        clients.keys = {}
        watch.seconds = REMEMBERED_S - 0.1
        assert await tokens.read(token, NOW) == "till1"
        watch.seconds = REMEMBERED_S
        with pytest.raises(Unauthenticated):
            await tokens.read(token, NOW)

    async def test_a_clock_that_is_set_back_gives_a_revoked_client_no_time(
        self, tokens: AccessTokens, clients: Clients, watch: StopWatch
    ) -> None:
        token = tokens.issue("till1", NOW - timedelta(minutes=30))
        await tokens.read(token, NOW)
        clients.keys = {}
        watch.seconds = REMEMBERED_S
        with pytest.raises(Unauthenticated):
            await tokens.read(token, NOW - timedelta(minutes=20))

    async def test_the_minute_begins_when_the_question_is_asked(self, watch: StopWatch) -> None:
        async def is_active(_: str) -> bool:
            watch.seconds += 10
            return watch.seconds <= 10

        tokens = AccessTokens(SECRET, is_active, elapsed_s=watch)
        token = tokens.issue("till1", NOW)
        assert await tokens.read(token, NOW) == "till1"
        watch.seconds = REMEMBERED_S
        with pytest.raises(Unauthenticated):
            await tokens.read(token, NOW)

    async def test_expires_although_it_is_remembered(self, tokens: AccessTokens) -> None:
        token = tokens.issue("till1", NOW)
        last = NOW + timedelta(seconds=LIFETIME_S - 1)
        assert await tokens.read(token, last) == "till1"
        with pytest.raises(TokenExpired):
            await tokens.read(token, last + timedelta(seconds=1))

    async def test_remembers_so_many_and_no_more(self, clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(access, "REMEMBERED_MAX", 2)
        tokens = AccessTokens(SECRET, clients.is_active)
        first, second, third = (tokens.issue("till1", NOW) for _ in range(3))
        for token in (first, second, first, third, first):
            await tokens.read(token, NOW)
        assert clients.asked == 3
        await tokens.read(second, NOW)
        assert clients.asked == 4

    async def test_is_read_by_another_worker(self, tokens: AccessTokens, clients: Clients) -> None:
        assert await AccessTokens(SECRET, clients.is_active).read(tokens.issue("till1", NOW), NOW) == "till1"

    async def test_writes_no_token_twice(self, tokens: AccessTokens) -> None:
        assert tokens.issue("till1", NOW) != tokens.issue("till1", NOW)

    async def test_refuses_what_another_key_signed(self, tokens: AccessTokens, clients: Clients) -> None:
        with pytest.raises(Unauthenticated):
            await tokens.read(AccessTokens(OTHER_SECRET, clients.is_active).issue("till1", NOW), NOW)

    async def test_refuses_a_token_for_another_service(self, tokens: AccessTokens, clients: Clients) -> None:
        other = AccessTokens(SECRET, clients.is_active, issuer="other")
        with pytest.raises(Unauthenticated):
            await tokens.read(other.issue("till1", NOW), NOW)

    async def test_refuses_a_persons_token_signed_with_the_same_key(self, tokens: AccessTokens) -> None:
        token = DevIssuer(SECRET).token("till1", Role.CONSUMER, NOW, timedelta(hours=1))
        with pytest.raises(Unauthenticated):
            await tokens.read(token, NOW)

    async def test_refuses_another_kind_of_token_of_the_same_key(self, tokens: AccessTokens) -> None:
        said = Signed.parse(tokens.issue("till1", NOW)).claims
        key = ed25519_key(SECRET)
        assert await tokens.read(signed(key, said, typ="at+jwt"), NOW) == "till1"
        for kind in ("JWT", "logout+jwt", ""):
            with pytest.raises(Unauthenticated):
                await tokens.read(signed(key, said, typ=kind), NOW)

    @pytest.mark.parametrize("token", GARBAGE, ids=lambda token: repr(token[:20]))
    async def test_refuses_garbage(self, tokens: AccessTokens, token: str) -> None:
        with pytest.raises(Unauthenticated):
            await tokens.read(token, NOW)

    async def test_refuses_alg_none_and_hs256(self, tokens: AccessTokens) -> None:
        good = tokens.issue("till1", NOW)
        payload = good.split(".")[1]
        for alg, secret in (("none", b""), ("HS256", SECRET)):
            head = b64(json.dumps({"alg": alg, "typ": "at+jwt"}).encode()) + "." + payload
            mac = hmac.new(secret, head.encode(), hashlib.sha256).digest()
            with pytest.raises(Unauthenticated):
                await tokens.read(f"{head}.{b64(mac)}", NOW)


class TestSigned:
    @pytest.mark.parametrize(
        "header",
        [
            [],
            "alg",
            7,
            None,
            {},
            {"alg": 1},
            {"alg": None},
            {"alg": ["Ed25519"]},
            {"alg": "Ed25519", "crit": 5},
            {"alg": "Ed25519", "crit": [{}]},
            {"alg": "Ed25519", "crit": ["b64"], "b64": False},
            {"alg": "Ed25519", "kid": 1},
            {"alg": "Ed25519", "kid": {}},
            {"alg": "Ed25519", "typ": []},
            b"\xff",
            b'{"alg":"Ed25519"',
            b"[" * 300,
        ],
    )
    def test_refuses_hostile_headers(self, header: object) -> None:
        with pytest.raises(TokenInvalid):
            Signed.parse(handmade(header, claims()))

    @pytest.mark.parametrize(
        "payload", [[], "x", 1, None, b"", b"\xff", b"{", b"[" * 2_800, b'{"a":' * 500, b"1" * 2_800]
    )
    def test_refuses_hostile_payloads(self, payload: object) -> None:
        with pytest.raises(TokenInvalid):
            Signed.parse(handmade({"alg": "Ed25519"}, payload))

    @given(
        header=st.dictionaries(
            st.text(max_size=8), st.none() | st.integers() | st.text() | st.lists(st.none()), max_size=5
        )
    )
    def test_never_fails_otherwise_whatever_the_header_says(self, header: dict[str, Any]) -> None:
        for named in ({}, {"alg": "Ed25519"}, {"alg": "ES256"}, {"alg": "RS256"}):
            try:
                parsed = Signed.parse(handmade({**header, **named}, claims()))
            except TokenInvalid:
                continue
            with pytest.raises(TokenInvalid):
                parsed.verify([ED, P256], ISSUERS, kinds={parsed.kind})

    @given(
        st.text(max_size=200)
        | st.from_regex(r"[A-Za-z0-9_-]{1,60}\.[A-Za-z0-9_-]{1,60}\.[A-Za-z0-9_-]{1,60}", fullmatch=True)
    )
    def test_never_fails_otherwise_whatever_comes(self, token: str) -> None:
        with pytest.raises(TokenInvalid):
            Signed.parse(token).verify([ED, P256], OURS, kinds={None, "jwt"})

    def test_refuses_a_second_spelling_of_the_same_signature(self) -> None:
        token = signed(ED, claims())
        last = token[-1]
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        spelt = token[:-1] + alphabet[alphabet.index(last) ^ 1]
        assert base64.urlsafe_b64decode(spelt.split(".")[2] + "==") == base64.urlsafe_b64decode(
            token.split(".")[2] + "=="
        )
        with pytest.raises(TokenInvalid):
            Signed.parse(spelt).verify([ED], OURS, kinds={"jwt"})


class TestReadPublicKey:
    @pytest.mark.parametrize("key", [ED, P256])
    def test_reads_jwk_and_pem(self, key: OKPKey | ECKey) -> None:
        pem = key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        for text in (public(key), public(key, kid="k", use="sig", alg="EdDSA"), pem, "\n" + pem + "\n"):
            assert read_public_key(text).thumbprint() == key.thumbprint()

    def test_refuses_others(self) -> None:
        private = ED.private_key
        assert isinstance(private, ed25519.Ed25519PrivateKey)
        others = [
            rsa.generate_private_key(65537, 2048).public_key(),
            ec.generate_private_key(ec.SECP384R1()).public_key(),
            ed448.Ed448PrivateKey.generate().public_key(),
        ]
        texts = [key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for key in others]
        texts.append(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
        texts.append(json.dumps(ED.as_dict(private=True)))
        texts += ["", "{", "{}", "[]", '{"kty":"OKP","crv":"Ed25519"}', '{"kty":"OKP","crv":"Ed25519","x":5}', "Болд"]
        texts += ['{"kty":"OKP","crv":"Ed25519","x":"AAAA"}', '{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}']
        texts += [
            '{"kty":"oct","k":"AAAA"}',
            '{"kty":["OKP"],"crv":{}}',
            "[" * 2_000,
            "{" * 2_000,
            " " * 5_000 + public(ED),
        ]
        texts += [public(ED)[:-1] + ',"kid":5}', '{"a":' * 400]
        for text in texts:
            with pytest.raises(Malformed) as caught:
                read_public_key(text)
            assert caught.value.faults[0].code == "public_key_form"


class TestBearer:
    @pytest.mark.parametrize("header", ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "])
    def test_reads_the_header(self, header: str) -> None:
        assert token_of(header) == "a.b.c"

    @pytest.mark.parametrize(
        "header",
        [None, "", "Bearer", "Bearer ", "Basic a.b.c", "Bearer a b", "Bearer Болд", "Bearer " + "x" * 5_000, "a.b.c"],
    )
    def test_refuses_others(self, header: str | None) -> None:
        with pytest.raises(Unauthenticated):
            token_of(header)

    def test_lets_only_the_role_pass(self) -> None:
        Bearer("x", Role.OFFICER).require(Role.OFFICER)
        with pytest.raises(Forbidden):
            Bearer("x", Role.CONSUMER).require(Role.OFFICER)
