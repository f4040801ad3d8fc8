"""The one command. Each part stands in a module of its own; here they are mounted, and their failures worded."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from barimt.admin import admin
from barimt.commands import DataDirOption
from barimt.draw import draw_app
from barimt.keys import keys_app
from barimt.payouts import payouts_app
from barimt.plausibility import lake_app, plausibility_app
from barimt.scan import scan_command
from kernel.clock import Month
from kernel.refusal import Malformed, Refusal, Unavailable
from runtime.http_errors import problem_of
from runtime.messages import Language
from runtime.settings import load_settings
from runtime.unusable import Unusable

UNUSABLE = 2
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="An open e-receipt, VAT-refund and receipt-lottery system.",
)
for name, part in (
    ("admin", admin),
    ("draw", draw_app),
    ("payouts", payouts_app),
    ("keys", keys_app),
    ("lake", lake_app),
    ("plausibility", plausibility_app),
):
    app.add_typer(part, name=name)
app.command("scan")(scan_command)
_err = Console(stderr=True)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (BARIMT_HOST, 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (BARIMT_PORT, 8000).")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes (BARIMT_WORKERS, 1).")] = None,
    data_dir: DataDirOption = None,
    clock_file: Annotated[
        Path | None, typer.Option(help="Moves business time; for development, loopback only.")
    ] = None,
) -> None:
    """Serve tills, consumers and officers until stopped."""
    from barimt.serve import serve as run  # noqa: PLC0415 - what only a server needs is loaded by a server only

    run(load_settings(host=host, port=port, workers=workers, data_dir=data_dir, clock_file=clock_file), Console())


@app.command()
def demo(
    month: Annotated[str, typer.Option(help="A month of 2017 from March on, as 2017-03.")] = "2017-03",
    seed: Annotated[int, typer.Option(min=0, help="Who cheats, who claims and how much noise.")] = 2017,
    data_dir: DataDirOption = None,
) -> None:
    """Replay one month of a real retailer through the whole system."""
    from barimt.demo.run import run_demo  # noqa: PLC0415 - the demo's own dependencies
    from barimt.demo.seeded import Seed  # noqa: PLC0415 - as above

    root = (data_dir or load_settings().data_dir / "demo").absolute()
    run_demo(root, Month.parse(month), Seed(seed), Console())


def main() -> None:
    """Run the command line. What is unusable, malformed or refused is said in words; exit 2 then, never a traceback."""
    try:
        app()
    except Unusable as error:
        _err.print(f"[red]✗[/red] {error}", highlight=False, soft_wrap=True)
    except DBAPIError as error:
        _err.print(
            f"[red]✗[/red] The database refused: {str(error.orig).splitlines()[0]}", highlight=False, soft_wrap=True
        )
    except (Malformed, Refusal, Unavailable) as error:
        problem = problem_of(error, Language.ENGLISH).body
        _err.print(f"[red]✗[/red] {problem['detail']}", highlight=False, soft_wrap=True)
        for fault in problem.get("faults", []):
            _err.print(f"  {fault['path'] or '/'}: {fault['message']}", highlight=False, soft_wrap=True)
    sys.exit(UNUSABLE)


if __name__ == "__main__":
    main()
