"""Every fault of a JSON body at once, read off the same declarations that the fast decoder uses.

The fast decoder stops at the first fault; a till operator wants the list. This walk runs only after it has failed.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from kernel.refusal import Fault

DEPTH_MAX = 16
FAULTS_MAX = 100
FORM_CODES = (
    "barcode_form",
    "branch_form",
    "classification_form",
    "consumer_no_form",
    "district_form",
    "key_form",
    "method_form",
    "quantity_form",
    "reason_form",
    "receipt_id_form",
    "reference_form",
    "tax_product_form",
    "terminal_form",
    "tin_form",
)
"""Codes that a declaration may name for text that is not of its form."""


def faults_in(body: bytes, kind: type[Any]) -> list[Fault]:
    """Answer what keeps `body` from being a `kind`: at least one fault, at most a hundred."""
    if _too_deep(body):
        return [Fault("too_deep", "", f"at most {DEPTH_MAX} levels of nesting")]
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [Fault("json_invalid", "", "one JSON object (RFC 8259) in UTF-8")]
    faults = []
    for fault in _walk(value, inspect.type_info(kind), "", {}):
        faults.append(fault)
        if len(faults) == FAULTS_MAX:
            break
    return faults or [Fault("json_invalid", "", "one JSON object (RFC 8259) in UTF-8")]


def form(pattern: str, code: str, expected: str) -> msgspec.Meta:
    """Declare a text's form: a pattern, and what is said when it does not match."""
    assert code in FORM_CODES
    return msgspec.Meta(pattern=pattern, extra={"code": code, "expected": expected})


def _too_deep(body: bytes) -> bool:
    depth = deepest = 0
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', body, re.DOTALL):
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
        case inspect.ListType(item_type=item, min_length=least, max_length=most):
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
    for name in value.keys() - fields.keys():
        yield Fault("unknown_field", f"{path}/{_escaped(str(name))}", "a field of the documentation")
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
    elif kind.pattern is not None and not re.search(kind.pattern, value):
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
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and not (isinstance(value, float) and value.is_integer()):
        yield Fault("wrong_type", path, "a whole number")
    elif (least is not None and value < least) or (most is not None and value > most):  # type: ignore[operator]
        yield Fault("out_of_range", path, f"{least} to {most}")


def _escaped(name: str) -> str:
    return name[:64].replace("~", "~0").replace("/", "~1")
