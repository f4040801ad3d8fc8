"""An invariant as `barimt check` reports it: a stable code, a sentence, how many were looked at, and what breaks it."""

from dataclasses import dataclass, field

PLACES_MAX = 20
"""Places named of one broken invariant; the count goes on."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """Something that must always be true. The code never changes; the sentence is for people."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What looking at one invariant came to. `places` names at most `PLACES_MAX` of the `broken` ones: receipt ids,
    or whatever else the invariant is about.
    """

    invariant: Invariant
    looked_at: int
    broken: int
    places: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing breaks it."""
        return self.broken == 0


@dataclass(slots=True)
class Tally:
    """Counts what was looked at for one invariant, one by one."""

    invariant: Invariant
    looked_at: int = 0
    broken: int = 0
    places: list[str] = field(default_factory=list)

    def held(self) -> None:
        """Count one for which it holds."""
        self.looked_at += 1

    def broke(self, place: str) -> None:
        """Count one that breaks it, and name where as long as there is room."""
        self.looked_at += 1
        self.broken += 1
        if len(self.places) < PLACES_MAX:
            self.places.append(place)

    @property
    def checked(self) -> Checked:
        """What it came to."""
        return Checked(self.invariant, self.looked_at, self.broken, tuple(self.places))
