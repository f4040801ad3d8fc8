"""The service's own socket."""

import socket

from pos_gateway.till.installation import Installation
from pos_gateway.till.serve_till import serving_till
from tests.pos_gateway.till.tilling import Hands


class TestServingTill:
    async def test_names_tcp_so_that_a_small_answer_leaves_at_once(self, till: Installation, hands: Hands) -> None:
        async with serving_till(till, hands.clock, host="127.0.0.1", port=0, url=None) as served:
            assert served._bound.proto == socket.IPPROTO_TCP
