"""Limits over real sockets: 429 in the standard words, a batch counted by its lines, tokens, and revocation."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kernel.refusal import Unavailable
from pos_gateway import lane, limits
from pos_gateway.callers import Callers
from pos_gateway.directory import REMEMBERED_S, Directory
from pos_gateway.limits import StatedBounds, subscriber_of
from runtime.database import Database, Role
from runtime.settings import Settings
from runtime.tokens.access import AccessTokens
from tests.serving import OPENED_AT, Centre, Till, created, refused, served, wait_for

Serve = Callable[..., AbstractContextManager[Centre]]


@pytest.fixture
def serve(settings: Settings, database: Database, database_name: str, tmp_path: Path) -> Serve:
    """Serves the centre with limits of a test's own."""

    @contextlib.contextmanager
    def opened(**bounds: Any) -> Iterator[Centre]:
        clock_file = tmp_path / "clock"
        clock_file.write_text(OPENED_AT.isoformat(), encoding="ascii")
        changed = settings.model_copy(update={"clock_file": clock_file, "port": 0, **bounds})
        with served(changed, database, database_name) as centre:
            yield centre

    return opened


def limited(answer: httpx2.Response, name: str) -> int:
    """The seconds to wait of an answer that must be 429 by this policy."""
    refused(answer, 429, "rate_limited")
    seconds = int(answer.headers["retry-after"])
    assert answer.headers["ratelimit-policy"].startswith(f'"{name}";q=')
    state, left, wait = answer.headers["ratelimit"].split(";")
    assert (state, wait) == (f'"{name}"', f"t={seconds}")
    assert left.startswith("r=")
    return seconds


def batch(till: Till, lines: int, prefix: str) -> httpx2.Response:
    return till.post_lines([{"key": f"{prefix}-{at}", "receipt": till.body()} for at in range(lines)])


class TestReceipts:
    def test_a_client_that_goes_too_fast_waits_and_goes_on(self, serve: Serve) -> None:
        with serve(terminal_receipts_per_second=25, seller_receipts_per_second=0) as centre:  # 1,500 in one go
            till, other = centre.enrol(), centre.enrol()
            assert batch(till, 1_000, "a").status_code == 200
            seconds = limited(batch(till, 1_000, "b"), "terminal")
            assert seconds <= 20
            created(other.post(other.body()))
            assert batch(till, 450, "c").status_code == 200
            limited(batch(till, 1_000, "d"), "terminal")
            issued = centre.ask("SELECT count(*) FROM pos.receipts WHERE seller = %s AND kind & 15 = 0", int(till.tin))
            assert issued == [(1_450,)]

    def test_a_seller_that_goes_too_fast_with_many_clients(self, serve: Serve) -> None:
        with serve(terminal_receipts_per_second=0, seller_receipts_per_second=0.5) as centre:  # 1,000 in one go
            one = centre.enrol()
            two = centre.add_client(one.tin)
            assert batch(one, 1_000, "a").status_code == 200
            limited(two.post(two.body()), "seller")
            limited(two.http.get("/v1/receipts", params={"key": "x"}, headers=two.headers()), "seller")
            other = centre.enrol()
            created(other.post(other.body()))

    def test_each_open_terminal_counts(self, serve: Serve) -> None:
        with serve(terminal_receipts_per_second=0.5, seller_receipts_per_second=0) as centre:
            till = centre.enrol(terminals=2)
            assert batch(till, 1_000, "a").status_code == 200
            assert batch(till, 900, "b").status_code == 200
            limited(batch(till, 1_000, "c"), "terminal")

    def test_nothing_is_no_limit(self, serve: Serve) -> None:
        with serve(terminal_receipts_per_second=0, seller_receipts_per_second=0) as centre:
            till = centre.enrol()
            for name in "abc":
                assert batch(till, 1_000, name).status_code == 200


