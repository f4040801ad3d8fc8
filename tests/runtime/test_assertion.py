"""Client assertions: what is believed, and what somebody forged, kept too long or sent twice."""

import asyncio
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from kernel.refusal import Refusal
from runtime.database import Database
from runtime.database import Role as DatabaseRole
from runtime.tokens.access import AccessTokens
from runtime.tokens.assertion import (
    FORM_MAX,
    ClientRefused,
    GrantUnsupported,
    SeenJti,
    TokenRequestInvalid,
    exchange,
    oauth_problem,
    read_form,
)
from runtime.tokens.jose import TOKEN_MAX
from runtime.tokens.store import StoredJti
from tests.runtime.forging import (
    ED,
    ED_OTHER,
    GARBAGE,
    NOW,
    P256,
    SECRET,
    URL,
    Clients,
    SeenInMemory,
    b64,
    claims,
    form,
    handmade,
    public,
    signed,
)


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
