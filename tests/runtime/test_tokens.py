"""Tokens: what is believed, and what somebody forged, stole, kept too long or sent twice."""

import asyncio
import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from kernel.refusal import Malformed, Refusal, Unavailable
from runtime.database import Database
from runtime.database import Role as DatabaseRole
from runtime.tokens import access
from runtime.tokens.access import LIFETIME_S, REMEMBERED, AccessTokens
from runtime.tokens.assertion import (
    ASSERTION_TYPE,
    FORM_MAX,
    ClientRefused,
    GrantUnsupported,
    SeenJti,
    TokenRequestInvalid,
    exchange,
    oauth_problem,
    read_form,
)
from runtime.tokens.bearer import Bearer, Forbidden, Role, TokenExpired, Unauthenticated, token_of
from runtime.tokens.dev_issuer import DevelopmentIssuerExposed, DevIssuer, refuse_public_host
from runtime.tokens.jose import ISSUERS, OURS, TOKEN_MAX, Signed, TokenInvalid, ed25519_key, read_public_key
from runtime.tokens.oidc import KEYS_FRESH, KEYS_USABLE, REFETCH_AFTER, OidcVerifier, keys_by_discovery
from runtime.tokens.store import StoredJti

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
URL = "https://barimt.example/v1/oauth/token"
SECRET, OTHER_SECRET = bytes(range(32)), bytes(range(1, 33))
ED = OKPKey.generate_key("Ed25519")
ED_OTHER = OKPKey.generate_key("Ed25519")
P256 = ECKey.generate_key("P-256")
GARBAGE = [
    "",
    ".",
    "..",
    "...",
    "a.b.c",
    "a.b.c.d.e",
    "eyJhbGciOiJFZDI1NTE5In0..",
    "eyJhbGciOiJFZDI1NTE5In0.e30.",
    "\x00.\x00.\x00",
    "Болд.Болд.Болд",
    "\ud800.a.b",
    "A" * TOKEN_MAX,
    "A" * 1_000_000,
]


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def handmade(header: object, claims: object, signature: bytes = b"\x00" * 64) -> str:
    """A token that no library would write."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    return ".".join([*map(b64, parts), b64(signature)])


def signed(key: Any, claims: Mapping[str, Any], alg: str = "Ed25519", **header: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # joserfc warns of the older name EdDSA
        return jwt.encode({"alg": alg, **header}, dict(claims), key, algorithms=[alg])


def public(key: OKPKey | ECKey | RSAKey, **more: str) -> str:
    return json.dumps({**key.as_dict(private=False), **more})


class SeenInMemory:
    """A second store of used assertions, as simple as can be."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()

    async def remember(self, client_id: str, jti: str, *, expires_at: datetime, now: datetime) -> bool:
        first = (client_id, jti) not in self.seen
        self.seen.add((client_id, jti))
        return first


class Clients:
    """Enrolled clients and their public keys; counts how often it is asked."""

    def __init__(self, **keys: Sequence[str]) -> None:
        self.keys = keys
        self.asked = 0

    async def keys_of(self, client_id: str) -> Sequence[str]:
        self.asked += 1
        return self.keys.get(client_id, ())

    async def is_active(self, client_id: str) -> bool:
        return bool(await self.keys_of(client_id))


def claims(**changed: Any) -> dict[str, Any]:
    at = int(NOW.timestamp())
    made = {"iss": "till1", "sub": "till1", "aud": URL, "iat": at, "exp": at + 60, "jti": "j1", **changed}
    return {name: value for name, value in made.items() if value is not None}


def form(assertion: str, **changed: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        **changed,
    }


async def ask(
    assertion: str, *, clients: Clients | None = None, seen: SeenJti | None = None, now: datetime = NOW, **changed: str
) -> dict[str, Any]:
    clients = clients or Clients(till1=[public(ED)], till2=[public(ED_OTHER)], cash1=[public(P256)])
    tokens = AccessTokens(SECRET, clients.is_active)
    return await exchange(
        form(assertion, **changed),
        token_urls=[URL, "http://127.0.0.1:8000/v1/oauth/token"],
        keys_of=clients.keys_of,
        seen=seen or SeenInMemory(),
        tokens=tokens,
        now=now,
    )


