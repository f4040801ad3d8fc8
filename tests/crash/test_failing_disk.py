"""A full disk, and one whose fsync fails: tills are told so, nothing acknowledged is lost, and it ends by itself."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.failing_disk import FailingDisk, Fault, supervising, wrapper
from tests.crash.judge import judge, postgres_log
from tests.crash.serve_process import ServeProcess
from tests.crash.siege import Ordered, Siege, besieged

REFUSALS = 20
LONGER_S = 2.5
SAID = {
    Fault.FULL: "No space left on device",
    Fault.UNSYNCED: "PANIC:  could not fdatasync file",
}
Failing = tuple[Siege, FailingDisk]


@pytest.fixture(scope="module")
def failing(reachable_dir: Path) -> Iterator[Failing]:
    """A centre whose disk fails on command; its tills go on posting from test to test."""
    folder = reachable_dir / "failing-disk"
    folder.mkdir(mode=0o711)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        serve = ServeProcess(folder / "data", wrapper=wrapper(theirs))
        serve.start(pass_fds=[theirs.fileno()])
        with supervising(ours) as disk, besieged(serve, Ordered(clients=2, linger_s=0.0), folder) as siege:
            yield siege, disk
            disk.fault = Fault.NONE


@pytest.mark.parametrize("fault", [Fault.FULL, Fault.UNSYNCED])
def test_is_said_and_over_when_the_disk_works_again(failing: Failing, fault: Fault) -> None:
    siege, disk = failing
    itself, failed, said = siege.serve.process.pid, disk.failed, len(postgres_log(siege.serve))
    disk.fault = fault
    siege.await_refusals(REFUSALS)
    siege.linger(LONGER_S)
    disk.fault = Fault.NONE
    siege.await_recovery(time.monotonic_ns())
    assert disk.failed > failed
    assert SAID[fault] in postgres_log(siege.serve)[said:]
    assert (siege.ended_by_itself, siege.serve.process.pid) == (0, itself)


def test_lost_and_doubled_nothing(failing: Failing) -> None:
    siege, _ = failing
    siege.settle()
    judgement = judge(siege.serve.data_dir, siege.folder)
    assert judgement.faults == []
    assert judgement.keys > 0
    siege.serve.command("check", "--json")
