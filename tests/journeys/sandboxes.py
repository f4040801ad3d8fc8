"""A sandbox in the test's own process, over a database of the run's server."""

import asyncio
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import URL

from barimt.sandbox import sandbox_settings, serving_sandbox_till
from barimt.sandbox_centre import SandboxCentre, serving_sandbox_centre
from pos_gateway.till.installation import open_installation
from runtime.clock import real_now
from runtime.data_dir import DataDir
from tests.pos_gateway.posapi.bodies import OFFICIAL
from tests.serving import wait_for

Json = dict[str, Any]


@dataclass(slots=True)
class Sandbox:
    """A sandbox in this process, over a database of the run's server."""

    url: str
    centre: SandboxCentre
    database_url: str

    def sell(self, **changes: Any) -> Json:
        """Sell the vendor's loaf."""
        answer = httpx2.post(f"{self.url}/rest/receipt", json=OFFICIAL | changes, timeout=30)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def get(self, path: str) -> Any:
        """Ask the till."""
        return httpx2.get(self.url + path, timeout=30).raise_for_status().json()

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the centre's database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    def keys(self) -> Path:
        """The published keys."""
        return self.centre.data_dir.root / "keys.json"


@pytest.fixture(scope="module")
def sandbox(
    server_url: URL,
    admin: psycopg.Connection[Any],
    run_passwords: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sandbox]:
    """The sandbox of all tests of this module."""
    folder = tmp_path_factory.mktemp("newcomer") / ".barimt" / "sandbox"
    name = f"barimt_sandbox_{os.getpid()}"
    url = server_url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    opened: Future[Any] = Future()
    DataDir.make(folder / "centre").keep_passwords(run_passwords)
    with serving_sandbox_centre(sandbox_settings(folder / "centre", database_url=url), say=print) as centre:

        async def serve() -> None:
            with open_installation(folder / "till", real_now) as installation:
                given = {"host": "127.0.0.1", "port": 0, "say": print}
                async with serving_sandbox_till(installation, real_now, centre, **given) as served:
                    opened.set_result(served)
                    await served.run()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="till")
        thread.start()
        served = opened.result(60)
        wait_for(lambda: served.server.started, bool, 30)
        yield Sandbox(served.address, centre, url)
        served.server.should_exit = True
        thread.join(30)
    admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
