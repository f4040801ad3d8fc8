"""`barimt check`: every invariant of the system, over everything that is stored. Writes nothing but what the claims'
side owes the outbox, and may run while others are at work: it looks at one moment.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import asyncpg
import typer
from rich.table import Table
from sqlalchemy import Connection

from barimt import store
from barimt.authority import read_masters
from barimt.commands import Opened, opened
from barimt.options import DataDirOption, JsonOption, err, out
from kernel.canonical import Json
from kernel.clock import Clock
from kernel.refusal import Malformed
from lottery.check_draws import check_draws
from receipts.check_receipts import ask, check_receipts
from receipts.follow_outbox import follow_outbox
from receipts.invariant import PLACES_MAX, Checked, Invariant
from refunds.check_ledger import check_ledger
from refunds.claw_back import claw_back
from runtime.database import Database, Role
from runtime.unusable import Unusable

BROKEN = 1
EVENTS_AT_ONCE = 1_000
LEDGER: Mapping[Invariant, str] = {
    Invariant("balance_of_account", "Each balance is the sum of the account's transfers."): "accounts",
    Invariant("ledger_identity", "Credits less reversals are what each consumer has, less debt."): "accounts",
    Invariant("ledger_identity_of_all", "The same of all consumers together."): "accounts",
    Invariant("unreported_of_claims", "Provisional money is that of unreported receipts."): "accounts",
    Invariant("entitlement_of_credits", "Each month's entitlement is the sum of its credits."): "entitlements",
    Invariant("credit_of_transfers", "Each claim is credited with what was posted for it."): "credits",
    Invariant("one_initial_credit", "Each claim was credited for the first time once."): "credits",
    Invariant("credit_of_claim", "Each claim is credited to its owner."): "claim_owners",
    Invariant("credit_on_void", "No voided receipt is credited."): "credits",
    Invariant("state_of_claim", "Claim, credit and receipt agree on what became of it."): "credits",
    Invariant("credit_of_receipt", "Each credit follows from the VAT of its receipt."): "credits",
    Invariant("share_of_vat", "Each credit is the share of VAT that the rules of its day give."): "credits",
    Invariant("reserved_of_payouts", "Reserved money is that of unanswered payouts."): "accounts",
    Invariant("paid_of_payouts", "Paid money is that of settled payouts."): "accounts",
}
"""The ledger's invariants, and what of it they look at."""
DRAWS: Mapping[Invariant, str] = {
    Invariant("draw_rules", "Each commitment names the rules that are kept with it."): "draws",
    Invariant("draw_counts", "Each draw has as many entries of each status as it committed to."): "entries",
    Invariant("draw_tree", "The entries of each draw have the root that was published."): "entries",
    Invariant("draw_transcript", "Each transcript verifies, the beacon's signature too."): "transcripts",
    Invariant("draw_commitment", "Each transcript is of the commitment that was published."): "transcripts",
    Invariant("draw_prizes", "The prizes kept are those of the transcript."): "prizes",
}
"""The draws' invariants, and what of them they look at."""
READABLE_DRAWS = Invariant("readable_draws", "Each draw can be read.")
QUERIES: Mapping[Invariant, str] = {
    Invariant("commitment_hashes", "Each commitment has the hash under which it was published."): (
        store.COMMITMENT_HASHES
    ),
    Invariant("posted_prizes", "Each prize was credited to the claim's owner, once and in full."): store.POSTED_PRIZES,
}


class CheckUnusable(Unusable):
    """The check could not run; the text says why."""


