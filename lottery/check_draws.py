"""Check every draw against what it follows from: its entries, its tree, its rules, its transcript, its prizes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from kernel.clock import Month
from lottery.entries import Status
from lottery.run_draw import tier_of
from lottery.store import reading
from lottery.store.reading import StoredDraw
from lottery.transcript import verify_transcript
from lottery.tree import Tree
from lottery.verify_draw import Verdict


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that breaks an invariant: which, of which month, what it should be and what it is."""

    invariant: str
    subject: str
    expected: str
    found: str


def check_draws(connection: Connection) -> list[Breach]:
    """Answer every breach found; none is how it should be. Rebuilds each tree, and takes a quarter of a second a drawn
    month for the beacon's signature. Wants a transaction that sees one moment (REPEATABLE READ) when draws are run.
    """
    return [
        Breach(invariant, str(draw.commitment.month), expected, found)
        for draw in reading.list_draws(connection)
        for invariant, expected, found in _compared(connection, draw)
        if expected != found
    ]


def _compared(connection: Connection, draw: StoredDraw) -> Iterator[tuple[str, str, str]]:
    commitment, month = draw.commitment, draw.commitment.month
    counts = reading.counts_of_month(connection, month)
    yield "draw_rules", commitment.rules_hash.hex(), draw.rules.hash().hex()
    yield "draw_counts", str(dict(commitment.counts)), str({status: counts.get(status, 0) for status in Status})
    yield "draw_tree", commitment.root.hex(), Tree.of(reading.leaves_of_month(connection, month)).root.hex()
    transcript = reading.transcript_of(connection, month)
    if transcript is not None:
        yield from _drawn(connection, draw, month, transcript)


def _drawn(connection: Connection, draw: StoredDraw, month: Month, transcript: bytes) -> Iterator[tuple[str, str, str]]:
    last = verify_transcript(transcript)[-1]
    yield "draw_transcript", "holds", "holds" if last.verdict is not Verdict.BROKEN else f"{last.title}: {last.detail}"
    if last.verdict is Verdict.BROKEN:
        return
    paper = json.loads(transcript)
    yield "draw_commitment", draw.commitment_hash.hex(), paper["commitment_hash"]
    claims = reading.claims_at(connection, month, [prize["position"] for prize in paper["prizes"]])
    won = sorted((claims[p["position"]], tier_of(p["tier"]), p["amount_mongo"]) for p in paper["prizes"])
    yield "draw_prizes", str(won), str(reading.prizes_of_month(connection, month))
