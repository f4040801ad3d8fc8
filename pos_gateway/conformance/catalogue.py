"""Reads the cases, the watches and the bodies of `cases/`. A name that stands twice or points nowhere is an error."""

from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import msgspec
from msgspec import Struct

from pos_gateway.conformance.case import Case, Watch

FILES: Final = (
    "calls", "issuing", "ids", "taxes", "business", "corrections", "lenient", "refused", "duplicates", "qr", "lookups",
)  # fmt: skip
"""In the order in which they run."""


class Catalogue(Struct, frozen=True):
    """Everything that is tried, in its order."""

    cases: tuple[Case, ...]
    watches: tuple[Watch, ...]
    bodies: dict[str, Any]

    def chosen(self, names: Iterable[str]) -> tuple[tuple[Case, ...], frozenset[str]]:
        """Answer the cases to be run for what is asked for, and the names to be reported; nothing asked for is all. A
        name may be the beginning of names. Raises `KeyError` for one that fits nothing.
        """
        asked = tuple(names)
        everything = [case.name for case in self.cases] + [watch.name for watch in self.watches]
        for name in asked:
            if not any(known.startswith(name) for known in everything):
                raise KeyError(name)
        wanted = frozenset(name for name in everything if not asked or name.startswith(asked))
        fed = {feed for watch in self.watches if watch.name in wanted for feed in watch.feeds}
        return tuple(case for case in self.cases if case.name in wanted | fed), wanted


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Read all files."""
    cases = [case for name in FILES for case in msgspec.json.decode(_read(name), type=list[Case])]
    watches = msgspec.json.decode(_read("watches"), type=list[Watch])
    bodies = msgspec.json.decode(_read("bodies"), type=dict[str, Any])
    return Catalogue(tuple(cases), tuple(watches), bodies)


def _read(name: str) -> bytes:
    return files(__package__).joinpath(f"cases/{name}.json").read_bytes()
