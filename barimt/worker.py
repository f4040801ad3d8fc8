"""One of several workers of `barimt serve`: it joins the database that the parent keeps, and ends with its parent.

The parent starts another in the place of a worker that ended, unless that ended with uvicorn's `STARTUP_FAILURE`: then
the whole service ends, as it should for what would fail each time. A database that is just being started again is no
such thing, so a worker that meets it ends otherwise, and the next one tries.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack

import structlog
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError

from barimt.app import make_app, spare_collector
from barimt.open_authority import open_authority
from barimt.watch import shared_folder
from runtime import logs
from runtime.clock import business_clock
from runtime.data_dir import DataDir
from runtime.database import Role, join_database
from runtime.meters import Meters
from runtime.postgres_binaries import PostgresUnusable
from runtime.settings import load_settings

TRY_ANOTHER = 1
LEAVE_S = 15.0
"""How long a worker without a parent may answer what it has taken."""


def worker_app() -> FastAPI:
    """Make the app of one of several workers, from the environment that the parent set. Raises `SystemExit` where the
    database is away.
    """
    logs.configure(sys.stderr, console=False)  # a process of its own: the parent's configuration stays behind
    parent = follow_parent()
    settings = load_settings()
    with ExitStack() as stack:
        try:
            database = stack.enter_context(join_database(settings))
            with database.transaction(Role.JOBS) as connection:
                authority = open_authority(connection, business_clock(settings.clock_file), settings=settings)
        except (PostgresUnusable, DBAPIError) as error:
            structlog.get_logger().warning("worker_without_database", error=str(error))
            raise SystemExit(TRY_ANOTHER) from error
        meters = Meters(shared_folder(DataDir.make(settings.data_dir), parent))
        app = make_app(settings, database, authority, meters)
        app.state.stack = stack.pop_all()
    spare_collector()
    return app


def follow_parent() -> int:
    """See to it that this process ends when its parent does, however that happens: a worker that went on would keep the
    port from the next service, and its connections to a database that is no longer ours. Answers the
    parent's number.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    assert parent.pid is not None, "a worker is a child of `barimt serve`"
    threading.Thread(target=_leave_after, args=(parent,), name="parent", daemon=True).start()
    return parent.pid


def _leave_after(parent: "multiprocessing.process.BaseProcess") -> None:
    parent.join()
    structlog.get_logger().error("parent_ended")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LEAVE_S)
    os._exit(TRY_ANOTHER)
