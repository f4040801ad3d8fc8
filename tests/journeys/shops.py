"""A shop: the real centre, and a till that it activated for two merchants, both behind real sockets."""

import asyncio
import contextlib
import secrets
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pytest

from kernel.clock import ULAANBAATAR
from pos_gateway.till.activate_till import activate_till
from pos_gateway.till.ask_centre import AskCentre, open_http
from pos_gateway.till.installation import Installation, open_installation
from pos_gateway.till.serve_till import ServedTill, serving_till
from receipts.activation_code import format_code
from receipts.enrol import NewSeller, add_seller
from receipts.make_activation_code import NewTill, make_activation_code
from receipts.name_account import NewAccount, name_account
from runtime.clock import real_now
from runtime.database import Role
from tests.serving import Centre, wait_for

SHOP, LESSEE = "37900846788", "61200064714"
"""The merchant of the vendor's test environment, and the lessee."""
REG_NO = "99119911"


@dataclass(slots=True)
class Shop:
    """A served till and its centre. Business time is the centre's."""

    url: str
    centre: Centre
    till: Installation
    served: ServedTill

    @property
    def terminal(self) -> str:
        """The number of the shop's terminal."""
        seat = self.till.seat_of(SHOP)
        assert seat is not None
        return f"{seat.terminal:08d}"

    def waiting(self) -> int:
        """How many receipts the centre does not have yet."""
        return sum(self.till.backlog(seat).count for seat in self.till.seats)

    def local_now(self) -> datetime:
        """The till's time as PosAPI writes it."""
        return self.till.clock().astimezone(ULAANBAATAR).replace(tzinfo=None)

    def raw(self, request: bytes, body: bytes) -> bytes:
        """Send a request as it is written and answer the first bytes of what comes."""
        host, port = self.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 20) as line:
            line.sendall(request + b"\r\nHost: till\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            return line.recv(65536)


@contextlib.contextmanager
def opened_shop(centre: Centre, folder: Path, *, tins: tuple[str, ...] = (SHOP, LESSEE)) -> Iterator[Shop]:
    """Enrol merchants, activate a till for them by their codes, and serve it until the end."""
    codes = [enrol(centre, tin) for tin in tins]
    opened: Future[tuple[ServedTill, asyncio.AbstractEventLoop]] = Future()
    with open_installation(folder, centre.clock) as installation:

        async def serve() -> None:
            async with open_http(centre.url) as http:
                asks = AskCentre(http, installation.dir.client_key, real_clock=real_now)
                for code in codes:
                    await activate_till(installation, asks, code=code, clock=centre.clock)
            async with serving_till(installation, centre.clock, host="127.0.0.1", port=0, url=None) as served:
                opened.set_result((served, asyncio.get_running_loop()))
                await served.run()

        def run() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:
                if opened.done():
                    raise
                opened.set_exception(error)

        thread = threading.Thread(target=run, name="till")
        thread.start()
        try:
            served, _ = opened.result(60)
            wait_for(lambda: served.server.started or not thread.is_alive(), bool, 30)
            yield Shop(served.address, centre, installation, served)
        finally:
            if opened.done() and opened.exception() is None:
                opened.result()[0].server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


def enrol(centre: Centre, tin: str) -> str:
    """Enrol a merchant who pays both taxes, with a bank account, and answer a code for his till."""
    seller = NewSeller(
        tin, "Дэлгүүр", "4711", "2501", city_tax_payer=True, vat_registered_from=date(2016, 1, 1),
        reg_no=REG_NO if tin == SHOP else None,
    )  # fmt: skip
    account = NewAccount("4990037827", "Дэлгүүр", iban="10001004990037827")
    with centre.database.transaction(Role.JOBS) as connection:
        add_seller(connection, centre.clock, seller=seller)
        name_account(connection, seller_tin=tin, account=account)
        made = make_activation_code(connection, real_now, till=NewTill(tin), draw=secrets.token_bytes)
    return format_code(made.code)


@pytest.fixture(scope="module")
def shop(shared_centre: Centre, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop of all tests of one module, today."""
    shared_centre.set_clock(real_now())
    with opened_shop(shared_centre, tmp_path_factory.mktemp("till") / "till") as opened:
        yield opened
