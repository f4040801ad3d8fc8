"""The link between one seat and the centre, as a value: its state, since when, the last contact, the last error. Pure.

Every change goes through `met` and `failed`; the states' own table (`states`) says where each event leads.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from kernel.clock import format_instant, parse_instant
from kernel.refusal import Malformed
from pos_gateway.till.states import LinkEvent, TillState, next_state


@dataclass(frozen=True, slots=True)
class LastError:
    """What went wrong last between till and centre: a code with words, English detail for who mends it, and when."""

    code: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """How a seat stands with the centre. `contact_at` is when it answered last, `sent_at` when it took a receipt last;
    `failures` counts those in a row, and `error` stays until something succeeds.
    """

    state: TillState
    since: datetime
    contact_at: datetime | None = None
    sent_at: datetime | None = None
    failures: int = 0
    error: LastError | None = None

    @classmethod
    def unknown(cls, now: datetime, *, suspended: bool) -> Self:
        """Answer the link of a seat that was not in touch yet."""
        return cls(TillState.SUSPENDED if suspended else TillState.OFFLINE, now)

    def met(self, now: datetime, *, waiting: int, sent: bool = False) -> "Link":
        """The centre answered; `sent` where it took receipts."""
        moved = self._on(LinkEvent.BEHIND if waiting else LinkEvent.CAUGHT_UP, now)
        return replace(moved, contact_at=now, sent_at=now if sent else self.sent_at, failures=0, error=None)

    def failed(self, error: LastError, *, answered: bool, waiting: int = 0) -> "Link":
        """Something went wrong; `answered` where the centre works all the same, as when it is busy."""
        event = LinkEvent.LOST if not answered else LinkEvent.BEHIND if waiting else LinkEvent.CAUGHT_UP
        moved = self._on(event, error.at)
        contact_at = error.at if answered else self.contact_at
        return replace(moved, contact_at=contact_at, failures=self.failures + 1, error=error)

    def barred(self, now: datetime) -> "Link":
        """A reason was found to issue nothing any more."""
        return self._on(LinkEvent.BARRED, now)

    def reinstated(self, now: datetime) -> "Link":
        """The centre took its suspension back."""
        return self._on(LinkEvent.REINSTATED, now)

    def restarted(self) -> "Link":
        """Nobody has been asked since the restart: a till that may issue is out of touch since the last contact."""
        if self.state is TillState.SUSPENDED:
            return self
        return replace(self, state=TillState.OFFLINE, since=self.contact_at or self.since)

    def to_json(self) -> bytes:
        """Write what survives a restart."""
        kept = {
            "state": self.state.value,
            "since": format_instant(self.since),
            "contact_at": self.contact_at and format_instant(self.contact_at),
            "sent_at": self.sent_at and format_instant(self.sent_at),
            "error": self.error and [self.error.code, self.error.detail, format_instant(self.error.at)],
        }
        return json.dumps(kept, ensure_ascii=False).encode()

    @classmethod
    def of_json(cls, kept: bytes) -> "Link | None":
        """Read what `to_json` wrote; None where it is of another form, for then nothing is known."""
        try:
            found = json.loads(kept)
            contact_at, sent_at = (found[name] and parse_instant(found[name], "") for name in ("contact_at", "sent_at"))
            went = found["error"]
            error = went and LastError(went[0], went[1], parse_instant(went[2], ""))
            return cls(TillState(found["state"]), parse_instant(found["since"], ""), contact_at, sent_at, 0, error)
        except (ValueError, KeyError, TypeError, Malformed):
            return None

    def _on(self, event: LinkEvent, now: datetime) -> "Link":
        state = next_state(self.state, event)
        return self if state is self.state else replace(self, state=state, since=now)
