"""The three ways a request can end without success, and nothing else.

`Malformed`: the input is not of its form; all faults at once. `Refusal`: a rule says no; one class a rule, declared
beside the verb that refuses. `Unavailable`: nothing happened, try again. HTTP statuses are chosen by one table in
`runtime.http_errors`, texts by one catalogue in `runtime.messages`; neither stands here.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input.

    `code` is stable for machines, `path` is a JSON Pointer into the input (RFC 6901), `expected` says what would
    have been right where that can be said, and `values` fill the placeholders of the catalogue's text.
    """

    code: str
    path: str
    expected: str | None = None
    values: tuple[tuple[str, str], ...] = ()


class Malformed(Exception):  # noqa: N818 - named by what the input is
    """The input is not of its form. Carries every fault found, at least one."""

    def __init__(self, *faults: Fault) -> None:
        assert faults
        super().__init__("; ".join(f"{fault.code} at {fault.path or '/'}" for fault in faults))
        self.faults = faults


class Refusal(Exception):  # noqa: N818 - named by what happened
    """A rule says no. Subclasses set `code` and hand the catalogue's placeholders over as keywords."""

    code: ClassVar[str]

    def __init__(self, **values: str) -> None:
        super().__init__(f"{self.code} {values}" if values else self.code)
        self.values = values


class Unavailable(Exception):  # noqa: N818 - named by what happened
    """Nothing happened and the same request may be sent again after `retry_after_s` seconds."""

    def __init__(self, reason: str, *, retry_after_s: int = 1) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