def check_command(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Check every invariant. Exit 0: all hold; 1: one is broken; 2: could not run."""
    with opened(data_dir) as on:
        drained = _drain(on.database, on.clock)
        with err.status("Walking every chain") as status:
            checked = check_everything(on, lambda walked: status.update(f"Walking every chain: {walked:,} receipts"))
    if as_json:
        typer.echo(json.dumps(as_words(checked, drained), ensure_ascii=False))
    else:
        _show(checked, drained)
    if not all(one.holds for one in checked):
        raise typer.Exit(BROKEN)


def check_everything(on: Opened, watch: Callable[[int], None]) -> list[Checked]:
    """Answer what looking at each invariant came to, all of them at one moment. Raises `CheckUnusable` where the
    secrets are missing without which turnovers cannot be opened.
    """
    with on.database.engine(Role.OWNER).connect() as connection:
        moment = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with moment.begin():
            counts = store.row_counts(moment)
            return [
                *check_receipts(moment, masters=_masters(on, counts["terminals"]), watch=watch),
                *_counted(LEDGER, counts, ((one.invariant, one.subject) for one in check_ledger(moment))),
                *_draws(moment, counts),
                *(ask(moment, invariant, query) for invariant, query in QUERIES.items()),
            ]


def _masters(on: Opened, terminals: int) -> Mapping[int, bytes]:
    """The turnover secrets. Where there are none new ones would be made, which open nothing that is stored."""
    folder = on.data_dir.keys
    if not any(folder.glob("turnover-*.key")):
        if terminals:
            raise CheckUnusable(f"{folder} holds no turnover secret: name the data directory that the terminals have")
        return {}
    return read_masters(folder)


def _draws(connection: Connection, counts: Mapping[str, int]) -> list[Checked]:
    """A draw that cannot be read any longer breaks one invariant and leaves the others nothing to be judged by."""
    try:
        breaches = check_draws(connection)
    except (ValueError, KeyError, TypeError, Malformed) as error:
        return [Checked(READABLE_DRAWS, counts["draws"], 1, (f"{type(error).__name__}: {error}",))]
    found = _counted(DRAWS, counts, ((breach.invariant, breach.subject) for breach in breaches))
    return [Checked(READABLE_DRAWS, counts["draws"], 0, ()), *found]


def _counted(
    invariants: Mapping[Invariant, str], counts: Mapping[str, int], breaches: Iterable[tuple[str, str]]
) -> list[Checked]:
    """Answer what came of invariants of which only the breaches are told, as (code, place), as many as are told."""
    found: dict[str, list[str]] = defaultdict(list)
    for code, place in breaches:
        found[code].append(place)
    known = {invariant.code for invariant in invariants}
    others = {Invariant(code, "No breach of it is found."): "" for code in found if code not in known}
    return [
        Checked(invariant, counts.get(of, 0), len(found[invariant.code]), tuple(found[invariant.code][:PLACES_MAX]))
        for invariant, of in {**invariants, **others}.items()
    ]


def _drain(database: Database, clock: Clock) -> int:
    """Let the claims follow what the outbox still holds; answer how many events were taken. Raises `CheckUnusable`."""
    try:
        return asyncio.run(follow_all(database, clock))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise CheckUnusable(f"The outbox cannot be drained: {error or type(error).__name__}") from error


async def follow_all(database: Database, clock: Clock) -> int:
    """Apply every event of the outbox that nobody else is applying, as the claims side does it."""
    taken = 0
    async with await database.pool(Role.CLAIMS, min_size=1, max_size=1) as pool:
        while True:
            async with pool.acquire() as connection, connection.transaction():
                followed = await follow_outbox(connection, clock, limit=EVENTS_AT_ONCE)
                await claw_back(connection, clock, claims=followed.claims)
            taken += followed.taken
            if followed.taken < EVENTS_AT_ONCE:
                return taken


def as_words(checked: Sequence[Checked], drained: int) -> dict[str, Json]:
    """Answer what `--json` prints."""
    invariants: list[Json] = [
        {
            "code": one.invariant.code,
            "sentence": one.invariant.sentence,
            "holds": one.holds,
            "looked_at": one.looked_at,
            "broken": one.broken,
            "places": list(one.places),
        }
        for one in checked
    ]
    return {"holds": all(one.holds for one in checked), "drained": drained, "invariants": invariants}


def _show(checked: Sequence[Checked], drained: int) -> None:
    table = Table("", "invariant", "looked at", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for one in checked:
        mark = "[green]✓[/green]" if one.holds else "[red]✗[/red]"
        table.add_row(mark, one.invariant.sentence, f"{one.looked_at:,}")
    out.print(table)
    broken = [one for one in checked if not one.holds]
    for one in broken:
        out.print(f"\n[red]✗ {one.invariant.code}[/red]: {one.broken:,} broken")
        for place in one.places:
            out.print(f"    {place}", highlight=False, soft_wrap=True, markup=False)
        if one.broken > len(one.places):
            out.print("    …")
    verdict = f"[red]{len(broken)} of {len(checked)} invariants are broken.[/red]"
    out.print(f"\nAll {len(checked)} invariants hold." if not broken else f"\n{verdict}")
    if drained:
        out.print(f"{drained:,} events of the outbox were applied before.")
