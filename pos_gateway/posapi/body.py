"""JSON as PosAPI's clients write it: strict in what it means, lenient in how a name or a value is spelled.

Names are told apart without regard to upper and lower case (totalVAT, totalVat, inActiveId). null, "" and blanks are as
good as nothing. A number may stand in quotes, and a text may be a number without its quotes. A name that stands twice
with two values is a fault, because nobody knows which one was meant. Names that nobody knows are passed over.
"""

import json
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, TypeVar

import msgspec

from kernel.canonical import canonical_text
from kernel.money import MONGO_MAX
from kernel.refusal import Fault, Malformed
from pos_gateway.explain import DEPTH_MAX, too_deep

MONEY: Final = Decimal("0.01")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_NUMBER_MAX: Final = 64
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LARGEST: Final = Decimal(MONGO_MAX).scaleb(-2)
Choice = TypeVar("Choice")


class Number(str):
    """A JSON number, as it was written."""

    __slots__ = ()


class Members(tuple[tuple[str, object], ...]):
    """The members of a JSON object, as they were written."""

    __slots__ = ()


class Fields:
    """One JSON object, asked by PosAPI's names. Every question about a value answers None where it is missing, and
    where it is wrong adds to `faults`, which all objects of a body share.
    """

    __slots__ = ("_values", "faults", "place")

    def __init__(self, members: Members, place: str, faults: list[Fault]) -> None:
        self.place = place
        self.faults = faults
        self._values: dict[str, list[object]] = {}
        for name, value in members:
            if not (value is None or (isinstance(value, str) and not value.strip())):
                self._values.setdefault(name.lower(), []).append(value)

    def at(self, name: str) -> str:
        """Answer the place of a field, as receipts[0].items[1].totalVAT."""
        return f"{self.place}.{name}" if self.place else name

    def value(self, name: str) -> object:
        """Answer whatever stands there."""
        values = self._values.get(name.lower())
        if values is None:
            return None
        if any(value != values[0] for value in values[1:]):
            self.faults.append(Fault("field_repeated", self.at(name), "each field once"))
        return values[0]

    def missing(self, name: str) -> None:
        """Say that a field is needed."""
        self.faults.append(Fault("missing_field", self.at(name), "this field"))

    def text(self, name: str, *, longest: int | None = None, required: bool = False) -> str | None:
        """Answer a text in its canonical form, without control characters, cut where it is too long."""
        value = self.value(name)
        if isinstance(value, str):
            canonical = canonical_text(value)
            clean = (canonical if canonical.isprintable() else _CONTROLS.sub(" ", canonical)).strip()
            return clean[:longest].rstrip() or None
        if value is not None:
            self.faults.append(Fault("wrong_type", self.at(name), '"…"'))
        elif required:
            self.missing(name)
        return None

    def digits(self, name: str, width: int) -> str | None:
        """Answer a text of digits; what was written as a number gets back the zeros in front that numbers lose."""
        text = self.text(name)
        return text.zfill(width) if text and isinstance(self.value(name), Number) else text

    def decimal(self, name: str, *, required: bool = False) -> Decimal | None:
        """Answer a number of whatever length that is not negative and no larger than any amount."""
        value = self.value(name)
        if value is None:
            if required:
                self.missing(name)
            return None
        if isinstance(value, str) and len(value) <= _NUMBER_MAX and _NUMBER.fullmatch(value.strip()):
            number = Decimal(value.strip())
            if 0 <= number <= _LARGEST:
                return number
            self.faults.append(Fault("out_of_range", self.at(name), f"0–{_LARGEST}"))
        else:
            self.faults.append(Fault("wrong_type", self.at(name), "0.00"))
        return None

    def amount(self, name: str, *, required: bool = False) -> int | None:
        """Answer an amount in möngö, half up: some clients send thirteen decimals."""
        number = self.decimal(name, required=required)
        return None if number is None else mongo_of(number)

    def choice(self, name: str, choices: dict[str, Choice]) -> Choice | None:
        """Answer what one of the words stands for, in upper or lower case."""
        value = self.value(name)
        chosen = choices.get(value.strip().upper()) if isinstance(value, str) else None
        if value is None:
            self.missing(name)
        elif chosen is None:
            self.faults.append(Fault("not_in_list", self.at(name), ", ".join(choices)))
        return chosen

    def objects(self, name: str, *, most: int, required: bool = False) -> "list[Fields]":
        """Answer the objects of a list; an empty list is as good as none."""
        value = self.value(name)
        if not isinstance(value, list) or any(not isinstance(item, Members) for item in value):
            if value is not None:
                self.faults.append(Fault("wrong_type", self.at(name), "[{…}]"))
            elif required:
                self.missing(name)
            return []
        if required and not value:
            self.missing(name)
        if len(value) > most:
            self.faults.append(Fault("too_long", self.at(name), f"≤ {most}"))
        return [Fields(item, f"{self.at(name)}[{at}]", self.faults) for at, item in enumerate(value[:most])]

    def free(self, name: str) -> object:
        """Answer free content, ready to be written again as it was."""
        value = self.value(name)
        return _as_written(value) if isinstance(value, Members | list) and value else None


def read_fields(body: bytes, faults: list[Fault]) -> Fields:
    """Read a body that is one JSON object. Raises `Malformed`."""
    if too_deep(body):
        raise Malformed(Fault("too_deep", "", f"at most {DEPTH_MAX} levels of nesting"))
    members = _whole_members if b"\\u" in body else Members  # half a character can only be written as an escape
    try:
        value = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=members, parse_int=Number, parse_float=Number,
            parse_constant=_not_json,
        )  # fmt: skip
    except ValueError:
        value = None
    if not isinstance(value, Members):
        raise Malformed(Fault("json_invalid", "", "one JSON object (RFC 8259) in UTF-8"))
    return Fields(value, "", faults)


def mongo_of(number: Decimal) -> int:
    """Answer an amount in möngö, half up; the number must not exceed what a receipt can hold."""
    return int(number.quantize(MONEY, ROUND_HALF_UP).scaleb(2))


def _whole_members(pairs: Sequence[tuple[str, object]]) -> Members:
    return Members((_SURROGATES.sub("\ufffd", name), _whole(value)) for name, value in pairs)


def _whole(value: object) -> object:
    """Half a character of UTF-16 cannot be written again in UTF-8."""
    if isinstance(value, Number):
        return value
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    return [_whole(item) for item in value] if isinstance(value, list) else value


def _as_written(value: object) -> object:
    if isinstance(value, Members):
        return {name: _as_written(item) for name, item in value}
    if isinstance(value, list):
        return [_as_written(item) for item in value]
    return msgspec.Raw(value.encode()) if isinstance(value, Number) else value


def _not_json(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity, which Python reads and JSON does not have
