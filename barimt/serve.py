"""`barimt serve`: the whole system in one command, until it is told to stop."""

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from fastapi import FastAPI
from rich.console import Console

from barimt.address import remember_address
from barimt.app import environment_of, make_app, spare_collector
from barimt.keys import keep_key_file
from barimt.open_authority import open_authority
from barimt.options import DataDirOption
from barimt.watch import sharing_meters
from runtime import logs
from runtime.clock import business_clock
from runtime.data_dir import DataDir
from runtime.database import Role, open_database
from runtime.lane import LaneProtocol
from runtime.settings import Settings, load_settings
from runtime.tokens.dev_issuer import is_loopback, refuse_public_host
from runtime.unusable import Unusable

KEEP_ALIVE_S = 75
BACKLOG = 2048


def serve_command(
    host: Annotated[str | None, typer.Option(help="Address to listen on (BARIMT_HOST, 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (BARIMT_PORT, 8000).")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes (BARIMT_WORKERS, 1).")] = None,
    data_dir: DataDirOption = None,
    clock_file: Annotated[
        Path | None, typer.Option(help="Moves business time; for development, loopback only.")
    ] = None,
) -> None:
    """Serve tills, consumers and officers until stopped."""
    serve(load_settings(host=host, port=port, workers=workers, data_dir=data_dir, clock_file=clock_file), Console())


def serve(settings: Settings, console: Console) -> None:
    """Start or join the database, publish the keys, and answer requests until a signal comes. Raises `Unusable`."""
    _check_host(settings)
    _require_port(settings)
    data_dir = DataDir.make(settings.data_dir)
    logs.configure(sys.stderr, console=False)
    with open_database(settings, say=lambda line: console.print(line, highlight=False)) as database:
        clock = business_clock(settings.clock_file)
        with database.transaction(Role.JOBS) as connection:
            authority = open_authority(connection, clock, settings=settings)
            keep_key_file(connection, data_dir)
        if settings.oidc_issuer is None:
            _ = authority.development_key  # missing, it is said here and not by each worker
        _say_where(settings, remember_address(data_dir.root, settings), console)
        if authority.signing_keys(clock()).signer is None:
            console.print(
                "[bold red]Every gateway key is revoked:[/bold red] nothing is issued until barimt keys rotate"
            )
        if settings.workers == 1:
            app = make_app(settings, database, authority)
            spare_collector()
            _Server(_config(settings, app)).run()
        else:
            os.environ.update(environment_of(settings))
            with sharing_meters(data_dir):
                uvicorn.run("barimt.worker:worker_app", factory=True, workers=settings.workers, **_options(settings))
    console.print("Stopped cleanly.")


def _check_host(settings: Settings) -> None:
    if settings.oidc_issuer is None:
        refuse_public_host(settings.host)
    if settings.clock_file is not None and not is_loopback(settings.host):
        raise Unusable("BARIMT_CLOCK_FILE moves business time and is for development: listen on 127.0.0.1 only")


def _require_port(settings: Settings) -> None:
    """Say that a port is taken before anything is started and said to listen there."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise Unusable(
                f"Cannot listen on {settings.host}, port {settings.port}: {error.strerror}. Another port: barimt serve"
                f" --port {settings.port % 65535 + 1} (BARIMT_PORT)"
            ) from None


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "http": LaneProtocol,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "backlog": BACKLOG,
    }


def _config(settings: Settings, app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(app, **_options(settings))


class _Server(uvicorn.Server):
    """A server that leaves by the door when a signal comes, so that the database is closed after it."""

    def handle_exit(self, sig: int, _frame: object) -> None:
        """Remember that we were asked to stop, and forget the signal: stopping is what was asked for."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def _say_where(settings: Settings, address: str, console: Console) -> None:
    data = settings.data_dir
    console.print(
        f"\n[bold]Barimt[/bold] listens on {address} (documentation: {address}/docs)\n"
        f"  data and keys   {data.absolute()}\n"
        f"  a seller        barimt admin seller add --tin 37900846788 --name 'Дэлгүүр' --sector 4711 --district 2501"
        f" --vat-from 2016-01-01\n"
        f"  a terminal      barimt admin terminal add --seller 37900846788 --number 10012619 --mode gateway --json\n"
        f"  a consumer      barimt admin consumer add --json\n"
        "  stop            Ctrl-C\n",
        highlight=False,
        soft_wrap=True,
    )
