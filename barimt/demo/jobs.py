"""The month's jobs, run as an operator runs them: the draw, the lake, the plausibility report, the check."""

import json
import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from barimt.demo.stage import Stage
from barimt.demo.watch import Watch
from barimt.demo.world import World
from receipts.rules import draw_cutoff


@dataclass(frozen=True, slots=True)
class Found:
    """What the jobs came to."""

    draw: dict[str, Any]
    accused: tuple[str, ...]
    """TINs of the sellers that the report accuses."""
    check: str


def run_jobs(stage: Stage, world: World, watch: Watch) -> Found:
    """Close, draw and verify the month, write the report, and check every invariant."""
    month = str(world.month)
    with watch.step("draw", f"Closing {month}, publishing the commitment, drawing (rehearsal) and verifying"):
        stage.set_clock(draw_cutoff(world.month) + timedelta(hours=1))
        stage.command("draw", "close", month, "--rehearsal")
        draw = json.loads(stage.command("draw", "run", month, "--json"))
        folder = stage.out / "draw"
        folder.mkdir()
        shutil.copy(draw["transcript"], folder / "transcript.json")
        stage.command("draw", "verify", str(folder / "transcript.json"))
    with watch.step("lake", "Exporting the receipts to the Parquet lake"):
        stage.command("lake", "export")
    with watch.step(
        "plausibility", "Checking each seller's declaration against its receipts (Polars), writing the report"
    ):
        report = stage.out / "report"
        printed = stage.command(
            "plausibility", "run", "--month", month, "--purpose", "monthly check", "--case", f"demo-{month}",
            "--out", str(report), "--json",
        )  # fmt: skip
        accused = tuple(json.loads(printed)["accused"])
    with watch.step("check", "Checking every invariant (barimt check)"):
        check = "ok" if json.loads(stage.command("check", "--json"))["holds"] else "broken"
    return Found(draw, accused, check)
