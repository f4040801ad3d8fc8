"""Sellers with a till each, enrolled as an administrator does it, and the load plan with which they post."""

import asyncio
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import httpx2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from barimt.authority import EPOCH
from barimt.demo.till_client import TillClient
from barimt.open_authority import open_authority
from benchmarks.till_requests import LoadPlan, TillSeat, receipt_body
from kernel.clock import Clock
from receipts.enrol import NewSeller, NewTerminal, add_client, add_seller, add_terminal
from runtime.clock import business_clock
from runtime.database import Database, Role, join_database
from runtime.settings import Settings, load_settings

TILLS = 64
Seat = tuple[str, str]
"""The TIN of a seller, which is its client's name too, and its terminal in eight digits."""
ONE = 10**9
"""A number of a body that lies beyond those of load clients."""


def enrol(data_dir: Path, port: int, tills: int = TILLS) -> LoadPlan:
    """Enrol sellers with a client and a terminal each at the centre that serves `data_dir`, and fetch their tokens."""
    settings = load_settings(data_dir=data_dir, port=port)
    with join_database(settings) as database:
        seats = add_tills(database, settings, tills)
    return plan_for(data_dir, port, seats)


def plan_for(data_dir: Path, port: int, seats: Sequence[Seat]) -> LoadPlan:
    """Fetch the tokens of enrolled tills at the centre that serves `data_dir`, and answer how they post."""
    tokens = asyncio.run(_tokens(f"http://127.0.0.1:{port}", data_dir.parent, seats))
    return LoadPlan("127.0.0.1", port, tuple(TillSeat(token, *seat) for token, seat in zip(tokens, seats, strict=True)))


def post_one(plan: LoadPlan) -> bytes:
    """Post one receipt, which no load client posts, and answer the answer's body."""
    seat = plan.seats[0]
    headers = {"Authorization": f"Bearer {seat.token}", "Idempotency-Key": "one"}
    url = f"http://{plan.host}:{plan.port}/v1/receipts"
    answer = httpx2.post(url, content=receipt_body(seat, ONE), headers=headers, timeout=60)
    answer.raise_for_status()
    return answer.content


def add_tills(database: Database, settings: Settings, tills: int, clock: Clock | None = None) -> list[Seat]:
    """Enrol sellers with a client and a terminal each, now or when `clock` says; their keys lie beside the data."""
    added, clock, folder = list[Seat](), clock or business_clock(None), settings.data_dir.parent
    with database.transaction(Role.JOBS) as connection:
        signing = open_authority(connection, clock, settings=settings).signing_keys(clock())
        for number in range(1, tills + 1):
            tin, terminal = f"{37_900_000_000 + number}", 10_000_000 + number
            seller = NewSeller(tin, f"Дэлгүүр {number}", "4711", "2501", vat_registered_from=date(2016, 1, 1))
            add_seller(connection, clock, seller=seller)
            add_client(connection, clock, client_id=tin, seller_tin=tin, public_key=make_key(folder, tin))
            new = NewTerminal(tin, terminal, tin, "gateway", 1, "2501")
            add_terminal(connection, clock, terminal=new, epoch=EPOCH, chain_key=signing)
            added.append((tin, f"{terminal:08d}"))
    return added


def make_key(folder: Path, name: str) -> str:
    """Make a client's key, put it beside the data, and answer the public one (PEM)."""
    key = Ed25519PrivateKey.generate()
    path = folder / f"{name}.key"
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public = key.public_key()
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip


async def _tokens(url: str, folder: Path, seats: Sequence[Seat]) -> list[str]:
    async with httpx2.AsyncClient(base_url=url, timeout=60) as http:
        tokens = []
        for tin, _ in seats:
            till = TillClient(http, tin, folder / f"{tin}.key", f"{url}/v1/oauth/token")
            tokens.append((await till.headers())["Authorization"].removeprefix("Bearer "))
        return tokens
