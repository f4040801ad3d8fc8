"""Logs without personal data, one line a request, and the metrics that come of it."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi import APIRouter, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from runtime import access_log, http_errors
from runtime.access_log import CLIENT_GONE, UNMATCHED, Exchange, access_line
from runtime.logs import HIDDEN, configure, without_personal_data
from runtime.meters import Meters
from runtime.metrics import RequestMetrics, exposition

QR = "MB1:" + "6BFOXN*TS0BI$ZD.P9UOL97O4-2HH77HRM3DSPTAURFRM/"
JWT = "eyJhbGciOiJFZDI1NTE5In0.eyJzdWIiOiIxMTAwMDAwMSJ9.c2lnbmF0dXJl"
PLANTED = {
    "consumer": "Болд",
    "consumer_no": "11000001",
    "consumerNo": 11000001,
    "login_no": 11000001,
    "token": "opaque-token",
    "access_token": "opaque-token",
    "authorization": "Bearer opaque-token",
    "Authorization": "Basic b3BhcXVlOnRva2Vu",
    "qr": QR,
    "qrData": "308923265245466",
    "name": "Болд Дорж",
    "buyer_name": "Болд Дорж",
    "bank_account": "4990037827",
    "bankAccountNo": 4990037827,
    "iban": "MN100010",
    "phone": "99112233",
    "email": "bold@example.mn",
    "lottery": "SN 47461258",
    "owner": "Болд",
    "subject": "Болд",
    "client_assertion": "opaque",
    "document": {"lines": ["Талх"]},
    "body": b"Talkh",
    "idempotency_key": "Болд-1",
    "secret": "opaque",
}
PLANTED_TEXTS = [
    f"cannot read {QR}",
    f"header was Bearer {JWT}",
    f"token {JWT} refused",
    "lottery SN 47461258 drawn",
    "consumer 11000001 claimed 037900846788001095330000010012619",
    "mail to bold@example.mn",
    "postgresql://barimt:hunter22@localhost:5432/barimt",
]
WORDS = [
    "Болд",
    "opaque",
    "6BFOXN",
    "11000001",
    "4990037827",
    "47461258",
    "99112233",
    "example.mn",
    "Талх",
    "Talkh",
    "hunter22",
    "eyJ",
    "0379008",
]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level, configured = root.handlers, root.level, structlog.get_config()
    written = io.StringIO()
    configure(written, console=False)
    yield written
    root.handlers = before
    root.setLevel(level)
    structlog.configure(**configured)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class TestWithoutPersonalData:
    @pytest.mark.parametrize(("key", "value"), PLANTED.items())
    def test_hides_the_value_of_a_telling_key(self, key: str, value: object) -> None:
        assert without_personal_data(None, "info", {key: value}) == {key: HIDDEN}

    @pytest.mark.parametrize("said", PLANTED_TEXTS)
    def test_hides_telling_pieces_of_a_text(self, said: str) -> None:
        cleaned = without_personal_data(None, "info", {"event": said})["event"]
        assert HIDDEN in cleaned
        assert not [word for word in WORDS if word in cleaned]

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("event", "request"),
            ("status", 200),
            ("ms", 1.234),
            ("total_mongo", 9_279_338_056_000),
            ("month", "2017-03"),
            ("at", "2017-03-01T09:30:00.123456Z"),
            ("incident", "i0123456789abcdef"),
            ("route", "/v1/receipts/{id}"),
            ("terminal", 10_012_619),
            ("ok", True),
            ("nothing", None),
            ("monkey", "banana"),
        ],
    )
    def test_leaves_alone_what_is_nobodys(self, key: str, value: object) -> None:
        assert without_personal_data(None, "info", {key: value}) == {key: value}

    @pytest.mark.parametrize(
        "bury", [lambda v: {"a": v}, lambda v: [v], lambda v: {"a": [{"b": (v,)}]}, lambda v: {v: 1}]
    )
    def test_finds_what_is_nested(self, bury: Any) -> None:
        cleaned = without_personal_data(None, "info", {"detail": bury(QR)})
        assert "6BFOXN" not in str(cleaned)

    def test_hides_what_is_nested_too_deeply(self) -> None:
        deep: Any = "Болд"
        for _ in range(20):
            deep = [deep]
        assert "Болд" not in str(without_personal_data(None, "info", {"x": deep}))

    def test_hides_objects_whose_words_it_does_not_know(self) -> None:
        assert without_personal_data(None, "info", {"x": ValueError("Болд")}) == {"x": HIDDEN}

    @given(
        st.recursive(
            st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
        )
    )
    def test_takes_anything(self, value: object) -> None:
        assert set(without_personal_data(None, "info", {"x": value})) == {"x"}


class TestConfigure:
    def test_writes_one_json_object_a_line(self, stream: io.StringIO) -> None:
        structlog.get_logger("barimt").info("started", port=8000)
        (line,) = lines(stream)
        assert (line["event"], line["level"], line["logger"], line["port"]) == ("started", "info", "barimt", 8000)
        assert line["at"].endswith("Z")

    def test_keeps_planted_data_out_of_our_own_lines(self, stream: io.StringIO) -> None:
        structlog.get_logger().warning(PLANTED_TEXTS[0], **PLANTED, texts=PLANTED_TEXTS, more={"deep": [PLANTED]})
        assert len(lines(stream)) == 1
        assert not [word for word in WORDS if word in stream.getvalue()]

    def test_keeps_planted_data_out_of_libraries_lines(self, stream: io.StringIO) -> None:
        logger = logging.getLogger("some.library")
        for said in PLANTED_TEXTS:
            logger.warning("failed: %s", said, extra={"token": "opaque", "detail": said})
        assert len(lines(stream)) == len(PLANTED_TEXTS)
        assert not [word for word in WORDS if word in stream.getvalue()]

    @pytest.mark.parametrize("through", ["structlog", "logging"])
    def test_says_where_an_exception_came_from_and_not_what_it_said(self, stream: io.StringIO, through: str) -> None:
        def insert() -> None:
            try:
                raise KeyError("Болд")  # noqa: TRY301 - a cause is wanted
            except KeyError as error:
                raise ValueError("Key (consumer)=(Болд) exists") from error

        logger: Any = structlog.get_logger() if through == "structlog" else logging.getLogger("x")
        try:
            insert()
        except ValueError:
            logger.exception("failed")
        (line,) = lines(stream)
        assert [part["type"] for part in line["raised"]] == ["builtins.ValueError", "builtins.KeyError"]
        assert "insert" in line["raised"][0]["frames"][-1]
        assert "Болд" not in stream.getvalue()

    def test_keeps_an_exceptions_words_out_of_asyncios_lines(self, stream: io.StringIO) -> None:
        loop = asyncio.new_event_loop()
        loop.call_exception_handler({"message": "Task failed", "exception": ValueError("Болд"), "detail": "Болд"})
        loop.close()
        assert lines(stream)[0]["event"] == "Task failed"
        assert "Болд" not in stream.getvalue()

    def test_keeps_planted_data_out_of_lines_for_people(self, stream: io.StringIO) -> None:
        configure(stream, console=True)
        try:
            raise ValueError("Болд")  # noqa: TRY301 - the traceback is what is tested
        except ValueError:
            structlog.get_logger().exception("failed", **PLANTED)
        assert "failed" in stream.getvalue()
        assert not [word for word in WORDS if word in stream.getvalue()]

    def test_tells_nothing_of_a_line_that_cannot_be_written(
        self, stream: io.StringIO, capfd: pytest.CaptureFixture[str]
    ) -> None:
        record = logging.LogRecord("x", logging.WARNING, "x.py", 1, "%d consumers", ("Болд",), None)
        logging.getLogger().handlers[0].handle(record)
        assert lines(stream) == [{"level": "error", "event": "a log line could not be written"}]
        assert capfd.readouterr() == ("", "")

    def test_does_not_repeat_the_addresses_that_clients_ask(self, stream: io.StringIO) -> None:
        logging.getLogger("httpx2").info("HTTP Request: GET /users/bold")
        assert not lines(stream)

    def test_says_less_below_its_level(self, stream: io.StringIO) -> None:
        structlog.get_logger().debug("unheard")
        logging.getLogger("x").debug("unheard")
        assert not lines(stream)


class Endpoint:
    """An endpoint that is an object and no function."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("x")(scope, receive, send)


