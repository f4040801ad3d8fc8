"""What a team would write first: FastAPI, pydantic, SQLAlchemy's async ORM, and one commit for each request.

    python -m benchmarks.baseline_orm --data-dir DIR --port 8100 [--pool 20] [--bulk orm|core] [--profile FILE]

It stores what the gateway stores, in the same tables, with the same chain (the head's row locked for update), the same
tax rules, signature, tokens and idempotency, over the embedded PostgreSQL of the same data directory. It is written as
well as its plan allows: clients and sellers are remembered for a minute, statements are prepared, nothing is loaded
twice or refreshed after a commit, answers are written by pydantic. `POST /v1/receipts/batch` commits once for its
lines, which are added as objects (`orm`) or in one bulk insert of rows (`core`).
"""

import argparse
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import Response
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import insert, make_url, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from barimt.authority import Authority, ChainKeysOf, chain_keys
from benchmarks import published_model
from benchmarks.orm_tables import ChainRow, IdempotencyRow, ReceiptRow, TerminalRow
from benchmarks.stack_samples import StackSamples
from kernel.clock import Month, business_date, format_instant
from pos_gateway.content import digest_key, sale_digest
from pos_gateway.directory import Directory
from pos_gateway.wire import submission_of
from receipts import qr
from receipts.chain import Draft, Head, advance
from receipts.ids import ReceiptId
from receipts.receipt import TaxType, lottery_number
from receipts.rules import rules_on
from receipts.store.issuing import ensure_month
from receipts.store.reading import Client
from receipts.stored import PartAmounts, StoredReceipt, stored_receipt
from receipts.submission import Priced, Submission, document_of, payments_text, price
from runtime.clock import business_clock, real_now
from runtime.data_dir import DataDir
from runtime.database import Database, Role, open_database
from runtime.settings import load_settings
from runtime.tokens.access import AccessTokens
from runtime.tokens.bearer import token_of


class PartOut(BaseModel):
    """A part of an answered receipt."""

    id: str
    seller_tin: str
    tax_type: str
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int


class ReceiptOut(BaseModel):
    """An answered receipt."""

    id: str
    issued_at: str
    lottery: str | None
    qr: str
    total_mongo: int
    vat_mongo: int
    city_tax_mongo: int
    hash: str
    parts: list[PartOut]


class LineIn(BaseModel):
    """A line of a batch."""

    key: str
    receipt: published_model.Receipt


class LineOut(BaseModel):
    """The verdict on a line of a batch."""

    line: int
    key: str
    status: int
    receipt: ReceiptOut


class Centre:
    """What the requests share."""

    def __init__(
        self, sessions: "async_sessionmaker[AsyncSession]", directory: Directory, authority: Authority
    ) -> None:
        self.sessions = sessions
        self.directory = directory
        self.chain_keys: ChainKeysOf = chain_keys(authority)
        self.tokens = AccessTokens(authority.token_key, directory.is_active)
        self.digest_key = digest_key(authority.token_key)
        self.clock = business_clock(None)


async def current_centre(request: Request) -> Centre:
    """Answer what the requests share."""
    centre: Centre = request.app.state.centre
    return centre


CentreDep = Annotated[Centre, Depends(current_centre)]


async def current_client(centre: CentreDep, authorization: Annotated[str | None, Header()] = None) -> Client:
    """Answer whose token a request bears."""
    client = await centre.directory.client(await centre.tokens.read(token_of(authorization), real_now()))
    if client is None:
        raise HTTPException(401)
    return client


async def open_session(centre: CentreDep) -> AsyncIterator[AsyncSession]:
    """Open a session for a request."""
    async with centre.sessions() as session:
        yield session


ClientDep = Annotated[Client, Depends(current_client)]
SessionDep = Annotated[AsyncSession, Depends(open_session)]


