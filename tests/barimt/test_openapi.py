"""Everything that the API's documentation shows is pasted, twice, and answered as it says."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from openapi_spec_validator import validate as validate_document
from sqlalchemy import URL

from barimt.samples import BEGIN, NDJSON
from tests.barimt.pasting import Newcomer, Pasted
from tests.described import Json, alike, check_body, operations, shape, validate
from tests.serving import Centre

BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
FIRST = (
    "POST /v1/terminals/activate", "POST /v1/receipts/signed", "POST /v1/receipts", "POST /v1/receipts/batch",
    "POST /v1/claims",
    "PUT /v1/me/bank-account", "GET /v1/sellers/{tin}/receipts",
)  # fmt: skip
"""What others build on; then the month is drawn and paid, and the rest may be pasted in any order."""
AFTER_CUT_OFF = datetime(2017, 4, 20, 4, 0, tzinfo=UTC)
TOKEN = "POST /v1/oauth/token"


@pytest.fixture(scope="module")
def newcomer(shared_centre: Centre, server_url: URL) -> Newcomer:
    """Somebody who has just enrolled a shop, a customer and an officer, as the first words tell."""
    folder = shared_centre.clock_file.parent
    (folder / ".barimt").symlink_to(folder / "data")
    url = server_url.set(drivername="postgresql", database=shared_centre.database_name)
    newcomer = Newcomer(shared_centre, folder, url.render_as_string(hide_password=False))
    newcomer.paste(BEGIN)
    return newcomer


@pytest.fixture(scope="module")
def document(shared_centre: Centre) -> Json:
    """The document as it is served."""
    served: Json = shared_centre.http.get("/openapi.json").json()
    return served


@pytest.fixture(scope="module")
def answers(newcomer: Newcomer, document: Json) -> dict[str, list[Pasted]]:
    """What each operation's sample was answered, pasted twice."""
    samples = {
        f"{method} {path}": block
        for method, path, operation in operations(document)
        for language, block in BLOCK.findall(operation["description"])
        if language == "sh"
    }
    answered = {name: [newcomer.ask(samples[name]) for _ in range(2)] for name in FIRST}
    newcomer.centre.set_clock(AFTER_CUT_OFF)
    newcomer.paste("barimt draw close 2017-03 --rehearsal\nbarimt draw run 2017-03\nbarimt payouts run")
    return answered | {
        name: [newcomer.ask(sample) for _ in range(2)] for name, sample in samples.items() if name not in FIRST
    }


class TestDocument:
    def test_is_openapi_3_1(self, document: Json) -> None:
        assert document["openapi"] == "3.1.0"
        validate_document(document)

    def test_has_every_route_of_the_centre(self, document: Json) -> None:
        assert {f"{method} {path}" for method, path, _ in operations(document)} >= {
            TOKEN, "POST /v1/receipts", "POST /v1/receipts/batch", "POST /v1/receipts/{id}/void", "POST /v1/claims",
        }  # fmt: skip

    def test_says_of_every_operation_what_a_newcomer_asks(self, document: Json) -> None:
        for method, path, operation in operations(document):
            assert operation["summary"], path
            assert set(operation["tags"]) <= {tag["name"] for tag in document["tags"]}, path
            words, languages = BLOCK.sub("", operation["description"]), BLOCK.findall(operation["description"])
            assert len(words) > 40, (method, path, words)
            assert [language for language, _ in languages] == [("python" if path.endswith("/token") else "sh")]
            assert all(
                "example" in said or said["schema"].get("default") is not None or not said["required"]
                for said in operation["parameters"]
                if "$ref" not in said
            ), path

    def test_begins_with_what_is_pasted_here(self, document: Json) -> None:
        assert f"```sh\n{BEGIN}```" in document["info"]["description"]

    def test_names_every_kind_of_token(self, document: Json) -> None:
        assert set(document["components"]["securitySchemes"]) == {"till", "consumer", "officer"}
        public = {
            f"{method} {path}" for method, path, operation in operations(document) if not operation.get("security")
        }
        assert public == {
            TOKEN, "GET /api/info/check/barcode/v2", "GET /api/info/check/barcode/v2/{path}",
            "GET /api/info/check/getBranchInfo", "GET /api/info/check/getInfo", "GET /api/info/check/getTinInfo",
            "GET /api/receipt/receipt/getProductTaxCode", "GET /v1/keys",
            "GET /v1/keys/tills/{prefix}", "POST /v1/terminals/activate",
            "GET /v1/draws", "GET /v1/draws/{month}", "GET /v1/draws/{month}/transcript",
            "GET /healthz", "GET /readyz", "GET /metrics", "GET /problems/{code}",
        }  # fmt: skip


