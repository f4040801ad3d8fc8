"""Runs the cases against a till and judges what comes. It issues receipts, so it wants a till that is for tests."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from pos_gateway.conformance.body import Filling, Subject, body_of, content_of
from pos_gateway.conformance.case import Case, Step, Watch
from pos_gateway.conformance.catalogue import Catalogue
from pos_gateway.conformance.exchange import MISSING, Exchange
from pos_gateway.conformance.judge import describe, first_wrong
from pos_gateway.conformance.scene import Scene
from pos_gateway.conformance.send import Caller
from pos_gateway.conformance.verdict import Outcome, Result
from pos_gateway.conformance.watches import LOOKS
from receipts.keys import Keyring

SUFFIXES: Final = 10**6
_SHOWN_MAX: Final = 12


class Run:
    """One run of the kit against one till.

    Args:
        caller: speaks with the till.
        subject: who is tried.
        has: what of `Case.needs` is there.
        now: the time, for what depends on the day of the month.
        label: makes keys and suffixes of this run differ from those of others.
    """

    def __init__(
        self,
        caller: Caller,
        subject: Subject,
        *,
        catalogue: Catalogue,
        has: frozenset[str],
        now: datetime,
        label: str,
        keyring: Keyring | None = None,
    ) -> None:
        self._caller = caller
        self._subject = subject
        self._catalogue = catalogue
        self._has = has
        self._now = now
        self._label = label
        self._keyring = keyring
        self._suffixes = int.from_bytes(hashlib.sha256(label.encode()).digest()) % SUFFIXES
        self.exchanges: list[Exchange] = []

    def cases(self, cases: Iterable[Case]) -> Iterator[Result]:
        """Run cases one after the other and yield how each ended."""
        for case in cases:
            missing = [need for need in case.needs if need not in self._has]
            if missing:
                expected = "; ".join(describe(step) for step in case.steps[-1:])
                yield Result(case, Outcome.NOT_RUN, expected, f"needs {', '.join(missing)}")
            else:
                yield self._run(case)

    def watches(self, watches: Sequence[Watch]) -> Iterator[Result]:
        """Judge every answer of the run by each watch."""
        for watch in watches:
            seen = list(LOOKS[watch.name](self.exchanges))
            wrong = [each for each in seen if each.came]
            if not seen:
                yield Result(watch, Outcome.NOT_RUN, watch.expected, "no answer to look at")
            elif wrong:
                where = tuple(dict.fromkeys(each.case for each in wrong))
                named = ", ".join(where[:_SHOWN_MAX]) + (", …" if len(where) > _SHOWN_MAX else "")
                came = f"{wrong[0].came} ({len(wrong)} of {len(seen)} answers: {named})"
                yield Result(watch, Outcome.FAILED, watch.expected, came, where)
            else:
                yield Result(watch, Outcome.PASSED, watch.expected)

    def _run(self, case: Case) -> Result:
        before: dict[str, Exchange] = {}
        for at, step in enumerate(case.steps):
            exchange = self._exchange(case, step, before)
            self.exchanges.append(exchange)
            wrong = first_wrong(Scene(exchange, before, self._subject, self._now, self._keyring))
            if wrong is not None:
                told = "" if at == len(case.steps) - 1 else f"step {at + 1} of {len(case.steps)}: "
                return Result(case, Outcome.FAILED, told + wrong.expected, told + wrong.came)
            before[step.name or f"#{at}"] = exchange
        return Result(case, Outcome.PASSED, describe(case.steps[-1]))

    def _exchange(self, case: Case, step: Step, before: Mapping[str, Exchange]) -> Exchange:
        filling = Filling(self._subject, self._now, self._suffix, before)
        earlier = before.get(step.again) if step.again else None
        sent = earlier.sent if earlier else body_of(step, self._catalogue.bodies, filling)
        content = earlier.content if earlier else content_of(step, sent)
        method, path = self._place(step)
        keys = {"$key": f"{self._label}-{case.name}", "$other_key": f"{self._label}-{case.name}-2"}
        headers = {name: keys.get(value, value) for name, value in step.headers.items()}
        send = self._caller.hang_up if step.hang_up else self._caller.call
        came = send(method, path, content=content, headers=headers)
        return Exchange(
            case.name, step, f"{method} {path}", None if sent is MISSING else sent, content, came.status, came.headers,
            came.body, came.seconds, came.failure,
        )  # fmt: skip

    def _place(self, step: Step) -> tuple[str, str]:
        if step.ask is not None:
            method, _, path = step.ask.partition(" ")
            return method, path.replace("$tin", self._subject.tin)
        return ("DELETE" if step.delete is not None else "POST"), step.path or "/rest/receipt"

    def _suffix(self) -> str:
        self._suffixes = (self._suffixes + 1) % SUFFIXES
        return f"{self._suffixes:06d}"
