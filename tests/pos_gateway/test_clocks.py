"""What clocks do to tills: a retry over midnight at the end of a month, and clocks that step back."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from barimt.check import check_everything
from barimt.commands import Opened
from kernel.clock import parse_instant
from receipts.ids import ReceiptId
from runtime.data_dir import DataDir
from runtime.database import Database
from runtime.settings import Settings
from tests.serving import OPENED_AT, Centre, Till, created, served

SECOND = timedelta(seconds=1)
REMEMBERED = timedelta(days=28)
MIDNIGHTS = [datetime(2017, 3, 31, 16, 0, tzinfo=UTC), datetime(2017, 12, 31, 16, 0, tzinfo=UTC)]
"""In Ulaanbaatar the first moments of April 2017 and of 2018."""


@dataclass(slots=True)
class Times:
    """A centre whose two clocks a test moves: the business clock by its file, the real one here."""

    centre: Centre
    real: "list[datetime]"

    def set(self, now: datetime, *tills: Till) -> None:
        """Move both clocks; tills get tokens of that time."""
        self.real[0] = now
        self.centre.set_clock(now)
        for till in tills:
            at = int(now.timestamp())
            answer = till.ask_token(till.sign(till.claims(iat=at, exp=at + 120)))
            assert answer.status_code == 200, answer.text
            till._token = str(answer.json()["access_token"])

    def broken(self, settings: Settings) -> list[Any]:
        """Answer what `barimt check` finds broken."""
        on = Opened(settings, DataDir.make(settings.data_dir), self.centre.database, self.centre.clock)
        return [checked for checked in check_everything(on, lambda _done: None) if checked.broken]


@pytest.fixture
def times(settings: Settings, database: Database, database_name: str, tmp_path: Path) -> Iterator[Times]:
    """A centre with both clocks in our hands."""
    clock_file = tmp_path / "clock"
    clock_file.write_text(OPENED_AT.isoformat(), encoding="ascii")
    settings = settings.model_copy(update={"clock_file": clock_file, "port": 0})
    real = [OPENED_AT]
    with served(settings, database, database_name, real_clock=lambda: real[0]) as centre:
        yield Times(centre, real)


def issued_at(receipt: Any) -> datetime:
    return parse_instant(receipt["issued_at"], "/issued_at")


class TestMidnightAtMonthEnd:
    @pytest.mark.parametrize("midnight", MIDNIGHTS, ids=["month", "year"])
    @pytest.mark.parametrize("later", [SECOND, REMEMBERED - SECOND], ids=["at once", "at last"])
    def test_a_retry_gets_the_first_answer(self, times: Times, midnight: datetime, later: timedelta) -> None:
        till = times.centre.enrol(terminals=2)
        times.set(midnight - SECOND, till)
        lines = [{"key": f"b{at}", "receipt": till.body(100 + at)} for at in range(3)]
        first = till.post(till.body(), "single")
        verdicts = till.batch(lines)
        void = till.void(verdicts[0]["receipt"]["id"], key="void")
        assert [first.status_code, void.status_code] == [201, 201]
        times.set(midnight + later, till)
        again = till.post(till.body(), "single")
        assert (again.status_code, again.content) == (200, first.content)
        assert till.batch(lines) == [{**verdict, "status": 200} for verdict in verdicts]
        void_again = till.void(verdicts[0]["receipt"]["id"], key="void")
        assert (void_again.status_code, void_again.content) == (200, void.content)
        assert times.centre.ask("SELECT count(*) FROM pos.idempotency") == [(5,)]
        assert times.centre.ask("SELECT count(*) FROM pos.receipts WHERE kind & 15 IN (0, 4)") == [(5,)]

    @pytest.mark.parametrize("midnight", MIDNIGHTS, ids=["month", "year"])
    def test_the_chain_goes_on_into_the_new_day(self, times: Times, midnight: datetime, settings: Settings) -> None:
        till = times.centre.enrol()
        times.set(midnight - SECOND, till)
        before = ReceiptId.parse(till.sell()["id"])
        times.set(midnight, till)
        after = ReceiptId.parse(till.sell()["id"])
        assert (after.day, after.number) == (before.day + 1, 0)
        assert times.broken(settings) == []


class TestSteppingBack:
    @pytest.mark.parametrize("back", [timedelta(seconds=1), timedelta(hours=5), timedelta(days=40)], ids=str)
    def test_times_in_a_chain_do_not_decrease(self, times: Times, back: timedelta, settings: Settings) -> None:
        till = times.centre.enrol()
        times.set(OPENED_AT + timedelta(days=14), till)
        first = till.sell()
        times.set(times.centre.now - back, till)
        later = [till.sell(), *(verdict["receipt"] for verdict in till.batch(
            [{"key": f"b{at}", "receipt": till.body()} for at in range(3)]
        )), created(till.void(first["id"])), till.sell(corrects=till.sell()["id"])]  # fmt: skip
        assert {issued_at(receipt) for receipt in later} == {issued_at(first)}
        assert {ReceiptId.parse(receipt["id"]).day for receipt in later} == {ReceiptId.parse(first["id"]).day}
        times.set(OPENED_AT + timedelta(days=15), till)
        assert issued_at(till.sell()) > issued_at(first)
        assert times.broken(settings) == []

    def test_a_retry_gets_the_first_answer(self, times: Times) -> None:
        till = times.centre.enrol()
        times.set(MIDNIGHTS[0] + SECOND, till)
        first = till.post(till.body(), "k")
        times.set(MIDNIGHTS[0] - timedelta(hours=3), till)
        again = till.post(till.body(), "k")
        assert (again.status_code, again.content) == (200, first.content)
