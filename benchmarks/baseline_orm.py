"""What a team would write first: FastAPI, pydantic, SQLAlchemy's async ORM, and one commit for each request.

    python -m benchmarks.baseline_orm --data-dir DIR --port 8100 [--pool 20] [--bulk orm|core] [--profile FILE]

It stores what the gateway stores, in the same tables, with the same chain (the head's row locked for update), the same
tax rules, signature, tokens and idempotency, over the embedded PostgreSQL of the same data directory. It is written as
well as its plan allows: clients and sellers are remembered for a minute, statements are prepared, nothing is loaded
twice or refreshed after a commit, answers are written by pydantic. `POST /v1/receipts/batch` commits once for its
lines, which are added as objects (`orm`) or in one bulk insert of rows (`core`).
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, cast

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import Response
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import Table, insert, make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from barimt.authority import Authority
from barimt.open_authority import open_authority
from benchmarks import published_model
from benchmarks.baseline_issuing import (
    Centre,
    LineOut,
    ReceiptOut,
    answer_of,
    content_of,
    find_keys,
    first_answer,
    issue,
    judged,
    key_row,
    lock_chain,
    month_now,
    row_of,
    terminal_of,
    tins_of,
)
from benchmarks.orm_tables import IdempotencyRow, ReceiptRow
from benchmarks.stack_samples import StackSamples
from kernel.clock import Month
from receipts.store.issuing import ensure_month
from receipts.store.reading import Client
from receipts.stored import StoredReceipt
from receipts.submission import Priced, Submission
from runtime.clock import business_clock, real_now
from runtime.database import Database, Role, open_database
from runtime.settings import load_settings
from runtime.tokens.bearer import token_of


class LineIn(BaseModel):
    """A line of a batch."""

    key: str
    receipt: published_model.Receipt


async def current_centre(request: Request) -> Centre:
    """Answer what the requests share."""
    centre: Centre = request.app.state.centre
    return centre


CentreDep = Annotated[Centre, Depends(current_centre)]


async def current_client(centre: CentreDep, authorization: Annotated[str | None, Header()] = None) -> Client:
    """Answer whose token a request bears."""
    client = await centre.client(await centre.tokens.read(token_of(authorization), real_now()))
    if client is None:
        raise HTTPException(401)
    return client


async def open_session(centre: CentreDep) -> AsyncIterator[AsyncSession]:
    """Open a session for a request."""
    async with centre.sessions() as session:
        yield session


ClientDep = Annotated[Client, Depends(current_client)]
SessionDep = Annotated[AsyncSession, Depends(open_session)]


async def post_receipt(
    body: published_model.Receipt,
    centre: CentreDep,
    client: ClientDep,
    session: SessionDep,
    response: Response,
    idempotency_key: Annotated[str, Header(max_length=128)],
) -> ReceiptOut:
    """Issue one receipt."""
    submission, priced = await judged(centre, client, body)
    content, month, tins = content_of(body), month_now(), tins_of(priced)
    terminal = terminal_of(client, submission)
    async with session.begin():
        chain, standing = await lock_chain(session, client.seller, terminal)
        known = await find_keys(session, client, [idempotency_key], month)
        if idempotency_key in known:
            response.status_code = 200
            return await first_answer(session, known[idempotency_key], content, tins)
        receipt = issue(centre, chain, standing, submission, priced)
        session.add_all([ReceiptRow(**row_of(receipt)), key_row(client, idempotency_key, month, content, receipt)])
    return answer_of(receipt, tins)


RECEIPTS, KEYS = cast("Table", ReceiptRow.__table__), cast("Table", IdempotencyRow.__table__)
READ_LINE = TypeAdapter(LineIn).validate_json


async def read_lines(
    request: Request, centre: Centre, client: Client
) -> list[tuple[str, Submission, Priced, bytes]]:  # fmt: skip
    """Read and judge the lines of a batch."""
    read = []
    for line in (await request.body()).split(b"\n"):
        body = READ_LINE(line)
        submission, priced = await judged(centre, client, body.receipt)
        read.append((body.key, submission, priced, content_of(body.receipt)))
    return read


async def post_batch(request: Request, centre: CentreDep, client: ClientDep, session: SessionDep) -> Response:
    """Issue the lines of a batch, which are of one terminal, in one transaction."""
    lines, month = await read_lines(request, centre, client), month_now()
    receipts, keys, answers = list[StoredReceipt](), list[IdempotencyRow](), list[bytes]()
    terminal = terminal_of(client, lines[0][1])
    async with session.begin():
        chain, standing = await lock_chain(session, client.seller, terminal)
        known = await find_keys(session, client, [line[0] for line in lines], month)
        for at, (key, submission, priced, content) in enumerate(lines, 1):
            tins = tins_of(priced)
            if key in known:
                verdict = LineOut(
                    line=at, key=key, status=200, receipt=await first_answer(session, known[key], content, tins)
                )
            else:
                receipt = issue(centre, chain, standing, submission, priced)
                receipts.append(receipt)
                keys.append(key_row(client, key, month, content, receipt))
                verdict = LineOut(line=at, key=key, status=201, receipt=answer_of(receipt, tins))
            answers.append(verdict.model_dump_json().encode())
        if request.app.state.bulk == "orm":
            session.add_all([ReceiptRow(**row_of(receipt)) for receipt in receipts])
            session.add_all(keys)
        elif receipts:
            await session.execute(insert(RECEIPTS), [row_of(receipt) for receipt in receipts])
            await session.execute(insert(KEYS), [key_columns(key) for key in keys])
    return Response(b"\n".join(answers), media_type="application/x-ndjson")


def key_columns(key: IdempotencyRow) -> dict[str, object]:
    """Answer the columns of a key's row."""
    return {name: getattr(key, name) for name in KEYS.columns.keys()}  # noqa: SIM118 - no dict


