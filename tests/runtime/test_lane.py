"""Plain requests take the lane, all others and whatever fails the long way, over real connections."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from runtime import access_log, lane
from runtime.access_log import Exchange
from runtime.lane import LANE, Answer, LaneProtocol, Refusal, Resume, TurnedAway, resume_of

BODY = b'{"a": 1}'


class Echo:
    """A lane that answers what its body asks for."""

    path = b"/echo"
    body_bytes_max = 100
    full = False

    def __init__(self, observers: Sequence[access_log.Observer]) -> None:
        self.observers = observers
        self.turned_away = TurnedAway()
        self.on_long_way = 0
        self.most_on_long_way = 0
        self.later: list[Callable[[int, bytes], None]] = []

    def refusal(self, headers: Mapping[bytes, bytes]) -> Refusal | None:
        return Refusal(503, b"retry-after: 1\r\n", b"full") if self.full else None

    def serve(
        self,
        headers: Mapping[bytes, bytes],
        body: bytes,
        answer: Callable[[int, bytes], None],
        long_way: Callable[[Resume | None], None],
        refuse: Callable[[Refusal], None],
    ) -> None:
        if body == b"pass on":
            long_way(None)
        elif body == b"go on":
            long_way(_go_on)
        elif body == b"later":
            asyncio.get_running_loop().call_later(0.2, answer, 201, b"later")
        elif body == b"refuse":
            refuse(Refusal(503, b"", b"refused"))
        elif body == b"never":
            self.later.append(answer)
        else:
            answer(201, b"lane " + body)


async def _go_on() -> Answer:
    return 200, b"resumed"


class Served:
    """The address of a server with a lane, and what its observers saw."""

    def __init__(self, port: int, echo: Echo, seen: list[Exchange]) -> None:
        self.port, self.echo, self.seen = port, echo, seen
        self.url = f"http://127.0.0.1:{port}"

    def post(self, body: bytes, **headers: str) -> httpx2.Response:
        return httpx2.post(f"{self.url}/echo", content=body, headers=headers, timeout=10)

    def exchange(self, *pieces: bytes, until: bytes = b"") -> bytes:
        """Send raw bytes and answer what comes back, until it ends with `until` or the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as line:
            for piece in pieces:
                line.sendall(piece)
            got = b""
            while (more := line.recv(65536)) != b"":
                got += more
                if until and got.endswith(until):
                    break
            return got


@pytest.fixture
def served() -> Iterator[Served]:
    seen: list[Exchange] = []
    echo = Echo([seen.append])

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Echo]]:
        yield {LANE: echo}

    app = FastAPI(lifespan=lifespan)

    @app.post("/echo")
    async def long_way(request: Request) -> Response:
        resume = resume_of(request.scope)
        echo.most_on_long_way = max(echo.most_on_long_way, echo.on_long_way)
        if resume is not None:
            status, content = await resume()
            return Response(content, status)
        return Response(b"long " + await request.body(), 201)

    access_log.install(app, seen.append)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, http=LaneProtocol, log_config=None, access_log=False, timeout_keep_alive=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
            yield Served(listening.getsockname()[1], echo, seen)
        finally:
            server.should_exit = True
            thread.join(15)
            assert not thread.is_alive()


def head(*lines: bytes, length: int = len(BODY), version: bytes = b"1.1") -> bytes:
    first = b"POST /echo HTTP/%b\r\nhost: x\r\ncontent-length: %d\r\n" % (version, length)
    return first + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


