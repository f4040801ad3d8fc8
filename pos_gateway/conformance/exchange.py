"""A request and what came of it, read leniently: how a value is written is kept beside what it says. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Self

from msgspec import Struct

from pos_gateway.conformance.case import Step

_STEP: Final = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", re.ASCII)
MISSING: Final = object()
"""What stands at a path that is not there."""
SUCCESS_FROM, SUCCESS_TO = 200, 300


class Written(Decimal):
    """A JSON number with the text of which it was read."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Read a number."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class Exchange(Struct, frozen=True):
    """One request of a case and its answer. `failure` says why none came. `sent` is the body as a value."""

    case: str
    step: Step
    request: str
    sent: Any
    content: bytes
    status: int = 0
    headers: Mapping[str, str] = {}
    body: bytes = b""
    seconds: float = 0.0
    failure: str | None = None

    @property
    def answer(self) -> Any:
        """The body as JSON; MISSING where it is none."""
        return read_json(self.body)

    @property
    def succeeded(self) -> bool:
        """Whether the till says that it did what was asked: the status, and the word in the body."""
        spoken = value_at(self.answer, "status")
        return SUCCESS_FROM <= self.status < SUCCESS_TO and spoken not in ("ERROR", "PAYMENT")

    @property
    def issued(self) -> bool:
        """Whether a receipt came."""
        return self.step.delete is None and self.succeeded and bool(text_of(value_at(self.answer, "id")))

    @property
    def is_receipt(self) -> bool:
        """Whether a receipt was asked for and came."""
        return self.request.startswith("POST /rest/receipt") and self.issued

    @property
    def says_no(self) -> bool:
        """Whether the till says in words that it refused, whatever the status."""
        return text_of(value_at(self.answer, "status")) == "ERROR"

    @property
    def message(self) -> str:
        """What the till says of a refusal, in whichever field it says it; else the body's beginning."""
        answer = self.answer
        said = next((text_of(value_at(answer, name)) for name in ("message", "msg") if value_at(answer, name)), "")
        return said or self.body[:200].decode(errors="replace")

    @property
    def came(self) -> str:
        """What came, in a few words."""
        if self.failure:
            return self.failure
        if self.issued:
            return f"{self.status}, receipt {text_of(value_at(self.answer, 'id'))}"
        return f"{self.status} {self.message}".strip()[:240]


def read_json(body: bytes) -> Any:
    """Read JSON with every number as it was written; MISSING where it is no JSON."""
    try:
        return json.loads(body, parse_int=Written, parse_float=Written)
    except (ValueError, RecursionError, InvalidOperation):
        return MISSING


def value_at(value: Any, path: str) -> Any:
    """Answer what stands at a path, as receipts[0].items[1].name; MISSING where nothing does. "" is the whole."""
    for name, place in _STEP.findall(path):
        if name:
            value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
        else:
            value = value[int(place)] if isinstance(value, list) and int(place) < len(value) else MISSING
    return value


def put_at(value: Any, path: str, new: Any) -> None:
    """Put a value at a path in place; MISSING takes away what stands there. All but the last step must be there."""
    *before, (name, place) = _STEP.findall(path)
    for step, number in before:
        value = value[step] if step else value[int(number)]
    if new is not MISSING:
        value[name or int(place)] = new
    elif name:
        value.pop(name, None)
    else:
        del value[int(place)]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is no object and no list, with its path; an empty one is a leaf."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for at, item in enumerate(value):
            yield from leaves(item, f"{path}[{at}]")
    else:
        yield path, value


def nothing(value: Any) -> bool:
    """Whether a value says nothing: missing, null, empty."""
    return value is MISSING or value is None or value in ("", [], {})


def number_of(value: Any) -> Decimal | None:
    """Answer a number, also one that is written as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    return Decimal(str(value)) if _NUMBER.fullmatch(str(value).strip()) else None


def text_of(value: Any) -> str:
    """Answer a text, also one that is written as a number; "" for nothing."""
    if nothing(value):
        return ""
    return value.text if isinstance(value, Written) else str(value)


def alike(one: Any, other: Any) -> bool:
    """Whether two values say the same, however they are written."""
    if nothing(one) or nothing(other):
        return nothing(one) and nothing(other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    numbers = number_of(one), number_of(other)
    if None not in numbers and not (isinstance(one, str) and isinstance(other, str)):
        return numbers[0] == numbers[1]
    return text_of(one) == text_of(other)


def shown(value: Any) -> str:
    """Write a value for the table."""
    if value is MISSING:
        return "nothing"
    return json.dumps(value, ensure_ascii=False, default=text_of)[:120]
