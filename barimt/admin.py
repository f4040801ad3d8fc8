"""`barimt admin …`: enrolment by the operator, one by one or from a file. `--json` prints what machines want."""

import json
import secrets
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from barimt.admin_terminals import terminal_app
from barimt.administration import administration, rows_of, show
from barimt.options import DataDirOption, JsonOption
from barimt.options import out as _out
from kernel.refusal import Fault, Malformed
from receipts import enrol
from receipts.codes import districts
from receipts.name_account import NewAccount, name_account
from receipts.store import enrolling
from runtime.clock import real_now
from runtime.tokens.bearer import Role as Person
from runtime.tokens.dev_issuer import DevIssuer

TOKEN_LIFETIME = timedelta(days=30)
admin = typer.Typer(no_args_is_help=True, help="Enrol sellers, terminals, consumers and officers.")
seller_app = typer.Typer(no_args_is_help=True, help="Sellers.")
account_app = typer.Typer(no_args_is_help=True, help="Accounts on which a seller wants its invoices paid.")
seller_app.add_typer(account_app, name="account")
consumer_app = typer.Typer(no_args_is_help=True, help="Consumers.")
client_app = typer.Typer(no_args_is_help=True, help="Clients: the software that speaks for a seller's terminals.")
officer_app = typer.Typer(no_args_is_help=True, help="Tax officers.")
codes_app = typer.Typer(no_args_is_help=True, help="Official code lists.")
for name, child in (
    ("seller", seller_app), ("terminal", terminal_app), ("client", client_app), ("consumer", consumer_app),
    ("officer", officer_app), ("codes", codes_app),
):  # fmt: skip
    admin.add_typer(child, name=name)


