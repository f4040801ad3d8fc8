"""The test centre of `barimt till --sandbox`: the whole centre with keys of its own, on loopback, in a thread beside
the till. Whoever is named to `POST /sandbox/sellers` is enrolled on sight; no other centre has that route.

    POST /sandbox/sellers {"tin", "code": bool} -> {"tin", "code": "XXXX-XXXX-XXXX-XXXX" | null}
"""

import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Final

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict

from barimt.address import remember_address
from barimt.app import make_app
from barimt.authority import TEST
from barimt.keys import keep_key_file
from barimt.open_authority import open_authority
from kernel.clock import Clock
from kernel.identity import parse_tin
from receipts.activation_code import format_code
from receipts.enrol import NewSeller, add_seller
from receipts.make_activation_code import NewTill, make_activation_code
from receipts.name_account import NewAccount, name_account
from receipts.store import enrolling
from runtime.clock import business_clock, real_now
from runtime.data_dir import DataDir
from runtime.database import Database, Role, open_database
from runtime.embedded_postgres import Say
from runtime.lane import LaneProtocol
from runtime.settings import Settings
from runtime.tokens.dev_issuer import is_loopback
from runtime.unusable import Unusable

TEST_TIN: Final = "37900846788"
TEST_REG_NO: Final = "99119911"
"""The merchant of the vendor's test environment, and its number of the state register."""
TEST_LESSEE: Final = "61200064714"
TEST_ACCOUNT: Final = NewAccount("4990037827", "Туршилт", iban="10001004990037827")
_START_S: Final = 60.0
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class SandboxCentre:
    """A test centre at work."""

    url: str
    data_dir: DataDir


class Wanted(BaseModel):
    """Who is to be enrolled, and whether a till of his is to be activated."""

    model_config = ConfigDict(extra="forbid")
    tin: str
    code: bool = False


@contextmanager
def serving_sandbox_centre(settings: Settings, *, say: Say) -> Iterator[SandboxCentre]:
    """Open the test centre of a data directory, made at its first use, and serve it until the end. Port 0 takes any
    free one, the same in all later runs, for tills remember where their centre is. Raises `Unusable`.
    """
    data_dir = DataDir.make(settings.data_dir)
    (data_dir.keys / TEST).touch()
    with _bound(data_dir, settings) as bound:
        settings = settings.model_copy(update={"port": bound.getsockname()[1]})
        with open_database(settings, say=say) as database:
            clock = business_clock(settings.clock_file)
            with database.transaction(Role.JOBS) as connection:
                authority = open_authority(connection, clock, settings=settings)
                keep_key_file(connection, data_dir)
            url = remember_address(data_dir.root, settings)
            app = make_app(settings, database, authority)
            _mount_sight(app, _Sight(database, clock, data_dir))
            with _served(app, bound):
                yield SandboxCentre(url, data_dir)


@dataclass(frozen=True, slots=True)
class _Sight:
    """Enrols whoever is named."""

    database: Database
    clock: Clock
    data_dir: DataDir

    def enrol(self, wanted: Wanted) -> dict[str, str | None]:
        tin = parse_tin(wanted.tin, "/tin")
        with self.database.transaction(Role.JOBS) as connection:
            if enrolling.find_seller(connection, tin) is None:
                reg_no = TEST_REG_NO if tin == TEST_TIN else None
                name = f"Туршилтын дэлгүүр {tin[-4:]}"
                seller = NewSeller(
                    tin, name, "4711", "2501", city_tax_payer=True, vat_registered_from=date(2016, 1, 1), reg_no=reg_no
                )
                add_seller(connection, self.clock, seller=seller)
                name_account(connection, seller_tin=tin, account=TEST_ACCOUNT)
            code = None
            if wanted.code:
                till = NewTill(tin)
                made = make_activation_code(connection, real_now, till=till, draw=secrets.token_bytes)
                code = format_code(made.code)
        return {"tin": tin, "code": code}

    def publish(self) -> None:
        """Write the key file anew, with the keys of tills that were activated since."""
        with self.database.transaction(Role.JOBS) as connection:
            keep_key_file(connection, self.data_dir)


def _mount_sight(app: FastAPI, sight: _Sight) -> None:
    @app.post("/sandbox/sellers", include_in_schema=False)
    def post_seller(request: Request, wanted: Wanted) -> dict[str, str | None]:
        """Enrol a seller that nobody has enrolled, and make a code for a till where one is wanted."""
        _require_loopback(request)
        return sight.enrol(wanted)

    @app.post("/sandbox/keys", include_in_schema=False)
    def post_keys(request: Request) -> dict[str, str]:
        """Write the key file anew."""
        _require_loopback(request)
        sight.publish()
        return {"keys": str(sight.data_dir.root / "keys.json")}


def _require_loopback(request: Request) -> None:
    if request.client is None or not is_loopback(request.client.host):
        raise HTTPException(_NOT_FOUND)


@contextmanager
def _bound(data_dir: DataDir, settings: Settings) -> Iterator[socket.socket]:
    """Bind the centre's port: the one of the last run where there was one."""
    port = settings.port or _last_port(data_dir)
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, port))
    except OSError as error:
        bound.close()
        raise Unusable(
            f"The test centre cannot listen on {settings.host}, port {port}: {error.strerror}. Does another sandbox"
            f" run? Stop it, or begin anew: delete {data_dir.root.parent}"
        ) from None
    with bound:
        yield bound


def _last_port(data_dir: DataDir) -> int:
    try:
        told = (data_dir.root / "address").read_text(encoding="ascii").rpartition(":")[2]
    except OSError:
        return 0
    return int(told) if told.isdigit() else 0


@contextmanager
def _served(app: FastAPI, bound: socket.socket) -> Iterator[None]:
    """Serve the centre in a thread until the end."""
    config = uvicorn.Config(app, http=LaneProtocol, log_config=None, access_log=False, server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="centre", daemon=True)
    thread.start()
    try:
        pause = threading.Event()
        for _ in range(int(_START_S / 0.02)):
            if server.started or not thread.is_alive():
                break
            pause.wait(0.02)
        if not server.started:
            raise Unusable("The test centre did not start; the lines above say why")
        yield
    finally:
        server.should_exit = True
        thread.join(_START_S)
