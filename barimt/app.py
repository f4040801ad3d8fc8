"""The app: every face mounted, and what they stand on opened and closed with it."""

import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import httpx2
from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from barimt.address import address_of
from barimt.authority import EPOCH, Authority
from barimt.claim_easily import easy_claims
from barimt.docs_page import OPENAPI_PATH, mount_docs
from barimt.follow_keys import KeyFollower
from barimt.keep_months import MonthKeeper
from barimt.mounts import mount_faces
from barimt.open_authority import root_at_hand
from barimt.openapi import DocumentedApp
from barimt.samples import WORDS
from barimt.watch import Watch
from kernel.clock import Clock
from kernel.refusal import Unavailable
from mobile_stub.app import Claims
from pos_gateway.activation import Activations
from pos_gateway.gateway import Gateway
from pos_gateway.lane import ReceiptLane
from pos_gateway.metrics import GatewayMetrics
from pos_gateway.oauth import TOKEN_PATH
from runtime import access_log, http_errors
from runtime.clock import business_clock, real_now
from runtime.data_dir import DataDir
from runtime.database import Database, Role
from runtime.lane import LANE, Lane
from runtime.meters import Meters
from runtime.metrics import CONTENT_TYPE, RequestMetrics, exposition
from runtime.settings import Settings
from runtime.tokens.bearer import BearerVerifier
from runtime.tokens.dev_issuer import AUDIENCE, DevIssuer
from runtime.tokens.oidc import OidcVerifier, keys_by_discovery

GC_ALLOCATIONS = 100_000
"""Containers made and not freed before the collector looks at the young ones: some 20 MB at most. It looks at all only
after 2,000 such looks: under an overload thousands of requests wait, and to look at them each time takes a tenth."""
GATEWAY_CONNECTIONS = 7
"""Two for the sequencers, two for uploads, two for tokens, and one for whoever looks something up."""
CLAIMS_CONNECTIONS = 8
DATABASE_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, DBAPIError, PoolTimeout)


def make_app(
    settings: Settings,
    database: Database,
    authority: Authority,
    meters: Meters | None = None,
    *,
    real_clock: Clock = real_now,
) -> DocumentedApp:
    """Compose the app of one worker over an open database. `meters` are shared where there are several workers."""
    meters = meters or Meters()
    metrics = GatewayMetrics(meters)

    observers: list[access_log.Observer] = [RequestMetrics(meters)]
    if settings.access_log:
        observers.append(access_log.access_line(sys.stderr))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Lane]]:
        async with AsyncExitStack() as stack:
            await _open(app, stack, database, authority, metrics, real_clock)
            app.state.watch = await stack.enter_async_context(Watch.kept(app.state.gateway, app.state.claims, meters))
            yield {LANE: ReceiptLane(app.state.gateway, observers)}

    app = DocumentedApp(
        title="Barimt",
        version="0.1.0",
        description=WORDS,
        responses=http_errors.PROBLEM_RESPONSES,
        lifespan=lifespan,
        openapi_url=OPENAPI_PATH,
        docs_url=None,  # ours needs no internet
        redoc_url=None,
    )
    app.state.database = database
    app.state.settings = settings
    mount_faces(app)
    mount_docs(app)
    _mount_health(app, meters)
    http_errors.install(app, metrics.problem)
    for kind in DATABASE_AWAY:
        app.add_exception_handler(kind, _database_away)
    access_log.install(app, *observers)
    return app


