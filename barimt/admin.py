"""`barimt admin …`: enrolment by the operator, one by one or from a file. `--json` prints what machines want."""

import csv
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import Connection

from barimt.address import address_of
from barimt.authority import EPOCH, Authority
from barimt.fetch_token import Enrolled, fetch_token
from barimt.open_authority import open_authority
from barimt.options import DataDirOption, JsonOption
from barimt.options import err as _err
from barimt.options import out as _out
from barimt.terminal_keys import make_client_key, read_public_pem
from kernel.clock import Clock
from kernel.identity import parse_terminal
from kernel.money import format_mnt
from kernel.refusal import Fault, Malformed
from receipts import enrol
from receipts.codes import districts
from receipts.store import enrolling
from runtime.clock import business_clock, real_now
from runtime.data_dir import DataDir
from runtime.database import Role, open_database
from runtime.settings import Settings, load_settings
from runtime.tokens.bearer import Role as Person
from runtime.tokens.dev_issuer import DevIssuer
from runtime.unusable import Unusable

TOKEN_LIFETIME = timedelta(days=30)
IMPORT_BYTES_MAX = 64 * 1024 * 1024
admin = typer.Typer(no_args_is_help=True, help="Enrol sellers, terminals, consumers and officers.")
seller_app = typer.Typer(no_args_is_help=True, help="Sellers.")
terminal_app = typer.Typer(no_args_is_help=True, help="Terminals and the clients that speak for them.")
consumer_app = typer.Typer(no_args_is_help=True, help="Consumers.")
client_app = typer.Typer(no_args_is_help=True, help="Clients: the software that speaks for a seller's terminals.")
officer_app = typer.Typer(no_args_is_help=True, help="Tax officers.")
codes_app = typer.Typer(no_args_is_help=True, help="Official code lists.")
for name, child in (
    ("seller", seller_app), ("terminal", terminal_app), ("client", client_app), ("consumer", consumer_app),
    ("officer", officer_app), ("codes", codes_app),
):  # fmt: skip
    admin.add_typer(child, name=name)


@contextmanager
def administration(data_dir: Path | None) -> Iterator[tuple[Connection, Clock, Settings, Authority]]:
    """Open the database for administration, in one transaction that commits at the end."""
    settings = load_settings(data_dir=data_dir)
    with open_database(settings, say=lambda line: _err.print(line, highlight=False)) as database:
        clock = business_clock(settings.clock_file)
        with database.transaction(Role.JOBS) as connection:
            yield connection, clock, settings, open_authority(connection, clock, settings=settings)


def show(value: Any, *, as_json: bool, sentence: str) -> None:
    """Print JSON for machines or a sentence for people."""
    if as_json:
        typer.echo(json.dumps(value, ensure_ascii=False))
    else:
        _out.print(sentence, highlight=False, soft_wrap=True)


