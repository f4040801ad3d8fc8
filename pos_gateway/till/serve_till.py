"""Runs a till: the service over an open installation, on a port, until it is asked to stop."""

import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from kernel.clock import Clock
from pos_gateway.posapi.answer import VERSION
from pos_gateway.till.app import make_app, server_config
from pos_gateway.till.installation import Installation
from pos_gateway.till.link_routes import link_routes
from pos_gateway.till.page_routes import page_routes
from pos_gateway.till.print_call import print_route
from pos_gateway.till.till_service import TillService
from runtime.private_files import write_private
from runtime.unusable import Unusable

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
LISTENS_S: Final = 1.0
"""How long another service of the same directory may take to accept a connection."""


@dataclass(slots=True)
class ServedTill:
    """A till with its port: `run` serves it until a signal comes or `server.should_exit` is set."""

    address: str
    service: TillService
    server: uvicorn.Server
    _bound: socket.socket

    async def run(self) -> None:
        """Serve until told to stop."""
        await self.server.serve([self._bound])


@asynccontextmanager
async def serving_till(
    installation: Installation,
    clock: Clock,
    *,
    host: str,
    port: int,
    url: str | None,
    around: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> AsyncIterator[ServedTill]:
    """Open PosAPI, the page and the uploader over an installation, on a port (0: a free one), and close them at the
    end. `url` names the centre where the installation does not know it; `around` may put an app around the till's.
    Raises `Unusable`.
    """
    root = installation.dir.root
    with _bound(host, port) as bound:
        async with TillService.opened(installation, clock, version=VERSION, url=url) as service:
            app = around(
                make_app(
                    installation,
                    after=service,
                    bank_account_ids=service.bank_account_ids,
                    routes=[*link_routes(service), *page_routes(service), print_route(installation)],
                )
            )
            address = _address(host, bound.getsockname()[1])
            running = Running(address, service.form_token, os.getpid())
            running.write(root)
            try:
                yield ServedTill(address, service, _Server(server_config(app, host=host, port=port)), bound)
            finally:
                running.forget(root)


class _Server(uvicorn.Server):
    """A server that leaves by the door when a signal comes, so that what stands around it is closed after it."""

    def handle_exit(self, sig: int, _frame: object) -> None:
        """Remember that we were asked to stop, and forget the signal: stopping is what was asked for."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


@dataclass(frozen=True, slots=True)
class Running:
    """Where the service of a data directory listens, for commands beside it: `service.json`, 0600. Of several services
    the first is named as long as it is there.
    """

    address: str
    form_token: str
    pid: int

    def write(self, root: Path) -> None:
        """Write it down, unless another service that is written down answers its own port. Where that is ours, it died
        and we listen in its place.
        """
        before = Running.of(root)
        if before is not None and before.address != self.address and before.is_listening():
            return
        content = {"address": self.address, "form_token": self.form_token, "pid": self.pid}
        write_private(root / "service.json", json.dumps(content).encode(), replace=True)

    @classmethod
    def of(cls, root: Path) -> "Self | None":
        """Answer what was written down last; the service may have died since. None where nothing was."""
        try:
            kept = json.loads((root / "service.json").read_bytes())
            return cls(str(kept["address"]), str(kept["form_token"]), int(kept["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def is_listening(self) -> bool:
        """Whether anybody listens at the address."""
        address = urlsplit(self.address)
        try:
            with socket.create_connection((address.hostname or "", address.port or 0), timeout=LISTENS_S):
                return True
        except OSError:
            return False

    def forget(self, root: Path) -> None:
        """Take it back, if it is what is written down."""
        if Running.of(root) == self:
            (root / "service.json").unlink(missing_ok=True)


def is_loopback(host: str) -> bool:
    """Whether only this machine can come in by a host's name."""
    return host in LOOPBACK


def _bound(host: str, port: int) -> socket.socket:
    """Bind as `socket.create_server` does, but name TCP: only then does asyncio send small answers at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen()
    except OSError as error:
        bound.close()
        raise Unusable(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Is another till running? Another port: barimt"
            f" till --port {port % 65535 + 1}"
        ) from None
    return bound


def _address(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - what was asked for
    return f"http://[{shown}]:{port}" if ":" in shown else urlsplit(f"http://{shown}:{port}").geturl()