class TestExamples:
    def test_every_body_is_of_its_schema(self, document: Json) -> None:
        bodies = list(_bodies(document))
        assert len(bodies) >= 9
        for schema, body in bodies:
            validate(document, schema, body)

    def test_every_answer_is_of_its_schema(self, document: Json) -> None:
        for method, path, operation in operations(document):
            shown = list(_shown(operation))
            assert shown or path.endswith((".png", ".svg")), (method, path)
            for schema, body in shown:
                validate(document, schema, body)

    def test_every_sample_works_when_pasted_and_again(self, document: Json, answers: dict[str, list[Pasted]]) -> None:
        assert set(answers) == {f"{method} {path}" for method, path, _ in operations(document)} - {TOKEN}
        for method, path, operation in operations(document):
            for answer in answers.get(f"{method} {path}", []):
                assert 200 <= answer.status < 300, (method, path, answer)
                check_body(document, operation, *answer)

    def test_what_is_sent_again_is_answered_again(self, answers: dict[str, list[Pasted]]) -> None:
        for name in (
            "POST /v1/terminals/activate", "POST /v1/receipts", "POST /v1/receipts/{id}/void", "POST /v1/declarations",
        ):  # fmt: skip
            first, second = answers[name]
            assert (first.status, second.status) == (201, 200), name
            assert first.body == second.body
        first, second = (
            [json.loads(line) for line in answer.body.splitlines()] for answer in answers["POST /v1/receipts/batch"]
        )
        assert [line["status"] for line in first] == [201, 201]
        assert second == [line | {"status": 200} for line in first]

    def test_what_is_shown_is_made_as_what_is_answered(self, document: Json, answers: dict[str, list[Pasted]]) -> None:
        for method, path, operation in operations(document):
            for answer in answers.get(f"{method} {path}", [])[:1]:
                if "json" not in answer.content_type:
                    continue
                real = [json.loads(line) for line in answer.body.splitlines()] if NDJSON in answer.content_type else [
                    json.loads(answer.body)
                ]  # fmt: skip
                for (_, shown), answered in zip(_shown(operation, str(answer.status)), real, strict=True):
                    assert alike(shape(shown), shape(answered)), (method, path, shown, answered)

    def test_every_other_body_is_taken_too(self, document: Json, newcomer: Newcomer) -> None:
        """The first is in the sample; the others are for the page's own form, and are sent as they stand."""
        headers = {"Authorization": f"Bearer {newcomer.python(_python(document))}", "Idempotency-Key": "of-the-form"}
        examples = document["paths"]["/v1/receipts"]["post"]["requestBody"]["content"]["application/json"]["examples"]
        for number, example in enumerate(examples.values()):
            for status in (201, 200):
                answer = newcomer.centre.http.post(
                    "/v1/receipts", json=example["value"], headers=headers | {"Idempotency-Key": f"form-{number}"}
                )
                assert answer.status_code == status, answer.text

    @pytest.mark.usefixtures("answers")
    def test_a_claim_by_hand_is_taken_too(self, document: Json, newcomer: Newcomer) -> None:
        receipt = json.loads((newcomer.folder / ".barimt/receipt.json").read_bytes())
        token = json.loads((newcomer.folder / ".barimt/consumer.json").read_bytes())["token"]
        examples = document["paths"]["/v1/claims"]["post"]["requestBody"]["content"]["application/json"]["examples"]
        body = {name: receipt["id" if name == "receipt_id" else name] for name in examples["by hand"]["value"]}
        for _ in range(2):
            answer = newcomer.centre.http.post("/v1/claims", json=body, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200, answer.text

    def test_the_python_sample_gets_a_token(self, document: Json, newcomer: Newcomer) -> None:
        for _ in range(2):
            headers = {"Authorization": f"Bearer {newcomer.python(_python(document))}"}
            assert newcomer.centre.http.get("/v1/receipts?key=none", headers=headers).json() == {"receipts": []}


def _python(document: Json) -> str:
    [(_, code)] = BLOCK.findall(document["paths"]["/v1/oauth/token"]["post"]["description"])
    return str(code)


def _bodies(document: Json) -> Iterator[tuple[Json, Any]]:
    for _, _, operation in operations(document):
        for media_type, content in operation.get("requestBody", {"content": {}})["content"].items():
            for example in content["examples"].values():
                if media_type == NDJSON:
                    yield from ((content["x-itemSchema"], json.loads(line)) for line in example["value"].splitlines())
                else:
                    yield content["schema"], example["value"]


def _shown(operation: Json, status: str | None = None) -> Iterator[tuple[Json, Any]]:
    for code, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            if "example" not in content or status not in {None, code}:
                continue
            if media_type == NDJSON:
                yield from ((content["x-itemSchema"], json.loads(line)) for line in content["example"].splitlines())
            else:
                yield content["schema"], content["example"]
