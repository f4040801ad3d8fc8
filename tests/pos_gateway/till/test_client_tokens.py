"""A seat's assertion is what the centre's own token endpoint accepts, and its times follow the centre's clock."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pos_gateway.till.client_tokens import ASSERTION_S, clock_offset, token_form
from runtime.tokens.access import AccessTokens
from runtime.tokens.assertion import ASSERTION_TYPE, ClientRefused, exchange

NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
URL = "https://centre.example/v1/oauth/token"


class Seen:
    def __init__(self) -> None:
        self.ids: set[str] = set()

    async def remember(self, client_id: str, jti: str, *, expires_at: datetime, now: datetime) -> bool:
        fresh = jti not in self.ids
        self.ids.add(jti)
        return fresh


def form(now: datetime = NOW) -> dict[str, str]:
    return token_form(client_id="till-1", token_url=URL, key=KEY, now=now, jti="once")


async def exchanged(asked: dict[str, str]) -> dict[str, object]:
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    async def keys_of(_client: str) -> list[str]:
        return [public.decode()]

    async def is_active(_client: str) -> bool:
        return True

    tokens = AccessTokens(bytes(32), is_active)
    return await exchange(asked, token_urls=[URL], keys_of=keys_of, seen=Seen(), tokens=tokens, now=NOW)


class TestTokenForm:
    async def test_is_believed_by_the_centre(self) -> None:
        assert form()["client_assertion_type"] == ASSERTION_TYPE
        assert (await exchanged(form()))["token_type"] == "Bearer"

    @pytest.mark.parametrize("off", [timedelta(seconds=ASSERTION_S + 1), timedelta(seconds=-301)])
    async def test_is_refused_where_the_clock_is_too_far_off(self, off: timedelta) -> None:
        with pytest.raises(ClientRefused):
            await exchanged(form(NOW - off))


class TestClockOffset:
    @pytest.mark.parametrize("seconds", [-86_400, -600, -2, 2, 3_600])
    def test_is_what_the_header_shows(self, seconds: int) -> None:
        shown = NOW + timedelta(seconds=seconds)
        assert clock_offset(f"{shown:%a, %d %b %Y %H:%M:%S} GMT", NOW) == timedelta(seconds=seconds)

    @pytest.mark.parametrize("seconds", [-1, 0, 1])
    def test_is_none_within_what_the_header_cannot_show(self, seconds: int) -> None:
        shown = NOW + timedelta(seconds=seconds)
        assert clock_offset(f"{shown:%a, %d %b %Y %H:%M:%S} GMT", NOW) == timedelta()

    @pytest.mark.parametrize("header", [None, "", "yesterday", "Fri, 99 Nov 2026 09:00:00 GMT"])
    def test_is_unknown_without_a_date_that_can_be_read(self, header: str | None) -> None:
        assert clock_offset(header, NOW) is None