@seller_app.command("add")
def seller_add(  # noqa: PLR0913 - one option a field
    tin: Annotated[str, typer.Option(help="11 to 14 digits.")],
    name: Annotated[str, typer.Option(help="As it stands on the receipt.")],
    sector: Annotated[str, typer.Option(help="ISIC Rev. 4 code, as 4711.")],
    district: Annotated[str, typer.Option(help="Four digits, as 2501.")],
    vat_from: Annotated[str | None, typer.Option(help="First day registered for VAT, as 2016-01-01.")] = None,
    city_tax: Annotated[bool, typer.Option("--city-tax", help="Pays the capital city tax.")] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol a seller."""
    seller = enrol.NewSeller(tin, name, sector, district, city_tax, _day(vat_from, "/vat_from"))
    with administration(data_dir) as (connection, clock, _, _):
        number = enrol.add_seller(connection, clock, seller=seller)
    show({"seller_tin": tin, "seller": f"{number:012d}"}, as_json=as_json, sentence=f"Enrolled {name}, TIN {tin}.")


@seller_app.command("import")
def seller_import(file: Path, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Enrol every seller of a CSV file: tin,name,sector,district,city_tax_payer,vat_registered_from."""
    sellers = [
        enrol.NewSeller(
            row["tin"], row["name"], row["sector"], row["district"],
            row["city_tax_payer"].lower() in {"1", "true", "yes"},
            _day(row["vat_registered_from"] or None, f"/{at}/vat_registered_from"),
        )
        for at, row in enumerate(
            _rows(file, ("tin", "name", "sector", "district", "city_tax_payer", "vat_registered_from")), 1
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


@terminal_app.command("add")
def terminal_add(  # noqa: PLR0913 - one option a field
    seller: Annotated[str, typer.Option(help="The seller's TIN.")],
    number: Annotated[str, typer.Option(help="Eight digits.")],
    mode: Annotated[str, typer.Option(help="gateway (the centre signs) or till (it signs itself).")] = "gateway",
    branch: Annotated[int, typer.Option(min=0, max=999)] = 1,
    district: Annotated[str | None, typer.Option(help="Four digits; the seller's when left out.")] = None,
    public_key: Annotated[Path | None, typer.Option(help="PEM file; a key is made when left out.")] = None,
    client: Annotated[str | None, typer.Option(help="An existing client that gets one more terminal.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol a terminal and print how it gets its tokens."""
    if mode not in {"gateway", "till"}:
        raise Malformed(Fault("not_in_list", "/mode", "gateway, till"))
    with administration(data_dir) as (connection, clock, settings, authority):
        row = enrolling.find_seller(connection, seller)
        if row is None:
            raise enrol.SellerUnknown(tin=seller)
        key_file: Path | None = None
        if client is None:
            client, key_file = _add_client(connection, clock, settings, seller, public_key)
        terminal = enrol.NewTerminal(seller, parse_terminal(number, "/number"), client, mode, branch,  # type: ignore[arg-type]
                                     district or row["district"])  # fmt: skip
        keys = authority.signing_keys(clock())
        enrol.add_terminal(connection, clock, terminal=terminal, epoch=EPOCH, chain_key=keys)
    printed = {"client_id": client, "token_url": _token_url(settings), "seller_tin": seller, "terminal": number}
    if key_file is not None:
        printed["key_file"] = str(key_file)
    show(printed, as_json=as_json, sentence="\n".join(f"{name:<12}{value}" for name, value in printed.items()))


def _add_client(
    connection: Connection, clock: Clock, settings: Settings, seller: str, public_key: Path | None
) -> tuple[str, Path | None]:
    client_id = f"c-{secrets.token_hex(8)}"
    if public_key is not None:
        enrol.add_client(connection, clock, client_id=client_id, seller_tin=seller,
                         public_key=read_public_pem(public_key))  # fmt: skip
        return client_id, None
    path, pem = make_client_key(DataDir.make(settings.data_dir).folder("clients"), client_id)
    enrol.add_client(connection, clock, client_id=client_id, seller_tin=seller, public_key=pem)
    return client_id, path


def _token_url(settings: Settings) -> str:
    return address_of(DataDir.make(settings.data_dir).root, settings) + "/v1/oauth/token"


@terminal_app.command("import")
def terminal_import(file: Path, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Enrol every terminal of a CSV file, one client a seller: seller_tin,number,mode,branch,district."""
    clients: dict[str, tuple[str, Path | None]] = {}
    rows = _rows(file, ("seller_tin", "number", "mode", "branch", "district"))
    with administration(data_dir) as (connection, clock, settings, authority):
        keys = authority.signing_keys(clock())
        for at, row in enumerate(rows, 1):
            tin = row["seller_tin"]
            if tin not in clients:
                clients[tin] = _add_client(connection, clock, settings, tin, None)
            if row["mode"] not in {"gateway", "till"} or not row["branch"].isdecimal():
                raise Malformed(Fault("not_in_list", f"/{at}/mode", "gateway, till; and a branch of 0 to 999"))
            terminal = enrol.NewTerminal(tin, parse_terminal(row["number"], f"/{at}/number"), clients[tin][0],
                                         row["mode"], int(row["branch"]), row["district"])  # type: ignore[arg-type]  # fmt: skip
            enrol.add_terminal(connection, clock, terminal=terminal, epoch=EPOCH, chain_key=keys)
        token_url = _token_url(settings)
    printed = [
        {"seller_tin": tin, "client_id": client_id, "key_file": str(path), "token_url": token_url}
        for tin, (client_id, path) in clients.items()
    ]
    show(printed, as_json=as_json, sentence=f"Enrolled {len(rows):,} terminals of {len(clients):,} sellers.")


@terminal_app.command("list")
def terminal_list(
    seller: Annotated[str, typer.Option(help="The seller's TIN.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a seller's terminals with where their chains stand."""
    with administration(data_dir) as (connection, _, _, _):
        rows = [dict(row) for row in enrolling.list_terminals(connection, enrol.seller_number(connection, seller))]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, default=str))
        return
    table = Table("terminal", "mode", "branch", "client", "receipts", "turnover", "last")
    for row in rows:
        table.add_row(f"{row['terminal']:08d}", row["mode"], f"{row['branch']:03d}", row["client_id"],
                      f"{row['counter']:,}", format_mnt(row["turnover_mongo"]), str(row["last_issued_at"]))  # fmt: skip
    _out.print(table)


@terminal_app.command("token")
def terminal_token(
    enrolled: Annotated[Path | None, typer.Argument(help="A file with what `terminal add --json` printed.")] = None,
    client_id: Annotated[str | None, typer.Option(help="Instead of the file: the client.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Its private key; where `terminal add` put it.")] = None,
    token_url: Annotated[str | None, typer.Option(help="Where the centre gives tokens.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a client's access token from the running centre and print it: for curl and the API's documentation."""
    if enrolled is not None:
        client = Enrolled.read(enrolled)
    elif client_id is not None:
        settings = load_settings(data_dir=data_dir)
        kept = DataDir.make(settings.data_dir).folder("clients") / f"{client_id}.pem"
        client = Enrolled(client_id, key_file or kept, token_url or _token_url(settings))
    else:
        raise Unusable("Name the file with what `barimt admin terminal add --json` printed, or --client-id")
    token = fetch_token(client, real_now())
    show({"token": token}, as_json=as_json, sentence=token)


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


def _rows(file: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    if not file.is_file() or file.stat().st_size > IMPORT_BYTES_MAX:
        raise Malformed(Fault("file_unreadable", f"/{file.name}", f"a CSV file of at most {IMPORT_BYTES_MAX} bytes"))
    try:
        rows = list(csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error):
        raise Malformed(Fault("file_unreadable", f"/{file.name}", "CSV in UTF-8")) from None
    if not rows or any(row.get(column) is None for row in rows for column in columns):
        raise Malformed(Fault("columns_missing", f"/{file.name}", ",".join(columns)))
    return rows
