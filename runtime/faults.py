"""What a framework's validator found, said in our words: pydantic's errors as faults with codes and JSON Pointers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from kernel.refusal import Fault, Malformed
from runtime.messages import CATALOGUE

PATH_MAX = 255
"""Characters of a path that are sent back: a client may have put a book into the name of an unknown field."""

T = TypeVar("T")

_CODES: Final[Mapping[str, str]] = {
    "missing": "missing_field",
    "union_tag_not_found": "missing_field",
    "extra_forbidden": "unknown_field",
    "json_invalid": "json_invalid",
    "recursion_loop": "too_deep",
    "recursion_depth_exceeded": "too_deep",
    "string_too_long": "too_long",
    "bytes_too_long": "too_long",
    "too_long": "too_long",
    "string_too_short": "too_short",
    "bytes_too_short": "too_short",
    "too_short": "too_short",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "multiple_of": "out_of_range",
    "finite_number": "out_of_range",
    "int_parsing_size": "out_of_range",
    "literal_error": "unknown_value",
    "enum": "unknown_value",
    "union_tag_invalid": "unknown_value",
    "string_pattern_mismatch": "wrong_form",
    "string_unicode": "wrong_form",
    "decimal_max_digits": "wrong_form",
    "decimal_max_places": "wrong_form",
    "decimal_whole_digits": "wrong_form",
}
"""pydantic's error type -> our code."""

_EXPECTED: Final[Mapping[str, str]] = {
    "string_too_long": "{max_length}",
    "bytes_too_long": "{max_length}",
    "too_long": "{max_length}",
    "string_too_short": "{min_length}",
    "bytes_too_short": "{min_length}",
    "too_short": "{min_length}",
    "greater_than": "> {gt}",
    "greater_than_equal": ">= {ge}",
    "less_than": "< {lt}",
    "less_than_equal": "<= {le}",
    "multiple_of": "n * {multiple_of}",
    "finite_number": "finite",
    "int_parsing_size": "64 bit",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "union_tag_invalid": "{expected_tags}",
    "string_pattern_mismatch": "{pattern}",
    "string_unicode": "Unicode",
    "decimal_max_digits": "<= {max_digits} digits",
    "decimal_max_places": "<= {decimal_places} decimal places",
    "decimal_whole_digits": "<= {whole_digits} whole digits",
}
"""pydantic's error type -> what was expected, with the names of the error's context."""

_FAMILY_CODES: Final[Mapping[str, str]] = {
    "datetime_": "time_form",
    "timezone_": "time_form",
    "date_": "wrong_form",
    "uuid_": "wrong_form",
    "url_": "wrong_form",
    "string_": "wrong_type",
    "int_": "wrong_type",
    "bool_": "wrong_type",
    "float_": "wrong_type",
    "decimal_": "wrong_type",
    "list_": "wrong_type",
    "dict_": "wrong_type",
    "model_": "wrong_type",
    "": "wrong_form",
}
"""How the other types begin -> our code, tried in this order; the last takes whatever is left."""

_FAMILY_EXPECTED: Final[Mapping[str, str]] = {
    "date_": "YYYY-MM-DD",
    "uuid_": "UUID",
    "url_": "URL",
    "string_": "text",
    "int_": "integer",
    "bool_": "true, false",
    "float_": "number",
    "decimal_": "decimal",
    "list_": "array",
    "dict_": "object",
    "model_": "object",
    "": "valid",
}


def faults_of(errors: Sequence[Mapping[str, Any]]) -> tuple[Fault, ...]:
    """Translate the `errors()` of a pydantic or FastAPI validation error, each into one fault.

    The input itself is never repeated: it may hold what should not be logged or sent back.
    """
    return tuple(_fault_of(error["type"], error["loc"], error.get("ctx") or {}) for error in errors)


def parsed_by(parse: Callable[[str], T]) -> AfterValidator:
    """Let one of our parsers check a pydantic field: the field is annotated with `str` and with what this answers.

    Its first fault is reported under the field's own path, beside the faults of the other fields.
    """

    def validate(text: str) -> T:
        try:
            return parse(text)
        except Malformed as malformed:
            fault = malformed.faults[0]
            raise PydanticCustomError(fault.code, "{expected}", {"expected": fault.expected or ""}) from malformed

    return AfterValidator(validate)


def pointer(*steps: str | int) -> str:
    """Write steps into a document as a JSON Pointer (RFC 6901): keys as text, positions as numbers."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _fault_of(kind: str, location: Sequence[str | int], context: Mapping[str, Any]) -> Fault:
    # The first step names the part of the request (body, query, path, header); of JSON that does not parse the second
    # is a position in the text and no path.
    path = "" if kind == "json_invalid" else pointer(*location[1:])[:PATH_MAX]
    if kind in _CODES:
        expected = _EXPECTED.get(kind)
        return Fault(_CODES[kind], path, expected and expected.format_map(context))
    if kind in CATALOGUE:
        return Fault(kind, path, context.get("expected") or None)
    family = next(prefix for prefix in _FAMILY_CODES if kind.startswith(prefix))
    return Fault(_FAMILY_CODES[family], path, _FAMILY_EXPECTED.get(family))
