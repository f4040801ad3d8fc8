"""`barimt keys list|rotate|revoke`: which keys sign receipts, and which are no longer to be trusted."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from barimt.authority import Authority
from barimt.commands import DataDirOption, JsonOption, out, working
from kernel.refusal import Fault, Malformed
from pos_gateway.public import published
from receipts.keys import key_as_json
from receipts.publish_keys import revoke_key
from receipts.store import enrolling
from runtime.data_dir import write_private

KID_BYTES = 8
keys_app = typer.Typer(no_args_is_help=True, help="The keys with which receipts are signed and verified.")


@keys_app.command("list")
def keys_list(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the published keys; --json prints the signed list, as GET /v1/keys answers it."""
    with working(data_dir) as (connection, on):
        signed = Authority.open(on.data_dir.keys).publish(connection, on.clock)
        keys = enrolling.list_keys(connection)
    if as_json:
        typer.echo(json.dumps(published(signed)))
        return
    table = Table(
        Column("kid", min_width=2 * KID_BYTES, no_wrap=True), "role", "seller", "terminal", "from", "until", "revoked"
    )
    for key in keys:
        row = key_as_json(key)
        scope = (str(row.get("seller", "")), str(row.get("terminal", "")))
        revoked = "" if key.revoked_at is None else f"{key.revoked_at:%Y-%m-%d %H:%M}"
        table.add_row(
            key.kid.hex(), key.role, *scope, f"{key.not_before:%Y-%m-%d}", f"{key.not_after:%Y-%m-%d}", revoked
        )
    out.print(table)


@keys_app.command("rotate")
def keys_rotate(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Make a new gateway key. It is published at once and signs from the next start of `barimt serve` on."""
    with working(data_dir) as (connection, on):
        authority = Authority.open(on.data_dir.keys).rotate()
        signed = authority.publish(connection, on.clock)
    kid = authority.keys()[1].kid.hex()
    _keep(on.data_dir.root, signed)
    if as_json:
        typer.echo(json.dumps({"kid": kid}))
    else:
        out.print(f"New gateway key {kid}. Restart barimt serve to sign with it.")


@keys_app.command("revoke")
def keys_revoke(
    kid: Annotated[str, typer.Argument(help="16 hexadecimal digits, from barimt keys list.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a key out of trust from now on; what it signed and the centre stored before stays good."""
    try:
        octets = bytes.fromhex(kid)
    except ValueError:
        octets = b""
    if len(octets) != KID_BYTES:
        raise Malformed(Fault("kid_form", "/kid", "16 hexadecimal digits"))
    with working(data_dir) as (connection, on):
        signed = revoke_key(connection, on.clock, kid=octets, root=Authority.open(on.data_dir.keys).root)
    _keep(on.data_dir.root, signed)
    if as_json:
        typer.echo(json.dumps({"kid": kid, "revoked": True}))
    else:
        out.print(f"Key {kid} is revoked.")


def _keep(root: Path, signed: str) -> None:
    write_private(root / "keys.json", json.dumps(published(signed), indent=1).encode(), replace=True)