class TestReadForm:
    def test_reads_a_form(self) -> None:
        assert read_form(urlencode(form("a.b.c")).encode()) == form("a.b.c")

    @pytest.mark.parametrize(
        "body",
        [
            b"{}",
            b"a=1&a=2",
            b"a",
            b"\xff=1",
            b"a=%ff",
            b"&".join(b"k%d=1" % at for at in range(17)),
            b"a=" + b"x" * FORM_MAX,
        ],
    )
    def test_refuses_what_is_no_form(self, body: bytes) -> None:
        with pytest.raises(TokenRequestInvalid):
            read_form(body)


class TestExchange:
    async def test_gives_a_token_that_is_read_as_the_client(self) -> None:
        answer = await ask(signed(ED, claims()))
        assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
        tokens = AccessTokens(SECRET, Clients(till1=["x"]).is_active)
        assert await tokens.read(answer["access_token"], NOW) == "till1"

    @pytest.mark.parametrize(
        ("key", "alg", "client"), [(ED, "Ed25519", "till1"), (ED, "EdDSA", "till1"), (P256, "ES256", "cash1")]
    )
    async def test_takes_the_three_algorithms(self, key: Any, alg: str, client: str) -> None:
        assert await ask(signed(key, claims(iss=client, sub=client), alg))

    @pytest.mark.parametrize(
        "aud", [URL, [URL], ["https://other.example", URL], "http://127.0.0.1:8000/v1/oauth/token"]
    )
    async def test_takes_an_audience_that_names_us(self, aud: Any) -> None:
        assert await ask(signed(ED, claims(aud=aud)))

    @pytest.mark.parametrize(
        "changed",
        [
            {"aud": "https://other.example"},
            {"aud": URL + "/"},
            {"aud": [URL, 1]},
            {"aud": []},
            {"aud": None},
            {"aud": {"url": URL}},
            {"iss": "till2"},
            {"sub": "till2"},
            {"iss": None},
            {"sub": None},
            {"iss": "unknown", "sub": "unknown"},
            {"iss": "a\x00b", "sub": "a\x00b"},
            {"iss": "Болд", "sub": "Болд"},
            {"iss": "x" * 65, "sub": "x" * 65},
            {"iss": ["till1"], "sub": ["till1"]},
            {"exp": None},
            {"exp": int(NOW.timestamp())},
            {"exp": int(NOW.timestamp()) - 1},
            {"exp": int(NOW.timestamp()) + 301},
            {"exp": 10**400},
            {"exp": True},
            {"exp": "1900000000"},
            {"exp": float("nan")},
            {"exp": float("inf")},
            {"iat": int(NOW.timestamp()) + 31},
            {"iat": "now"},
            {"nbf": int(NOW.timestamp()) + 31},
            {"jti": None},
            {"jti": ""},
            {"jti": "x" * 129},
            {"jti": "a\x00b"},
            {"jti": "\ud800"},
            {"jti": 1},
        ],
    )
    async def test_refuses_wrong_claims(self, changed: dict[str, Any]) -> None:
        payload = json.dumps(claims(**changed)).encode()
        head = b64(json.dumps({"alg": "Ed25519"}).encode()) + "." + b64(payload)
        key = ED.private_key
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        with pytest.raises(ClientRefused):
            await ask(head + "." + b64(key.sign(head.encode())))

    @pytest.mark.parametrize("ahead", [{"exp": int(NOW.timestamp()) + 300}, {"iat": int(NOW.timestamp()) + 30}])
    async def test_takes_times_at_the_limit(self, ahead: dict[str, Any]) -> None:
        assert await ask(signed(ED, claims(**ahead)))

    async def test_takes_an_assertion_once(self) -> None:
        seen = SeenInMemory()
        assertion = signed(ED, claims())
        await ask(assertion, seen=seen)
        with pytest.raises(ClientRefused) as caught:
            await ask(assertion, seen=seen)
        assert "jti" in caught.value.values["reason"]
        assert await ask(signed(ED, claims(jti="j2")), seen=seen)

    async def test_does_not_use_up_the_jti_of_a_forged_assertion(self) -> None:
        seen = SeenInMemory()
        with pytest.raises(ClientRefused):
            await ask(signed(ED_OTHER, claims()), seen=seen)
        assert await ask(signed(ED, claims()), seen=seen)

    async def test_keeps_the_jtis_of_clients_apart(self) -> None:
        seen = SeenInMemory()
        await ask(signed(ED, claims()), seen=seen)
        assert await ask(signed(ED_OTHER, claims(iss="till2", sub="till2")), seen=seen)

    async def test_refuses_alg_none(self) -> None:
        for alg in ("none", "None", "NONE", ""):
            for token in (handmade({"alg": alg}, claims()), handmade({"alg": alg}, claims(), b"")):
                with pytest.raises(ClientRefused):
                    await ask(token)

    @pytest.mark.parametrize("form_of_key", ["jwk", "pem", "raw"])
    async def test_refuses_hs256_with_the_public_key_as_secret(self, form_of_key: str) -> None:
        raw = ED.public_key
        pem = raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        secret = {"jwk": public(ED).encode(), "pem": pem, "raw": raw.public_bytes(Encoding.Raw, PublicFormat.Raw)}[
            form_of_key
        ]
        head = handmade({"alg": "HS256"}, claims()).rpartition(".")[0]
        mac = hmac.new(secret, head.encode(), hashlib.sha256).digest()
        with pytest.raises(ClientRefused):
            await ask(f"{head}.{b64(mac)}")

    @pytest.mark.parametrize("alg", ["ES384", "RS256", "PS256", "HS256", "Ed448", "ES256K"])
    async def test_refuses_other_algorithms(self, alg: str) -> None:
        keys: dict[str, Any] = {
            "ES384": ECKey.generate_key("P-384"),
            "RS256": RSAKey.generate_key(2048),
            "PS256": RSAKey.generate_key(2048),
            "HS256": OctKey.generate_key(256),
            "Ed448": OKPKey.generate_key("Ed448"),
            "ES256K": ECKey.generate_key("secp256k1"),
        }
        with pytest.raises(ClientRefused):
            await ask(signed(keys[alg], claims(), alg))

    async def test_refuses_an_algorithm_that_is_not_the_keys(self) -> None:
        token = signed(P256, claims(), "ES256")
        with pytest.raises(ClientRefused):
            await ask(token)

    @pytest.mark.parametrize("kid", ["two", "../../keys/other", "'; DROP TABLE", "one\x00"])
    async def test_refuses_a_kid_that_is_another_clients(self, kid: str) -> None:
        clients = Clients(till1=[public(ED, kid="one")], till2=[public(ED_OTHER, kid="two")])
        with pytest.raises(ClientRefused):
            await ask(signed(ED_OTHER, claims(), kid=kid), clients=clients)
        with pytest.raises(ClientRefused):
            await ask(signed(ED, claims(), kid=kid), clients=clients)

    async def test_refuses_a_key_that_the_token_brings_along(self) -> None:
        own = ED_OTHER.as_dict(private=False)
        for header in ({"jwk": own}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example"}):
            head = handmade({"alg": "Ed25519", **header}, claims()).rpartition(".")[0]
            key = ED_OTHER.private_key
            assert isinstance(key, ed25519.Ed25519PrivateKey)
            with pytest.raises(ClientRefused):
                await ask(f"{head}.{b64(key.sign(head.encode()))}")

    async def test_takes_either_key_while_a_client_changes_its_key(self) -> None:
        clients = Clients(till1=[public(ED, kid="one"), public(ED_OTHER, kid="two")])
        assert await ask(signed(ED, claims(), kid="one"), clients=clients)
        assert await ask(signed(ED_OTHER, claims(jti="j2"), kid="two"), clients=clients)
        assert await ask(signed(ED_OTHER, claims(jti="j3")), clients=clients)

    async def test_refuses_a_revoked_client(self) -> None:
        with pytest.raises(ClientRefused):
            await ask(signed(ED, claims()), clients=Clients(till1=[]))

    async def test_says_the_same_of_an_unknown_client_and_a_wrong_signature(self) -> None:
        reasons = set()
        for token in (signed(ED_OTHER, claims()), signed(ED, claims(iss="nobody", sub="nobody"))):
            with pytest.raises(ClientRefused) as caught:
                await ask(token)
            reasons.add(caught.value.values["reason"])
        assert len(reasons) == 1

    @pytest.mark.parametrize("at", ["header", "payload", "signature"])
    async def test_refuses_any_changed_character(self, at: str) -> None:
        token = signed(ED, claims())
        starts = {"header": 0, "payload": token.index(".") + 1, "signature": token.rindex(".") + 1}
        ends = {"header": starts["payload"] - 1, "payload": starts["signature"] - 1, "signature": len(token)}
        for index in range(starts[at], ends[at]):
            other = "A" if token[index] != "A" else "B"
            with pytest.raises(ClientRefused):
                await ask(token[:index] + other + token[index + 1 :])

    @pytest.mark.parametrize("token", GARBAGE[1:], ids=lambda token: repr(token[:20]))
    async def test_refuses_garbage(self, token: str) -> None:
        with pytest.raises(ClientRefused):
            await ask(token)

    async def test_refuses_a_token_that_is_too_long_although_it_is_right(self) -> None:
        def padded(characters: int) -> str:
            return signed(ED, claims(padding="x" * characters))

        longest = max(size for size in range(TOKEN_MAX) if len(padded(size)) <= TOKEN_MAX)
        assert await ask(padded(longest))
        with pytest.raises(ClientRefused):
            await ask(padded(longest + 1))

    @pytest.mark.parametrize(
        ("changed", "refusal"),
        [
            ({"grant_type": ""}, TokenRequestInvalid),
            ({"grant_type": "password"}, GrantUnsupported),
            ({"client_assertion_type": "urn:other"}, TokenRequestInvalid),
            ({"client_assertion": ""}, TokenRequestInvalid),
            ({"client_id": "till2"}, ClientRefused),
        ],
    )
    async def test_refuses_another_form(self, changed: dict[str, str], refusal: type[Refusal]) -> None:
        with pytest.raises(refusal):
            await ask(signed(ED, claims()), **changed)
        assert await ask(signed(ED, claims()), client_id="till1")

    def test_says_refusals_as_oauth_does(self) -> None:
        invalid = oauth_problem(ClientRefused(reason="expired"))
        assert (invalid.status, invalid.headers["Cache-Control"]) == (401, "no-store")
        assert invalid.body == {
            "error": "invalid_client",
            "error_description": "The client assertion was refused: expired.",
        }
        assert oauth_problem(GrantUnsupported(reason="x")).status == 400
        for refusal in (TokenRequestInvalid(reason="x"), GrantUnsupported(reason="x"), ClientRefused(reason="x")):
            said = oauth_problem(refusal).body["error_description"]
            assert all(" " <= character <= "~" and character not in '"\\' for character in said)


class TestStoredJti:
    async def test_remembers_for_all_workers_and_forgets_what_expired(self, database: Database) -> None:
        one = await database.pool(DatabaseRole.GATEWAY, min_size=1, max_size=8)
        two = await database.pool(DatabaseRole.GATEWAY, min_size=1, max_size=2)
        try:
            soon, later = NOW + timedelta(seconds=60), NOW + timedelta(seconds=61)
            stores = [StoredJti(one), StoredJti(two)]
            tries = [store.remember("till1", "j", expires_at=soon, now=NOW) for store in stores * 8]
            assert sorted(await asyncio.gather(*tries))[-2:] == [False, True]
            assert await stores[0].remember("till2", "j", expires_at=soon, now=NOW)
            assert await stores[1].remember("till1", "k", expires_at=later, now=later)
            rows = await one.fetch("SELECT client_id, jti FROM auth.seen_jti ORDER BY client_id, jti")
            assert [tuple(row) for row in rows] == [("till1", "k"), ("till2", "j")]
        finally:
            await one.close()
            await two.close()

    async def test_serves_the_token_endpoint(self, database: Database) -> None:
        pool = await database.pool(DatabaseRole.GATEWAY, min_size=1, max_size=2)
        try:
            assertion = signed(ED, claims())
            assert await ask(assertion, seen=StoredJti(pool))
            with pytest.raises(ClientRefused):
                await ask(assertion, seen=StoredJti(pool))
        finally:
            await pool.close()


class TestAccessTokens:
    @pytest.fixture
    def clients(self) -> Clients:
        return Clients(till1=["x"])

    @pytest.fixture
    def tokens(self, clients: Clients) -> AccessTokens:
        return AccessTokens(SECRET, clients.is_active)

    async def test_asks_for_a_client_once_a_minute(self, tokens: AccessTokens, clients: Clients) -> None:
        token = tokens.issue("till1", NOW)
        for seconds in (0, 30, 59):
            assert await tokens.read(token, NOW + timedelta(seconds=seconds)) == "till1"
        assert clients.asked == 1
        assert await tokens.read(token, NOW + timedelta(seconds=60)) == "till1"
        assert clients.asked == 2

    async def test_a_revocation_takes_a_minute_at_most(self, tokens: AccessTokens, clients: Clients) -> None:
        token = tokens.issue("till1", NOW)
        await tokens.read(token, NOW)
        clients.keys = {}
        assert await tokens.read(token, NOW + REMEMBERED - timedelta(seconds=1)) == "till1"
        with pytest.raises(Unauthenticated):
            await tokens.read(token, NOW + REMEMBERED)

    async def test_expires_although_it_is_remembered(self, tokens: AccessTokens) -> None:
        token = tokens.issue("till1", NOW)
        last = NOW + timedelta(seconds=LIFETIME_S - 1)
        assert await tokens.read(token, last) == "till1"
        with pytest.raises(TokenExpired):
            await tokens.read(token, last + timedelta(seconds=1))

    async def test_remembers_so_many_and_no_more(
        self, tokens: AccessTokens, clients: Clients, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(access, "REMEMBERED_MAX", 2)
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


class TestDevIssuer:
    @pytest.mark.parametrize("role", list(Role))
    async def test_tells_its_own_tokens(self, role: Role) -> None:
        issuer = DevIssuer(SECRET)
        assert await issuer.verify(issuer.token("11000001", role, NOW, timedelta(hours=1)), NOW) == Bearer(
            "11000001", role
        )

    def test_labels_its_tokens(self) -> None:
        token = DevIssuer(SECRET).token("x", Role.OFFICER, NOW, timedelta(hours=1))
        assert "development issuer, loopback only" in Signed.parse(token).claims["iss"]

    async def test_refuses_expired_foreign_and_other_tokens(self) -> None:
        issuer = DevIssuer(SECRET)
        with pytest.raises(TokenExpired):
            await issuer.verify(issuer.token("x", Role.CONSUMER, NOW, timedelta(hours=1)), NOW + timedelta(hours=1))
        with pytest.raises(Unauthenticated):
            await issuer.verify(DevIssuer(OTHER_SECRET).token("x", Role.OFFICER, NOW, timedelta(hours=1)), NOW)
        with pytest.raises(Unauthenticated):
            await issuer.verify(AccessTokens(SECRET, Clients().is_active).issue("x", NOW), NOW)
        for garbage in GARBAGE:
            with pytest.raises(Unauthenticated):
                await issuer.verify(garbage, NOW)

    @pytest.mark.parametrize("changed", [{"iss": "https://login.example"}, {"aud": "other"}, {"barimt_role": "owner"}])
    async def test_refuses_other_claims_under_its_own_signature(self, changed: dict[str, str]) -> None:
        issuer = DevIssuer(SECRET)
        said = Signed.parse(issuer.token("x", Role.OFFICER, NOW, timedelta(hours=1))).claims
        assert await issuer.verify(signed(ed25519_key(SECRET), said), NOW)
        with pytest.raises(Unauthenticated):
            await issuer.verify(signed(ed25519_key(SECRET), {**said, **changed}), NOW)

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST"])
    def test_listens_on_loopback(self, host: str) -> None:
        refuse_public_host(host)

    @pytest.mark.parametrize(
        "host",
        [
            "0.0.0.0",
            "::",
            "",
            "192.168.1.5",
            "10.0.0.1",
            "barimt.mn",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "127.1",
            "*",
        ],
    )
    def test_refuses_any_other_host_in_plain_words(self, host: str) -> None:
        with pytest.raises(DevelopmentIssuerExposed) as caught:
            refuse_public_host(host)
        assert "BARIMT_OIDC_ISSUER" in str(caught.value)


ISSUER = "https://login.example"
AUDIENCE = "barimt"
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
ED_ISSUER = OKPKey.generate_key("Ed25519", {"kid": "ed"})
EC_ISSUER = ECKey.generate_key("P-256", {"kid": "ec"})


class Issuer:
    """An OpenID Connect issuer in the world outside, reached over ASGI; can be taken down and changed."""

    def __init__(self) -> None:
        self.keys: Any = [key.as_dict(private=False) for key in (RSA, ED_ISSUER, EC_ISSUER)]
        self.about: Any = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}
        self.broken: Response | None = None
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def discovery(self, _: Request) -> Response:
        return self.broken or JSONResponse(self.about)

    async def jwks(self, _: Request) -> Response:
        self.asked += 1
        await asyncio.sleep(0.01)
        await self.answers.wait()
        return JSONResponse({"keys": self.keys})

    def client(self) -> httpx.AsyncClient:
        routes = [Route("/.well-known/openid-configuration", self.discovery), Route("/jwks", self.jwks)]
        return httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes)))


