"""`barimt verify TEXT|IMAGE`: whether a receipt is genuine, offline, each step shown."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from barimt.options import DataDirOption, JsonOption, out
from kernel.clock import format_instant
from kernel.money import format_mnt
from kernel.refusal import Malformed
from receipts import qr
from receipts.key_list import prefix_of, read_key_file
from receipts.keys import Keyring
from receipts.receipt import Nature, lottery_number
from receipts.verification import (
    STEPS,
    UNKNOWN_KEY,
    AskTheCentre,
    NotGenuine,
    Verified,
    kid_named,
    verify_document,
    verify_successor,
    verify_text,
)
from runtime.messages import Language, fault_text
from runtime.settings import load_settings
from runtime.unusable import Unusable

NOT_GENUINE = 1
KEYS_BYTES_MAX = 64 * 1024 * 1024
DOCUMENT_BYTES_MAX = 1024 * 1024
SIGNED_STEPS = 6


class KeysUnusable(Unusable):
    """The key file is missing, unreadable, or does not hold a list that its own root key signed."""


class InputUnusable(Unusable):
    """A file given beside the receipt cannot be read, or the previous receipt is not genuine itself."""


@dataclass(frozen=True, slots=True)
class Checked:
    """How far the list was walked: the steps that hold, and the one that does not."""

    holding: int
    failure: NotGenuine | None
    verified: Verified | None


def verify(  # noqa: PLR0913 - one option a thing that may be given
    receipt: Annotated[str, typer.Argument(help="The QR text (MB1:…), or a picture of the receipt.")],
    keys: Annotated[Path | None, typer.Option(help="Key file (default: keys.json in the data directory).")] = None,
    shard: Annotated[
        list[Path] | None, typer.Option(help="Keys of tills, as GET /v1/keys/tills/… answers them; may be repeated.")
    ] = None,
    root: Annotated[str | None, typer.Option(help="Trust only this root key (16 hex digits).")] = None,
    document: Annotated[Path | None, typer.Option(help="The canonical document (CBOR), for step 7.")] = None,
    previous: Annotated[str | None, typer.Option(help="QR text of the receipt before, for step 8.")] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a receipt offline. Exit 0 genuine, 1 not genuine, 2 unusable."""
    path = keys or load_settings(data_dir=data_dir).data_dir / "keys.json"
    keyring, prefixes = read_keys(path, shard or (), root)
    text = _text(receipt)
    checked = _check(text, keyring, _document(document), previous)
    if as_json:
        typer.echo(json.dumps(_as_json(checked), ensure_ascii=False))
    else:
        _tell(checked)
        _tell_where(checked, kid_named(text), prefixes)
    if checked.failure is not None:
        raise typer.Exit(NOT_GENUINE)


def _text(receipt: str) -> str:
    if receipt.startswith(qr.PREFIX) or not Path(receipt).is_file():
        return receipt
    from mobile_stub.read_picture import read_picture  # noqa: PLC0415 - a text needs no library that reads pictures

    return read_picture(Path(receipt))


def read_keys(path: Path, shards: Iterable[Path], root: str | None) -> tuple[Keyring, frozenset[str]]:
    """Read a key file as `GET /v1/keys` or `barimt keys list --json` answers it, and files with a shard each; only what
    is signed is trusted. Answer the keys, and the prefixes whose till keys are among them. Raises `KeysUnusable`.
    """
    contents = [_content(file) for file in (path, *shards)]
    try:
        return read_key_file(contents[0], shard_files=contents[1:], root_kid=_root_kid(root))
    except Malformed as malformed:
        fault = malformed.faults[0]
        said = fault_text(fault, Language.ENGLISH)
        raise KeysUnusable(f"{path}: {said} {fault.path}. Fetch it from /v1/keys of the centre".rstrip()) from malformed


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > KEYS_BYTES_MAX:
            raise KeysUnusable(f"{path} is larger than {KEYS_BYTES_MAX} bytes")
        return path.read_bytes()
    except OSError as error:
        raise KeysUnusable(f"The key file {path} cannot be read; fetch it from /v1/keys of the centre") from error


def _root_kid(root: str | None) -> bytes | None:
    try:
        return None if root is None else bytes.fromhex(root)
    except ValueError:
        raise KeysUnusable("--root takes the 16 hexadecimal digits of a root key's kid") from None


