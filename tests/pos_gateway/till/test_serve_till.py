"""The service's own socket, and where commands beside it find it."""

import asyncio
import os
import socket
from pathlib import Path

from pos_gateway.till.installation import Installation
from pos_gateway.till.serve_till import Running, serving_till
from tests.pos_gateway.till.tilling import Hands


class TestServingTill:
    async def test_names_tcp_so_that_a_small_answer_leaves_at_once(self, till: Installation, hands: Hands) -> None:
        async with serving_till(till, hands.clock, host="127.0.0.1", port=0, url=None) as served:
            assert served._bound.proto == socket.IPPROTO_TCP


class TestRunning:
    async def test_of_several_services_the_first_is_named_as_long_as_it_listens(self, tmp_path: Path) -> None:
        listening = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        first, second = Running(f"http://127.0.0.1:{port}", "a", 1), Running("http://127.0.0.1:1", "b", os.getpid())
        first.write(tmp_path)
        second.write(tmp_path)
        assert Running.of(tmp_path) == first
        second.forget(tmp_path)
        assert Running.of(tmp_path) == first
        restarted = Running(first.address, "c", os.getpid())
        restarted.write(tmp_path)
        assert Running.of(tmp_path) == restarted
        listening.close()
        await listening.wait_closed()
        second.write(tmp_path)
        assert Running.of(tmp_path) == second
        second.forget(tmp_path)
        assert Running.of(tmp_path) is None