class TestPlainRequests:
    def test_are_answered_by_the_lane_and_observed(self, served: Served) -> None:
        answer = served.post(BODY)
        assert (answer.status_code, answer.content) == (201, b"lane " + BODY)
        assert answer.headers["content-type"] == "application/json"
        [exchange] = served.seen
        assert (exchange.method, exchange.route, exchange.status) == ("POST", "/echo", 201)
        assert answer.headers["x-request-id"] == exchange.request_id

    def test_follow_each_other_on_one_connection(self, served: Served) -> None:
        with httpx2.Client(base_url=served.url) as http:
            answers = [http.post("/echo", content=b"%d" % at) for at in range(5)]
        assert [answer.content for answer in answers] == [b"lane %d" % at for at in range(5)]
        assert len({answer.headers["x-request-id"] for answer in answers}) == 5

    def test_may_come_in_pieces(self, served: Served) -> None:
        got = served.exchange(head(), *(BODY[at : at + 1] for at in range(len(BODY))), until=BODY)
        assert got.endswith(b"\r\n\r\nlane " + BODY)

    @pytest.mark.parametrize("pieces", [1, 2, 3])
    def test_are_answered_in_order_when_pipelined(self, served: Served, pieces: int) -> None:
        whole = head(length=5) + b"later" + head(length=5) + b"after" + head(length=5) + b"third"
        step = -(-len(whole) // pieces)
        got = served.exchange(*(whole[at : at + step] for at in range(0, len(whole), step)), until=b"third")
        assert got.count(b"HTTP/1.1 201") == 3
        assert got.index(b"later") < got.index(b"after") < got.index(b"third")

    def test_are_answered_in_order_behind_one_that_waits(self, served: Served) -> None:
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
            line.sendall(head(length=5) + b"later")
            threading.Event().wait(0.05)
            line.sendall(head(length=5) + b"after")
            got = b""
            while not got.endswith(b"after"):
                got += line.recv(65536)
        assert got.index(b"\r\n\r\nlater") < got.index(b"long after")

    def test_go_on_in_the_route(self, served: Served) -> None:
        answer = served.post(b"go on")
        assert (answer.status_code, answer.content) == (200, b"resumed")
        assert served.post(b"pass on").content == b"long pass on"
        assert [exchange.status for exchange in served.seen] == [200, 201]


class TestOtherRequests:
    @pytest.mark.parametrize(
        "lines",
        [
            (b"connection: close",),
            (b"content-encoding: identity",),
            (b"x-a: 1", b"X-A: 2"),
            (b"expect: 100-continue",),
            (b"upgrade: h2c",),
            (b"x-a:1",),
            (b"x-a: 1 ",),
            (b"x-a: \xc3\xb6",),
            (b"x_a: 1",),
            (b"x-a:",),
        ],
    )
    def test_go_the_long_way(self, served: Served, lines: Sequence[bytes]) -> None:
        assert served.exchange(head(*lines) + BODY, until=b"long " + BODY).endswith(b"long " + BODY)

    @pytest.mark.parametrize(
        "lines",
        [
            (b"content-length: 8",),
            (b"x-a: 1\nx-b: 2",),
            (b"x-a: 1\r\n folded",),
            (b"x-a : 1",),
            (b"x-a: \0",),
            (b"content-length: 8", b"transfer-encoding: chunked"),
        ],
    )
    def test_that_could_be_read_in_two_ways_never_reach_the_lane(self, served: Served, lines: Sequence[bytes]) -> None:
        assert b"lane" not in served.exchange(head(*lines) + BODY, b"x")

    def test_whose_head_comes_in_pieces_go_the_long_way(self, served: Served) -> None:
        whole = head() + BODY
        got = served.exchange(*(whole[at : at + 1] for at in range(len(whole))), until=BODY)
        assert got.endswith(BODY)

    def test_of_http_1_0_chunked_or_long_go_the_long_way(self, served: Served) -> None:
        assert served.exchange(head(version=b"1.0") + BODY).endswith(b"long " + BODY)
        chunked = b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n8\r\n%b\r\n0\r\n\r\n" % BODY
        assert served.exchange(chunked, until=BODY).endswith(b"long " + BODY)
        assert served.post(b"x" * 101).content == b"long " + b"x" * 101
        assert httpx2.get(f"{served.url}/echo").status_code == 405


class TestFullLane:
    def test_refuses_and_keeps_the_connection(self, served: Served) -> None:
        served.echo.full = True
        with httpx2.Client(base_url=served.url) as http:
            refused = http.post("/echo", content=BODY)
            served.echo.full = False
            assert http.post("/echo", content=BODY).content == b"lane " + BODY
        assert (refused.status_code, refused.content, refused.headers["retry-after"]) == (503, b"full", "1")
        assert [exchange.status for exchange in served.seen] == [503, 201]

    def test_refuses_some_in_a_turn_and_lets_others_have_theirs(self, served: Served) -> None:
        served.echo.full = True
        with contextlib.ExitStack() as lines:
            several = [
                lines.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=10))
                for _ in range(5 * lane.REFUSED_AT_ONCE)
            ]
            for line in several:
                line.sendall(head() + BODY)
            assert [line.recv(65536).endswith(b"full") for line in several] == [True] * len(several)
        turns = asyncio.run(turns_of_refusals(2 * lane.REFUSED_AT_ONCE + 1))
        assert turns == [lane.REFUSED_AT_ONCE, 2 * lane.REFUSED_AT_ONCE, 2 * lane.REFUSED_AT_ONCE + 1]

    async def test_sends_the_others_whatever_becomes_of_one(self) -> None:
        class Broken:
            def send(self, *_: object) -> None:
                raise ValueError

        class Whole:
            def send(self, *_: object) -> None:
                sent.append(True)

        sent, noted, turned_away = list[bool](), list[object](), TurnedAway()
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: noted.append(context["exception"]))
        for cycle in (Broken(), Whole()):
            turned_away.add(cycle, Refusal(503, b"", b""))  # type: ignore[arg-type]
        for _ in range(3):
            await asyncio.sleep(0)
        assert (sent, [type(one) for one in noted]) == ([True], [ValueError])

    def test_may_refuse_what_was_read(self, served: Served) -> None:
        assert served.exchange(head(length=6) + b"refuse", until=b"refused").startswith(b"HTTP/1.1 503 ")

    def test_counts_who_is_on_the_long_way(self, served: Served) -> None:
        assert served.post(b"pass on").content == b"long pass on"
        assert served.post(b"go on").content == b"resumed"
        assert served.echo.most_on_long_way == 1
        assert served.echo.on_long_way == 0