@seller_app.command("add")
def seller_add(  # noqa: PLR0913 - one option a field
    tin: Annotated[str, typer.Option(help="11 to 14 digits.")],
    name: Annotated[str, typer.Option(help="As it stands on the receipt.")],
    sector: Annotated[str, typer.Option(help="ISIC Rev. 4 code, as 4711.")],
    district: Annotated[str, typer.Option(help="Four digits, as 2501.")],
    vat_from: Annotated[str | None, typer.Option(help="First day registered for VAT, as 2016-01-01.")] = None,
    city_tax: Annotated[bool, typer.Option("--city-tax", help="Pays the capital city tax.")] = False,
    reg_no: Annotated[str | None, typer.Option(help="Of a company: its number in the state register.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol a seller."""
    seller = enrol.NewSeller(tin, name, sector, district, city_tax, _day(vat_from, "/vat_from"), reg_no)
    with administration(data_dir) as (connection, clock, _, _):
        number = enrol.add_seller(connection, clock, seller=seller)
    show({"seller_tin": tin, "seller": f"{number:012d}"}, as_json=as_json, sentence=f"Enrolled {name}, TIN {tin}.")


@seller_app.command("import")
def seller_import(file: Path, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Enrol every seller of a CSV file: tin,name,sector,district,city_tax_payer,vat_registered_from, and reg_no where
    there is such a column.
    """
    sellers = [
        enrol.NewSeller(
            row["tin"], row["name"], row["sector"], row["district"],
            row["city_tax_payer"].lower() in {"1", "true", "yes"},
            _day(row["vat_registered_from"] or None, f"/{at}/vat_registered_from"),
            row.get("reg_no") or None,
        )
        for at, row in enumerate(
            rows_of(file, ("tin", "name", "sector", "district", "city_tax_payer", "vat_registered_from")), 1
        )
    ]  # fmt: skip
    with administration(data_dir) as (connection, clock, _, _):
        for seller in sellers:
            enrol.add_seller(connection, clock, seller=seller)
    show({"sellers": len(sellers)}, as_json=as_json, sentence=f"Enrolled {len(sellers):,} sellers.")


@seller_app.command("list")
def seller_list(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the sellers."""
    with administration(data_dir) as (connection, _, _, _):
        rows = [dict(row) for row in enrolling.list_sellers(connection)]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, default=str))
        return
    table = Table("TIN", "name", "sector", "district", "VAT since", "terminals")
    for row in rows:
        table.add_row(row["tin"], row["name"], row["sector"], row["district"], str(row["vat_from"] or "-"),
                      str(row["terminals"]))  # fmt: skip
    _out.print(table)


@account_app.command("add")
def account_add(  # noqa: PLR0913 - one option a field
    seller: Annotated[str, typer.Option(help="The seller's TIN.")],
    number: Annotated[str, typer.Option(help="Of the account.")],
    name: Annotated[str, typer.Option(help="Whose account it is.")],
    bank_id: Annotated[int, typer.Option(help="The bank's number in the tax office's list.")] = 0,
    bank_name: Annotated[str, typer.Option()] = "",
    iban: Annotated[str, typer.Option()] = "",
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name an account on which the seller wants its invoices paid."""
    account = NewAccount(number, name, bank_id, bank_name, iban)
    with administration(data_dir) as (connection, _, _, _):
        added = name_account(connection, seller_tin=seller, account=account)
    said = f"Account {number} of {seller} is number {added}."
    show({"id": added, "seller_tin": seller}, as_json=as_json, sentence=said)


@account_app.command("list")
def account_list(
    seller: Annotated[str, typer.Option(help="The seller's TIN.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a seller's accounts."""
    with administration(data_dir) as (connection, _, _, _):
        rows = [dict(row) for row in enrolling.list_accounts(connection, enrol.seller_number(connection, seller))]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table("id", "account", "name", "bank", "IBAN")
    for row in rows:
        table.add_row(str(row["id"]), row["account_no"], row["account_name"], row["bank_name"], row["iban"])
    _out.print(table)


@client_app.command("revoke")
def client_revoke(
    client: Annotated[str, typer.Argument(help="The client_id that admin terminal add printed.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a client whose key was stolen speak no more: no new tokens from now on, and within a minute none counts."""
    with administration(data_dir) as (connection, clock, _, _):
        enrol.revoke_client(connection, clock, client_id=client)
    show({"client_id": client, "revoked": True}, as_json=as_json, sentence=f"Client {client} is revoked.")


@consumer_app.command("add")
def consumer_add(
    owner_of: Annotated[str | None, typer.Option(help="TIN of a seller that this consumer owns.")] = None,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many to enrol.")] = 1,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol a consumer (or many); with the development issuer a token is printed."""
    with administration(data_dir) as (connection, clock, settings, authority):
        enrolled = [enrol.add_consumer(connection, clock, draw_login=_draw, owner_of=owner_of) for _ in range(count)]
    issuer = DevIssuer(authority.development_key) if settings.oidc_issuer is None else None
    printed = []
    for consumer, login_no in enrolled:
        one = {"consumer_id": str(consumer), "login_no": str(login_no)}
        if issuer is not None:
            one["token"] = issuer.token(str(consumer), Person.CONSUMER, real_now(), TOKEN_LIFETIME)
        printed.append(one)
    sentence = "\n".join(f"{name:<12}{value}" for one in printed for name, value in one.items())
    show(printed if count > 1 else printed[0], as_json=as_json, sentence=sentence)


def _draw(first: int, last: int) -> int:
    return first + secrets.randbelow(last - first + 1)


@officer_app.command("add")
def officer_add(
    officer: Annotated[str, typer.Option("--id", help="1 to 64 characters.")],
    name: Annotated[str, typer.Option()],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol a tax officer; with the development issuer a token is printed."""
    with administration(data_dir) as (connection, clock, settings, authority):
        enrol.add_officer(connection, clock, officer_id=officer, name=name)
    printed = {"officer_id": officer, "name": name}
    if settings.oidc_issuer is None:
        issuer = DevIssuer(authority.development_key)
        printed["token"] = issuer.token(officer, Person.OFFICER, real_now(), TOKEN_LIFETIME)
    show(printed, as_json=as_json, sentence="\n".join(f"{key:<12}{value}" for key, value in printed.items()))


@codes_app.command("districts")
def codes_districts(as_json: JsonOption = False) -> None:
    """List the district codes."""
    if as_json:
        typer.echo(json.dumps({code: list(names) for code, names in districts().items()}, ensure_ascii=False))
        return
    for code, (branch, sub_branch) in districts().items():
        typer.echo(f"{code}  {branch}, {sub_branch}")


def _day(text: str | None, path: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise Malformed(Fault("date_form", path, "YYYY-MM-DD, as 2016-01-01")) from None
