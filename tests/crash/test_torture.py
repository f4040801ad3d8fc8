"""The short form of `make torture`: few kills, the same promises."""

from pathlib import Path

from tests.crash.siege import Ordered
from tests.crash.torture import torture


def test_no_kill_loses_or_doubles_a_receipt(open_dir: Path) -> None:
    summary = torture(open_dir, Ordered(kills=6, clients=2))
    assert summary.faults == []
    assert sum(summary.kills.values()) == 6
    assert summary.kills_of_postmaster >= 3
    assert summary.in_flight_least > 0
    assert summary.receipts > 100
    assert summary.ended_by_itself == 0
