"""The one command. Each part stands in a module of its own, loaded only when it is asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import typer
from rich.console import Console
from typer.core import TyperGroup

PARTS: Final[Mapping[str, str]] = {
    "serve": "barimt.serve:serve_command",
    "demo": "barimt.demo.command:demo_command",
    "admin": "barimt.admin:admin",
    "verify": "barimt.verify_command:verify",
    "scan": "barimt.scan:scan_command",
    "draw": "barimt.draw:draw_app",
    "payouts": "barimt.payouts:payouts_app",
    "lake": "barimt.plausibility:lake_app",
    "plausibility": "barimt.plausibility:plausibility_app",
    "check": "barimt.check:check_command",
    "keys": "barimt.keys:keys_app",
}
UNUSABLE = 2


class _Parts(TyperGroup):
    """A group whose commands are imported by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Answer the commands in the order of the table."""
        del ctx
        return list(PARTS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a command."""
        del ctx
        if cmd_name not in PARTS:
            return None
        module, _, name = PARTS[cmd_name].partition(":")
        part = getattr(import_module(module), name)
        if not isinstance(part, typer.Typer):
            alone = typer.Typer(add_completion=False)
            alone.command(cmd_name)(part)
            part = alone
        command = typer.main.get_command(part)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Parts,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="An open e-receipt, VAT-refund and receipt-lottery system.",
)


@app.callback()
def barimt() -> None:
    """An open e-receipt, VAT-refund and receipt-lottery system."""


def main() -> None:
    """Run the command line. What is unusable, malformed or refused is said in words; exit 2 then, never a traceback."""
    from barimt.failures import FAILURES, say  # noqa: PLC0415 - only when something is run

    try:
        app()
    except FAILURES as failure:
        say(failure, Console(stderr=True))
        raise SystemExit(UNUSABLE) from None


if __name__ == "__main__":
    main()
