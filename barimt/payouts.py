"""`barimt payouts run|settle`: money on its way to bank accounts, through files that a bank exchanges."""

import json
from pathlib import Path
from typing import Annotated

import typer

from barimt.commands import working
from barimt.options import DataDirOption, JsonOption, out
from kernel.money import format_mnt
from refunds.bank_rail import FileRail
from refunds.run_payouts import orders_to_send, run_payouts, settle_payouts

payouts_app = typer.Typer(no_args_is_help=True, help="Payouts to consumers' bank accounts.")
FolderOption = Annotated[
    Path | None, typer.Option("--bank", help="Folder that the bank exchanges (default: bank/ in the data directory).")
]


@payouts_app.command("run")
def payouts_run(bank: FolderOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Reserve what is available and write the orders for the bank."""
    with working(data_dir) as (connection, on):
        rail = FileRail(bank or on.data_dir.folder("bank"))
        reserved = run_payouts(connection, on.clock)
        orders = orders_to_send(connection)
    rail.send(orders)
    if as_json:
        typer.echo(json.dumps({"count": reserved.count, "mongo": reserved.total_mongo, "waiting": len(orders)}))
    else:
        out.print(
            f"{reserved.count:,} payouts of {format_mnt(reserved.total_mongo)} reserved; {len(orders):,} orders wait."
        )


@payouts_app.command("settle")
def payouts_settle(bank: FolderOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Take the bank's answers: what was paid, and what came back."""
    with working(data_dir) as (connection, on):
        answered = settle_payouts(connection, on.clock, answers=FileRail(bank or on.data_dir.folder("bank")).answers())
    if as_json:
        typer.echo(json.dumps({"paid": answered.paid, "returned": answered.returned}))
    else:
        out.print(f"{answered.paid:,} paid, {answered.returned:,} returned.")
