"""`barimt demo`: the options of the demo."""

from typing import Annotated

import typer
from rich.console import Console

from barimt.demo.run import run_demo
from barimt.demo.seeded import Seed
from barimt.options import DataDirOption
from kernel.clock import Month
from runtime.settings import load_settings


def demo_command(
    month: Annotated[str, typer.Option(help="A month of 2017 from March on, as 2017-03.")] = "2017-03",
    seed: Annotated[int, typer.Option(min=0, help="Who cheats, who claims and how much noise.")] = 2017,
    data_dir: DataDirOption = None,
) -> None:
    """Replay one month of a real retailer through the whole system."""
    root = (data_dir or load_settings().data_dir / "demo").absolute()
    run_demo(root, Month.parse(month), Seed(seed), Console())
