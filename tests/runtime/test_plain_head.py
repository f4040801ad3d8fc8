"""What the lane reads of a head by itself is what the parser reads of it."""

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.lane import _PlainHead, plain_head, plain_head_in_python
from runtime.speedups import compiled
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


NAMES = st.binary(min_size=1, max_size=3) | st.sampled_from([b"a" * 127, b"a" * 128, b"a" * 129, b"Content-Length"])
VALUES = st.binary(max_size=4) | st.sampled_from([b"0", b"8", b"4096", b"4097", b"9" * 9, b"1" * 10, b"keep-alive"])
LINES = st.builds(lambda name, value: name + b": " + value + b"\r\n", NAMES, VALUES)


@pytest.mark.needs("speedups")
class TestTwins:
    @given(
        st.lists(st.sampled_from(PIECES) | LINES, max_size=6).map(lambda pieces: START + b"".join(pieces) + LENGTH),
        st.integers(0, 200),
    )
    def test_read_the_same(self, octets: bytes, cut: int) -> None:
        for shown in (octets, octets[:cut], octets + b"x" * cut):
            found = compiled.plain_head(shown, LANE.path, LANE.body_bytes_max)
            assert (None if found is None else _PlainHead(*found)) == plain_head_in_python(shown, LANE)

    @given(st.lists(LINES, max_size=5).map(b"".join))
    def test_read_the_same_without_a_length(self, lines: bytes) -> None:
        octets = START + lines + b"\r\n"
        found = compiled.plain_head(octets, LANE.path, LANE.body_bytes_max)
        assert (None if found is None else _PlainHead(*found)) == plain_head_in_python(octets, LANE)

    @pytest.mark.parametrize("octets", [b"", b"P", b"POST ", b"POST /echo HTTP/1.1", START, START + b"\r\n"])
    def test_refuse_what_is_too_short(self, octets: bytes) -> None:
        assert compiled.plain_head(octets, LANE.path, LANE.body_bytes_max) is None
        assert plain_head_in_python(octets, LANE) is None
