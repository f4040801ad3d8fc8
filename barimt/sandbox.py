"""`barimt till --sandbox`: a whole test centre and a till that it activated in one command, for makers of POS software.

| where                    | what                                                                              |
|--------------------------|-----------------------------------------------------------------------------------|
| `.barimt/sandbox/centre` | the centre's data directory: its PostgreSQL, its own root key, the mark `keys/TEST` |
| `.barimt/sandbox/till`   | the till's                                                                        |

Receipts are marked TEST in words and in the QR; readers of any other centre's keys refuse them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from barimt.enrol_on_sight import EnrolOnSight, Sight
from barimt.options import out
from barimt.sandbox_centre import TEST_LESSEE, TEST_TIN, SandboxCentre, serving_sandbox_centre
from kernel.clock import Clock
from pos_gateway.till.ask_centre import AskCentre, open_http
from pos_gateway.till.installation import Installation, open_installation
from pos_gateway.till.serve_till import ServedTill, serving_till
from runtime.clock import business_clock, real_now
from runtime.settings import Settings
from runtime.tokens.dev_issuer import is_loopback
from runtime.unusable import Unusable

DEFAULT_DIR: Final = Path(".barimt/sandbox")


def run_sandbox(*, folder: Path | None, host: str, port: int, clock_file: Path | None) -> None:
    """Run a test centre and its till until stopped, and say what happens. Raises `Unusable`."""
    if not is_loopback(host):
        raise Unusable("The sandbox enrols whoever is named to it: it listens on this machine only (127.0.0.1)")
    folder = folder or DEFAULT_DIR
    settings = sandbox_settings(folder / "centre", clock_file=clock_file)
    _say(f"[bold]Barimt sandbox[/bold] in {folder.absolute()}")
    _say("Starting a test centre: a database, and keys of its own at the first time")
    with serving_sandbox_centre(settings, say=_say) as centre:
        _say(f"The test centre listens on {centre.url} (documentation: {centre.url}/docs)")
        clock = business_clock(clock_file)
        with open_installation(folder / "till", clock) as installation:
            asyncio.run(_serve(installation, clock, centre, host=host, port=port))
        _say("Stopping the test centre")
    _say("Stopped cleanly.")


def sandbox_settings(data_dir: Path, *, clock_file: Path | None = None, database_url: str | None = None) -> Settings:
    """Answer the settings of a test centre: no variable of a real one's counts but `BARIMT_SYSTEM_DIR`."""
    return Settings(
        data_dir=data_dir, database_url=database_url, root_key=None, host="127.0.0.1", port=0, workers=1,
        access_log=False, oidc_issuer=None, clock_file=clock_file, address_tokens_per_second=0,
        terminal_receipts_per_second=0, seller_receipts_per_second=0,
    )  # fmt: skip


@asynccontextmanager
async def serving_sandbox_till(
    installation: Installation,
    clock: Clock,
    centre: SandboxCentre,
    *,
    host: str,
    port: int,
    say: Callable[[str], None],
) -> AsyncIterator[ServedTill]:
    """Open the till's service, activated for the test merchant and his lessee, on a port (0: a free one)."""
    async with open_http(centre.url) as http:
        asks = AskCentre(http, installation.dir.client_key, real_clock=real_now)
        sight = Sight(installation, clock, http, asks, say)
        for tin in (TEST_TIN, TEST_LESSEE):
            if installation.seat_of(tin) is None:
                await sight.activate(tin)
        around = partial(EnrolOnSight, sight=sight)
        async with serving_till(installation, clock, host=host, port=port, url=centre.url, around=around) as served:
            yield served


async def _serve(installation: Installation, clock: Clock, centre: SandboxCentre, *, host: str, port: int) -> None:
    async with serving_sandbox_till(installation, clock, centre, host=host, port=port, say=_say) as served:
        _say_where(served.address, centre)
        await served.run()
        _say("Stopping the till")


def _say(line: str) -> None:
    out.print(line, highlight=False, soft_wrap=True)


def _say_where(address: str, centre: SandboxCentre) -> None:
    _say(
        f"\n[bold]PosAPI 3.0[/bold] on {address} (page: {address}/web/)."
        " [yellow]TEST: these are no tax documents.[/yellow]\n"
        f"  merchants       {TEST_TIN}, {TEST_LESSEE}, and any other valid TIN on sight\n"
        f"  try it          barimt conformance {address} --keys {centre.data_dir.root}/keys.json\n"
        f"  a receipt's QR  barimt verify TEXT --keys {centre.data_dir.root}/keys.json\n"
        "  begin anew      stop, and delete the folder\n"
        "  stop            Ctrl-C\n"
    )
