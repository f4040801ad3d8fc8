"""What came of a run: an outcome for each case and watch, and the verdict. Pure.

A case *follows* where it failed and something that it rests on did, too; it was *not run* where the till, or whoever
runs the kit, lacks what it needs. What only Barimt promises is a *remark* at another vendor's till. Only *failed*
counts.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from pos_gateway.conformance.case import Case, Source, Watch


class Outcome(StrEnum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    FOLLOWS = "follows"
    """Failed, and so did something that it rests on."""
    REMARK = "remark"
    """Failed, and only Barimt promises it."""
    NOT_RUN = "not run"


class Result(Struct, frozen=True):
    """How one case or watch ended. `came` is empty where it passed; `where` are the cases in which a watch saw it."""

    entry: Case | Watch
    outcome: Outcome
    expected: str
    came: str = ""
    where: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The case's name."""
        return self.entry.name

    def as_json(self) -> dict[str, Any]:
        """Answer the result for machines."""
        entry = self.entry
        told = {
            "case": entry.name, "call": entry.call, "about": entry.about, "reason": entry.reason,
            "source": entry.source.value, "ours_only": entry.ours, "outcome": self.outcome.value,
            "expected": self.expected, "came": self.came,
        }  # fmt: skip
        return told | ({"where": list(self.where)} if self.where else {})


class TillTold(Struct, frozen=True):
    """What the till said of itself."""

    url: str
    version: str
    pos_no: str
    tin: str
    ours: bool


class Verdict(Struct, frozen=True):
    """The whole run."""

    till: TillTold
    results: tuple[Result, ...]

    @property
    def conforms(self) -> bool:
        """Whether nothing failed, and something passed."""
        counted = self.counts()
        return not counted[Outcome.FAILED] and counted[Outcome.PASSED] > 0

    def counts(self) -> dict[Outcome, int]:
        """Answer how many cases ended how."""
        return {outcome: sum(result.outcome is outcome for result in self.results) for outcome in Outcome}

    def summary(self) -> dict[str, Any]:
        """Answer the verdict in one line."""
        till, counted = self.till, self.counts()
        return {
            "verdict": "conforms" if self.conforms else "fails",
            "till": {"url": till.url, "version": till.version, "posNo": till.pos_no, "tin": till.tin},
            "cases": len(self.results),
            **{outcome.value.replace(" ", "_"): count for outcome, count in counted.items()},
            "failing": [result.name for result in self.results if result.outcome is Outcome.FAILED],
        }

    def as_json(self) -> dict[str, Any]:
        """Answer everything for machines."""
        return self.summary() | {"results": [result.as_json() for result in self.results]}


def concluded(results: Sequence[Result], *, ours: bool) -> tuple[Result, ...]:
    """Answer the results with consequences and remarks told from failures; `ours` says whose till it is."""
    failed = {result.name for result in results if result.outcome is Outcome.FAILED}
    rests = {result.name: result.entry.rests_on for result in results}
    return tuple(_concluded(result, failed, rests, ours=ours) for result in results)


def _concluded(result: Result, failed: set[str], rests: Mapping[str, tuple[str, ...]], *, ours: bool) -> Result:
    if result.outcome is not Outcome.FAILED:
        return result
    if result.entry.source is Source.BARIMT and not ours:
        return Result(result.entry, Outcome.REMARK, result.expected, result.came, result.where)
    grounds = [name for name in rests[result.name] if name in failed]
    if not grounds:
        return result
    came = f"{result.came} (follows from {', '.join(grounds)})"
    return Result(result.entry, Outcome.FOLLOWS, result.expected, came, result.where)
