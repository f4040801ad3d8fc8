"""A whole till over real HTTP in the test's own loop: PosAPI, the page and the uploader, with a staged centre."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from kernel.clock import Clock
from pos_gateway.till.centre_file import CentreFile
from pos_gateway.till.installation import Installation
from pos_gateway.till.serve_till import serving_till
from pos_gateway.till.till_service import TillService
from tests.pos_gateway.posapi.bodies import OFFICIAL

ROOT_KID = bytes(range(8))


@dataclass(slots=True)
class Shop:
    """A served till. `http` asks it as POS software on the same machine does."""

    till: Installation
    service: TillService
    http: httpx2.AsyncClient

    async def sell(self, consumer_no: str | None = None, **changes: Any) -> dict[str, Any]:
        """Sell the vendor's own loaf."""
        body = OFFICIAL | {"consumerNo": consumer_no} | changes
        answer = await self.http.post("/rest/receipt", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def get(self, path: str, **query: str) -> Any:
        """Ask something that must be answered."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def form(self, name: str, body: dict[str, Any], **headers: str) -> httpx2.Response:
        """Post a form as the page does."""
        own = {"X-Till-Token": self.service.form_token}
        return await self.http.post(f"/web/{name}", content=json.dumps(body).encode(), headers=own | headers)


@asynccontextmanager
async def open_shop(till: Installation, clock: Clock, *, url: str | None = None) -> AsyncIterator[Shop]:
    """Serve an installation on a free port. `url` is where its centre is."""
    if url is not None:
        CentreFile.of(till.dir).keeping(url=url, root_kid=ROOT_KID)
    async with serving_till(till, clock, host="127.0.0.1", port=0, url=None) as served:
        running = asyncio.create_task(served.run())
        while not served.server.started:  # noqa: ASYNC110 - uvicorn sets a flag and no event
            await asyncio.sleep(0.005)
        async with httpx2.AsyncClient(base_url=served.address, timeout=20) as http:
            yield Shop(till, served.service, http)
        served.server.should_exit = True
        await running