async def judged(centre: Centre, client: Client, body: published_model.Receipt) -> tuple[Submission, Priced]:
    """Judge a receipt under the law."""
    submission = submission_of(body)  # type: ignore[arg-type]  # the model has the fields of the struct
    if submission.seller_tin != client.seller_tin:
        raise HTTPException(403)
    day = business_date(submission.sold_at or centre.clock())
    merchants = await centre.directory.merchants({part.seller_tin for part in submission.parts}, day)
    return submission, price(submission, merchants, rules=rules_on(day), day=day)


async def lock_chain(session: AsyncSession, seller: int, terminal: int) -> tuple[ChainRow, TerminalRow]:
    """Lock the chain of a terminal that may issue."""
    found = await session.execute(
        select(ChainRow, TerminalRow)
        .join(TerminalRow, (TerminalRow.seller == ChainRow.seller) & (TerminalRow.terminal == ChainRow.terminal))
        .where(ChainRow.seller == seller, ChainRow.terminal == terminal)
        .with_for_update(of=ChainRow)
    )
    chain, standing = found.one()
    if standing.mode != "gateway" or standing.suspended_at is not None or standing.closed_at is not None:
        raise HTTPException(409)
    return chain, standing


async def find_keys(
    session: AsyncSession, client: Client, keys: Sequence[str], month: int
) -> dict[str, IdempotencyRow]:
    """Answer the keys that were used before."""
    found = await session.scalars(
        select(IdempotencyRow).where(
            IdempotencyRow.seller == client.seller,
            IdempotencyRow.client_id == client.client_id,
            IdempotencyRow.key.in_(keys),
            IdempotencyRow.received_month.in_((month, month - 1)),
        )
    )
    return {row.key: row for row in found}


def issue(
    centre: Centre, chain: ChainRow, standing: TerminalRow, submission: Submission, priced: Priced
) -> StoredReceipt:  # fmt: skip
    """Sign the next link of a locked chain, and move the chain."""
    now = centre.clock()
    head = Head(
        chain.seller, chain.terminal, chain.counter, chain.head_hash, chain.turnover_mongo, chain.day,
        chain.next_number, chain.last_issued_at,
    )  # fmt: skip
    draft = Draft(
        submission.nature,
        submission.business,
        lottery=priced.lottery,
        branch=standing.branch if submission.branch is None else submission.branch,
        total_mongo=priced.total_mongo,
        vat_mongo=priced.vat_mongo,
        document=document_of(submission, priced),
        part_sellers=priced.part_sellers,
    )
    key = centre.chain_keys(chain.seller, chain.terminal, standing.epoch)
    link, after = advance(head, draft, issued_at=submission.sold_at or now, key=key)
    chain.counter, chain.head_hash, chain.turnover_mongo = after.counter, after.previous_hash, after.turnover_mongo
    chain.day, chain.next_number, chain.last_issued_at = after.day, after.next_number, after.last_issued_at
    return stored_receipt(
        link,
        [
            PartAmounts(seller, part.tax_type, part.total_mongo, part.vat_mongo, part.city_tax_mongo)
            for seller, part in zip(priced.part_sellers, priced.parts, strict=True)
        ],
        received_at=now,
        computed_vat_mongo=priced.computed_vat_mongo,
        reference=submission.reference,
        payments=payments_text(submission.payments),
    )


def key_row(client: Client, key: str, month: int, content: bytes, receipt: StoredReceipt) -> IdempotencyRow:
    """Answer the row that remembers a key."""
    return IdempotencyRow(
        receipt.seller, client.client_id, key, month, content, receipt.terminal, receipt.day, receipt.number
    )  # fmt: skip