def _document(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()[:DOCUMENT_BYTES_MAX]
    except OSError as error:
        raise InputUnusable(f"{path}: {error.strerror}") from error


def _check(text: str, keyring: Keyring, document: bytes | None, previous: str | None) -> Checked:
    try:
        verified = verify_text(text, keyring)
    except AskTheCentre as revoked:
        return Checked(3, revoked, revoked.verified)
    except NotGenuine as failure:
        return Checked(failure.step - 1, failure, None)
    further: list[tuple[int, Callable[[], object]]] = []
    if document is not None:
        further.append((7, lambda: verify_document(verified.payload, document)))
    if previous is not None:
        further.append((8, lambda: _check_previous(verified, previous, keyring)))
    holding = SIGNED_STEPS
    for step, check in further:
        try:
            check()
        except NotGenuine as failure:
            return Checked(holding, failure, verified)
        holding = step
    return Checked(holding, None, verified)


def _check_previous(verified: Verified, previous: str, keyring: Keyring) -> None:
    try:
        before = verify_text(previous, keyring)
    except NotGenuine as failure:
        raise InputUnusable(
            f"The receipt before is not genuine itself: step {failure.step}, {failure.why}"
        ) from failure
    verify_successor(verified.payload, before.payload, before.cose)


def _facts(verified: Verified) -> dict[str, Any]:
    payload, kind = verified.payload, verified.kind
    own_number = kind.lottery and kind.nature is not Nature.CORRECTION
    return {
        "id": str(payload.id),
        "seller": f"{payload.id.seller:012d}",
        "terminal": f"{payload.id.terminal:08d}",
        "issued_at": format_instant(datetime.fromtimestamp(payload.issued_at, UTC)),
        "nature": kind.nature.name,
        "business": kind.business,
        "test": kind.test,
        "total_mongo": payload.total_mongo,
        "vat_mongo": payload.vat_mongo,
        "counter": payload.counter,
        "lottery": str(lottery_number(verified.receipt_hash)) if own_number else None,
        "hash": verified.receipt_hash.hex(),
        "kid": verified.key.kid.hex(),
    }


def _as_json(checked: Checked) -> dict[str, Any]:
    failure = checked.failure
    return {
        "genuine": failure is None,
        "steps": [
            {"step": step, "name": STEPS[step], "holds": failure is None or step < failure.step}
            for step in range(1, (failure.step if failure else checked.holding) + 1)
        ],
        "why": failure.why if failure else None,
        "ask_the_centre": isinstance(failure, AskTheCentre),
        "receipt": _facts(checked.verified) if checked.verified and not isinstance(failure, AskTheCentre) else None,
    }


def _tell(checked: Checked) -> None:
    failure = checked.failure
    for step in range(1, (failure.step if failure else checked.holding) + 1):
        good = failure is None or step < failure.step
        mark = "[green]✓[/green]" if good else "[red]✗[/red]"
        why = "" if good or failure is None else f": {failure.why}"
        out.print(f"{mark} ({step}) {STEPS[step]}{why}", highlight=False)
    if isinstance(failure, AskTheCentre):
        out.print("[bold yellow]The key was revoked. Ask the centre[/bold yellow] whether it knows this receipt.")
    elif failure is not None:
        out.print("[bold red]Not genuine.[/bold red] Жинхэнэ баримт биш.")
    elif checked.verified is not None:
        _tell_facts(_facts(checked.verified))


def _tell_where(checked: Checked, kid: bytes | None, prefixes: frozenset[str]) -> None:
    """Say where the key may be found that is not in the file: a till's stands in a shard of its own."""
    if kid is None or checked.failure is None or checked.failure.why != UNKNOWN_KEY:
        return
    prefix = prefix_of(kid)
    if prefix in prefixes:
        out.print(
            f"The key {kid.hex()} is not in the key file. It may be an old one: fetch it again.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    else:
        out.print(
            f"The key {kid.hex()} is not in the key file. If a till signed this, its key stands in"
            f" /v1/keys/tills/{prefix} of the centre: save that answer and name it with --shard.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def _tell_facts(facts: dict[str, Any]) -> None:
    test = " [bold yellow]TEST, no tax document[/bold yellow]" if facts["test"] else ""
    out.print(f"[bold green]Genuine.[/bold green] Жинхэнэ баримт.{test}")
    for name, value in (
        ("receipt", facts["id"]),
        ("what", facts["nature"].lower() + (" to a business" if facts["business"] else "")),
        ("seller", f"{facts['seller']}, terminal {facts['terminal']}, receipt no. {facts['counter']} of its chain"),
        ("issued", facts["issued_at"]),
        ("total", format_mnt(facts["total_mongo"])),
        ("VAT", format_mnt(facts["vat_mongo"])),
        ("lottery", facts["lottery"] or "–"),
    ):
        out.print(f"  {name:<8} {value}", highlight=False, soft_wrap=True)
