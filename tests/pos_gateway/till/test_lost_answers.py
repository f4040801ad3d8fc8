"""The same bytes again: the first receipt where its answer was lost or is on its way, else a new one."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from random import Random  # noqa: TID251 - seeded

import pytest
from ebarimt_pos_sdk import EbarimtRestClient, RestClientSettings
from ebarimt_pos_sdk.settings.retry_settings import RetrySettings

from pos_gateway.till.installation import Installation
from pos_gateway.till.lost_answers import LostAnswers
from pos_gateway.till.seat import Seat
from pos_gateway.till.watched_connections import Delivery, WatchedH11Protocol
from pos_gateway.till.watched_httptools import WatchedHttpToolsProtocol
from receipts.ids import ReceiptId
from tests.pos_gateway.posapi.bodies import OFFICIAL
from tests.pos_gateway.till.serving_till import (
    Service,
    bread,
    locked,
    much_bread,
    narrow,
    read_answer,
    request_of,
    reset,
    served_till,
)
from tests.pos_gateway.till.tilling import Activations
from tests.serving import wait_for


@pytest.fixture
def seat(till: Installation, activations: Activations) -> Seat:
    return till.add_seat(activations.activated(city_tax_payer=True))


@pytest.fixture(params=[WatchedH11Protocol, WatchedHttpToolsProtocol], ids=["h11", "httptools"])
def service(till: Installation, seat: Seat, request: pytest.FixtureRequest) -> Iterator[Service]:
    assert till.seats == (seat,)
    with served_till(till, request.param) as serving:
        yield serving


def sdk(service: Service, timeout_s: float = 10.0) -> EbarimtRestClient:
    retry = RetrySettings(max_retries=4, backoff_base_seconds=0.05)
    return EbarimtRestClient(RestClientSettings(base_url=service.url, timeout_s=timeout_s, retry=retry))


class TestSdk:
    def test_times_out_and_retries_and_gets_one_receipt(self, service: Service, seat: Seat) -> None:
        with sdk(service, 0.3) as client:
            gate = locked(service.till)
            gate.__enter__()
            threading.Timer(0.8, gate.__exit__, (None, None, None)).start()
            issued = client.receipt.create(OFFICIAL)
        assert service.links(seat) == 1
        assert service.till.find(ReceiptId.parse(issued.id)) is not None

    def test_sells_the_same_bread_to_two_customers_on_one_connection(self, service: Service, seat: Seat) -> None:
        with sdk(service) as client:
            assert client.receipt.create(OFFICIAL).id != client.receipt.create(OFFICIAL).id
        assert service.links(seat) == 2


class TestConnections:
    def test_one_that_ended_before_the_answer_gets_it_on_the_next(self, service: Service, seat: Seat) -> None:
        with locked(service.till), socket.create_connection(service.address) as gave_up:
            gave_up.sendall(request_of(bread()))
            time.sleep(0.1)
        wait_for(lambda: service.links(seat), bool, 5)
        first, second, third = service.ids(bread(), bread(), bread())
        assert service.links(seat) == 3
        assert len({first, second, third}) == 3

    def test_one_that_is_reset_with_the_answer_unread_gets_it_on_the_next(self, service: Service, seat: Seat) -> None:
        died = socket.create_connection(service.address)
        died.sendall(request_of(bread()))
        wait_for(lambda: service.links(seat), bool, 5)
        time.sleep(0.1)
        reset(died)
        time.sleep(0.1)
        service.ids(bread())
        assert service.links(seat) == 1
        service.ids(bread())
        assert service.links(seat) == 2

    def test_one_that_was_closed_with_the_answer_unread_gets_it_on_the_next(self, service: Service, seat: Seat) -> None:
        with socket.create_connection(service.address) as closed:
            closed.sendall(request_of(bread()))
            wait_for(lambda: service.links(seat), bool, 5)
            time.sleep(0.1)
        time.sleep(0.1)
        service.ids(bread())
        assert service.links(seat) == 1

    def test_one_whose_second_answer_was_lost_as_well_gets_it_on_the_third(self, service: Service, seat: Seat) -> None:
        for _ in range(3):
            with socket.create_connection(service.address) as closed:
                closed.sendall(request_of(bread()))
                closed.recv(1)
                time.sleep(0.05)
            time.sleep(0.05)
        service.ids(bread())
        assert service.links(seat) == 1

    @pytest.mark.parametrize("fields", [(), ("Connection: close",)])
    def test_one_that_ends_with_the_answer_on_its_way_gets_it_on_the_next(
        self, service: Service, seat: Seat, fields: tuple[str, ...]
    ) -> None:
        with narrow(service.address) as slow:
            slow.sendall(request_of(much_bread(), *fields))
            wait_for(lambda: service.links(seat), bool, 5)
            time.sleep(0.1)
            slow.shutdown(socket.SHUT_WR)
            time.sleep(1.2)
            service.ids(much_bread())
            assert service.links(seat) == 1

    @pytest.mark.parametrize("fields", [(), ("Connection: close",)])
    def test_one_that_reads_slowly_is_followed_by_a_new_sale(
        self, service: Service, seat: Seat, fields: tuple[str, ...]
    ) -> None:
        with narrow(service.address) as slow:
            slow.sendall(request_of(much_bread(), *fields))
            wait_for(lambda: service.links(seat), bool, 5)
            time.sleep(0.1)
            read_answer(slow)
        service.ids(much_bread())
        assert service.links(seat) == 2

    @pytest.mark.parametrize("fields", [(), ("Connection: close",)])
    def test_one_that_has_read_its_answer_is_followed_by_a_new_sale(
        self, service: Service, seat: Seat, fields: tuple[str, ...]
    ) -> None:
        for _ in range(5):
            with socket.create_connection(service.address) as reading:
                reading.sendall(request_of(bread(), *fields))
                read_answer(reading)
        assert service.links(seat) == 5

    def test_one_that_stays_open_is_followed_by_a_new_sale_on_another(self, service: Service, seat: Seat) -> None:
        with socket.create_connection(service.address) as first, socket.create_connection(service.address) as second:
            for connection in (first, second):
                connection.sendall(request_of(bread()))
                read_answer(connection)
        assert service.links(seat) == 2

    def test_those_in_flight_at_once_get_one_receipt(self, service: Service, seat: Seat) -> None:
        with socket.create_connection(service.address) as first, socket.create_connection(service.address) as second:
            with locked(service.till):
                for connection in (first, second):
                    connection.sendall(request_of(bread()))
                time.sleep(0.2)
            assert read_answer(first)["id"] == read_answer(second)["id"]
        assert service.links(seat) == 1

    def test_a_voids_lost_answer_is_given_again(self, service: Service) -> None:
        (sold,) = service.ids(bread())
        void = b'{"id": "%s", "date": "2026-11-27 09:00:00"}' % sold.encode()
        with locked(service.till), socket.create_connection(service.address) as gave_up:
            gave_up.sendall(request_of(void, method="DELETE"))
            time.sleep(0.1)
        time.sleep(0.2)
        with socket.create_connection(service.address) as again:
            again.sendall(request_of(void, method="DELETE"))
            assert read_answer(again)["success"] is True
            again.sendall(request_of(void, method="DELETE"))
            assert read_answer(again)["faults"] == [{"code": "already_void"}]


class TestKeys:
    def test_the_same_key_is_the_same_sale(self, service: Service, seat: Seat) -> None:
        first, again = (service.post(bread(), **{"Idempotency-Key": "one"}) for _ in range(2))
        assert first.content == again.content
        other = service.post(bread(1), **{"Idempotency-Key": "one"})
        assert (other.status_code, other.json()["faults"]) == (400, [{"code": "idempotency_key_reused"}])
        assert service.links(seat) == 1

    def test_other_keys_are_other_sales_though_they_are_in_flight_at_once(self, service: Service, seat: Seat) -> None:
        with socket.create_connection(service.address) as first, socket.create_connection(service.address) as second:
            with locked(service.till):
                for connection, key in ((first, "a"), (second, "b")):
                    connection.sendall(request_of(bread(), f"Idempotency-Key: {key}"))
                time.sleep(0.2)
            assert read_answer(first)["id"] != read_answer(second)["id"]
        assert service.links(seat) == 2


class _Line:
    """A connection whose client acknowledges nothing."""

    def owes_bytes(self) -> bool:
        return True


class TestLostAnswers:
    async def test_forgets_after_two_minutes(self) -> None:
        now = 0.0
        answers: LostAnswers[int] = LostAnswers(lambda: now, {})
        numbers = iter(range(10))

        async def make() -> int:
            return next(numbers)

        (await answers.take(b"a", make)).lost()
        now = 120.0
        (await answers.take(b"a", make)).lost()
        now = 120.1
        given = await answers.take(b"a", make)
        assert (given.outcome, given.repeated) == (1, False)

    async def test_gives_everybody_in_flight_the_same_failure_and_then_tries_anew(self) -> None:
        answers: LostAnswers[int] = LostAnswers(time.monotonic, {})

        async def fail() -> int:
            await asyncio.sleep(0.01)
            raise ValueError

        failed = await asyncio.gather(answers.take(b"a", fail), answers.take(b"a", fail), return_exceptions=True)
        assert [type(one) for one in failed] == [ValueError, ValueError]

        async def make() -> int:
            return 7

        assert (await answers.take(b"a", make)).outcome == 7

    async def test_knows_what_was_owed_before_a_crash(self) -> None:
        answers = LostAnswers(lambda: 0.0, {b"a": (1, 60.0), b"b": (2, 121.0)})

        async def make() -> int:
            return 3

        assert [(await answers.take(body, make)).outcome for body in (b"a", b"b")] == [1, 3]

    async def test_believes_in_no_answer_that_is_long_on_its_way(self) -> None:
        answers: LostAnswers[int] = LostAnswers(lambda: 0.0, {})
        numbers = iter(range(10))

        async def make() -> int:
            return next(numbers)

        async def sell(body: bytes) -> tuple[int, Delivery]:
            given = await answers.take(body, make)
            return given.outcome, given.sent(lambda told: Delivery(_Line(), told))  # type: ignore[arg-type]

        assert [(await sell(b"a"))[0] for _ in range(2)] == [0, 1]
        sold, delivery = await sell(b"b")
        delivery._sent_at -= 2
        assert (await sell(b"b"))[0] == sold == 2


class TestAnyMoment:
    def test_a_client_that_gives_up_at_any_moment_gets_its_one_receipt(self, service: Service, seat: Seat) -> None:
        chance = Random(7)
        for sale in range(100):
            body = bread(sale)
            for _ in range(chance.randrange(1, 4)):
                with socket.create_connection(service.address) as impatient:
                    impatient.sendall(request_of(body))
                    time.sleep(chance.choice((0.0, 0.001, 0.002, 0.003, 0.005)) * chance.random())
            service.ids(body)
        assert service.links(seat) == 100
