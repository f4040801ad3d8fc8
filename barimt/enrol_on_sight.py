"""The sandbox's till serves whoever is named to it: a merchant whom it does not know yet is enrolled at the test centre
before his first sale is issued, and activated where he is the header's. It stands around the till's service.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import httpx2
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel.clock import Clock
from kernel.refusal import Malformed
from pos_gateway.posapi.body import read_fields
from pos_gateway.posapi.parts import read_tin
from pos_gateway.till.activate_till import activate_till
from pos_gateway.till.ask_centre import AskCentre
from pos_gateway.till.installation import Installation
from pos_gateway.till.look_up import look_up_taxpayer
from receipts.submission import PARTS_MAX

PATH: Final = "/rest/receipt"
BODY_BYTES_MAX: Final = 1024 * 1024


@dataclass(slots=True)
class Sight:
    """Enrols merchants at the test centre by its own route, and activates them here."""

    installation: Installation
    clock: Clock
    http: httpx2.AsyncClient
    centre: AskCentre
    say: Callable[[str], None]
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def see(self, seller: str | None, merchants: set[str]) -> None:
        """Make known whoever is not: `seller` is the header's merchant, `merchants` those of the sub-receipts."""
        if seller is not None and self.installation.seat_of(seller) is None:
            async with self._one:
                if self.installation.seat_of(seller) is None:
                    await self.activate(seller)
        for tin in sorted(merchants - {seller}):
            if self.installation.merchant_of(tin) is None:
                async with self._one:
                    await self._enrol(tin, code=False)
                    await look_up_taxpayer(self.installation, self.centre, tin)

    async def activate(self, tin: str) -> None:
        """Enrol a merchant and take a seat of his."""
        code = await self._enrol(tin, code=True)
        await activate_till(self.installation, self.centre, code=str(code), clock=self.clock)
        (await self.http.post("/sandbox/keys")).raise_for_status()
        self.say(f"Enrolled {tin} and activated this till for it")

    async def _enrol(self, tin: str, *, code: bool) -> str | None:
        answer = await self.http.post("/sandbox/sellers", json={"tin": tin, "code": code})
        told: str | None = answer.raise_for_status().json()["code"]
        return told


class EnrolOnSight:
    """An ASGI app around the till's."""

    def __init__(self, app: ASGIApp, sight: Sight) -> None:
        self._app = app
        self._sight = sight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at who is named in a receipt, and pass it on as it came."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].rstrip("/") == PATH:
            messages, body = await _read(receive)
            seller, merchants = named_in(body)
            await self._sight.see(seller, merchants)
            receive = _again(messages, receive)
        await self._app(scope, receive, send)


def named_in(body: bytes) -> tuple[str | None, set[str]]:
    """Answer the TINs of the header's merchant and of the sub-receipts'; whatever is no TIN is the till's business."""
    try:
        fields = read_fields(body, [])
    except Malformed:
        return None, set()
    below = [read_tin(each, "merchantTin") for each in fields.objects("receipts", most=PARTS_MAX)]
    return read_tin(fields, "merchantTin"), {tin for tin in below if tin is not None}


async def _read(receive: Receive) -> tuple[list[Message], bytes]:
    """Take a body, as far as the till would, and the messages that it came in."""
    messages: list[Message] = []
    size = 0
    while size <= BODY_BYTES_MAX:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    return messages, b"".join(message.get("body", b"") for message in messages)


def _again(messages: list[Message], receive: Receive) -> Receive:
    """Give messages once more, and then what comes."""
    waiting = list(reversed(messages))

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give