class TestTokens:
    def test_invented_assertions_are_counted_before_they_are_read(self, serve: Serve) -> None:
        with serve(address_tokens_per_second=0.1) as centre:  # six a minute
            till = centre.enrol()
            for _ in range(6):
                assert till.ask_token("invented").status_code == 401
            limited(till.ask_token(till.sign(till.claims())), "address")

    def test_behind_a_proxy_of_this_machine_addresses_are_those_that_it_names(self, serve: Serve) -> None:
        with serve(address_tokens_per_second=0.1) as centre:
            till = centre.enrol()

            def ask(address: str) -> httpx2.Response:
                return till.http.post("/v1/oauth/token", content=b"x", headers={"X-Forwarded-For": address})

            for _ in range(6):
                assert ask("192.0.2.1").status_code == 400
            limited(ask("192.0.2.1"), "address")
            assert ask("192.0.2.2").status_code == 400

    def test_a_client_that_asks_for_a_token_each_time_is_told(self, serve: Serve) -> None:
        with serve(address_tokens_per_second=0) as centre:
            till, other = centre.enrol(), centre.enrol()
            for _ in range(60):
                assert till.ask_token(till.sign(till.claims())).status_code == 200
            seen = "SELECT count(*) FROM auth.seen_jti WHERE client_id = %s"
            before = centre.ask(seen, till.client_id)
            assert {till.ask_token(till.sign(till.claims())).status_code for _ in range(10)} >= {429}
            assert centre.ask(seen, till.client_id)[0][0] - before[0][0] < 10
            assert other.ask_token(other.sign(other.claims())).status_code == 200

    def test_nobody_uses_up_the_quota_of_another(self, serve: Serve) -> None:
        with serve(address_tokens_per_second=0) as centre:
            till, other = centre.enrol(), centre.enrol()
            for _ in range(70):
                assert other.ask_token(other.sign(till.claims())).status_code == 401
            assert till.ask_token(till.sign(till.claims())).status_code == 200

    async def test_so_many_wait_for_their_turn_and_no_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "EXCHANGES_WAITING_MAX", 3)
        held, go_on = limits.Limits(limits.UNLIMITED), asyncio.Event()

        async def exchange() -> None:
            async with held.exchanging():
                await go_on.wait()

        exchanges = [asyncio.create_task(exchange()) for _ in range(limits.EXCHANGES_AT_ONCE + 3)]
        await asyncio.sleep(0.01)
        with pytest.raises(Unavailable):
            await exchange()
        go_on.set()
        await asyncio.gather(*exchanges)
        await exchange()

    @pytest.mark.parametrize(
        ("address", "subscriber"),
        [
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::9", "2001:db8:1:2::"),
            ("fe80::1%eth0", "fe80::"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("a socket", "a socket"),
            (None, ""),
        ],
    )
    def test_an_address_is_what_a_subscriber_cannot_change(self, address: str | None, subscriber: str) -> None:
        assert subscriber_of(address) == subscriber


class TestTheLongWay:
    def test_is_refused_to_more_strangers_than_it_holds(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        with serve() as centre:
            known, stranger = centre.enrol(), centre.enrol()
            created(known.post(known.body()))
            monkeypatch.setattr(lane, "LONG_WAY_MAX", 0)
            answer = stranger.post(stranger.body())
            refused(answer, 503, "pool_full")
            assert int(answer.headers["retry-after"]) >= 1
            created(known.post(known.body()))
            monkeypatch.undo()
            created(stranger.post(stranger.body()))


class TestRevocation:
    def test_is_remembered_for_a_minute_where_nothing_else_is_stated(self, settings: Settings) -> None:
        assert (settings.remembered_s, StatedBounds().remembered_s) == (60, 60)

    def test_a_revoked_client_is_refused_on_a_running_centre(self, serve: Serve) -> None:
        with serve(remembered_s=0.4) as centre:
            till = centre.enrol()
            created(till.post(till.body()))
            began = time.monotonic()
            centre.ask("UPDATE pos.clients SET revoked_at = now() WHERE client_id = %s RETURNING 1", till.client_id)
            wait_for(lambda: till.post(till.body()), lambda answer: answer.status_code == 401, 5)
            assert time.monotonic() - began < 0.4 + 1
            refused(till.post(till.body()), 401, "unauthenticated")
            assert till.ask_token(till.sign(till.claims())).status_code == 401

    async def test_the_directory_asks_again_after_a_minute(self, shared_centre: Centre) -> None:
        till, now = shared_centre.enrol(), 1_000.0
        async with await shared_centre.database.pool(Role.GATEWAY, min_size=1, max_size=1) as pool:
            directory = Directory(pool, elapsed_s=lambda: now)
            assert await directory.client(till.client_id) is not None
            shared_centre.ask("UPDATE pos.clients SET revoked_at = now() WHERE client_id = %s", till.client_id)
            now += REMEMBERED_S - 0.1
            assert await directory.client(till.client_id) is not None
            now += 0.1
            assert await directory.client(till.client_id) is None

    async def test_a_known_caller_takes_no_look_up(self, shared_centre: Centre) -> None:
        till, now_s = shared_centre.enrol(), 1_000.0
        async with await shared_centre.database.pool(Role.GATEWAY, min_size=1, max_size=1) as pool:
            directory = Directory(pool, elapsed_s=lambda: now_s)
            tokens = AccessTokens(b"k" * 32, directory.is_active, elapsed_s=lambda: now_s)
            callers = Callers(directory, tokens, shared_centre.clock, elapsed_s=lambda: now_s)
            named = f"Bearer {tokens.issue(till.client_id, shared_centre.clock())}"
            assert callers.known(named) is None
            assert callers.known("") is None
            client = await callers.caller(named)
            assert client.client_id == till.client_id
            now_s += REMEMBERED_S / 2
            assert callers.known(named) == client

    def test_a_closed_terminal_is_refused_at_once(self, serve: Serve) -> None:
        with serve() as centre:
            till = centre.enrol()
            body = till.body(terminal=till.terminals[0])
            created(till.post(body))
            centre.ask(
                "UPDATE pos.terminals SET closed_at = now() WHERE terminal = %s RETURNING 1", int(till.terminals[0])
            )
            refused(till.post(body), 409, "terminal_closed")
