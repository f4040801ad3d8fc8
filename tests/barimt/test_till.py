"""`barimt till …` as a shopkeeper types it, beside no service."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from click.testing import Result
from typer.testing import CliRunner

from barimt.till import CentreNotMet, NoTill, _words_of, till_app
from kernel.refusal import Malformed
from pos_gateway.till.ask_centre import CentreRefused
from pos_gateway.till.installation import Installation, open_installation
from pos_gateway.till.seat import Seat
from pos_gateway.till.till_service import CentreUnset
from tests.pos_gateway.till.tilling import OPENED_AT, Activations, Hands, sale, sell

CODE = "7K2M-9QXA-04TB-W5ZE"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "till"


@pytest.fixture
def clock_file(tmp_path: Path) -> Path:
    path = tmp_path / "clock"
    path.write_text(OPENED_AT.isoformat(), encoding="ascii")
    return path


@pytest.fixture
def seat(folder: Path) -> Iterator[tuple[Installation, Seat]]:
    """An activated till that the commands look at from beside."""
    with open_installation(folder, Hands().clock) as installation:
        yield installation, installation.add_seat(Activations().activated())


def run(folder: Path, *arguments: str, clock: Path | None = None) -> Result:
    timed = [] if clock is None else ["--clock-file", str(clock)]
    return CliRunner().invoke(till_app, [*arguments, "--data-dir", str(folder), *timed])


class TestStatus:
    def test_of_a_till_that_is_not_activated_says_how(self, folder: Path) -> None:
        with open_installation(folder, Hands().clock):
            shown = run(folder, "status")
        assert shown.exit_code == 0
        assert "barimt till activate CODE" in shown.output

    @pytest.mark.parametrize("command", [["status"], ["day"], ["clock"], ["check"], ["replace", CODE]])
    def test_of_no_till_is_refused_and_makes_none(self, folder: Path, command: list[str]) -> None:
        refused = run(folder, *command).exception
        assert isinstance(refused, NoTill)
        assert "barimt till activate CODE" in str(refused)
        assert not folder.exists()

    def test_shows_state_waiting_and_deadline(
        self, folder: Path, seat: tuple[Installation, Seat], clock_file: Path
    ) -> None:
        asyncio.run(sell(*seat, sale(1_234_500)))
        shown = run(folder, "status", clock=clock_file)
        for words in ("OFFLINE", "2 receipts, 12,345 ₮", "2026-11-30 09:00", "The service is not running"):
            assert words in shown.output
        found = json.loads(run(folder, "status", "--json", clock=clock_file).output)
        assert (found["running"], found["waiting"]["receipts"], found["notices"]) == (False, 2, [])

    def test_finds_the_directory_that_stands_before_the_command(self, folder: Path) -> None:
        with open_installation(folder, Hands().clock):
            pass
        shown = CliRunner().invoke(till_app, ["--data-dir", str(folder), "status", "--json"])
        assert json.loads(shown.output)["sellers"] == []


class TestDay:
    def test_adds_up_and_names_what_is_identical(
        self, folder: Path, seat: tuple[Installation, Seat], clock_file: Path
    ) -> None:
        for _ in range(2):
            asyncio.run(sell(*seat, sale(110_000), digest=b"d" * 32))
        shown = run(folder, "day", clock=clock_file)
        for words in ("VAT_ABLE", "2,200 ₮", "200 ₮", "paid by CASH", "2 receipts", "identical receipts"):
            assert words in shown.output
        (seller,) = json.loads(run(folder, "day", "--json", "--date", "2026-11-26", clock=clock_file).output)["sellers"]
        assert seller["receipts"] == 0

    def test_of_no_day_is_refused(self, folder: Path, seat: tuple[Installation, Seat]) -> None:
        assert isinstance(run(folder, "day", "--date", "monday").exception, Malformed)


class TestCheck:
    def test_says_that_the_queue_is_whole(self, folder: Path, seat: tuple[Installation, Seat]) -> None:
        shown = run(folder, "check")
        assert (shown.exit_code, "as the till left it" in shown.output) == (0, True)

    def test_says_where_it_was_edited(self, folder: Path, seat: tuple[Installation, Seat]) -> None:
        with contextlib.closing(apsw.Connection(str(folder / "queue.sqlite"))) as outside:
            outside.execute("UPDATE receipts SET total_mongo = 1")
        shown = run(folder, "check")
        assert (shown.exit_code, "link 0" in shown.output) == (1, True)
        assert json.loads(run(folder, "check", "--json").output)["whole"] is False


class TestActivate:
    def test_without_a_centre_is_refused(self, folder: Path) -> None:
        assert isinstance(run(folder, "activate", CODE).exception, CentreUnset)

    @pytest.mark.parametrize(
        "url", ["centre.example", "http://centre.example", "https://", "ftp://127.0.0.1", "https://u@x"]
    )
    def test_of_a_centre_that_is_none_is_refused(self, folder: Path, url: str) -> None:
        assert isinstance(run(folder, "activate", CODE, "--centre", url).exception, Malformed)

    def test_says_in_both_languages_that_nobody_answers(self, folder: Path) -> None:
        failed = run(folder, "activate", CODE, "--centre", "http://127.0.0.1:1").exception
        assert isinstance(failed, CentreNotMet)
        assert "Төвтэй холбогдож чадсангүй" in str(failed)
        assert "cannot be reached" in str(failed)

    def test_says_of_a_code_that_is_not_good_in_words_of_ours(self) -> None:
        words = _words_of(CentreRefused(403, "activation_code_unknown", "үл мэдэгдэх")).splitlines()
        assert [line[:14] for line in words] == ["Идэвхжүүлэх ко", "This activatio"]
        assert "үл мэдэгдэх" in _words_of(CentreRefused(403, "something_else", "үл мэдэгдэх"))

    def test_of_a_root_that_is_none_is_refused(self, folder: Path) -> None:
        failed = run(folder, "activate", CODE, "--centre", "http://127.0.0.1:1", "--root", "abc").exception
        assert isinstance(failed, Malformed)