async def _open(
    app: FastAPI,
    stack: AsyncExitStack,
    database: Database,
    authority: Authority,
    metrics: GatewayMetrics,
    real_clock: Clock,
) -> None:
    settings: Settings = app.state.settings
    clock = business_clock(settings.clock_file)
    app.state.clock = clock
    app.state.bearers = _bearers(settings, authority, await stack.enter_async_context(httpx2.AsyncClient()))
    tills = await stack.enter_async_context(_pool(database, Role.GATEWAY, GATEWAY_CONNECTIONS))
    consumers = await stack.enter_async_context(_pool(database, Role.CLAIMS, CLAIMS_CONNECTIONS))
    signing = authority.signing_keys(clock())
    follower, keeper = KeyFollower(signing, authority, tills, clock), MonthKeeper(tills, clock, real_now)
    for name, look, for_ever in (
        ("keys", follower.look, follower.follow_for_ever),
        ("months", keeper.look, keeper.keep_for_ever),
    ):
        await look()
        await stack.enter_async_context(_running(for_ever(), name))
    app.state.gateway = await stack.enter_async_context(
        Gateway.opened(
            tills,
            clock=clock,
            real_clock=real_clock,
            signing=signing,
            token_key=authority.token_key,
            metrics=metrics,
            bounds=settings,
            workers=settings.workers,
        )
    )
    app.state.activations = Activations(
        database=database,
        clock=clock,
        epoch=EPOCH,
        root_key=root_at_hand(settings, clock),
        token_url=lambda: address_of(DataDir.make(settings.data_dir).root, settings) + TOKEN_PATH,
        test=authority.test,
    )
    app.state.claims = await stack.enter_async_context(
        Claims.opened(
            consumers, clock=clock, real_clock=real_clock, masters=authority.masters, bearers=app.state.bearers
        )
    )
    app.state.gateway.claim_easily = easy_claims(app.state.claims)


@asynccontextmanager
async def _pool(database: Database, role: Role, size: int) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """Open a pool that connects when it must: a database that is away at this moment must not end the start."""
    async with await database.pool(role, min_size=0, max_size=size) as pool:
        yield pool


@asynccontextmanager
async def _running(for_ever: Coroutine[None, None, None], name: str) -> AsyncIterator[None]:
    running = asyncio.create_task(for_ever, name=name)
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def _bearers(settings: Settings, authority: Authority, client: httpx2.AsyncClient) -> BearerVerifier:
    if settings.oidc_issuer is None:
        return DevIssuer(authority.development_key)
    return OidcVerifier(settings.oidc_issuer, AUDIENCE, keys_by_discovery(settings.oidc_issuer, client))


def _mount_health(app: FastAPI, meters: Meters) -> None:
    @app.get("/healthz", tags=["operation"], summary="The process answers")
    async def healthz() -> dict[str, str]:
        """Answer as long as the process does: for whoever restarts it."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"], summary="The process can issue receipts")
    async def readyz(request: Request) -> dict[str, str]:
        """Answer `ready` when the database answers too, and 503 otherwise: for whoever sends it requests."""
        request.app.state.gateway.signing.require_signer()
        await request.app.state.gateway.database.fetchval("SELECT 1")
        return {"status": "ready"}

    @app.get("/metrics", tags=["operation"], summary="Prometheus metrics", response_class=Response,
             responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})  # fmt: skip
    async def metrics(request: Request) -> Response:
        """Answer what all workers have counted, in the text format of Prometheus."""
        readings = await request.app.state.watch.read()
        # in a thread: adding up eight workers takes 10 ms, which every till of this one would wait
        return Response(await asyncio.to_thread(exposition, meters, readings), media_type=CONTENT_TYPE)


async def _database_away(request: Request, _exception: Exception) -> Response:
    away = Unavailable("database", retry_after_s=2)
    request.app.state.gateway.metrics.problem("unavailable", away)
    return http_errors.answer(away, request)


def spare_collector() -> None:
    """Let the cyclic collector look at what requests leave behind, seldom, and never again at what was there before
    them: with Python's own thresholds it takes a tenth of a worker's time, and finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 100)


def environment_of(settings: Settings) -> dict[str, str]:
    """Answer the variables from which a worker reads the same settings."""
    given: dict[str, Any] = settings.model_dump(exclude_none=True)
    return dict(os.environ) | {f"BARIMT_{name.upper()}": str(value) for name, value in given.items()}
