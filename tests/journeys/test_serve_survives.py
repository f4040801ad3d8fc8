"""`barimt serve` as an operator runs it: started, killed, started again, and nothing acknowledged is missing."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from barimt.demo.till_client import TillClient
from tests.crash.serve_process import ServeProcess

TIN, TERMINAL = "37900846788", "10012619"
BODY = {
    "type": "B2C_RECEIPT",
    "seller_tin": TIN,
    "parts": [
        {
            "tax_type": "VAT_ABLE",
            "total_mongo": 110_000,
            "lines": [{"name": "Талх", "quantity": "1", "unit": "ш", "total_mongo": 110_000}],
        }
    ],
}


@pytest.fixture
def centre(open_dir: Path) -> ServeProcess:
    """A centre that has never run."""
    return ServeProcess(open_dir / "data")


def enrol(centre: ServeProcess) -> dict[str, str]:
    centre.command("admin", "seller", "add", "--tin", TIN, "--name", "Дэлгүүр", "--sector", "4711",
                   "--district", "2501", "--vat-from", "2016-01-01")  # fmt: skip
    printed = json.loads(centre.command("admin", "terminal", "add", "--seller", TIN, "--number", TERMINAL, "--json"))
    assert printed["token_url"] == f"{centre.url}/v1/oauth/token"
    return dict(printed)


def post(centre: ServeProcess, client: dict[str, str], *keys: str) -> list[dict[str, Any]]:
    async def all_of_them() -> list[dict[str, Any]]:
        async with httpx2.AsyncClient(base_url=centre.url, timeout=60) as http:
            till = TillClient(http, client["client_id"], Path(client["key_file"]), client["token_url"])
            return [await till.post(key, BODY) for key in keys]

    return asyncio.run(all_of_them())


def test_keeps_every_acknowledged_receipt_through_every_way_to_stop(centre: ServeProcess) -> None:
    with centre.running():
        client = enrol(centre)
        receipts = post(centre, client, "a", "b")
    assert "documentation" in centre.said
    assert "barimt admin terminal add" in centre.said
    assert "Stopped cleanly." in centre.said

    with centre.running() as process:  # the server is killed
        receipts += post(centre, client, "c")
        process.kill()
        process.wait(10)

    with centre.running():  # its PostgreSQL is killed, and started again by the server itself
        receipts += post(centre, client, "d")
        postmaster = centre.postmaster()
        assert postmaster is not None
        os.kill(postmaster.pid, signal.SIGKILL)
        receipts += _post_again(centre, client, "e")

    with centre.running():  # both are killed
        receipts += post(centre, client, "f")
        again = post(centre, client, "a", "b", "c", "d", "e", "f")
    assert again == receipts
    assert json.loads(centre.command("check", "--json"))["holds"] is True


def _post_again(centre: ServeProcess, client: dict[str, str], key: str) -> list[dict[str, Any]]:
    """Post as a till does: again and again with the same key until there is an answer."""
    ends = time.monotonic() + 60
    while True:
        try:
            return post(centre, client, key)
        except Exception:
            if time.monotonic() > ends:
                raise
            time.sleep(0.5)
