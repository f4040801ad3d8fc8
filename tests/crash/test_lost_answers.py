"""A gateway that is killed after the commit and before the answer: the till asks again and gets the first answer."""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import psycopg
import pytest
from sqlalchemy import URL

from barimt.demo.till_client import TillClient
from runtime.data_dir import DataDir
from tests.answered import part
from tests.crash.serve_process import ServeProcess
from tests.pos_gateway.relay import Cut, Relay, relayed, through

TIN, TERMINAL = "37900846788", "10012619"
SALE = {"type": "B2C_RECEIPT", "seller_tin": TIN, "parts": [part(11_000)]}


@pytest.fixture
def relay(admin: psycopg.Connection) -> Iterator[Relay]:
    with relayed(admin) as opened:
        yield opened


@pytest.fixture
def serve(
    relay: Relay, server_url: URL, database_name: str, run_passwords: Mapping[str, str], tmp_path: Path
) -> Iterator[ServeProcess]:
    """A running `barimt serve` whose database is at the other end of a relay."""
    DataDir.make(tmp_path / "data").keep_passwords(run_passwords)
    serve = ServeProcess(tmp_path / "data")
    url = through(relay, server_url.set(drivername="postgresql", database=database_name))
    serve.environment["BARIMT_DATABASE_URL"] = url.render_as_string(hide_password=False)
    serve.start()
    try:
        serve.await_ready()
        yield serve
    finally:
        serve.stop()


@pytest.fixture
def client(serve: ServeProcess) -> dict[str, str]:
    serve.command("admin", "seller", "add", "--tin", TIN, "--name", "Дэлгүүр", "--sector", "4711",
                  "--district", "2501", "--vat-from", "2016-01-01")  # fmt: skip
    added = serve.command("admin", "terminal", "add", "--seller", TIN, "--number", TERMINAL, "--json")
    return dict(json.loads(added))


def post(serve: ServeProcess, client: dict[str, str], path: str, content: str, **headers: str) -> httpx2.Response:
    async def once() -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=serve.url, timeout=60) as http:
            till = TillClient(http, client["client_id"], Path(client["key_file"]), client["token_url"])
            return await http.post(path, content=content, headers=await till.headers() | headers)

    return asyncio.run(once())


def sales(admin: psycopg.Connection, database_name: str) -> list[str]:
    """The keys under which sales are stored."""
    address = admin.info.get_parameters() | {"dbname": database_name}
    with psycopg.connect(**address) as connection:  # type: ignore[arg-type]
        return [key for (key,) in connection.execute("SELECT key FROM pos.idempotency ORDER BY key")]


@pytest.mark.parametrize("lines", [0, 300], ids=["single", "batch"])
def test_asking_again_gets_what_was_committed(
    serve: ServeProcess, client: dict[str, str], relay: Relay, admin: psycopg.Connection, database_name: str, lines: int
) -> None:
    path, headers = ("/v1/receipts/batch", {}) if lines else ("/v1/receipts", {"Idempotency-Key": "k"})
    content = (
        "\n".join(json.dumps({"key": f"b{at:03}", "receipt": SALE}) for at in range(lines))
        if lines
        else json.dumps(SALE)
    )
    relay.plan, relay.instead = Cut.AFTER_COMMIT, serve.process.kill
    with contextlib.suppress(httpx2.TransportError):
        answer = post(serve, client, path, content, **headers)
        assert answer.status_code == 200, answer.text
        assert answer.content == b"", "something was answered before the gateway was killed"
    serve.process.wait(10)
    committed = sales(admin, database_name)
    assert 0 < len(committed) <= max(lines, 1)

    serve.start()
    serve.await_ready()
    answer = post(serve, client, path, content, **headers)
    again = post(serve, client, path, content, **headers)
    if lines:
        verdicts = [json.loads(line) for line in answer.text.splitlines()]
        assert [verdict["key"] for verdict in verdicts if verdict["status"] == 200] == committed
        assert {verdict["status"] for verdict in verdicts} == {200, 201}
        repeated = [json.loads(line) for line in again.text.splitlines()]
        assert repeated == [{**verdict, "status": 200} for verdict in verdicts]
    else:
        assert [answer.status_code, again.status_code] == [200, 200]
        assert answer.content == again.content
    assert len(sales(admin, database_name)) == max(lines, 1)
