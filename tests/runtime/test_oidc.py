"""Persons' tokens: of an OpenID Connect issuer, and of the development issuer on loopback."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from kernel.refusal import Unavailable
from runtime.tokens.access import AccessTokens
from runtime.tokens.bearer import Bearer, Role, TokenExpired, Unauthenticated
from runtime.tokens.dev_issuer import DevelopmentIssuerExposed, DevIssuer, refuse_public_host
from runtime.tokens.jose import Signed, ed25519_key
from runtime.tokens.oidc import KEYS_FRESH, KEYS_USABLE, REFETCH_AFTER, OidcVerifier, keys_by_discovery
from tests.runtime.forging import (
    ED,
    GARBAGE,
    NOW,
    OTHER_SECRET,
    SECRET,
    Clients,
    handmade,
    public,
    signed,
)


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

    def client(self) -> httpx2.AsyncClient:
        routes = [Route("/.well-known/openid-configuration", self.discovery), Route("/jwks", self.jwks)]
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(Starlette(routes=routes)))


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
