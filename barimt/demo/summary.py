"""What a demo came to: the two sums side by side, and a summary that a newcomer understands."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from barimt.demo.jobs import Found
from barimt.demo.replay import Played
from barimt.demo.stage import DemoFailed, Stage
from barimt.demo.world import World
from kernel.money import format_mnt
from receipts.store.totals import MonthTotals, month_totals
from refunds.store.totals import initial_credits
from runtime.database import Role, open_database
from runtime.settings import load_settings


@dataclass(frozen=True, slots=True)
class Sums:
    """What the database adds up to: the month's receipts, and the initial credits with their sum in möngö."""

    receipts: MonthTotals
    credits: int
    credits_mongo: int


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    polars: int
    sql: int


def read_sums(stage: Stage, world: World) -> Sums:
    """Add the stored receipts up by SQL. Raises `DemoFailed` when they differ from the data set by a möngö."""
    settings = load_settings(data_dir=stage.root)
    with open_database(settings, say=lambda _line: None) as database, database.transaction(Role.JOBS) as connection:
        sums = Sums(month_totals(connection, world.month), *initial_credits(connection))
    differing = [line for line in _lines(world, sums.receipts) if line.polars != line.sql]
    if differing:
        raise DemoFailed("The stored receipts do not add up to the data set: " + ", ".join(map(str, differing)))
    return sums


def _lines(world: World, sums: MonthTotals) -> list[_Line]:
    expected = world.expected
    return [
        _Line("receipts", expected.issued, sums.sales),
        _Line("total_mongo", expected.issued_total_mongo, sums.total_mongo),
        _Line("vat_mongo", expected.issued_vat_mongo, sums.vat_mongo),
        _Line("city_tax_mongo", expected.issued_city_tax_mongo, sums.city_tax_mongo),
        _Line("net_total_mongo", expected.net_total_mongo, sums.net_total_mongo),
        _Line("net_vat_mongo", expected.net_vat_mongo, sums.net_vat_mongo),
    ]


def summary_of(world: World, played: Played, sums: Sums, found: Found, seconds: dict[str, float]) -> dict[str, Any]:
    """Answer the content of summary.json."""
    stored = sums.receipts
    planted = [one.seller.tin for one in world.planted]
    return {
        "source": {
            "baskets": world.expected.baskets,
            "total_mongo": world.expected.total_mongo,
            "kept_back": world.expected.kept_back,
            "kept_back_mongo": world.expected.kept_back_mongo,
        },
        "receipts": {"issued": stored.sales, "voided": stored.voids, "corrected": stored.corrections},
        "total_mongo": stored.total_mongo,
        "vat_mongo": stored.vat_mongo,
        "net_total_mongo": stored.net_total_mongo,
        "claims": played.claims,
        "credits": {"count": sums.credits, "mongo": sums.credits_mongo},
        "entries": found.draw["entries"],
        "winners": found.draw["winners"],
        "planted": planted,
        "found": sorted(set(planted) & set(found.accused)),
        "false_alarms": sorted(set(found.accused) - set(planted)),
        "check": found.check,
        "seconds": seconds,
    }


def tell(summary: dict[str, Any], stage: Stage, world: World, console: Console) -> None:
    """Print the summary for a newcomer, with the paths of what to open."""
    source, receipts, out = summary["source"], summary["receipts"], stage.out
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row("Sales of the month", f"{source['baskets']:,} baskets, {format_mnt(source['total_mongo'])}")
    table.add_row(
        "never posted by planted sellers", f"{source['kept_back']:,}, {format_mnt(source['kept_back_mongo'])}"
    )
    table.add_row(
        "Receipts issued, each with a signed QR", f"{receipts['issued']:,}, {format_mnt(summary['total_mongo'])}"
    )
    table.add_row("of that VAT", format_mnt(summary["vat_mongo"]))
    table.add_row("voided, corrected", f"{receipts['voided']:,}, {receipts['corrected']:,}")
    table.add_row("Sums by Polars and by SQL", "agree to the möngö")
    table.add_row("Claims by consumers", f"{summary['claims']:,}")
    table.add_row(
        "VAT credited to them", f"{format_mnt(summary['credits']['mongo'])} ({summary['credits']['count']:,} credits)"
    )
    table.add_row("Entries in the draw, winners", f"{summary['entries']:,}, {summary['winners']:,}")
    table.add_row("Planted cheats found", f"{len(summary['found'])} of {len(summary['planted'])}")
    table.add_row("Honest sellers accused", str(len(summary["false_alarms"])))
    table.add_row("Every invariant (barimt check)", summary["check"])
    table.add_row("Seconds", f"{summary['seconds']['total']:.0f}")
    console.print(Panel(table, title=f"Barimt, {world.month}", expand=False))
    console.print("Open:", highlight=False)
    for path, what in (
        (out / "report" / "index.html", "the tax officer's report"),
        (next(iter(sorted((out / "receipts").glob("*.png"))), out / "receipts"), "a receipt as the till printed it"),
        (out / "draw" / "transcript.json", "the draw; check it with lottery/verify_draw.py"),
        (out / "summary.json", "these figures for machines"),
        (out / "qr.txt", "every receipt's QR text; check one with barimt verify TEXT --keys keys.json"),
    ):
        console.print(f"  {path}  [dim]{what}[/dim]", highlight=False, soft_wrap=True)
