"""How the ORM baseline issues: what it remembers, judges, locks, signs and answers. The routes are `baseline_orm`'s."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import HTTPException
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from barimt.authority import Authority
from benchmarks import published_model
from benchmarks.orm_tables import ChainRow, IdempotencyRow, ReceiptRow, TerminalRow
from kernel.canonical import canonical_text
from kernel.clock import Month, business_date, format_instant, parse_instant
from receipts import qr
from receipts.chain import Draft, Head, advance
from receipts.document import Line
from receipts.ids import ReceiptId
from receipts.receipt import Nature, TaxType, lottery_number
from receipts.rules import rules_on
from receipts.store import reading
from receipts.store.reading import Client, Seller
from receipts.stored import PartAmounts, StoredReceipt, stored_receipt
from receipts.submission import Merchant, Payment, Priced, StatedPart, Submission, document_of, payments_text, price
from runtime.clock import business_clock, real_now
from runtime.tokens.access import AccessTokens

REMEMBERED_S = 60.0


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


class LineOut(BaseModel):
    """The verdict on a line of a batch."""

    line: int
    key: str
    status: int
    receipt: ReceiptOut


class Centre:
    """What the requests share. Clients and sellers are remembered for a minute, as the gateway does."""

    def __init__(
        self, sessions: "async_sessionmaker[AsyncSession]", pool: Any, authority: Authority
    ) -> None:  # fmt: skip
        self.sessions = sessions
        self.clock = business_clock(None)
        self.chain_keys = authority.signing_keys(self.clock())
        self.tokens = AccessTokens(authority.token_key, self._is_active)
        self._pool = pool
        self._clients: dict[str, tuple[Client, float]] = {}
        self._sellers: dict[str, tuple[Seller, float]] = {}

    async def client(self, client_id: str) -> Client | None:
        """Answer a client that is enrolled and not revoked."""
        known = self._clients.get(client_id)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        client = await reading.find_client(self._pool, client_id)
        if client is not None:
            self._clients[client_id] = client, time.monotonic() + REMEMBERED_S
        return client

    async def merchants(self, tins: Iterable[str], day: Any) -> dict[str, Merchant]:
        """Answer merchants with their tax status on a day."""
        found = {}
        for tin in tins:
            known = self._sellers.get(tin)
            if known is None or time.monotonic() >= known[1]:
                for seller in await reading.find_sellers(self._pool, tins=[tin]):
                    known = self._sellers[tin] = seller, time.monotonic() + REMEMBERED_S
            if known is not None:
                seller = known[0]
                found[tin] = Merchant(seller.seller, tin, seller.vat_payer_on(day), seller.city_tax_payer)
        return found

    async def _is_active(self, client_id: str) -> bool:
        return await self.client(client_id) is not None


def submission_of(body: published_model.Receipt) -> Submission:
    """Translate a sale; invoices and corrections are left out, and nobody posts any."""
    return Submission(
        nature=Nature.SALE,
        business=body.type.startswith("B2B"),
        seller_tin=body.seller_tin,
        parts=tuple(
            StatedPart(
                part.seller_tin or body.seller_tin,
                TaxType[part.tax_type],
                part.total_mongo,
                part.vat_mongo,
                part.city_tax_mongo,
                tuple(_line(line) for line in part.lines),
            )
            for part in body.parts
        ),
        payments=tuple(Payment(payment.method, payment.amount_mongo) for payment in body.payments),
        terminal=None if body.terminal is None else int(body.terminal),
        branch=None if body.branch is None else int(body.branch),
        district=body.district,
        sold_at=None if body.sold_at is None else parse_instant(body.sold_at, "/sold_at"),
        reference=body.reference,
        buyer_tin=body.buyer_tin,
        consumer_no=None if body.consumer_no is None else int(body.consumer_no),
    )


def _line(line: published_model.Line) -> Line:
    return Line(
        canonical_text(line.name),
        line.quantity,
        canonical_text(line.unit),
        line.total_mongo,
        line.unit_price_mongo,
        line.city_tax,
        line.classification,
        line.tax_product,
        line.barcode,
    )


def content_of(body: published_model.Receipt) -> bytes:
    """Answer the digest of everything that a receipt's body says."""
    return hashlib.sha256(body.model_dump_json().encode()).digest()


def terminal_of(client: Client, submission: Submission) -> int:
    """Answer the terminal that issues: the one named, or the client's first."""
    terminal = client.terminals[0] if submission.terminal is None else submission.terminal
    if terminal not in client.terminals:
        raise HTTPException(409)
    return terminal


async def judged(centre: Centre, client: Client, body: published_model.Receipt) -> tuple[Submission, Priced]:
    """Judge a receipt under the law."""
    submission = submission_of(body)
    if submission.seller_tin != client.seller_tin:
        raise HTTPException(403)
    day = business_date(submission.sold_at or centre.clock())
    merchants = await centre.merchants({part.seller_tin for part in submission.parts}, day)
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
    return answer_of(StoredReceipt(**{name: getattr(row, name) for name in COLUMNS}), tins)


COLUMNS = tuple(ReceiptRow.__table__.columns.keys())


def row_of(receipt: StoredReceipt) -> dict[str, Any]:
    """Answer the columns of a receipt's row."""
    return {name: getattr(receipt, name) for name in COLUMNS}
