"""Problem details: one body for every failure, in the reader's language, and a rim that tells nothing."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, FastAPI, Header, Query
from fastapi.exceptions import RequestValidationError
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient
from starlette.types import Message, Scope
from structlog.testing import capture_logs

from kernel.identity import parse_tin
from kernel.refusal import Fault, Malformed, Refusal, Unavailable
from runtime.faults import PATH_MAX, faults_of, parsed_by, pointer
from runtime.http_errors import (
    FAULTS_MAX,
    MEDIA_TYPE,
    PROBLEM_RESPONSES,
    STATUSES,
    AnswerBrokenOff,
    Rim,
    answer,
    install,
    problem_of,
)
from runtime.messages import CATALOGUE, Language

MN, EN = Language.MONGOLIAN, Language.ENGLISH
SECRET = "Бат 99112233"


class Claimed(Refusal):
    code = "already_claimed"


class Reused(Refusal):
    code = "key_reused"


class Limited(Refusal):
    code = "rate_limited"


class Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: Annotated[str, Field(min_length=1, max_length=5)]
    total_mongo: Annotated[int, Field(ge=0)]
    kind: Literal["sale", "void"] = "sale"


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    lines: Annotated[list[Line], Field(max_length=3)]
    seller_tin: Annotated[str, parsed_by(parse_tin)] = "37900846788"


def app() -> FastAPI:
    made = FastAPI(responses=PROBLEM_RESPONSES)
    install(made)
    routes = APIRouter(prefix="/v1")

    @routes.post("/receipts")
    def receipts(body: Body) -> dict[str, int]:
        return {"lines": len(body.lines)}

    @routes.get("/page")
    def page(size: Annotated[int, Query(le=10)], key: Annotated[str, Header(alias="Idempotency-Key")]) -> str:
        return f"{size}{key}"

    @routes.get("/raise/{what}")
    def raise_(what: str) -> None:
        raise RAISED[what]

    @routes.get("/stream")
    def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half"
            raise ValueError(SECRET)

        return StreamingResponse(pieces())

    made.include_router(routes)
    return made


RAISED: dict[str, Exception] = {
    "malformed": Malformed(Fault("tin_form", "/seller_tin", "11 to 14 digits")),
    "claimed": Claimed(),
    "limited": Limited(retry_after_s="7"),
    "full": Unavailable("pool_full", retry_after_s=2),
    "unavailable": Unavailable("the database is starting"),
    "teapot": HTTPException(418, SECRET),
    "nothing": HTTPException(304),
    "bug": ValueError(SECRET),
}


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app()) as opened:
        yield opened


def codes(got: Any) -> list[tuple[str, str]]:
    return [(fault["code"], fault["path"]) for fault in got.json()["faults"]]


class TestProblemOf:
    @pytest.mark.parametrize(("code", "status"), sorted(STATUSES.items()))
    def test_gives_each_refusal_its_status(self, code: str, status: int) -> None:
        refusal = type("Some", (Refusal,), {"code": code})()
        problem = problem_of(refusal, MN)
        assert (problem.status, problem.body["status"], problem.body["code"]) == (status, status, code)
        assert problem.body["type"] == f"/problems/{code}"

    def test_speaks_both_languages(self) -> None:
        assert problem_of(Claimed(), MN).body["detail"] == CATALOGUE["already_claimed"][MN]
        assert problem_of(Claimed(), EN).body["detail"] == CATALOGUE["already_claimed"][EN]
        assert problem_of(Claimed(), EN).headers["Content-Language"] == "en"

    def test_fills_in_the_values_of_a_refusal(self) -> None:
        assert problem_of(Reused(field="/parts/0"), EN).body["detail"].endswith("differs: /parts/0.")

    def test_says_all_faults_with_what_was_expected(self) -> None:
        problem = problem_of(Malformed(Fault("vat_mismatch", "/a", "100"), Fault("unknown_field", "/b")), EN)
        assert problem.status == 400
        assert problem.body["code"] == "malformed"
        assert (
            problem.body["detail"]
            == "The request has 2 faults. The first: The VAT does not match. Expected: 100 möngö."
        )
        assert problem.body["faults"] == [
            {
                "code": "vat_mismatch",
                "path": "/a",
                "message": "The VAT does not match. Expected: 100 möngö.",
                "expected": "100",
            },
            {"code": "unknown_field", "path": "/b", "message": "There is no field of this name."},
        ]

    def test_says_a_single_fault_as_the_detail(self) -> None:
        assert problem_of(Malformed(Fault("json_invalid", "")), MN).body["detail"] == "JSON бичлэг буруу байна."

    @pytest.mark.parametrize(
        ("code", "status"),
        [("too_large", 413), ("unsupported_media_type", 415), ("rate_limited", 429), ("too_deep", 400)],
    )
    def test_gives_some_faults_the_status_that_http_has_for_them(self, code: str, status: int) -> None:
        problem = problem_of(Malformed(Fault("unknown_field", "/x"), Fault(code, "")), MN)
        assert problem.status == status
        assert problem.body["code"] == ("malformed" if status == 400 else code)

    def test_says_when_to_come_again(self) -> None:
        problem = problem_of(Unavailable("pool_full", retry_after_s=2), EN)
        assert (problem.status, problem.headers["Retry-After"], problem.body["code"]) == (503, "2", "pool_full")
        assert "in 2 s" in problem.body["detail"]
        assert problem_of(Limited(retry_after_s="7"), EN).headers["Retry-After"] == "7"

    def test_keeps_the_reason_of_an_outage_to_itself(self) -> None:
        problem = problem_of(Unavailable("host db-7 refused barimt_owner"), EN)
        assert problem.body["code"] == "unavailable"
        assert "db-7" not in problem.json().decode()

    def test_names_the_scheme_where_authentication_is_wanted(self) -> None:
        assert problem_of(HTTPException(401), EN).headers["WWW-Authenticate"] == "Bearer"
        assert problem_of(HTTPException(401, headers={"WWW-Authenticate": "X"}), EN).headers["WWW-Authenticate"] == "X"

    @pytest.mark.parametrize(
        ("status", "code", "title"),
        [
            (400, "bad_request", "title_400"),
            (404, "not_found", "title_404"),
            (405, "method_not_allowed", "title_405"),
            (413, "too_large", "title_413"),
            (418, "http_error", "title_400"),
            (503, "unavailable", "title_503"),
            (507, "http_error", "title_500"),
        ],
    )
    def test_says_what_the_framework_says_in_our_words(self, status: int, code: str, title: str) -> None:
        body = problem_of(HTTPException(status, SECRET), EN).body
        assert (body["status"], body["code"], body["title"]) == (status, code, CATALOGUE[title][EN])
        assert SECRET not in str(body)

    def test_lists_so_many_faults_and_no_more(self) -> None:
        faults = [Fault("wrong_type", f"/{at}", "text") for at in range(FAULTS_MAX + 1)]
        body = problem_of(Malformed(*faults), EN).body
        assert len(body["faults"]) == FAULTS_MAX
        assert body["detail"].startswith(f"The request has {FAULTS_MAX + 1} faults.")

    @example("\ud800")
    @given(st.text(alphabet=st.characters(categories=["L", "P", "C"]), max_size=50))
    def test_can_be_written_whatever_a_client_put_into_a_path(self, path: str) -> None:
        assert json.loads(problem_of(Malformed(Fault("unknown_field", path)), MN).json())["code"] == "malformed"


class TestFaultsOf:
    def test_writes_json_pointers(self) -> None:
        assert pointer("parts", 0, "a/b~c") == "/parts/0/a~1b~0c"

    @pytest.mark.parametrize(
        ("kind", "context", "code", "expected"),
        [
            ("missing", {}, "missing_field", None),
            ("extra_forbidden", {}, "unknown_field", None),
            ("string_too_long", {"max_length": 5}, "too_long", "5"),
            ("too_short", {"min_length": 1}, "too_short", "1"),
            ("greater_than_equal", {"ge": 0}, "out_of_range", ">= 0"),
            ("multiple_of", {"multiple_of": 3}, "out_of_range", "n * 3"),
            ("literal_error", {"expected": "'a' or 'b'"}, "unknown_value", "'a' or 'b'"),
            ("string_pattern_mismatch", {"pattern": "^[0-9]{3}$"}, "wrong_form", "^[0-9]{3}$"),
            ("datetime_from_date_parsing", {"error": SECRET}, "time_form", None),
            ("date_from_datetime_parsing", {"error": SECRET}, "wrong_form", "YYYY-MM-DD"),
            ("int_from_float", {}, "wrong_type", "integer"),
            ("value_error", {"error": ValueError(SECRET)}, "wrong_form", "valid"),
            ("invented_tomorrow", {}, "wrong_form", "valid"),
            ("tin_form", {"expected": "11 to 14 digits"}, "tin_form", "11 to 14 digits"),
        ],
    )
    def test_translates(self, kind: str, context: dict[str, Any], code: str, expected: str | None) -> None:
        error = {"type": kind, "loc": ("body", "x"), "msg": SECRET, "input": SECRET, "ctx": context}
        assert faults_of([error]) == (Fault(code, "/x", expected),)

    def test_sends_no_book_back(self) -> None:
        error = {"type": "extra_forbidden", "loc": ("body", "k" * 100_000), "msg": "", "input": 1}
        assert len(faults_of([error])[0].path) == PATH_MAX

    def test_points_to_the_whole_where_json_does_not_parse(self) -> None:
        assert faults_of([{"type": "json_invalid", "loc": ("body", 17), "ctx": {"error": SECRET}}])[0].path == ""

    def test_validation_errors_without_an_app_are_answered_too(self) -> None:
        error = RequestValidationError([{"type": "missing", "loc": ("query", "month"), "msg": "", "input": None}])
        assert problem_of(error, EN).body["faults"][0]["path"] == "/month"


class TestInstall:
    def test_says_all_faults_of_a_body_at_once(self, client: TestClient) -> None:
        sent = {
            "lines": [{"name": "", "total_mongo": -1, "kind": "x"}, {"name": "toolong", "total_mongo": "1"}, {}],
            "seller_tin": "12",
            "x/y": 1,
        }
        got = client.post("/v1/receipts", json=sent)
        assert got.status_code == 400
        assert got.headers["content-type"] == MEDIA_TYPE
        assert sorted(codes(got)) == [
            ("missing_field", "/lines/2/name"),
            ("missing_field", "/lines/2/total_mongo"),
            ("out_of_range", "/lines/0/total_mongo"),
            ("tin_form", "/seller_tin"),
            ("too_long", "/lines/1/name"),
            ("too_short", "/lines/0/name"),
            ("unknown_field", "/x~1y"),
            ("unknown_value", "/lines/0/kind"),
            ("wrong_type", "/lines/1/total_mongo"),
        ]

    def test_says_faults_of_query_and_headers(self, client: TestClient) -> None:
        got = client.get("/v1/page?size=11")
        assert sorted(codes(got)) == [("missing_field", "/Idempotency-Key"), ("out_of_range", "/size")]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"{", "json_invalid"),
            (b"", "missing_field"),
            (b'{"lines": NaN}', "wrong_type"),
            (b"[]", "wrong_type"),
            (b"null", "wrong_type"),
            (b'{"lines":[],"\\ud800":1}', "wrong_form"),
            (b'{"lines":[' + b"[" * 900 + b"]" * 900 + b"]}", "wrong_type"),
        ],
    )
    def test_refuses_hostile_json(self, client: TestClient, body: bytes, code: str) -> None:
        got = client.post("/v1/receipts", content=body, headers={"content-type": "application/json"})
        assert got.status_code == 400
        assert {found for found, _ in codes(got)} == {code}

    @pytest.mark.parametrize("body", [b"\xff\xfe{}", b"[" * 100_000, b"1" * 5_000])
    def test_refuses_what_no_json_reader_takes(self, client: TestClient, body: bytes) -> None:
        got = client.post("/v1/receipts", content=body, headers={"content-type": "application/json"})
        assert got.status_code == 400
        assert got.headers["content-type"] == MEDIA_TYPE

    @pytest.mark.parametrize(
        ("what", "status", "code"),
        [
            ("malformed", 400, "malformed"),
            ("claimed", 409, "already_claimed"),
            ("limited", 429, "rate_limited"),
            ("full", 503, "pool_full"),
            ("unavailable", 503, "unavailable"),
            ("teapot", 418, "http_error"),
        ],
    )
    def test_answers_what_is_raised(self, client: TestClient, what: str, status: int, code: str) -> None:
        got = client.get(f"/v1/raise/{what}", headers={"accept-language": "en"})
        assert (got.status_code, got.json()["code"]) == (status, code)
        assert got.headers["content-language"] == "en"
        assert got.headers["vary"] == "Accept-Language"

    def test_answers_in_mongolian_unless_asked_otherwise(self, client: TestClient) -> None:
        assert client.get("/v1/raise/claimed").json()["detail"] == CATALOGUE["already_claimed"][MN]

    def test_answers_unknown_addresses_and_methods(self, client: TestClient) -> None:
        assert client.get("/v1/none").json()["code"] == "not_found"
        got = client.delete("/v1/page")
        assert (got.status_code, got.headers["allow"]) == (405, "GET")

    def test_sends_no_body_where_http_allows_none(self, client: TestClient) -> None:
        got = client.get("/v1/raise/nothing")
        assert (got.status_code, got.content) == (304, b"")

    def test_explains_its_codes(self, client: TestClient) -> None:
        at = client.get("/v1/raise/claimed").json()["type"]
        assert client.get(at).json() == {"code": "already_claimed", **CATALOGUE["already_claimed"]}
        assert client.get("/problems/nonsense").status_code == 404

    def test_logs_why_it_is_unavailable(self, client: TestClient) -> None:
        with capture_logs() as logged:
            client.get("/v1/raise/unavailable")
        assert [(line["event"], line["reason"]) for line in logged] == [("unavailable", "the database is starting")]

    def test_documents_problems_and_no_422(self, client: TestClient) -> None:
        for operations in client.get("/openapi.json").json()["paths"].values():
            for operation in operations.values():
                assert {"4XX", "5XX"} <= set(operation["responses"])
                assert "422" not in operation["responses"]


class TestRim:
    def test_answers_the_unforeseen_without_a_word_of_it(self, client: TestClient) -> None:
        with capture_logs() as logged:
            got = client.get("/v1/raise/bug", headers={"accept-language": "en"})
        assert (got.status_code, got.json()["code"]) == (500, "internal")
        assert got.headers["content-type"] == MEDIA_TYPE
        assert SECRET not in got.text
        assert "Traceback" not in got.text
        assert logged[0]["incident"] in got.json()["detail"]

    def test_breaks_off_an_answer_that_had_begun(self, client: TestClient) -> None:
        with capture_logs() as logged, pytest.raises(AnswerBrokenOff) as caught:
            client.get("/v1/stream")
        assert str(caught.value) == logged[0]["incident"]
        assert caught.value.__cause__ is None

    def test_gives_each_incident_its_own_number(self, client: TestClient) -> None:
        with capture_logs() as logged:
            client.get("/v1/raise/bug")
            client.get("/v1/raise/bug")
        assert len({line["incident"] for line in logged}) == 2

    async def test_ends_with_what_it_was_given_when_the_client_has_gone(self) -> None:
        async def gone(*_: Any) -> None:
            raise ClientDisconnect

        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        await Rim(gone, end=Response(status_code=400))({"type": "http", "headers": []}, receive, send)
        assert sent[0]["status"] == 400

    async def test_is_silent_when_the_client_has_gone(self) -> None:
        async def gone(*_: Any) -> None:
            raise ClientDisconnect

        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        scope: Scope = {"type": "http", "headers": []}
        with capture_logs() as logged:
            await Rim(gone)(scope, receive, send)
        assert not sent
        assert not logged

    def test_lets_what_works_pass(self, client: TestClient) -> None:
        assert client.post("/v1/receipts", json={"lines": []}).json() == {"lines": 0}


def test_raw_routes_answer_problems_as_well() -> None:
    async def raw(request: Request) -> Response:
        return answer(Claimed(), request)

    made = FastAPI()
    made.add_route("/raw", raw)
    with TestClient(made) as client:
        assert (
            client.get("/raw", headers={"accept-language": "en"}).json()["title"]
            == "In conflict with the present state"
        )
