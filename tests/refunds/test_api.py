from collections.abc import AsyncIterator, Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from refunds.api import PAYOUTS_LISTED_MAX, make_router
from refunds.payout import Paid
from refunds.run_payouts import orders_to_send, run_payouts, settle_payouts
from runtime import http_errors
from runtime.database import Database, Role
from tests.factories import World, open_world


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with open_world(database) as opened:
        yield opened


class Asking:
    """Who is asking: the dependency that the app gives to the router."""

    def __init__(self) -> None:
        self.consumer = 0

    def __call__(self) -> int:
        return self.consumer


@pytest.fixture
def asking() -> Asking:
    return Asking()


@pytest.fixture
def client(database: Database, asking: Asking) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.database = database
    app.include_router(make_router(asking))
    http_errors.install(app)
    with TestClient(app) as opened:
        yield opened


class TestBalance:
    async def test_of_somebody_new_is_zero(self, world, client, asking):
        asking.consumer = world.add_consumer()
        assert set(client.get("/v1/me/balance").json().values()) == {0}

    async def test_shows_the_five_accounts(self, world, client, asking):
        asking.consumer = world.add_consumer()
        await world.claim(await world.sell(world.add_shop(), 11_000_00), asking.consumer)
        await world.claim(world.ring_up(world.add_till(), 22_000_00), asking.consumer)
        assert client.get("/v1/me/balance").json() == {
            "provisional_mongo": 400_00,
            "available_mongo": 200_00,
            "reserved_mongo": 0,
            "paid_mongo": 0,
            "debt_mongo": 0,
        }


class TestBankAccount:
    async def test_is_kept_and_paid_to(self, world, client, asking):
        asking.consumer = world.add_consumer()
        await world.claim(await world.sell(world.add_shop(), 11_000_00), asking.consumer)
        assert client.put("/v1/me/bank-account", json={"bank_account": "5005001234"}).status_code == 200
        with world.database.transaction(Role.JOBS) as connection:
            run_payouts(connection, world.clock)
            [order] = orders_to_send(connection)
        assert order.bank_account == "5005001234"

    @pytest.mark.parametrize("given", ["", "12 345", "1" * 35, "1" * 65, None, 12345, "5005001234\n"])
    async def test_is_refused_when_malformed(self, world, client, asking, given):
        asking.consumer = world.add_consumer()
        answer = client.put("/v1/me/bank-account", json={"bank_account": given})
        assert (answer.status_code, answer.json()["faults"][0]["path"]) == (400, "/bank_account")

    async def test_of_nobody_is_not_kept(self, client, asking):
        asking.consumer = 12345
        answer = client.put("/v1/me/bank-account", json={"bank_account": "5005001234"})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_consumer")


class TestPayouts:
    async def test_are_shown_newest_first_to_their_consumer_alone(self, world, client, asking):
        asking.consumer = world.add_consumer()
        client.put("/v1/me/bank-account", json={"bank_account": "5005001234"})
        for total in (11_000_00, 22_000_00):
            await world.claim(await world.sell(world.add_shop(), total), asking.consumer)
            with world.database.transaction(Role.JOBS) as connection:
                run_payouts(connection, world.clock)
        with world.database.transaction(Role.JOBS) as connection:
            settle_payouts(connection, world.clock, answers=[Paid(orders_to_send(connection)[0].payout)])
        body = client.get("/v1/me/payouts").json()
        assert [(payout["amount_mongo"], payout["state"]) for payout in body["payouts"]] == [
            (400_00, "reserved"),
            (200_00, "paid"),
        ]
        assert body["payouts"][0]["answered_at"] is None
        assert body["payouts"][1]["answered_at"] == "2017-03-01T09:00:00+08:00"
        asking.consumer = world.add_consumer()
        assert client.get("/v1/me/payouts").json() == {"payouts": [], "next_before": None}

    async def test_come_a_page_at_a_time(self, world, client, asking):
        asking.consumer = world.add_consumer()
        with world.database.transaction(Role.OWNER) as connection:
            connection.execute(
                text(
                    "INSERT INTO private.payouts (consumer, amount_mongo, bank_account, state, reserved_at)"
                    " SELECT :consumer, n, '12345', 'reserved', now() FROM generate_series(1, :count) n"
                ),
                {"consumer": asking.consumer, "count": PAYOUTS_LISTED_MAX + 1},
            )
        first = client.get("/v1/me/payouts").json()
        second = client.get("/v1/me/payouts", params={"before": first["next_before"]}).json()
        assert len(first["payouts"]) == PAYOUTS_LISTED_MAX
        assert ([payout["amount_mongo"] for payout in second["payouts"]], second["next_before"]) == ([1], None)
