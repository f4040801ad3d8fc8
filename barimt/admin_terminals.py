"""`barimt admin terminal …`: terminals of both modes, codes for tills, and what is done when a till is lost."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import Connection

from barimt.address import address_of
from barimt.administration import administration, rows_of, show
from barimt.authority import EPOCH
from barimt.fetch_token import Enrolled, fetch_token
from barimt.keys import keep_key_file
from barimt.open_authority import revoke_published_key
from barimt.options import DataDirOption, JsonOption
from barimt.options import out as _out
from barimt.terminal_keys import make_client_key, read_public_pem
from kernel.clock import Clock
from kernel.identity import format_terminal, parse_terminal
from kernel.money import format_mnt
from kernel.refusal import Fault, Malformed
from receipts import enrol
from receipts.activation_code import format_code
from receipts.end_terminal import declare_lost, reinstate
from receipts.make_activation_code import NewTill, make_activation_code
from receipts.store import enrolling
from runtime.clock import real_now
from runtime.data_dir import DataDir
from runtime.settings import Settings, load_settings
from runtime.unusable import Unusable

terminal_app = typer.Typer(no_args_is_help=True, help="Terminals and the clients that speak for them.")


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
    rows = rows_of(file, ("seller_tin", "number", "mode", "branch", "district"))
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
    table = Table("terminal", "mode", "branch", "client", "receipts", "forks", "turnover", "last", "state")
    for row in rows:
        table.add_row(f"{row['terminal']:08d}", row["mode"], f"{row['branch']:03d}", row["client_id"],
                      f"{row['counter']:,}", f"{row['forks']:,}", format_mnt(row["turnover_mongo"]),
                      str(row["last_issued_at"]), _state(row))  # fmt: skip
    _out.print(table)


def _state(row: Mapping[str, Any]) -> str:
    if row["closed_at"] is not None:
        return "closed"
    return "open" if row["suspended_at"] is None else f"suspended: {row['suspended_for'] or '-'}"


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


@terminal_app.command("code")
def terminal_code(
    seller: Annotated[str, typer.Option(help="The seller's TIN.")],
    number: Annotated[str | None, typer.Option(help="Eight digits; the next free number when left out.")] = None,
    branch: Annotated[int, typer.Option(min=0, max=999)] = 1,
    district: Annotated[str | None, typer.Option(help="Four digits; the seller's when left out.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a code with which a till that signs for itself is activated, once and within a week."""
    till = NewTill(seller, None if number is None else parse_terminal(number, "/number"), branch, district)
    with administration(data_dir) as (connection, _, settings, _):
        made = make_activation_code(connection, real_now, till=till, draw=secrets.token_bytes)
        centre = address_of(DataDir.make(settings.data_dir).root, settings)
    code, terminal, until = format_code(made.code), format_terminal(made.terminal), made.expires_at
    shown = {
        "code": code, "seller_tin": seller, "terminal": terminal, "expires_at": until.isoformat(timespec="seconds"),
        "centre": centre,
    }  # fmt: skip
    said = f"{code}\nIt activates terminal {terminal} of {seller}, once, until {until:%Y-%m-%d %H:%M} UTC:"
    show(shown, as_json=as_json, sentence=f"{said}\n  barimt till activate {code} --centre {centre}")


@terminal_app.command("lost")
def terminal_lost(
    seller: Annotated[str, typer.Option(help="The seller's TIN.")],
    number: Annotated[str, typer.Option(help="Eight digits.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a till that is lost, stolen or broken, and take its key out of trust as of now. Needs the root key.

    Receipts that it signed and had not reported are lost with it. The shop gets a new code for another terminal.
    """
    terminal = parse_terminal(number, "/number")
    with administration(data_dir) as (connection, clock, settings, _):

        def revoke(kid: bytes) -> None:
            revoke_published_key(connection, clock, settings=settings, kid=kid)

        kids = declare_lost(connection, clock, seller_tin=seller, number=terminal, revoke=revoke)
        if kids:
            keep_key_file(connection, DataDir.make(settings.data_dir))
    revoked = [kid.hex() for kid in kids]
    said = f"Terminal {number} of {seller} is closed" + "".join(f", and key {kid} revoked" for kid in revoked)
    show({"seller_tin": seller, "terminal": number, "closed": True, "revoked": revoked}, as_json=as_json,
         sentence=f"{said}. Another one: barimt admin terminal code --seller {seller}")  # fmt: skip


@terminal_app.command("reinstate")
def terminal_reinstate(
    seller: Annotated[str, typer.Option(help="The seller's TIN.")],
    number: Annotated[str, typer.Option(help="Eight digits.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a suspended terminal go on, once somebody has looked at why it was suspended."""
    with administration(data_dir) as (connection, _, _, _):
        reason = reinstate(connection, seller_tin=seller, number=parse_terminal(number, "/number"))
    show({"seller_tin": seller, "terminal": number, "was_suspended_for": reason}, as_json=as_json,
         sentence=f"Terminal {number} of {seller} may go on. It was suspended for: {reason or '-'}.")  # fmt: skip
