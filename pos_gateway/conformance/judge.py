"""Whether an answer is what a step expects: each expectation answers what is wrong, or nothing. Pure."""

import re
from decimal import Decimal
from typing import Any, Final, assert_never

from pos_gateway.conformance.case import Answered, Check, Done, Echo, Expectation, Issued, Refused, Step, Value
from pos_gateway.conformance.checks import CHECKS, JUDGES_STATUS
from pos_gateway.conformance.exchange import (
    MISSING,
    alike,
    leaves,
    nothing,
    number_of,
    shown,
    text_of,
    value_at,
)
from pos_gateway.conformance.scene import Scene, Wrong

BROKEN_FROM: Final = 500


def expectations_of(step: Step) -> tuple[Expectation, ...]:
    """Answer what a step expects: a receipt or success, unless it says something of that itself."""
    if step.hang_up:
        return ()
    if any(isinstance(each, Issued | Refused | Done | Answered) or _judges_status(each) for each in step.expect):
        return step.expect
    sells = step.delete is None and step.ask is None
    return (Issued() if sells else Done(), *step.expect)


def expects_refusal(step: Step) -> Refused | None:
    """Answer the refusal that a step expects, if it does."""
    return next((each for each in step.expect if isinstance(each, Refused)), None)


def first_wrong(scene: Scene) -> Wrong | None:
    """Answer the first of a step's expectations that its answer does not fulfil."""
    if scene.exchange.failure and not scene.exchange.step.hang_up:
        return Wrong("an answer", scene.exchange.failure)
    return next(filter(None, (judge(each, scene) for each in expectations_of(scene.exchange.step))), None)


def judge(expectation: Expectation, scene: Scene) -> Wrong | None:
    """Answer what is wrong with an answer by one expectation."""
    exchange, holds = scene.exchange, True
    match expectation:
        case Value():
            return _judge_value(expectation, scene)
        case Echo():
            return next(filter(None, (_judge_echo(path, scene) for path in expectation.of)), None)
        case Check():
            return CHECKS[expectation.name](scene)
        case Issued():
            holds = exchange.issued
        case Refused():
            holds = not exchange.succeeded
        case Done():
            holds = exchange.succeeded
        case Answered():
            holds = exchange.status < BROKEN_FROM or exchange.says_no
        case _:
            assert_never(expectation)
    return None if holds else Wrong(_described(expectation), exchange.came)


def describe(step: Step) -> str:
    """Say what a step expects, in a few words."""
    return "; ".join(_described(each) for each in expectations_of(step)) or "nothing"


def _judges_status(expectation: Expectation) -> bool:
    return isinstance(expectation, Check) and expectation.name in JUDGES_STATUS


def _refusal_wanted(expectation: Refused) -> str:
    return "a refusal" + (f" that names {' or '.join(expectation.names)}" if expectation.names else "")


_KINDS: Final = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, Decimal),
    "whole": lambda value: isinstance(value, Decimal) and value == value.to_integral_value(),
    "truth": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


_KIND_WORDS: Final = {
    "text": "a text",
    "number": "a number",
    "whole": "a whole number",
    "truth": "true or false",
    "list": "a list",
    "object": "an object",
}


def _judge_value(wanted: Value, scene: Scene) -> Wrong | None:
    found = scene.at(wanted.at)
    place = wanted.at or "the answer"
    holds = _value_holds(wanted, found, scene)
    return None if holds else Wrong(f"{place}: {_wanted_value(wanted, scene)}", f"{place}: {shown(found)}")


def _value_holds(wanted: Value, found: Any, scene: Scene) -> bool:
    if wanted.form is not None:
        return re.fullmatch(_form(wanted.form, scene), text_of(found)) is not None
    if wanted.kind is not None:
        return _KINDS[wanted.kind](found)
    if wanted.length is not None:
        return isinstance(found, list) and len(found) == wanted.length
    step = wanted.same_as or wanted.differs_from
    if step is not None:
        return not nothing(found) and alike(found, _said(step, wanted.at, scene)) is (step == wanted.same_as)
    if wanted.absent or wanted.present:
        return nothing(found) is wanted.absent
    return alike(found, wanted.equals)


def _said(place: str, path: str, scene: Scene) -> Any:
    """Answer what an earlier step was answered: `step`, at the same path, or `step.path`."""
    step, _, other = place.partition(".")
    return value_at(scene.before[step].answer, other or path) if step in scene.before else MISSING


def _form(form: str, scene: Scene) -> str:
    return form.replace("$tin", scene.subject.tin).replace("$second", scene.subject.second or "")


def _wanted_value(wanted: Value, scene: Scene | None) -> str:
    step = wanted.same_as or wanted.differs_from
    if wanted.form is not None:
        said = f"of the form {_form(wanted.form, scene) if scene else wanted.form}"
    elif wanted.kind is not None:
        said = _KIND_WORDS[wanted.kind]
    elif wanted.length is not None:
        said = f"a list of {wanted.length}"
    elif step is not None:
        there = f" ({shown(_said(step, wanted.at, scene))})" if scene else ""
        said = f"{'the same as' if wanted.same_as else 'other than'} in the answer to {step.partition('.')[0]!r}{there}"
    elif wanted.absent or wanted.present:
        said = "nothing" if wanted.absent else "something"
    else:
        said = shown(wanted.equals)
    return said


def _judge_echo(path: str, scene: Scene) -> Wrong | None:
    """Whether every leaf that was sent at a path comes back there."""
    sent = value_at(scene.exchange.sent, path)
    for leaf, value in leaves(sent, path):
        found = scene.at(leaf)
        if not nothing(value) and not alike(value, found):
            return Wrong(f"{leaf}: {shown(value)}", f"{leaf}: {shown(found)}")
    return None


def _described(expectation: Expectation) -> str:
    match expectation:
        case Issued():
            said = "a receipt"
        case Refused(gives=None):
            said = _refusal_wanted(expectation)
        case Refused(gives=right):
            said = f"{_refusal_wanted(expectation)} and gives {right}"
        case Done():
            said = "success"
        case Answered():
            said = "success or a refusal"
        case Value(at=path):
            said = f"{path or 'the answer'}: {_wanted_value(expectation, None)}"
        case Echo(of=paths):
            said = f"{', '.join(paths)} as sent"
        case Check(name=name):
            said = name.replace("-", " ")
        case _:
            assert_never(expectation)
    return said


def number_in(message: str, wanted: str) -> bool:
    """Whether a message holds a number, with whatever commas and zeros."""
    numbers = re.findall(r"[0-9][0-9,' ]*(?:\.[0-9]+)?", message)
    return number_of(wanted) in {number_of(re.sub("[,' ]", "", number)) for number in numbers}
