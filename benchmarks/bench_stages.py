"""The budget of one receipt: processor time by stage, on a real database, with no HTTP around it.

    python -m benchmarks.bench_stages [--receipts 20000] [--rounds 5] [--json]

Receipts of five lines go through the stages a chunk of 256 at a time, each stage over the whole chunk. The stages of
the database client are what remains of the worker's time when whole chunks go through the real pool and sequencers;
the server's are the processor time of its processes. Seconds of the worker are `process_time`.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from statistics import median
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from barimt.open_authority import open_authority
from benchmarks.enrolled import add_tills
from benchmarks.served import scratch_dir
from benchmarks.till_requests import TillSeat, receipt_body
from kernel.clock import business_date
from pos_gateway import wire
from pos_gateway.answers import receipt_json
from pos_gateway.content import sale_digest
from pos_gateway.gateway import Gateway
from pos_gateway.metrics import GatewayMetrics
from receipts import speedups
from receipts.chain import SIGNED_BEFORE, Draft, first_head, plan
from receipts.orders import Issued, SaleOrder
from receipts.rules import rules_on
from receipts.store.copying import write_rows
from receipts.store.reading import Client
from receipts.submission import document_of, price
from runtime.clock import business_clock, real_now
from runtime.database import Database, Role, open_database
from runtime.meters import Meters
from runtime.settings import Settings, load_settings

CHUNK = 256
TILLS = 16


class Stopwatch:
    """Adds up processor time by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def __call__(self, stage: str, work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        began = time.process_time()
        made = [work(item) for item in items]
        self.spent[stage] = self.spent.get(stage, 0.0) + time.process_time() - began
        return made


async def measure(database: Database, settings: Settings, receipts: int) -> dict[str, float]:
    """Answer microseconds a receipt by stage."""
    clock = business_clock(None)
    seats = add_tills(database, settings, TILLS)
    with database.transaction(Role.JOBS) as connection:
        authority = open_authority(connection, clock, settings=settings)
    signing = authority.signing_keys(clock())
    watch = Stopwatch()
    async with (
        await database.pool(Role.GATEWAY, min_size=0, max_size=5) as tills,
        Gateway.opened(
            tills, clock=clock, real_clock=real_now, signing=signing, token_key=b"b" * 32,
            metrics=GatewayMetrics(Meters()),
        ) as gateway,
    ):  # fmt: skip
        clients = [Client(tin, int(tin), tin, "", (int(terminal),)) for tin, terminal in seats]
        await gateway.directory.merchants({client.seller_tin for client in clients}, business_date(clock()))
        server = [one for one in psutil.Process().children() if one.name() == "postgres"]
        server_before, whole = _cpu_s(server), 0.0
        for at in range(0, receipts, CHUNK):
            chosen = [clients[(at + number) % TILLS] for number in range(CHUNK)]
            bodies = [
                receipt_body(TillSeat("", client.seller_tin, f"{client.terminals[0]:08d}"), at + number)
                for number, client in enumerate(chosen)
            ]
            orders = _judged(watch, gateway, list(zip(chosen, bodies, strict=True)), clock())
            _signed(watch, orders, signing, clock())
            began = time.process_time()
            issued = await asyncio.gather(*[gateway.enter(order) for order in orders])
            whole += time.process_time() - began
            good = [(one, order.priced.parts) for one, order in zip(issued, orders, strict=True) if type(one) is Issued]
            assert len(good) == CHUNK, issued[0]
            watch("row", write_rows, [[one.receipt for one, _ in good]])
            watch("answer", lambda one: receipt_json(*one), good)
        server_s = _cpu_s(server) - server_before
    done = -(-receipts // CHUNK) * CHUNK
    told = {stage: spent / done * 1e6 for stage, spent in watch.spent.items()}
    inside = told["encode"] + told["sign"] + told["link"]
    told["database client, pool, bookkeeping"] = whole / done * 1e6 - inside - told["row"]
    told["database server"] = server_s / done * 1e6
    return told


def _judged(
    watch: Stopwatch, gateway: Gateway, posted: Sequence[tuple[Client, bytes]], now: datetime
) -> list[SaleOrder]:
    read = watch("parse", lambda one: wire.read_receipt(one[1]), posted)
    submissions = watch("validate", wire.submission_of, read)
    watch("digest", lambda one: sale_digest(one, gateway.content_key), submissions)
    day = business_date(now)
    rules = rules_on(day)
    known = gateway.directory.known_merchants({client.seller_tin for client, _ in posted}, day)
    assert known is not None
    priced = watch("price", lambda one: price(one, known, rules=rules, day=day), submissions)
    return [
        SaleOrder(client.client_id, f"k{id(sold)}-{now.timestamp()}-{at}", b"d" * 32, client.seller,
                  client.terminals[0], submission, sold)
        for at, ((client, _), submission, sold) in enumerate(zip(posted, submissions, priced, strict=True))
    ]  # fmt: skip


def _signed(watch: Stopwatch, orders: Sequence[SaleOrder], signing: Any, now: datetime) -> None:
    """Measure what `plan` consists of, on a chain that goes nowhere, and the signatures of the chunk."""
    documents = [document_of(order.submission, order.priced) for order in orders]
    watch("encode", speedups.encode_document, documents)
    first = orders[0]
    head = first_head(seller=first.seller, terminal=first.terminal, enrolment=b"e", enrolled_at=now)
    chain_key = signing(first.seller, first.terminal, 1)
    drafts = [
        Draft(order.submission.nature, business=False, lottery=True, branch=1, total_mongo=order.priced.total_mongo,
              vat_mongo=order.priced.vat_mongo, document=document, part_sellers=order.priced.part_sellers)
        for order, document in zip(orders, documents, strict=True)
    ]  # fmt: skip
    alone = Stopwatch()
    planned = alone("whole", lambda draft: plan(head, draft, issued_at=now, key=chain_key)[0], drafts)
    packed = [unsigned.packed for unsigned in planned]
    watch("sign", lambda chunk: speedups.sign_links(chain_key.signer, *chunk), [(packed, [SIGNED_BEFORE] * CHUNK)])
    once = Stopwatch()
    once("encode", speedups.encode_document, documents)
    watch.spent["link"] = watch.spent.get("link", 0.0) + alone.spent["whole"] - once.spent["encode"]


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    times = [one.cpu_times() for process in processes for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def main() -> int:
    """Print the budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--receipts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rounds = [run(given.receipts) for _ in range(given.rounds)]
    told = {stage: round(median([one[stage] for one in rounds]), 1) for stage in rounds[0]}
    if given.json:
        print(json.dumps(told))
        return 0
    table = Table("stage", "µs a receipt", "signatures", title="The budget of one receipt, chunks of 256, no HTTP")
    for stage, spent in told.items():
        table.add_row(stage, f"{spent:.1f}", f"{spent / told['sign']:.2f}")
    Console().print(table)
    return 0


def run(receipts: int) -> dict[str, float]:
    """Measure on a database of its own, and take it away."""
    with scratch_dir() as folder:
        settings = load_settings(data_dir=folder / "data")
        with open_database(settings, say=lambda _line: None) as database:
            return asyncio.run(measure(database, settings, receipts))


if __name__ == "__main__":
    raise SystemExit(main())