def persons(**changed: Any) -> dict[str, Any]:
    at = int(NOW.timestamp())
    made = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "bold",
        "barimt_role": "consumer",
        "iat": at,
        "exp": at + 300,
        **changed,
    }
    return {name: value for name, value in made.items() if value is not None}


class TestOidcVerifier:
    @pytest.fixture
    def issuer(self) -> Issuer:
        return Issuer()

    @pytest.fixture
    async def verifier(self, issuer: Issuer) -> AsyncIterator[OidcVerifier]:
        async with issuer.client() as client:
            yield OidcVerifier(ISSUER, AUDIENCE, keys_by_discovery(ISSUER, client))

    @pytest.mark.parametrize(
        ("key", "alg"),
        [(RSA, "RS256"), (RSA, "PS256"), (ED_ISSUER, "Ed25519"), (ED_ISSUER, "EdDSA"), (EC_ISSUER, "ES256")],
    )
    async def test_tells_tokens_of_the_issuer(self, verifier: OidcVerifier, key: Any, alg: str) -> None:
        token = signed(key, persons(aud=["account", AUDIENCE]), alg, kid=key.kid)
        assert await verifier.verify(token, NOW) == Bearer("bold", Role.CONSUMER)

    @pytest.mark.parametrize(
        "changed",
        [
            {"iss": "https://other.example"},
            {"iss": None},
            {"aud": "account"},
            {"aud": None},
            {"exp": None},
            {"nbf": int(NOW.timestamp()) + 31},
            {"iat": int(NOW.timestamp()) + 31},
            {"sub": None},
            {"sub": ""},
            {"sub": "a\x00b"},
            {"sub": "x" * 256},
            {"barimt_role": None},
            {"barimt_role": "admin"},
            {"barimt_role": ["officer"]},
            {"barimt_role": {"officer": 1}},
        ],
    )
    async def test_refuses_wrong_claims(self, verifier: OidcVerifier, changed: dict[str, Any]) -> None:
        with pytest.raises(Unauthenticated):
            await verifier.verify(signed(ED_ISSUER, persons(**changed), kid="ed"), NOW)

    async def test_refuses_an_expired_token(self, verifier: OidcVerifier) -> None:
        with pytest.raises(TokenExpired):
            await verifier.verify(signed(ED_ISSUER, persons(), kid="ed"), NOW + timedelta(seconds=330))

    async def test_refuses_what_the_issuer_did_not_sign(self, verifier: OidcVerifier) -> None:
        for token in (
            signed(ED, persons(), kid="ed"),
            signed(ED_ISSUER, persons(), kid="rsa"),
            signed(RSA, persons(), "RS512", kid="rsa"),
            handmade({"alg": "none"}, persons()),
            signed(OctKey.import_key(public(RSA)), persons(), "HS256", kid="rsa"),
            signed(ED_ISSUER, persons(), kid="ed", typ="logout+jwt"),
            *GARBAGE,
        ):
            with pytest.raises(Unauthenticated):
                await verifier.verify(token, NOW)

    async def test_keeps_the_keys(self, verifier: OidcVerifier, issuer: Issuer) -> None:
        for seconds in (0, 60, 600):
            await verifier.verify(signed(ED_ISSUER, persons(exp=2**40), kid="ed"), NOW + timedelta(seconds=seconds))
        assert issuer.asked == 1
        await verifier.verify(signed(ED_ISSUER, persons(exp=2**40), kid="ed"), NOW + KEYS_FRESH + timedelta(seconds=1))
        assert issuer.asked == 2

    async def test_fetches_a_new_key_when_it_is_first_used(self, verifier: OidcVerifier, issuer: Issuer) -> None:
        await verifier.verify(signed(ED_ISSUER, persons(), kid="ed"), NOW)
        fresh = OKPKey.generate_key("Ed25519", {"kid": "fresh"})
        issuer.keys = [fresh.as_dict(private=False)]
        assert await verifier.verify(signed(fresh, persons(), kid="fresh"), NOW + REFETCH_AFTER)
        with pytest.raises(Unauthenticated):
            await verifier.verify(signed(ED_ISSUER, persons(), kid="ed"), NOW + REFETCH_AFTER)

    async def test_is_not_made_to_ask_by_invented_key_ids(self, verifier: OidcVerifier, issuer: Issuer) -> None:
        for number in range(20):
            with pytest.raises(Unauthenticated):
                await verifier.verify(signed(ED, persons(), kid=f"k{number}"), NOW + timedelta(seconds=number))
        assert issuer.asked == 1

    async def test_asks_once_for_many_at_the_same_time(self, verifier: OidcVerifier, issuer: Issuer) -> None:
        token = signed(ED_ISSUER, persons(), kid="ed")
        await asyncio.gather(*(verifier.verify(token, NOW) for _ in range(20)))
        assert issuer.asked == 1

    async def test_lets_nobody_wait_for_a_slow_issuer_while_it_has_keys(
        self, verifier: OidcVerifier, issuer: Issuer
    ) -> None:
        token = signed(ED_ISSUER, persons(exp=2**40), kid="ed")
        await verifier.verify(token, NOW)
        issuer.answers.clear()
        later = NOW + KEYS_FRESH + timedelta(seconds=1)
        fetching = asyncio.create_task(verifier.verify(token, later))
        await asyncio.sleep(0.05)
        assert issuer.asked == 2
        assert await asyncio.wait_for(verifier.verify(token, later), 1)
        assert not fetching.done()
        issuer.answers.set()
        assert await fetching

    async def test_goes_on_for_an_hour_when_the_issuer_is_down(self, verifier: OidcVerifier, issuer: Issuer) -> None:
        token = signed(ED_ISSUER, persons(exp=2**40), kid="ed")
        await verifier.verify(token, NOW)
        issuer.broken = PlainTextResponse("down", 500)
        assert await verifier.verify(token, NOW + KEYS_USABLE)
        with pytest.raises(Unavailable):
            await verifier.verify(token, NOW + KEYS_USABLE + timedelta(seconds=1))
        issuer.broken = None
        assert await verifier.verify(token, NOW + KEYS_USABLE + REFETCH_AFTER)

    @pytest.mark.parametrize(
        "broken",
        [
            PlainTextResponse("no", 404),
            PlainTextResponse("not json"),
            PlainTextResponse("[" * 100_000),
            JSONResponse({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks", "padding": "x" * 300_000}),
            JSONResponse([]),
            JSONResponse({"issuer": "https://evil.example", "jwks_uri": "https://evil.example/jwks"}),
            JSONResponse({"issuer": ISSUER}),
            JSONResponse({"issuer": ISSUER, "jwks_uri": 5}),
            JSONResponse({"issuer": ISSUER, "jwks_uri": "http://login.example/jwks"}),
            JSONResponse({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}),
            RedirectResponse("https://evil.example"),
        ],
        ids=lambda answer: answer.body[:20].decode() or "redirect",
    )
    async def test_is_unavailable_without_a_usable_answer(
        self, verifier: OidcVerifier, issuer: Issuer, broken: Response
    ) -> None:
        issuer.broken = broken
        with pytest.raises(Unavailable):
            await verifier.verify(signed(ED_ISSUER, persons(), kid="ed"), NOW)

    @pytest.mark.parametrize("keys", [[], {}, None, 5, ["x"], [{}], [{"kty": "oct", "k": "AAAA"}], [{"kty": ["RSA"]}]])
    async def test_is_unavailable_without_a_usable_key(self, verifier: OidcVerifier, issuer: Issuer, keys: Any) -> None:
        issuer.keys = keys
        with pytest.raises(Unavailable):
            await verifier.verify(signed(ED_ISSUER, persons(), kid="ed"), NOW)

    async def test_passes_over_keys_that_it_cannot_use(self, verifier: OidcVerifier, issuer: Issuer) -> None:
        issuer.keys = [
            {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"},
            {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
            {"kty": "RSA", "n": "!", "e": "AQAB"},
            {"kty": "OKP", "crv": "Ed25519", "x": 5},
            *issuer.keys,
        ]
        assert await verifier.verify(signed(ED_ISSUER, persons(), kid="ed"), NOW)

    async def test_does_not_take_an_encryption_key_for_a_signature(
        self, verifier: OidcVerifier, issuer: Issuer
    ) -> None:
        issuer.keys = [{**ED_ISSUER.as_dict(private=False), "use": "enc"}]
        with pytest.raises(Unauthenticated):
            await verifier.verify(signed(ED_ISSUER, persons(), kid="ed"), NOW)
