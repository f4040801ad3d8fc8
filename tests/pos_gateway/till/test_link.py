"""The link to the centre as a value: what each meeting makes of it, and what survives a restart."""

from datetime import UTC, datetime, timedelta

import pytest

from pos_gateway.till.link import LastError, Link
from pos_gateway.till.states import TillState

NOW = datetime(2017, 3, 1, 1, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
SILENT = LastError("centre_silent", "ReadTimeout", LATER)
ONLINE = Link.unknown(NOW, suspended=False).met(NOW, waiting=0, sent=True)


class TestMet:
    def test_the_first_answer_brings_a_till_online(self) -> None:
        link = Link.unknown(NOW, suspended=False).met(LATER, waiting=0)
        assert (link.state, link.since, link.contact_at, link.sent_at) == (TillState.ONLINE, LATER, LATER, None)

    def test_what_still_waits_is_caught_up_with(self) -> None:
        assert ONLINE.met(LATER, waiting=3, sent=True).state is TillState.CATCHING_UP

    def test_a_state_that_stays_keeps_its_beginning(self) -> None:
        assert ONLINE.met(LATER, waiting=0).since == NOW

    def test_forgets_the_last_error(self) -> None:
        link = ONLINE.failed(SILENT, answered=False).met(LATER, waiting=0)
        assert (link.error, link.failures) == (None, 0)


class TestFailed:
    def test_silence_takes_a_till_offline_and_is_counted(self) -> None:
        link = ONLINE.failed(SILENT, answered=False).failed(SILENT, answered=False)
        assert (link.state, link.since, link.failures, link.error) == (TillState.OFFLINE, LATER, 2, SILENT)
        assert link.contact_at == NOW

    def test_a_busy_centre_is_a_centre(self) -> None:
        link = ONLINE.failed(SILENT, answered=True, waiting=7)
        assert (link.state, link.contact_at, link.failures) == (TillState.CATCHING_UP, LATER, 1)


class TestBarred:
    def test_stays_until_reinstated(self) -> None:
        barred = ONLINE.barred(LATER)
        assert barred.met(LATER, waiting=0).state is TillState.SUSPENDED
        assert barred.reinstated(LATER).state is TillState.OFFLINE

    def test_is_known_from_the_start(self) -> None:
        assert Link.unknown(NOW, suspended=True).state is TillState.SUSPENDED


class TestRestarted:
    def test_is_out_of_touch_since_the_last_contact(self) -> None:
        link = ONLINE.met(LATER, waiting=2).restarted()
        assert (link.state, link.since, link.contact_at) == (TillState.OFFLINE, LATER, LATER)

    def test_stays_suspended(self) -> None:
        assert ONLINE.barred(LATER).restarted() == ONLINE.barred(LATER)


class TestJson:
    @pytest.mark.parametrize(
        "link",
        [
            Link.unknown(NOW, suspended=False),
            ONLINE,
            ONLINE.failed(SILENT, answered=False),
            ONLINE.barred(LATER),
        ],
        ids=lambda link: link.state.value,
    )
    def test_survives_a_restart_but_for_the_failures_in_a_row(self, link: Link) -> None:
        found = Link.of_json(link.to_json())
        assert found is not None
        assert (found.state, found.since, found.contact_at, found.sent_at, found.error, found.failures) == (
            link.state, link.since, link.contact_at, link.sent_at, link.error, 0,
        )  # fmt: skip

    @pytest.mark.parametrize(
        "kept",
        [b"", b"[]", b"{}", b"null", ONLINE.to_json().replace(b"ONLINE", b"HAPPY"), ONLINE.to_json()[:-3]],
    )
    def test_of_another_form_is_nothing(self, kept: bytes) -> None:
        assert Link.of_json(kept) is None
