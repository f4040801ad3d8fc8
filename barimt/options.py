"""What every command has in common on the command line. Needs the base install only."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="Data directory (BARIMT_DATA_DIR).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
out = Console()
err = Console(stderr=True)
