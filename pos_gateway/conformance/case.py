"""The vocabulary of the cases: what is sent, and what is expected of the answer. Files in `cases/` hold lists of them.

A *case* sends one or more steps and says of each what must come; unless it says so, a POST /rest/receipt must issue and
everything else must be answered with success. A *watch* sends nothing: it looks at one property of every answer of the
run, so that a till which is wrong everywhere in one way is told one thing. A case that `rests_on` another which failed
is reported as its consequence.

| in a body            | stands for                                                                          |
|----------------------|-------------------------------------------------------------------------------------|
| `$tin`, `$second`    | the merchant under test; another merchant of the same till                          |
| `$buyer`, `$consumer`| a business that buys; a consumer's login number                                     |
| `$suffix`            | a new `billIdSuffix`                                                                |
| `$id:x`, `$date:x`   | what the answer to step `x` said                                                    |
| `$unknown_id`        | an id of the merchant that no till has issued                                       |
| `$month`, `$last_month`, `$old_month` | the first day of this month, of the last, of one two years ago     |
| `$now`               | the time in Ulaanbaatar, as `date` is written                                       |

Source: docs/domain.md; the official text is the vendor's OpenAPI file and manual.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct, field


class Source(StrEnum):
    """From where it is known that a till must do so."""

    OFFICIAL = "official"
    """The vendor's own text or example says so."""
    RECORDED = "recorded"
    """A recorded answer of the vendor's till shows it."""
    CLIENTS = "clients"
    """Real clients send it, or break without it."""
    LAW = "law"
    """Anything else would be a wrong tax document."""
    BARIMT = "barimt"
    """Barimt's own promise; another vendor's till need not keep it."""


class Issued(Struct, frozen=True, forbid_unknown_fields=True, tag_field="is", tag="issued"):
    """A receipt with an id."""


class Refused(Struct, frozen=True, forbid_unknown_fields=True, tag_field="is", tag="refused"):
    """No receipt. `names` are fields of which the message should name one, `gives` what it should say is right."""

    names: tuple[str, ...] = ()
    gives: str | None = None


class Done(Struct, frozen=True, forbid_unknown_fields=True, tag_field="is", tag="done"):
    """Success, whatever the body says."""


class Answered(Struct, frozen=True, forbid_unknown_fields=True, tag_field="is", tag="answered"):
    """Any answer but a server's failure."""


class Value(Struct, frozen=True, forbid_unknown_fields=True, tag_field="is", tag="value"):
    """What stands at a path of the answer: exactly one of the others. Numbers are equal by value, and null, "" and
    missing are the same: how they are written is the watches' business.
    """

    at: str
    equals: Any = None
    absent: bool = False
    present: bool = False
    form: str | None = None
    """A regular expression for the whole of a text."""
    kind: str | None = None
    """text, number, whole (a number), truth, list, object."""
    length: int | None = None
    """Of a list."""
    same_as: str | None = None
    """The step in whose answer the same stands at that path."""
    differs_from: str | None = None
    """The step in whose answer something else stands at that path."""


class Echo(Struct, frozen=True, forbid_unknown_fields=True, tag_field="is", tag="echo"):
    """What was sent at these paths comes back there, whatever is null or empty left out."""

    of: tuple[str, ...]


class Check(Struct, frozen=True, forbid_unknown_fields=True, tag_field="is", tag="check"):
    """A property that has its own function in `checks`."""

    name: str


Expectation = Issued | Refused | Done | Answered | Value | Echo | Check


class Step(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One request. Exactly one of `post` (POST /rest/receipt with a body of `cases/bodies.json`), `delete` (DELETE
    /rest/receipt of the receipt of an earlier step) and `ask` (method and path).
    """

    post: str | None = None
    delete: str | None = None
    ask: str | None = None
    name: str | None = field(name="as", default=None)
    """By which later steps speak of it."""
    set: dict[str, Any] = {}
    """Path -> value."""
    drop: tuple[str, ...] = ()
    """Paths to be left out."""
    respell: dict[str, str] = {}
    """Key -> how it is spelled instead, everywhere."""
    as_text: bool = False
    """Whether every number is sent as a text."""
    items: int = 1
    """How often the first item is sent: all amounts above it are multiplied."""
    raw: str | None = None
    """Sent instead of the body; `$deep` is nested ten thousand deep."""
    padded_to: int = 0
    """Blanks are put in front until the body has so many bytes."""
    path: str | None = None
    headers: dict[str, str] = {}
    again: str | None = None
    """An earlier step whose very bytes are sent once more."""
    hang_up: bool = False
    """Whether the connection is broken off before the answer comes. Then nothing can be expected."""
    expect: tuple[Expectation, ...] = ()


class Case(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that a till must do, why, and from where that is known."""

    name: str
    about: str
    reason: str
    source: Source
    steps: tuple[Step, ...]
    rests_on: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """second (another merchant), second_seat (one that may stand in the header), city_tax (a merchant that pays it),
    strict_merchants (a till that does not enrol whoever asks), keys (the published key list).
    """

    @property
    def ours(self) -> bool:
        """Whether another vendor's till need not do it."""
        return self.source is Source.BARIMT

    @property
    def call(self) -> str:
        """The call that is tried: the last step's."""
        step = self.steps[-1]
        return step.ask or ("DELETE /rest/receipt" if step.delete else "POST /rest/receipt")


class Watch(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A property of every answer of a run. It has a function in `watches` by its name."""

    name: str
    about: str
    reason: str
    source: Source
    expected: str
    feeds: tuple[str, ...]
    """The cases whose answers it is shown when it is asked for alone."""
    rests_on: tuple[str, ...] = ()

    @property
    def ours(self) -> bool:
        """Whether another vendor's till need not have it."""
        return self.source is Source.BARIMT

    @property
    def call(self) -> str:
        """It looks at all."""
        return "every answer"
