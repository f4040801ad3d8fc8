"""Four states, five events, one table."""

import pytest

from pos_gateway.till.states import TRANSITIONS, LinkEvent, TillState, gravest, next_state

ABLE = (TillState.ONLINE, TillState.OFFLINE, TillState.CATCHING_UP)


class TestTransitions:
    def test_know_every_pair(self) -> None:
        assert {(state, event) for state, row in TRANSITIONS.items() for event in row} == {
            (state, event) for state in TillState for event in LinkEvent
        }

    @pytest.mark.parametrize("state", ABLE)
    def test_a_till_that_may_issue_is_where_its_last_contact_was(self, state: TillState) -> None:
        assert next_state(state, LinkEvent.CAUGHT_UP) is TillState.ONLINE
        assert next_state(state, LinkEvent.BEHIND) is TillState.CATCHING_UP
        assert next_state(state, LinkEvent.LOST) is TillState.OFFLINE
        assert next_state(state, LinkEvent.BARRED) is TillState.SUSPENDED
        assert next_state(state, LinkEvent.REINSTATED) is state

    @pytest.mark.parametrize("event", [event for event in LinkEvent if event is not LinkEvent.REINSTATED])
    def test_nothing_but_reinstatement_ends_a_suspension(self, event: LinkEvent) -> None:
        assert next_state(TillState.SUSPENDED, event) is TillState.SUSPENDED

    def test_who_is_reinstated_must_first_meet_the_centre_again(self) -> None:
        assert next_state(TillState.SUSPENDED, LinkEvent.REINSTATED) is TillState.OFFLINE


class TestGravest:
    def test_a_till_of_several_sellers_shows_the_gravest_state(self) -> None:
        assert gravest([TillState.ONLINE, TillState.SUSPENDED, TillState.OFFLINE]) is TillState.SUSPENDED
        assert gravest([TillState.CATCHING_UP, TillState.OFFLINE]) is TillState.OFFLINE
        assert gravest([TillState.ONLINE, TillState.CATCHING_UP]) is TillState.CATCHING_UP
        assert gravest([TillState.ONLINE]) is TillState.ONLINE

    def test_a_till_of_nobody_is_offline(self) -> None:
        assert gravest([]) is TillState.OFFLINE
