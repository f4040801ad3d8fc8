"""The OpenAPI document: what FastAPI writes of its own routes, the raw ones beside them, and on every operation what a
newcomer looks for: examples, samples to paste, and every code with which it may refuse.

The examples stand in `operations.json`, by method and path:

    parameters   name -> value of an example request
    requests     name -> body; of a batch a list of its lines
    answers      status -> body; of a batch a list of its verdicts
    problems     codes beyond those that follow from the operation's form; the raw routes say theirs themselves
    needs, data, keep   of the sample: variables by what they stand for, a body that has some, the file for the answer
"""

import json
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from barimt.samples import ADDRESS, PYTHON, TAGS, body_text, sample
from pos_gateway.openapi import issuing_paths, issuing_schemas
from pos_gateway.wire import NDJSON
from runtime.problem_docs import ALWAYS, BEARER, FAULT_SCHEMA, PROBLEM_SCHEMA, problem_responses

Json = dict[str, Any]
OPERATIONS: Final[Json] = json.loads(Path(__file__).with_name("operations.json").read_text(encoding="utf-8"))
LANGUAGE: Final[Json] = {
    "name": "Accept-Language",
    "in": "header",
    "description": "`en` or `mn`: the language of problems; Mongolian where nothing is asked for",
    "schema": {"type": "string", "default": "mn"},
}
_NOTHING: Final[Json] = {"parameters": {}, "needs": {}}
_FAMILIES: Final = ("4XX", "5XX")
"""What FastAPI says of problems, until it is said code by code."""


class DocumentedApp(FastAPI):
    """An app whose OpenAPI document is complete."""

    _completed: Json | None = None

    def openapi(self) -> Json:
        """Answer the document, completed once whenever FastAPI has written it anew."""
        written: Json = super().openapi()
        if written is not self._completed:
            complete(written)
            self._completed = written
        return written


def complete(document: Json) -> None:
    """Add the raw routes to a document, and to every operation its examples, sample and problems."""
    components = document["components"]
    components["schemas"] |= issuing_schemas() | {"Problem": PROBLEM_SCHEMA, "Fault": FAULT_SCHEMA}
    components["parameters"] = {"AcceptLanguage": LANGUAGE}
    document["tags"] = [{"name": name, "description": said} for name, said in TAGS.items()]
    document["servers"] = [{"url": "/", "description": "this centre"}, {"url": ADDRESS, "description": "barimt serve"}]
    for path, operations in issuing_paths().items():
        document["paths"].setdefault(path, {}).update(operations)
    document["paths"] = dict(sorted(document["paths"].items()))
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(method.upper(), path, operation, _NOTHING | OPERATIONS[f"{method.upper()} {path}"])


def _complete(method: str, path: str, operation: Json, known: Json) -> None:
    if any(family in operation["responses"] for family in _FAMILIES):
        _say_problems(operation, known)
    for parameter in operation.get("parameters", []):
        if parameter["name"] in known["parameters"]:
            parameter["example"] = known["parameters"][parameter["name"]]
    if "requestBody" in operation:
        for media_type, content in operation["requestBody"]["content"].items():
            content["examples"] = {
                name: {"value": _shown(media_type, body)} for name, body in known["requests"].items()
            }
    for status, body in known.get("answers", {}).items():
        for media_type, content in operation["responses"][status]["content"].items():
            content["example"] = _shown(media_type, body)
    operation["description"] += "\n\n" + (
        f"```python\n{PYTHON}```" if path == "/v1/oauth/token" else sample(method, path, operation, known)
    )
    operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/AcceptLanguage"})


def _say_problems(operation: Json, known: Json) -> None:
    """Say problems code by code, where FastAPI's own routes say that there are some."""
    codes = [*ALWAYS, *known.get("problems", [])]
    if operation.get("security"):
        codes += [*BEARER, "forbidden"] if {"till": []} not in operation["security"] else [*BEARER, "rate_limited"]
    if operation.get("parameters") or "requestBody" in operation:
        codes.append("malformed")
    responses = operation["responses"]
    for family in _FAMILIES:
        responses.pop(family, None)
    responses |= problem_responses(codes)


def _shown(media_type: str, body: Any) -> Any:
    return body_text(media_type, body) if media_type == NDJSON else body
