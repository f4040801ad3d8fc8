"""Every fault of a JSON body at once, read off the same declarations that the fast decoder uses.

The fast decoder stops at the first fault; a till operator wants the list. This walk runs only after it has failed.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from math import inf, isinf
from typing import Any

import msgspec
from msgspec import inspect

from kernel.refusal import Fault

DEPTH_MAX = 16
FAULTS_MAX = 100
DIGITS_MAX = 40
NAME_SHOWN_MAX = 64
FORM_CODES = (
    "barcode_form",
    "branch_form",
    "classification_form",
    "consumer_no_form",
    "district_form",
    "document_form",
    "ed25519_key_form",
    "key_form",
    "method_form",
    "month_form",
    "qr_form",
    "quantity_form",
    "reason_form",
    "receipt_id_form",
    "reference_form",
    "tax_product_form",
    "terminal_form",
    "tin_form",
)
"""Codes that a declaration may name for text that is not of its form."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def faults_in(body: bytes, kind: type[Any]) -> list[Fault]:
    """Answer what keeps `body` from being a `kind`: at least one fault, at most a hundred."""
    if too_deep(body):
        return [Fault("too_deep", "", f"at most {DEPTH_MAX} levels of nesting")]
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_Object, parse_int=_integer, parse_constant=_not_a_number
        )
    except ValueError:
        return [_NOT_JSON]
    faults = list(islice(_walk(value, inspect.type_info(kind), "", {}), FAULTS_MAX))
    return faults or list(islice(_repetitions(value, ""), FAULTS_MAX)) or [_NOT_JSON]


_NOT_JSON = Fault("json_invalid", "", "one JSON object (RFC 8259) in UTF-8")


class _Object(dict[str, object]):
    """A JSON object that knows which names stood in it twice; the last one counts, as for the fast decoder."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.repeated = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]


def _integer(text: str) -> int | float:
    """Read a whole number; one longer than any amount is as good as infinite."""
    return int(text) if len(text) <= DIGITS_MAX else inf


def _not_a_number(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity, which Python reads and JSON does not have


def form(pattern: str, code: str, expected: str) -> msgspec.Meta:
    """Declare a text's form: a pattern, and what is said when it does not match."""
    assert code in FORM_CODES
    return msgspec.Meta(pattern=pattern, description=expected, extra={"code": code, "expected": expected})


def late_form(pattern: str, code: str, expected: str, length: tuple[int, int]) -> msgspec.Meta:
    """Declare the form of a text that each line of a receipt has. The decoder looks at its length only, and whoever
    calls it sees to the pattern of all lines at once: one by one they would take as long as all the rest of decoding.
    """
    assert code in FORM_CODES
    return msgspec.Meta(
        min_length=length[0],
        max_length=length[1],
        description=expected,
        extra={"code": code, "expected": expected, "pattern": pattern},
        extra_json_schema={"pattern": pattern},
    )


def too_deep(body: bytes) -> bool:
    """Whether brackets outside of texts are nested too deeply. A text that never ends is taken whole, so that each byte
    is looked at once.
    """
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return False
    depth = deepest = 0
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', body, re.DOTALL):
        mark = token[0][:1]
        if mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in b"]}":
            depth -= 1
    return deepest > DEPTH_MAX


def _walk(  # noqa: C901 - one case a kind of declaration
    value: object, kind: inspect.Type, path: str, extra: Mapping[str, str]
) -> Iterator[Fault]:
    match kind:
        case inspect.Metadata(type=inner, extra=more):
            yield from _walk(value, inner, path, more or extra)
        case inspect.UnionType(types=types):
            if not (value is None and any(isinstance(choice, inspect.NoneType) for choice in types)):
                chosen = next(choice for choice in types if not isinstance(choice, inspect.NoneType))
                yield from _walk(value, chosen, path, extra)
        case inspect.StructType():
            yield from _walk_object(value, kind, path)
        case inspect.VarTupleType(item_type=item, min_length=least, max_length=most):
            yield from _walk_list(value, item, path, (least, most))
        case inspect.StrType():
            yield from _walk_text(value, kind, path, extra)
        case inspect.IntType(ge=least, le=most):
            yield from _walk_integer(value, path, (least, most))
        case inspect.BoolType():
            if not isinstance(value, bool):
                yield Fault("wrong_type", path, "true or false")
        case inspect.LiteralType(values=values):
            if value not in values:
                yield Fault("not_in_list", path, ", ".join(str(choice) for choice in values))
        case _:
            raise AssertionError(kind)


def _walk_object(value: object, kind: inspect.StructType, path: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault("wrong_type", path, "an object")
        return
    fields = {field.encode_name: field for field in kind.fields}
    for name in [name for name in value if name not in fields]:
        yield Fault("unknown_field", f"{path}/{_escaped(name)}", "a field of the documentation")
    for name, field in fields.items():
        if name in value:
            yield from _walk(value[name], field.type, f"{path}/{name}", {})
        elif field.required:
            yield Fault("missing_field", f"{path}/{name}", "this field")


def _walk_list(value: object, item: inspect.Type, path: str, length: tuple[int | None, int | None]) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield Fault("wrong_type", path, "a list")
        return
    yield from _length_faults(len(value), path, length)
    for at, entry in enumerate(value):
        yield from _walk(entry, item, f"{path}/{at}", {})


def _walk_text(value: object, kind: inspect.StrType, path: str, extra: Mapping[str, str]) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault("wrong_type", path, "text")
    elif _SURROGATE.search(value):
        yield Fault("wrong_form", path, "text of whole Unicode characters")
    elif (pattern := kind.pattern or extra.get("pattern")) is not None and not re.search(pattern, value):
        yield Fault(extra["code"], path, extra["expected"])
    else:
        yield from _length_faults(len(value), path, (kind.min_length, kind.max_length))


def _length_faults(length: int, path: str, limits: tuple[int | None, int | None]) -> Iterator[Fault]:
    least, most = limits
    if least is not None and length < least:
        yield Fault("too_short", path, f"at least {least}")
    if most is not None and length > most:
        yield Fault("too_long", path, f"at most {most}")


def _walk_integer(value: object, path: str, limits: tuple[int | None, int | None]) -> Iterator[Fault]:
    least, most = limits
    if not isinstance(value, int) or isinstance(value, bool):
        outside = isinstance(value, float) and isinf(value)
        yield Fault("out_of_range" if outside else "wrong_type", path, "a whole number without point and exponent")
    elif (least is not None and value < least) or (most is not None and value > most):
        yield Fault("out_of_range", path, f"{least} to {most}")


def _repetitions(value: object, path: str) -> Iterator[Fault]:
    if isinstance(value, _Object):
        for name in value.repeated:
            yield Fault("field_repeated", f"{path}/{_escaped(name)}", "each field once")
        for name, item in value.items():
            yield from _repetitions(item, f"{path}/{_escaped(name)}")
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _repetitions(item, f"{path}/{at}")


def _escaped(name: str) -> str:
    return name[:NAME_SHOWN_MAX].replace("~", "~0").replace("/", "~1")
