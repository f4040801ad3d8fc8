"""Makes the body of a step: a named body, changed as the step says, with the placeholders filled. Pure."""

import copy
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from kernel.clock import ULAANBAATAR, Month, business_day
from pos_gateway.conformance.case import Step
from pos_gateway.conformance.exchange import MISSING, Exchange, nothing, number_of, put_at, text_of, value_at

DATE_FORM: Final = "%Y-%m-%d %H:%M:%S"
_SUMMED: Final = ("totalAmount", "totalVAT", "totalCityTax")
UNKNOWN_NUMBER: Final = 99_999
DEEP: Final = "$deep"
DEPTH: Final = 10_000


class Subject(Struct, frozen=True):
    """Who is tried: the merchant, and the others that the cases speak of; `pos_no` is PosAPI's own number."""

    tin: str
    pos_no: str
    buyer: str
    consumer: str
    second: str | None = None


class Filling(Struct, frozen=True):
    """What the placeholders stand for: `suffix` answers a new one each time, `before` are the case's earlier steps."""

    subject: Subject
    now: datetime
    suffix: Callable[[], str]
    before: Mapping[str, Exchange]

    def of(self, text: str) -> Any:
        """Answer what a text stands for, itself where it is no placeholder; nothing where the answer did not come."""
        word, _, step = text.partition(":")
        if step:
            said = value_at(self.before[step].answer, word.removeprefix("$")) if step in self.before else MISSING
            return None if nothing(said) else text_of(said)
        subject, today = self.subject, Month.of(self.now)
        nobody = f"{int(subject.tin):012d}001{business_day(self.now):05d}{UNKNOWN_NUMBER}"
        words = {
            "$tin": subject.tin,
            "$tin_as_number": int(subject.tin),
            "$second": subject.second,
            "$buyer": subject.buyer,
            "$buyer_as_number": int(subject.buyer),
            "$consumer": subject.consumer,
            "$month": f"{today}-01",
            "$last_month": f"{today.plus(-1)}-01",
            "$old_month": f"{today.plus(-24)}-01",
            "$now": self.now.astimezone(ULAANBAATAR).strftime(DATE_FORM),
            "$yesterday": (self.now.astimezone(ULAANBAATAR) - timedelta(days=1)).strftime(DATE_FORM),
            "$unknown_id": f"{nobody}{subject.pos_no:0>8}",
        }
        return self.suffix() if word == "$suffix" else words[word]


def body_of(step: Step, bodies: Mapping[str, Any], filling: Filling) -> Any:
    """Answer the body of a step as a value; MISSING for one that has none."""
    if step.delete is not None:
        value = {"id": f"$id:{step.delete}", "date": f"$date:{step.delete}"}
    elif step.post is not None:
        value = copy.deepcopy(bodies[step.post])
    else:
        return MISSING
    for path, new in step.set.items():
        put_at(value, path, copy.deepcopy(new))
    for path in step.drop:
        put_at(value, path, MISSING)
    if step.items > 1:
        _multiply(value, step.items)
    filled = _filled(value, filling)
    return _as_text(filled) if step.as_text else filled


def content_of(step: Step, value: Any) -> bytes:
    """Answer the bytes that are sent: the body with its keys respelled, or what the step gives instead."""
    if step.raw is not None:
        if step.raw == DEEP:
            return b'{"data":' + b"[" * DEPTH + b"]" * DEPTH + b"}"
        return step.raw.encode("utf-8", "surrogatepass")
    if value is MISSING:
        return b""
    text = json.dumps(_respelled(value, step.respell), ensure_ascii=False, separators=(",", ":"))
    return text.rjust(step.padded_to - len(text.encode()) + len(text)).encode() if step.padded_to else text.encode()


def _multiply(value: Any, times: int) -> None:
    [receipt], [payment] = value["receipts"], value["payments"]
    [item] = receipt["items"]
    receipt["items"] = [item | {"name": f"{item['name']} {number}"} for number in range(1, times + 1)]
    for amounts in (value, receipt):
        amounts |= {name: amounts[name] * times for name in _SUMMED if name in amounts}
    payment["paidAmount"] *= times


def _filled(value: Any, filling: Filling) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, filling) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, filling) for item in value]
    return filling.of(value) if isinstance(value, str) and value.startswith("$") else value


def _respelled(value: Any, spelling: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {spelling.get(name, name): _respelled(item, spelling) for name, item in value.items()}
    return [_respelled(item, spelling) for item in value] if isinstance(value, list) else value


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    number = None if isinstance(value, str) else number_of(value)
    return value if number is None else str(Decimal(number))
