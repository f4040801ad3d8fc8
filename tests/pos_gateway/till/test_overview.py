"""What the shopkeeper is shown: the same thing in `/rest/info`, on the page and on the command line."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from ebarimt_pos_sdk.resources.rest.info.schema import ReadInfoResponse

from pos_gateway.till.deadlines import WarningCode
from pos_gateway.till.installation import Installation
from pos_gateway.till.link import LastError, Link
from pos_gateway.till.outcomes import Backlog, Notice
from pos_gateway.till.overview import (
    FAILURE_CODES,
    WARNING_CODES,
    Overview,
    SeatView,
    error_json,
    notices_json,
    overview_json,
    view_of,
    warnings_json,
)
from pos_gateway.till.refusals import Suspension
from pos_gateway.till.rest_info import info_answer, tugrik
from pos_gateway.till.seat import Seat
from pos_gateway.till.states import TillState
from pos_gateway.till.warn_in_time import warn_in_time
from runtime.messages import CATALOGUE
from tests.pos_gateway.till.tilling import OPENED_AT, Activations

NOTHING = Backlog(0, 0, None)
LATER = OPENED_AT + timedelta(hours=50)


def seat(tin: str = "37900846788", terminal: int = 20000001) -> Seat:
    return Activations().activated(tin, terminal).seat()


def view(
    backlog: Backlog = NOTHING, *, now: datetime = OPENED_AT, of: Seat | None = None, link: Link | None = None
) -> SeatView:
    link = link or Link.unknown(OPENED_AT, suspended=False).met(OPENED_AT, waiting=backlog.count, sent=True)
    return view_of(of or seat(), link, backlog, now=now, late_issue_hours=72)


def overview(*views: SeatView, now: datetime = OPENED_AT) -> Overview:
    return Overview(now, views, "https://centre.example", "ab" * 8, "3.2")


class TestOverview:
    def test_adds_up_what_waits_and_takes_the_earliest_deadline(self) -> None:
        first = view(Backlog(3, 1_000, OPENED_AT + timedelta(hours=1)))
        second = view(Backlog(2, -400, OPENED_AT), of=seat("61200064714", 20000002))
        whole = overview(first, second)
        assert (whole.waiting, whole.waiting_mongo) == (5, 600)
        assert whole.deadline == OPENED_AT + timedelta(hours=72)

    def test_a_closed_seat_waits_and_has_no_state(self) -> None:
        closed = replace(seat("61200064714"), closed_at=OPENED_AT)
        barred = Link.unknown(OPENED_AT, suspended=True)
        whole = overview(view(), view(Backlog(2, 5, OPENED_AT), of=closed, link=barred))
        assert (whole.state, whole.waiting) == (TillState.ONLINE, 2)

    def test_nobody_yet_is_shown_as_such(self) -> None:
        shown = overview_json(overview())
        assert (shown["sellers"], shown["state"], shown["since"], shown["deadline"]) == ([], "OFFLINE", None, None)

    def test_the_latest_error_is_told_in_both_languages(self) -> None:
        errors = [LastError("centre_silent", "", OPENED_AT), LastError("predecessor_missing", "send it first", LATER)]
        links = [Link.unknown(OPENED_AT, suspended=False).failed(error, answered=False) for error in errors]
        shown = overview_json(overview(*[view(link=link) for link in links]))["last_error"]
        assert shown["code"] == "predecessor_missing"
        assert shown["mn"].startswith("Төв систем хүсэлтийг хүлээж авсангүй (predecessor_missing)")
        assert shown["en"].endswith("(predecessor_missing). send it first")

    @pytest.mark.parametrize("code", FAILURE_CODES)
    def test_every_failure_of_ours_has_its_words(self, code: str) -> None:
        shown = error_json(LastError(code, "detail", OPENED_AT))
        assert (shown["mn"], shown["en"]) == tuple(CATALOGUE[code].values())


class TestWarnings:
    def test_the_table_of_codes_is_that_of_the_warnings(self) -> None:
        assert set(WARNING_CODES) == set(WarningCode)

    def test_says_until_when_in_the_shops_own_time(self) -> None:
        shown = warnings_json(overview(view(Backlog(1, 5, OPENED_AT), now=LATER), now=LATER))
        assert [one["code"] for one in shown] == ["deadline_24h"]
        assert "2026-11-30 09:00" in shown[0]["mn"]
        assert "2026-11-30 09:00" in shown[0]["en"]

    def test_a_suspension_comes_first_and_grave_ones_before_others(self) -> None:
        now = OPENED_AT + timedelta(days=715)
        suspended = replace(seat(), suspended_at=now, suspended_for=Suspension.FORK.value)
        shown = warnings_json(overview(view(Backlog(1, 5, OPENED_AT), now=now, of=suspended), now=now))
        assert [one["code"] for one in shown] == ["suspended_fork", "deadline_passed", "certificate_expires_30d"]
        assert [one["grave"] for one in shown] == [True, True, False]
        assert "20000001" in shown[0]["en"]

    async def test_notices_are_given_once_each(self, till: Installation, seat: Seat) -> None:
        def at(hours: int) -> Overview:
            now = OPENED_AT + timedelta(hours=hours)
            return overview(view(Backlog(1, 5, OPENED_AT), now=now, of=seat), now=now)

        given = [await warn_in_time(till, at(hours)) for hours in (1, 48, 49, 66, 71, 72, 99)]
        assert given == [0, 1, 0, 1, 0, 1, 0]
        assert [notice.code for notice in reversed(till.notices())] == [
            "deadline_24h",
            "deadline_6h",
            "deadline_passed",
        ]
        assert {notice.detail for notice in till.notices()} == {"2026-11-30T09:00:00+08:00"}


class TestNotices:
    def test_are_told_in_both_languages_with_what_they_are_about(self) -> None:
        instant = OPENED_AT.isoformat()
        given = [
            Notice(2, 1, 20000001, "deadline_24h", "2026-11-30T09:00:00+08:00", OPENED_AT),
            Notice(1, None, None, "till_outage", "09:05 - 09:15", OPENED_AT),
        ]
        first, second = notices_json(given)
        assert (first["terminal"], second["terminal"]) == ("20000001", None)
        assert "2026-11-30 09:00" in first["mn"]
        assert "…" not in first["mn"] + first["en"] + second["mn"] + second["en"]
        assert second["en"].endswith("09:05 - 09:15.")
        assert datetime.fromisoformat(first["at"]) == datetime.fromisoformat(instant)


class TestRestInfo:
    def answer(self, whole: Overview) -> dict[str, object]:
        body = info_answer(whole, left=99_998, data_dir=Path("/var/till"), here=Path("/opt"))
        decoded = msgspec.json.decode(msgspec.json.Encoder(decimal_format="number").encode(body))
        assert isinstance(decoded, dict)
        return decoded

    def test_has_every_field_of_the_recorded_answer(self) -> None:
        found = self.answer(overview(view()))
        assert found.keys() >= {
            "operatorName", "operatorTIN", "posId", "posNo", "version", "lastSentDate", "leftLotteries", "appInfo",
            "paymentTypes", "merchants", "condition",
        }  # fmt: skip
        assert (found["posId"], found["posNo"], found["leftLotteries"]) == (20000001, "20000001", 99_998)
        assert found["lastSentDate"] == "2026-11-27 09:00:00"

    def test_is_read_by_a_real_client(self) -> None:
        read = ReadInfoResponse.model_validate(self.answer(overview(view())))
        assert (read.operator_tin, read.merchants[0].name) == ("37900846788", "Дэлгүүр")

    def test_says_how_the_till_stands(self) -> None:
        found = self.answer(overview(view(Backlog(7, 123_450, OPENED_AT), now=LATER), now=LATER))
        assert (found["state"], found["waitingReceipts"], found["waitingAmount"]) == ("CATCHING_UP", 7, 1234.5)
        assert found["deadline"] == "2026-11-30 09:00:00"
        assert [one["code"] for one in found["warnings"]] == ["deadline_24h"]  # type: ignore[attr-defined]

    def test_of_a_till_that_is_not_activated_is_readable_too(self) -> None:
        found = self.answer(overview())
        assert (found["posNo"], found["merchants"], found["posId"]) == ("", [], 0)

    @pytest.mark.parametrize(("mongo", "written"), [(560_000, b"5600"), (0, b"0"), (1, b"0.01"), (-150, b"-1.5")])
    def test_writes_tugriks_without_a_needless_point(self, mongo: int, written: bytes) -> None:
        encoded = msgspec.json.Encoder(decimal_format="number").encode(tugrik(mongo))
        assert float(encoded) == float(written)
        assert (b"." in encoded) is (b"." in written)
