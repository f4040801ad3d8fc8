"""A till that is killed at any moment: what it acknowledged is there, what it did not is sold once and not twice."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

from pos_gateway.till.installation import open_installation
from receipts.ids import ReceiptId
from runtime.clock import business_clock, real_now
from tests.pos_gateway.till.serving_till import bread, read_answer, request_of
from tests.pos_gateway.till.tilling import Activations
from tests.serving import wait_for

ROOT = Path(__file__).parents[3]
KILLS, CLIENTS, SALES_A_LIFE = 3, 4, 15


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A till that answers; it is killed at the end."""
    command = [sys.executable, "-m", "tests.pos_gateway.till.till_process", str(folder), str(port)]
    till = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        wait_for(lambda: till.poll() is not None or answers(port), bool, 30)
        yield till
    finally:
        till.send_signal(signal.SIGKILL)
        till.wait(10)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Shop:
    """Clients that send each body until they have read its answer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sold: dict[int, str] = {}
        self._numbers = count()
        self._closing = threading.Event()
        self._clients = [threading.Thread(target=self._sell) for _ in range(CLIENTS)]
        for client in self._clients:
            client.start()

    def close(self) -> None:
        self._closing.set()
        for client in self._clients:
            client.join(60)

    def _sell(self) -> None:
        while not self._closing.is_set():
            number = next(self._numbers)
            body = request_of(bread(number))
            while number not in self.sold:
                with contextlib.suppress(OSError, AssertionError):
                    self.sold[number] = self._answer_to(body)
                time.sleep(0.005)

    def _answer_to(self, body: bytes) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(body)
            return str(read_answer(connection)["id"])


class TestKilled:
    def test_every_sale_is_there_once(self, tmp_path: Path) -> None:
        folder, port, chance = tmp_path / "till", free_port(), Random(4)
        clock = business_clock(None)
        with open_installation(folder, clock) as till:
            till.add_seat(Activations().activated(at=real_now().replace(microsecond=0), city_tax_payer=True))
        shop = None
        try:
            for _ in range(KILLS):
                with running(folder, port):
                    shop = shop or Shop(port)
                    aim = len(shop.sold) + SALES_A_LIFE
                    wait_for(lambda shop=shop: len(shop.sold), lambda sold, aim=aim: sold >= aim, 60)  # type: ignore[misc]
                    time.sleep(chance.uniform(0, 0.1))
            with running(folder, port):
                shop.close()  # type: ignore[union-attr]
        finally:
            if shop is not None:
                shop.close()
        with open_installation(folder, clock) as till:
            assert till.faults == ()
            seat = till.seats[0]
            assert all(till.find(ReceiptId.parse(receipt)) for receipt in shop.sold.values())
            assert len(set(shop.sold.values())) == len(shop.sold) == till.backlog(seat).count - 1
