"""The one command. Each part stands in a module of its own, loaded only when it is asked for.

The base install runs `verify` and `scan`; a part whose libraries are not installed says which extra brings them.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

from barimt.failures import foreseen, say
from runtime.unusable import Unusable


@dataclass(frozen=True, slots=True)
class Part:
    """Where a command stands, what it says of itself in the list, and which extras of the distribution it needs."""

    place: str
    help: str
    extras: str = "server"


PARTS: Final[Mapping[str, Part]] = {
    "serve": Part("barimt.serve:serve_command", "Serve tills, consumers and officers until stopped."),
    "demo": Part(
        "barimt.demo.command:demo_command",
        "Replay one month of a real retailer through the whole system.",
        "server,analytics,demo",
    ),
    "admin": Part("barimt.admin:admin", "Enrol sellers, terminals, consumers and officers."),
    "verify": Part(
        "barimt.verify_command:verify",
        "Verify a receipt offline. Exit 0 genuine, 1 not genuine, 2 unusable.",
        "",
    ),
    "scan": Part(
        "barimt.scan:scan_command", "Claim the receipt in a picture. Exit 0 credited, 1 refused, 2 unusable.", ""
    ),
    "conformance": Part(
        "barimt.conformance:conformance_command",
        "Try a PosAPI 3.0 till with good and bad requests. Exit 0 conforms, 1 fails, 2 could not run.",
        "",
    ),
    "draw": Part("barimt.draw:draw_app", "The monthly draw: close, run, verify."),
    "payouts": Part("barimt.payouts:payouts_app", "Payouts to consumers' bank accounts."),
    "lake": Part(
        "barimt.plausibility:lake_app", "The Parquet lake on which the plausibility job runs.", "server,analytics"
    ),
    "plausibility": Part(
        "barimt.plausibility:plausibility_app", "Are declared revenues plausible?", "server,analytics"
    ),
    "check": Part(
        "barimt.check:check_command", "Check every invariant. Exit 0: all hold; 1: one is broken; 2: could not run."
    ),
    "till": Part("barimt.till:till_app", "PosAPI 3.0 on this machine, offline too.", "till"),
    "keys": Part("barimt.keys:keys_app", "The keys with which receipts are signed and verified."),
}
UNUSABLE = 2


class ExtraMissing(Unusable):
    """A command needs libraries that are not installed; the text says which extra brings them."""


class Parts(TyperGroup):
    """A group whose commands are imported by name; the list of them is made without importing any."""

    listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Answer the commands in the order of the table."""
        del ctx
        return list(PARTS)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, in which the commands stand with what the table says of them."""
        self.listing = True
        super().format_help(ctx, formatter)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a command. Raises `ExtraMissing`."""
        del ctx
        if cmd_name not in PARTS:
            return None
        if self.listing:
            return TyperCommand(cmd_name, help=PARTS[cmd_name].help)
        return load(cmd_name)


def load(name: str) -> Any:
    """Import a command and answer it. Raises `ExtraMissing`."""
    module, _, attribute = PARTS[name].place.partition(":")
    try:
        part = getattr(import_module(module), attribute)
    except ModuleNotFoundError as missing:
        extras = PARTS[name].extras
        if not extras or str(missing.name).partition(".")[0] in sys.modules:
            raise  # a module of ours, or of a library that is installed: a fault of ours
        raise ExtraMissing(
            f"barimt {name} needs {missing.name}, which is not installed: pip install 'barimt[{extras}]'"
        ) from missing
    if not isinstance(part, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(name)(part)
        part = alone
    command = typer.main.get_command(part)
    command.name = name
    return command


app = typer.Typer(
    cls=Parts,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="An open e-receipt, VAT-refund and receipt-lottery system.",
)


@app.callback()
def barimt() -> None:
    """An open e-receipt, VAT-refund and receipt-lottery system."""


def main() -> None:
    """Run the command line. What is unusable, malformed or refused is said in words; exit 2 then, never a traceback."""
    try:
        app()
    except foreseen() as failure:
        say(failure, Console(stderr=True))
        raise SystemExit(UNUSABLE) from None


if __name__ == "__main__":
    main()
