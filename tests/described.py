"""Answers held against the OpenAPI document that the centre serves: what is not described there fails the test."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
from jsonschema import Draft202012Validator

Json = dict[str, Any]
SUCCESSES_LOOKED_AT = 20


def validate(document: Json, schema: Json, value: Any) -> None:
    """Validate a value against a schema of the document."""
    whole = {**schema, "components": document["components"]}
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Answer every operation: method, path, what is said of it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def check_answer(document: Json, operation: Json, answer: httpx2.Response) -> None:
    """Hold an answer against what is said of its operation."""
    check_body(document, operation, answer.status_code, answer.headers.get("content-type", ""), answer.content)


def check_body(document: Json, operation: Json, status: int, content_type: str, body: bytes) -> None:
    """Hold status, media type and body against what is said of an operation."""
    said = operation["responses"].get(str(status))
    assert said is not None, f"{operation['operationId']}: {status} is not described: {body[:500]!r}"
    media_type = content_type.partition(";")[0]
    assert media_type in said["content"], f"{operation['operationId']}: {media_type} of {status} is not described"
    content = said["content"][media_type]
    if media_type == "application/x-ndjson":
        for line in body.splitlines():
            validate(document, content["x-itemSchema"], json.loads(line))
    elif media_type.endswith("json"):
        validate(document, content["schema"], json.loads(body))


class Witness:
    """Sees every answer that a client of the tests gets, and fails where the document does not describe it."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self._routes = [
            (method, re.compile(re.sub(r"\\{[a-z]+\\}", "[^/]+", re.escape(path))), operation)
            for method, path, operation in sorted(operations(document), key=lambda said: said[1].count("{"))
        ]
        self._seen: Counter[tuple[str, int]] = Counter()

    def look(self, answer: httpx2.Response) -> None:
        """Hold an answer against the document. Of what went well the first of each kind will do."""
        method, path = answer.request.method, answer.request.url.path
        operation = next((said for verb, form, said in self._routes if verb == method and form.fullmatch(path)), None)
        if operation is None:
            return
        seen = operation["operationId"], answer.status_code
        self._seen[seen] += 1
        if answer.is_success and self._seen[seen] > SUCCESSES_LOOKED_AT:
            return
        answer.read()
        check_answer(self._document, operation, answer)


def shape(value: Any) -> Any:
    """What a value is made of: an object's names and what they hold, a list's first item, else the kind of value.
    Nothing is said of null and of an empty list, which stand for anything.
    """
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else None
    return None if value is None else type(value).__name__


def alike(one: Any, other: Any) -> bool:
    """Whether two shapes can be those of the same answer."""
    if one is None or other is None:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return alike(one[0], other[0])
    return bool(one == other)