def answer_of(receipt: StoredReceipt, tins: dict[int, str]) -> ReceiptOut:
    """Answer the body of an issued receipt; `tins` are those of its merchants by seller number."""
    return ReceiptOut(
        id=str(receipt.id),
        issued_at=format_instant(receipt.issued_at),
        lottery=str(lottery_number(receipt.receipt_hash)) if receipt.kind_of.lottery else None,
        qr=qr.encode_text(receipt.cose),
        total_mongo=receipt.total_mongo,
        vat_mongo=receipt.vat_mongo,
        city_tax_mongo=receipt.city_tax_mongo,
        hash=receipt.receipt_hash.hex(),
        parts=[
            PartOut(
                id=str(ReceiptId(part.merchant, receipt.branch, receipt.day, receipt.number + at, receipt.terminal)),
                seller_tin=tins[part.merchant],
                tax_type=TaxType(part.tax_type).name,
                total_mongo=part.total_mongo,
                vat_mongo=part.vat_mongo,
                city_tax_mongo=part.city_tax_mongo,
            )
            for at, part in enumerate(receipt.amounts, 1)
        ],
    )


def tins_of(priced: Priced) -> dict[int, str]:
    """Answer the TINs of the merchants of a receipt by seller number."""
    return {seller: part.merchant_tin for seller, part in zip(priced.part_sellers, priced.parts, strict=True)}


def month_now() -> int:
    """Answer the month in which a request is received, as the keys' table counts months."""
    month = Month.of(real_now())
    return month.year * 12 + month.number - 1


async def first_answer(
    session: AsyncSession, known: IdempotencyRow, content: bytes, tins: dict[int, str]
) -> ReceiptOut:
    """Answer again what was answered for the same key and content."""
    if known.content_hash != content:
        raise HTTPException(422)
    at = (known.seller, known.terminal, known.day, known.number)
    row = await session.get_one(ReceiptRow, at)
    return answer_of(StoredReceipt(**asdict(row)), tins)


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
    content, month, tins = sale_digest(submission, centre.digest_key), month_now(), tins_of(priced)
    terminal = await centre.directory.terminal(client, submission.terminal, idempotency_key)
    async with session.begin():
        chain, standing = await lock_chain(session, client.seller, terminal)
        known = await find_keys(session, client, [idempotency_key], month)
        if idempotency_key in known:
            response.status_code = 200
            return await first_answer(session, known[idempotency_key], content, tins)
        receipt = issue(centre, chain, standing, submission, priced)
        session.add_all([ReceiptRow(**asdict(receipt)), key_row(client, idempotency_key, month, content, receipt)])
    return answer_of(receipt, tins)


READ_LINE = TypeAdapter(LineIn).validate_json


async def read_lines(
    request: Request, centre: Centre, client: Client
) -> list[tuple[str, Submission, Priced, bytes]]:  # fmt: skip
    """Read and judge the lines of a batch."""
    read = []
    for line in (await request.body()).split(b"\n"):
        body = READ_LINE(line)
        submission, priced = await judged(centre, client, body.receipt)
        read.append((body.key, submission, priced, sale_digest(submission, centre.digest_key)))
    return read


async def post_batch(request: Request, centre: CentreDep, client: ClientDep, session: SessionDep) -> Response:
    """Issue the lines of a batch, which are of one terminal, in one transaction."""
    lines, month = await read_lines(request, centre, client), month_now()
    receipts, keys, answers = list[StoredReceipt](), list[IdempotencyRow](), list[bytes]()
    terminal = await centre.directory.terminal(client, lines[0][1].terminal, lines[0][0])
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
            session.add_all([ReceiptRow(**fields_of(receipt)) for receipt in receipts])
            session.add_all(keys)
        elif receipts:
            await session.execute(insert(ReceiptRow.__table__), [fields_of(receipt) for receipt in receipts])
            await session.execute(insert(IdempotencyRow.__table__), [fields_of(key) for key in keys])
    return Response(b"\n".join(answers), media_type="application/x-ndjson")


def fields_of(row: Any) -> dict[str, Any]:
    """Answer the fields of a row, without copying what is in them."""
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


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
            app.state.centre = Centre(sessions, Directory(pool, real_now), authority)
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
        authority = Authority.open(DataDir.make(settings.data_dir).keys)
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
