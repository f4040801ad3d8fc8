"""How a till stands with the centre: four states, what puts it there, what leaves, and one table of transitions.

A state belongs to one seat (a seller's place on this till). Whatever happens between till and centre is one of the
events; `next_state` is the only way from one state to another. A till issues receipts in every state but SUSPENDED,
and uploads in every state.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final


class TillState(StrEnum):
    """Where a seat stands."""

    ONLINE = "ONLINE"
    """The centre answered last time and has every receipt. Silence leaves it, and a receipt that has to wait."""
    OFFLINE = "OFFLINE"
    """The centre did not answer last time, or was not asked yet. Its next answer leaves it; selling goes on."""
    CATCHING_UP = "CATCHING_UP"
    """The centre answers and receipts wait for upload. The last one's verdict leaves it, or silence."""
    SUSPENDED = "SUSPENDED"
    """Nothing is issued any more: a fork, a tampered queue, a certificate that expired or was revoked, a closed chain.
    Only an officer's reinstatement leaves it; else a new terminal takes the place (`barimt till replace`)."""


class LinkEvent(StrEnum):
    """What happened between a till and the centre."""

    CAUGHT_UP = "CAUGHT_UP"
    """The centre answered, and nothing waits."""
    BEHIND = "BEHIND"
    """The centre answered, and receipts wait."""
    LOST = "LOST"
    """The centre did not answer, or not as one that works."""
    BARRED = "BARRED"
    """A reason to issue nothing was found, here or by the centre."""
    REINSTATED = "REINSTATED"
    """The centre took its suspension back."""


_MEETING: Final = {
    LinkEvent.CAUGHT_UP: TillState.ONLINE,
    LinkEvent.BEHIND: TillState.CATCHING_UP,
    LinkEvent.LOST: TillState.OFFLINE,
    LinkEvent.BARRED: TillState.SUSPENDED,
}
"""A till that may issue: the last contact says it all."""

TRANSITIONS: Final[Mapping[TillState, Mapping[LinkEvent, TillState]]] = {
    state: _MEETING | {LinkEvent.REINSTATED: state}
    for state in (TillState.ONLINE, TillState.OFFLINE, TillState.CATCHING_UP)
} | {
    TillState.SUSPENDED: dict.fromkeys(LinkEvent, TillState.SUSPENDED) | {LinkEvent.REINSTATED: TillState.OFFLINE},
}
"""State -> event -> next state; every pair is there."""

_GRAVITY: Final = (TillState.ONLINE, TillState.CATCHING_UP, TillState.OFFLINE, TillState.SUSPENDED)


def next_state(state: TillState, event: LinkEvent) -> TillState:
    """Answer the state after an event."""
    return TRANSITIONS[state][event]


def gravest(states: Iterable[TillState]) -> TillState:
    """Answer the state that a till with several sellers shows: the gravest of them. One without any is OFFLINE."""
    return max(states, key=_GRAVITY.index, default=TillState.OFFLINE)
