"""Draws over HTTP: for everybody the commitments and transcripts, for a consumer his own entries and their proofs."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import Connection

from kernel.clock import Month, format_instant
from kernel.refusal import Refusal
from lottery.beacon import QUICKNET
from lottery.commitment import leaf_of
from lottery.entries import Entry, Status
from lottery.prizes import SUPER
from lottery.run_draw import SUPER_TIER, UnknownDraw
from lottery.store import reading
from lottery.store.reading import OwnLeaf, StoredDraw
from lottery.transcript import Place, proof_of
from receipts import qr
from receipts.ids import ReceiptId
from receipts.receipt import lottery_number
from receipts.rules import draw_date
from runtime.database import Database, Role

WAITING = "waiting"
"""The status of a claim that no draw lists yet."""
_PAYLOAD = slice(18, 78)


class UnknownEntry(Refusal):
    """No draw lists a claim of this consumer with this number."""

    code = "unknown_entry"


class DrawOut(BaseModel):
    """A month's draw. Everything but `numbers` and `drawn_at` stood before the randomness existed."""

    month: str
    mode: Literal["live", "rehearsal"]
    state: Literal["committed", "drawn"]
    cut_off: str
    committed_at: str
    commitment_hash: str
    counts: dict[str, int]
    beacon_round: int
    beacon_round_at: str
    numbers: dict[str, str] | None
    drawn_at: str | None


class DrawsOut(BaseModel):
    """All draws, the newest first."""

    draws: list[DrawOut]


class OneDrawOut(DrawOut):
    """A draw with its commitment as published (docs/formats/draw.md) and, once drawn, how many prizes it paid."""

    commitment: dict[str, Any]
    rules: dict[str, Any]
    prizes: dict[str, int] | None


class PrizeOut(BaseModel):
    """What an entry won: `tier` is how many last digits were equal, or `super`."""

    tier: str
    amount_mongo: int


class EntryOut(BaseModel):
    """A claim and the last draw that lists it. `status` is `eligible`, why it took no part, or `waiting`."""

    entry: str
    receipt_id: str
    lottery: str
    draw: str | None
    draw_date: str
    status: str
    drawn: bool
    prizes: list[PrizeOut]


class EntriesOut(BaseModel):
    """Entries, the newest claim first; `next_before` asks for the ones before them."""

    entries: list[EntryOut]
    next_before: str | None


router = APIRouter(prefix="/v1/draws", tags=["draws"])


@router.get("", summary="All draws")
def get_draws(request: Request) -> DrawsOut:
    """Answer the draws of all months, the newest first: also those that are committed, so that nobody can change the
    entries any more, and not drawn yet.
    """
    with _database(request).transaction(Role.CLAIMS) as connection:
        return DrawsOut(draws=[DrawOut(**_draw(draw)) for draw in reading.list_draws(connection)])


@router.get("/{month}", summary="The draw of a month")
def get_draw(request: Request, month: Annotated[str, Path(max_length=16, examples=["2017-03"])]) -> OneDrawOut:
    """Answer a draw with its commitment, whose canonical JSON has the hash `commitment_hash`: it was published before
    the random number existed, and fixes who takes part and by which rules.
    """
    with _database(request).transaction(Role.CLAIMS) as connection:
        draw = reading.find_draw(connection, Month.parse(month))
        if draw is None:
            raise UnknownDraw(month=month)
        prizes = reading.prizes_of_month(connection, draw.commitment.month)
    total = {"count": len(prizes), "total_mongo": sum(amount for _, _, amount in prizes)}
    return OneDrawOut(
        **_draw(draw),
        commitment=draw.commitment.to_json(),
        rules=draw.rules.to_json(),
        prizes=total if draw.numbers else None,
    )