class Server(uvicorn.Server):
    """A server that returns when it was told to stop, so that what it stands on is closed after it."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as uvicorn calls it
        """Remember that we were asked to stop."""
        self.should_exit = True


def make_app(
    database: Database, authority: Authority, *, pool_size: int, bulk: str, samples: StackSamples | None = None
) -> FastAPI:  # fmt: skip
    """Make the app over an open database."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        url = make_url(database.url(Role.GATEWAY)).set(drivername="postgresql+asyncpg")
        engine = create_async_engine(
            url, pool_size=pool_size, max_overflow=0, pool_timeout=60, pool_pre_ping=False,
            connect_args={"server_settings": Role.GATEWAY.session},
        )  # fmt: skip
        async with await database.pool(Role.GATEWAY, min_size=1, max_size=2) as pool:
            await ensure_month(pool, Month.of(real_now()))
            sessions = async_sessionmaker(engine, expire_on_commit=False)
            app.state.centre = Centre(sessions, pool, authority)
            app.state.bulk = bulk
            if samples is not None:
                samples.start()
            yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)
    app.post("/v1/receipts", status_code=201)(post_receipt)
    app.post("/v1/receipts/batch")(post_batch)
    app.get("/readyz")(ready)
    return app


async def ready() -> dict[str, str]:
    """Say that receipts can be issued."""
    return {"status": "ready"}


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pool", type=int, default=20, help="connections of the pool")
    parser.add_argument("--bulk", choices=("orm", "core"), default="core")
    parser.add_argument("--profile", type=Path, help="receives the functions that the CPU was spent in")
    given = parser.parse_args()
    settings = load_settings(data_dir=given.data_dir, port=given.port)
    samples = StackSamples() if given.profile else None
    with open_database(settings, say=print) as database:
        with database.transaction(Role.JOBS) as connection:
            authority = open_authority(connection, business_clock(settings.clock_file), settings=settings)
        app = make_app(database, authority, pool_size=given.pool, bulk=given.bulk, samples=samples)
        config = uvicorn.Config(
            app, host="127.0.0.1", port=given.port, loop="uvloop", http="httptools",
            access_log=False, server_header=False, log_level="warning", backlog=2048, timeout_keep_alive=75,
        )  # fmt: skip
        Server(config).run()
        if samples is not None:
            samples.stop(given.profile)


if __name__ == "__main__":
    main()
