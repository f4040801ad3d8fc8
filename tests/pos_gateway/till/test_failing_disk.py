"""A disk that is full or fails: not issued where that is sure, silence where nobody knows, no receipt from nowhere."""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from kernel.refusal import Unavailable
from pos_gateway.till import write_groups
from pos_gateway.till.installation import Installation, open_installation
from pos_gateway.till.seat import Seat
from pos_gateway.till.write_groups import OutcomeUnknown
from tests.pos_gateway.till.failing_disk import FailingDisk
from tests.pos_gateway.till.serving_till import bread, read_answer, request_of, served_till
from tests.pos_gateway.till.tilling import Activations, Hands, sell

_numbers = count()


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk(f"failing{next(_numbers)}")


@pytest.fixture
def till(tmp_path: Path, hands: Hands, disk: FailingDisk) -> Iterator[Installation]:
    with open_installation(tmp_path / "till", hands.clock, elapsed_s=hands.elapsed_s, vfs=disk.name) as opened:
        yield opened


@pytest.fixture
def seat(till: Installation, activations: Activations) -> Seat:
    return till.add_seat(activations.activated(city_tax_payer=True))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_groups, "SETTLING_S", 0.3)


def after_a_crash(till: Installation, folder: Path, hands: Hands) -> int:
    """How many links a copy of the files has that is recovered elsewhere, as after a loss of power."""
    shutil.copytree(till.dir.root, folder)
    with open_installation(folder, hands.clock, elapsed_s=hands.elapsed_s) as recovered:
        assert recovered.faults == ()
        return recovered.backlog(recovered.seats[0]).count


class TestFull:
    async def test_nothing_is_issued_and_then_the_chain_goes_on(
        self, till: Installation, seat: Seat, disk: FailingDisk, tmp_path: Path, hands: Hands
    ) -> None:
        await sell(till, seat)
        with disk.fail("full"):
            failed = await asyncio.gather(*[sell(till, seat) for _ in range(3)], return_exceptions=True)
        assert [str(one) for one in failed if isinstance(one, Unavailable)] == ["queue_disk"] * 3
        assert after_a_crash(till, tmp_path / "copy", hands) == 2
        await sell(till, seat)
        assert till.backlog(seat).count == 3
        assert till.check() == []


class TestFailingSync:
    async def test_what_was_not_issued_does_not_come_back_after_a_crash(
        self, till: Installation, seat: Seat, disk: FailingDisk, tmp_path: Path, hands: Hands
    ) -> None:
        await sell(till, seat)
        with disk.fail("sync", times=1), pytest.raises(Unavailable):
            await sell(till, seat)
        assert till.backlog(seat).count == after_a_crash(till, tmp_path / "copy", hands) == 2
        await sell(till, seat)
        assert till.check() == []

    @pytest.mark.usefixtures("short")
    async def test_a_disk_that_stays_away_leaves_nobody_knowing(
        self, till: Installation, seat: Seat, disk: FailingDisk, tmp_path: Path, hands: Hands
    ) -> None:
        for _ in range(2):
            await sell(till, seat)
            await asyncio.sleep(0.1)  # the log was emptied meanwhile, and the next one begins it anew
        with disk.fail("gone"):
            with pytest.raises(OutcomeUnknown):
                await sell(till, seat)
            assert after_a_crash(till, tmp_path / "copy", hands) == 4, "it would have come back"
            with pytest.raises(Unavailable):
                await sell(till, seat)
        await sell(till, seat)
        assert till.backlog(seat).count == after_a_crash(till, tmp_path / "later", hands) == 4
        assert till.check() == []


class TestOverHttp:
    @pytest.fixture
    def address(self, till: Installation, seat: Seat) -> Iterator[tuple[str, int]]:
        assert till.seats == (seat,)
        with served_till(till) as service:
            yield service.address

    def test_not_issued_is_503(self, address: tuple[str, int], disk: FailingDisk) -> None:
        with socket.create_connection(address) as connection:
            with disk.fail("full"):
                connection.sendall(request_of(bread()))
                assert read_answer(connection)["faults"] == [{"code": "queue_disk"}]
            connection.sendall(request_of(bread()))
            assert read_answer(connection)["status"] == "SUCCESS"

    @pytest.mark.usefixtures("short")
    def test_an_unknown_outcome_breaks_the_connection_without_a_word(
        self, address: tuple[str, int], disk: FailingDisk
    ) -> None:
        with disk.fail("gone"), socket.create_connection(address) as connection:
            connection.sendall(request_of(bread()))
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