@router.get(
    "/{month}/transcript",
    summary="The transcript, to be checked with verify_draw.py",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
def get_transcript(request: Request, month: Annotated[str, Path(max_length=16, examples=["2017-03"])]) -> Response:
    """Answer everything that is needed to draw again: save it, and `python3 lottery/verify_draw.py FILE` checks it with
    nothing but Python. It names no person.
    """
    with _database(request).transaction(Role.CLAIMS) as connection:
        transcript = reading.transcript_of(connection, Month.parse(month))
    if transcript is None:
        raise UnknownDraw(month=month)
    return _file(transcript, f"draw-{month}.json", cached="public, max-age=31536000, immutable")


def make_router(current_consumer: Callable[..., Any]) -> APIRouter:
    """Answer the consumers' routes. `current_consumer` is the dependency that answers who is asking, as a number; the
    app must carry the `Database` in its state.
    """
    mine = APIRouter(prefix="/v1/me/entries", tags=["consumers"])
    consumer_of = Annotated[int, Depends(current_consumer)]

    @mine.get("", summary="My entries in the draws")
    def get_entries(
        request: Request,
        consumer: consumer_of,
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    ) -> EntriesOut:
        """Answer a hundred of your claims with the draw that lists each, its state there, and what it won;
        `next_before`, sent as `before`, asks for the ones before them.
        """
        with _database(request).transaction(Role.CLAIMS) as connection:
            rows = reading.entries_of_consumer(connection, consumer, before=before)
        more = len(rows) == reading.LISTED_MAX
        return EntriesOut(entries=[_entry(row) for row in rows], next_before=str(rows[-1]["claim"]) if more else None)

    @mine.get(
        "/{entry}/proof",
        summary="The proof of my entry, to be checked offline",
        response_class=Response,
        responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
    )
    def get_proof(
        request: Request,
        consumer: consumer_of,
        entry: Annotated[int, Path(ge=1, lt=2**63)],
    ) -> Response:
        """Answer the proof that your claim was in the draw, or why it was not. Save it and the draw's transcript:
        `python3 lottery/verify_draw.py TRANSCRIPT PROOF` checks both with nothing but Python.
        """
        with _database(request).transaction(Role.CLAIMS) as connection:
            found = reading.own_leaf(connection, consumer, entry)
            if found is None:
                raise UnknownEntry
            proof = _proof(connection, found, entry)
        return _file(proof, f"proof-{entry}.json", cached="private, no-store")

    return mine


def _database(request: Request) -> Database:
    database = request.app.state.database
    assert isinstance(database, Database)
    return database


def _draw(draw: StoredDraw) -> dict[str, Any]:
    commitment = draw.commitment
    return {
        "month": str(commitment.month),
        "mode": commitment.mode.value,
        "state": "committed" if draw.numbers is None else "drawn",
        "cut_off": format_instant(commitment.cut_off),
        "committed_at": format_instant(commitment.committed_at),
        "commitment_hash": draw.commitment_hash.hex(),
        "counts": {status.word: count for status, count in commitment.counts.items()},
        "beacon_round": commitment.round,
        "beacon_round_at": format_instant(QUICKNET.time_of(commitment.round)),
        "numbers": None if draw.numbers is None else draw.numbers.labelled(),
        "drawn_at": None if draw.drawn_at is None else format_instant(draw.drawn_at),
    }


def _entry(row: Mapping[Any, Any]) -> EntryOut:
    receipt_id, month = _receipt(row)
    listed = row["listed_in"] is not None
    tiers = zip(row["tiers"] or (), row["amounts"] or (), strict=True)
    return EntryOut(
        entry=str(row["claim"]),
        receipt_id=str(receipt_id),
        lottery=str(lottery_number(row["root_hash"])),
        draw=str(reading.month_of(row["listed_in"])) if listed else None,
        draw_date=draw_date(reading.month_of(row["listed_in"]) if listed else month).isoformat(),
        status=Status(row["status"]).word if listed else WAITING,
        drawn=row["drawn_at"] is not None,
        prizes=[
            PrizeOut(tier=SUPER if tier == SUPER_TIER else str(tier), amount_mongo=amount) for tier, amount in tiers
        ],
    )


def _receipt(row: Mapping[Any, Any]) -> tuple[ReceiptId, Month]:
    """Answer a claim's receipt id and its month; of an unreported receipt both stand in what was scanned."""
    if row["month"] is None:
        payload = qr.unpack(row["cose"][_PAYLOAD])
        return payload.id, Month.of(datetime.fromtimestamp(payload.issued_at, UTC))
    receipt_id = ReceiptId(row["seller"], row["branch"], row["day"], row["number"], row["terminal"])
    return receipt_id, reading.month_of(row["month"])


def _proof(connection: Connection, own: OwnLeaf, claim: int) -> bytes:
    draw = reading.find_draw(connection, own.month)
    assert draw is not None
    secret, status = reading.secret_of(connection, own.month), Status(own.leaf[0])
    # a claim that was listed unreported was known by the link that was scanned, which need not be the root
    entries = [Entry(claim, root_hash, status) for root_hash in own.hashes]
    entry = next(entry for entry in entries if leaf_of(entry, secret) == own.leaf)
    place = Place(own.position, draw.commitment.size, lambda nodes: reading.hashes_of(connection, own.month, nodes))
    return proof_of(draw.commitment.to_json(), draw.commitment_hash, entry, place, secret)


def _file(content: bytes, name: str, *, cached: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": cached}
    return Response(content, media_type="application/json", headers=headers)
