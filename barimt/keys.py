"""`barimt keys list|rotate|revoke`: which keys sign receipts, and which are no longer to be trusted."""

import json
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from sqlalchemy import Connection

from barimt.authority import read_signers
from barimt.commands import Opened, working
from barimt.follow_keys import FOLLOW_S
from barimt.open_authority import published_list, revoke_published_key, root_key_path, rotate_gateway_key
from barimt.options import DataDirOption, JsonOption, out
from kernel.refusal import Fault, Malformed
from receipts.key_list import key_file
from receipts.keys import key_as_json
from receipts.store import publishing
from runtime.data_dir import DataDir
from runtime.private_files import write_private

KID_BYTES = 8
keys_app = typer.Typer(no_args_is_help=True, help="The keys with which receipts are signed and verified.")


@keys_app.command("list")
def keys_list(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the published keys, the tills' too; --json prints the key file with which receipts are verified offline."""
    with working(data_dir) as (connection, on):
        published_list(connection, on.clock, settings=on.settings)
        if as_json:
            typer.echo(json.dumps(published_file(connection)))
            return
        keys = [*publishing.list_head_keys(connection), *publishing.list_till_keys(connection)]
        files = {signer.kid: name for name, signer in read_signers(on.data_dir.keys).items()}
    table = Table(
        Column("kid", min_width=2 * KID_BYTES, no_wrap=True),
        "role", "seller", "terminal", "from", "until", "revoked", "file",
    )  # fmt: skip
    for key in keys:
        row = key_as_json(key)
        scope = (str(row.get("seller", "")), str(row.get("terminal", "")))
        revoked = "" if key.revoked_at is None else f"{key.revoked_at:%Y-%m-%d %H:%M}"
        days = (f"{key.not_before:%Y-%m-%d}", f"{key.not_after:%Y-%m-%d}")
        table.add_row(key.kid.hex(), key.role, *scope, *days, revoked, files.get(key.kid, ""))
    out.print(table)


@keys_app.command("rotate")
def keys_rotate(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Make a new gateway key and publish it; a running centre signs with it within seconds. Needs the root key."""
    with working(data_dir) as (connection, on):
        key, path = rotate_gateway_key(connection, on.clock, settings=on.settings)
        keep_key_file(connection, on.data_dir)
    if as_json:
        typer.echo(json.dumps({"kid": key.kid.hex(), "file": str(path)}))
        return
    out.print(
        f"New gateway key {key.kid.hex()} in {path}: put it into your backup. A running centre signs with it within"
        f" {FOLLOW_S:.0f} s, one that is started later at once.\n{_root_key_may_go(on)}",
        highlight=False,
        soft_wrap=True,
    )


@keys_app.command("revoke")
def keys_revoke(
    kid: Annotated[str, typer.Argument(help="16 hexadecimal digits, from barimt keys list.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a key out of trust from now on; what it signed and the centre stored before stays good. Needs the root
    key.
    """
    try:
        octets = bytes.fromhex(kid)
    except ValueError:
        octets = b""
    if len(octets) != KID_BYTES:
        raise Malformed(Fault("kid_form", "/kid", "16 hexadecimal digits"))
    with working(data_dir) as (connection, on):
        revoke_published_key(connection, on.clock, settings=on.settings, kid=octets)
        keep_key_file(connection, on.data_dir)
    if as_json:
        typer.echo(json.dumps({"kid": kid, "revoked": True}))
        return
    out.print(
        f"Key {kid} is revoked. A running centre stops signing with it within {FOLLOW_S:.0f} s.\n"
        f"{_root_key_may_go(on)}",
        highlight=False,
        soft_wrap=True,
    )


def _root_key_may_go(on: Opened) -> str:
    return f"The root key ({root_key_path(on.settings)}) is not needed again before the next rotate or revoke."


def published_file(connection: Connection) -> dict[str, Any]:
    """Answer the key file of all that is published now: the head, which must have been published, and every shard."""
    published = publishing.latest_key_list(connection)
    assert published is not None
    return key_file(published[1], publishing.list_shards(connection))


def keep_key_file(connection: Connection, data_dir: DataDir) -> None:
    """Write the key file into a data directory, where `barimt verify` looks for it."""
    content = json.dumps(published_file(connection), indent=1).encode()
    write_private(data_dir.root / "keys.json", content, replace=True)
