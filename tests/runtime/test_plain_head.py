"""What the lane reads of a head by itself is what the parser reads of it."""

import httptools
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.lane import plain_head
from tests.runtime.test_lane import Echo

LANE = Echo([])
START = b"POST /echo HTTP/1.1\r\n"
LENGTH = b"content-length: 8\r\n\r\n"
PIECES = (
    b"host: x\r\n", b"X-A: b c\r\n", b"connection: keep-alive\r\n", b"Connection: Keep-Alive\r\n", b'x-b: (;="\r\n',
    b"x-c:2\r\n", b"x-d: \r\n", b"x-e: 1 \r\n", b"Content-Length: 08\r\n", b"connection: close\r\n",
    b"transfer-encoding: chunked\r\n", b"expect: 100-continue\r\n", b"upgrade: h2c\r\n", b"x-f", b": ", b":", b"1",
    b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"\x7f", b"\xc3", START, b"GET /echo HTTP/1.1\r\n",
)  # fmt: skip


class Parsed:
    """What httptools reads of the first request in some bytes."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = self.keeps_alive = False
        self.parser = httptools.HttpRequestParser(self)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.keeps_alive = self.parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


class TestPlainHead:
    @given(st.lists(st.sampled_from(PIECES), max_size=5).map(lambda pieces: START + b"".join(pieces) + LENGTH))
    @example(START + b"host: x\r\nX-A: b c\r\n" + LENGTH)
    @example(START + b"connection: close\r\n" + LENGTH)
    def test_is_read_as_the_parser_reads_it(self, octets: bytes) -> None:
        head = plain_head(octets, LANE)
        if head is None:
            return
        read, body = Parsed(), b"b" * (head.ends - head.size)
        read.parser.feed_data(octets[: head.size] + body)
        assert read.complete
        assert (read.parser.get_method(), read.parser.get_http_version(), read.url) == (b"POST", "1.1", LANE.path)
        assert read.keeps_alive
        assert read.fields == list(head.fields.items())
        assert read.body == body