def app(*observers: access_log.Observer) -> FastAPI:
    made = FastAPI()
    routes, inner = APIRouter(prefix="/v1"), APIRouter(prefix="/receipts")

    @inner.get("/{receipt_id}/parts/{part}")
    def part(receipt_id: str, part: int) -> str:
        structlog.get_logger().info("inside")
        return f"{receipt_id}{part}"

    @inner.get("/{receipt_id}/bug")
    def bug(receipt_id: str) -> None:
        raise ValueError(receipt_id)

    async def raw(request: Request) -> Response:
        return PlainTextResponse(request.path_params["id"])

    routes.include_router(inner)
    made.include_router(routes)
    made.router.routes.append(Route("/raw/{id}", raw))
    made.router.routes.append(Route("/object/{id}", Endpoint()))
    made.mount("/web", StaticFiles(directory=Path(__file__).parent))
    made.mount("/sub", Router([Route("/x/{a:path}", raw), Mount("/deep", Router([Route("/y/{id}", raw)]))]))
    http_errors.install(made)
    access_log.install(made, *observers)
    return made


class TestAccessLog:
    @pytest.mark.parametrize(
        ("method", "path", "route", "status"),
        [
            ("GET", "/v1/receipts/037900846788/parts/3", "/v1/receipts/{receipt_id}/parts/{part}", 200),
            ("GET", "/v1/receipts/parts/parts/3", "/v1/receipts/parts/{receipt_id}/{part}", 200),
            ("GET", "/v1/receipts/a%20b/parts/3?consumer=11000001", "/v1/receipts/{receipt_id}/parts/{part}", 200),
            ("GET", "/v1/receipts/5/parts/x", "/v1/receipts/{receipt_id}/parts/{part}", 400),
            ("DELETE", "/v1/receipts/5/parts/3", "/v1/receipts/{receipt_id}/parts/{part}", 405),
            ("GET", "/v1/receipts/5/bug", "/v1/receipts/{receipt_id}/bug", 500),
            ("GET", "/raw/11000001", "/raw/{id}", 200),
            ("GET", "/object/11000001", "/object/{id}", 200),
            ("GET", "/sub/deep/y/11000001", "/sub/deep/y/{id}", 200),
            ("GET", "/sub/deep/11000001", "/sub/deep/{path}", 404),
            ("GET", "/sub/11000001", "/sub/{path}", 404),
            ("GET", "/web/11000001", "/web/{path}", 404),
            ("GET", "/web/test_logs.py", "/web/{path}", 200),
            ("GET", "/nobody/11000001", UNMATCHED, 404),
            ("BREW", "/raw/11000001", "/raw/{id}", 405),
        ],
    )
    @pytest.mark.usefixtures("stream")
    def test_tells_the_template_and_never_the_path(self, method: str, path: str, route: str, status: int) -> None:
        seen: list[Exchange] = []
        with TestClient(app(seen.append)) as client:
            client.request(method, path)
        assert (seen[0].route, seen[0].status) == (route, status)
        assert seen[0].method == ("OTHER" if method == "BREW" else method)
        assert seen[0].seconds > 0

    def test_writes_one_line_a_request(self, stream: io.StringIO) -> None:
        with TestClient(app(access_line(stream))) as client:
            got = client.get("/v1/receipts/11000001/parts/3")
        inside, line = lines(stream)[-2:]
        assert set(line) == {"at", "level", "event", "method", "route", "status", "ms", "request_id"}
        assert (line["event"], line["status"], line["ms"] > 0) == ("request", 200, True)
        assert line["request_id"] == got.headers["x-request-id"] == inside["request_id"]
        assert "11000001" not in stream.getvalue()

    def test_gives_each_request_an_id_of_ours(self) -> None:
        with TestClient(app()) as client:
            ids = {client.get("/raw/1", headers={"x-request-id": "mine"}).headers["x-request-id"] for _ in range(5)}
        assert len(ids) == 5
        assert "mine" not in ids

    async def test_counts_a_client_that_left(self) -> None:
        async def leave(*_: Any) -> None:
            raise asyncio.CancelledError

        seen: list[Exchange] = []
        log = access_log.AccessLog(leave, [seen.append])
        scope = {"type": "http", "method": "GET", "path": "/x", "app": FastAPI()}
        with pytest.raises(asyncio.CancelledError):
            await log(scope, None, None)  # type: ignore[arg-type]
        assert seen[0].status == CLIENT_GONE


class TestRequestMetrics:
    def test_counts_by_template_and_status(self) -> None:
        meters = Meters()
        with TestClient(app(RequestMetrics(meters))) as client:
            for number in range(3):
                client.get(f"/raw/{number}")
            client.get("/nobody")
        text = exposition(meters).decode()
        assert 'barimt_http_requests_total{method="GET",route="/raw/{id}",status="200"} 3.0' in text
        assert 'barimt_http_requests_total{method="GET",route="-",status="404"} 1.0' in text
        assert 'barimt_http_seconds_count{method="GET",route="/raw/{id}"} 3.0' in text