async def turns_of_refusals(refusals: int) -> list[int]:
    """Answer how many refusals were sent after each turn of the event loop."""

    class Cycle:
        def send(self, status: int, fields: bytes, content: bytes) -> None:
            sent.append((status, fields, content))

    sent: list[object] = []
    turned_away, turns = TurnedAway(), list[int]()
    for _ in range(refusals):
        turned_away.add(Cycle(), Refusal(503, b"", b""))  # type: ignore[arg-type]
    while len(sent) < refusals:
        await asyncio.sleep(0)
        turns.append(len(sent))
    return turns


class TestClientsThatLeaveOrStay:
    def test_who_left_is_not_written_to(self, served: Served) -> None:
        with socket.create_connection(("127.0.0.1", served.port)) as line:
            line.sendall(head(length=5) + b"never")
            while not served.echo.later:
                pass
        assert served.post(BODY).status_code == 201
        served.echo.later[0](201, b"too late")
        assert served.seen[-1].status == access_log.CLIENT_GONE

    @pytest.mark.parametrize("sent", [b"", b"POST /echo HT", head(), head(length=9) + BODY])
    def test_who_does_not_finish_is_hung_up_on(
        self, served: Served, sent: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lane, "STUCK_S", 0.3)
        monkeypatch.setattr(lane, "LOOK_S", 0.1)
        with contextlib.suppress(ConnectionResetError):
            assert served.exchange(sent) == b""
        assert served.post(BODY).status_code == 201

    def test_who_asks_for_nothing_more_is_hung_up_on(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lane, "LOOK_S", 0.1)
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
            line.sendall(head() + BODY)
            assert line.recv(65536).endswith(b"lane " + BODY)
            assert line.recv(65536) == b""

    def test_who_is_idle_between_requests_is_not(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lane, "STUCK_S", 0.3)
        monkeypatch.setattr(lane, "LOOK_S", 0.1)
        with httpx2.Client(base_url=served.url) as http:
            assert http.post("/echo", content=BODY).status_code == 201
            threading.Event().wait(1)
            assert http.post("/echo", content=b"later").content == b"later"
