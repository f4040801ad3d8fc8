"""What `barimt till` shows on the terminal: the till's standing, a day, faults of the queue."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from barimt.options import out
from kernel.clock import format_instant
from kernel.identity import format_terminal
from kernel.money import format_mnt
from pos_gateway.till.activate_till import Activation
from pos_gateway.till.outcomes import QueueFault

COLOURS: Final = {"ONLINE": "green", "CATCHING_UP": "yellow", "OFFLINE": "blue", "SUSPENDED": "red"}
WORDS: Final = {
    "ONLINE": "the centre has every receipt",
    "CATCHING_UP": "waiting receipts are being sent",
    "OFFLINE": "the centre is out of reach; go on selling",
    "SUSPENDED": "no receipts are issued",
}
NOT_YET: Final = "not yet"


def show_standing(standing: Mapping[str, Any], console: Console) -> None:
    """Print how a till stands: state in words and colour, what waits, until when, what went wrong, warnings."""
    if not standing["sellers"]:
        console.print("This till is not activated: barimt till activate CODE --centre URL")
        return
    state = standing["state"]
    console.print(f"[bold {COLOURS[state]}]{state}[/] since {_minute(standing['since'])}: {WORDS[state]}")
    waiting = standing["waiting"]
    table = Table.grid(padding=(0, 2))
    table.add_row("waiting", f"{waiting['receipts']:,} receipts, {format_mnt(waiting['total_mongo'])}")
    table.add_row("deadline", _minute(standing["deadline"]) if standing["deadline"] else "none")
    table.add_row("last contact", _minute(standing["contact_at"]))
    table.add_row("last sent", _minute(standing["sent_at"]))
    table.add_row("certificate until", _minute(standing["certificate_until"]))
    table.add_row("centre", escape(f"{standing['centre']} (root key {standing['root']})"))
    if (error := standing["last_error"]) is not None:
        table.add_row("last error", escape(f"{_minute(error['at'])} {error['en']} {error['detail']}"))
    console.print(table, highlight=False)
    for warning in standing["warnings"]:
        console.print(f"[{'red' if warning['grave'] else 'yellow'}]![/] {escape(warning['mn'])}", highlight=False)
        console.print(f"  {escape(warning['en'])}", highlight=False)
    if len(standing["sellers"]) > 1:
        console.print(_sellers(standing["sellers"]))


def show_notices(notices: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the latest notices."""
    for one in notices:
        console.print(f"[dim]{_minute(one['at'])}[/] {escape(one['en'])}", highlight=False)


def show_activation(activation: Activation, *, waiting: int, as_json: bool) -> None:
    """Print a seat that was activated, and what it replaced; as JSON for machines."""
    seat, replaced = activation.seat, activation.replaced
    shown = {
        "seller_tin": seat.tin,
        "seller": seat.name,
        "terminal": format_terminal(seat.terminal),
        "certificate_until": format_instant(seat.not_after),
        "test": seat.test,
        "root": activation.root_kid.hex(),
        "replaced": None if replaced is None else format_terminal(replaced.terminal),
        "waiting": waiting,
    }
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    out.print(f"[green]✓[/] {escape(seat.name)}: till {shown['terminal']} is active.", highlight=False)
    out.print(
        f"  certificate until {shown['certificate_until']}; the centre's root key is {shown['root']}", highlight=False
    )
    if seat.test:
        out.print("  [yellow]TEST[/]: its receipts are no tax documents.")
    if replaced is not None:
        out.print(f"  It replaces {shown['replaced']}; {waiting:,} receipts of that still wait.", highlight=False)


def show_day(sheet: Mapping[str, Any], console: Console) -> None:
    """Print a day: of each seller counts, totals by tax type and payment; then what should be looked at."""
    for seller in sheet["sellers"]:
        title = escape(f"{seller['name']} · {seller['terminal']} · {sheet['date']}")
        table = Table("", "total", "VAT", "city tax", title=title, title_justify="left")
        for column in table.columns[1:]:
            column.justify = "right"
        for tax in seller["by_tax_type"]:
            amounts = (format_mnt(tax[name]) for name in ("total_mongo", "vat_mongo", "city_tax_mongo"))
            table.add_row(tax["tax_type"], *amounts)
        table.add_row("[bold]sales[/]", f"[bold]{format_mnt(seller['net_mongo'])}[/]", "", "", end_section=True)
        for paid in seller["payments"]:
            table.add_row(escape(f"paid by {paid['method']}"), format_mnt(paid["amount_mongo"]), "", "")
        console.print(table)
        counts = ("receipts", "invoices", "corrections", "voids", "uploaded")
        console.print("  ".join(f"{seller[name]:,} {name}" for name in counts), highlight=False)
    same = [one for one in sheet["receipts"] if one["identical"] and not one["void"]]
    if same:
        console.print("[yellow]![/] identical receipts within ten minutes; void what was issued twice:")
    for one in same:
        console.print(f"  {one['at'][11:16]}  {one['id']}  {format_mnt(one['total_mongo'])}", highlight=False)


def show_faults(faults: Sequence[QueueFault], console: Console) -> None:
    """Print whether the queue is whole, and if not, where."""
    if not faults:
        console.print("[green]✓[/] The queue is as the till left it.")
        return
    table = Table("fault", "where")
    for fault in faults:
        table.add_row(fault.code, escape(fault.place))
    console.print(table)
    console.print(f"[red]✗[/] {len(faults):,} faults: the queue was edited from outside, or the disk is failing.")


def _sellers(sellers: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("seller", "terminal", "state", "waiting", "money", "deadline", "certificate until")
    for one in sellers:
        state = "closed" if one["closed_at"] else one["state"]
        waiting = one["waiting"]
        deadline = _minute(one["deadline"]) if one["deadline"] else ""
        table.add_row(escape(f"{one['name']} ({one['tin']})"), one["terminal"], state, f"{waiting['receipts']:,}",
                      format_mnt(waiting["total_mongo"]), deadline, _minute(one["certificate_until"]))  # fmt: skip
    return table


def _minute(at: str | None) -> str:
    return NOT_YET if at is None else at[:16].replace("T", " ")
