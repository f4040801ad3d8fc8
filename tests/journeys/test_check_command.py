"""An auditor runs `barimt check`: on what is in order, on what somebody has touched, and where it cannot run."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, text
from sqlalchemy.pool import NullPool

from barimt.check import LEDGER, check_everything
from barimt.cli import main
from barimt.commands import Opened
from barimt.open_authority import open_authority
from benchmarks.bench_check import TERMINALS, measure
from refunds.store import checking
from runtime.data_dir import DataDir
from runtime.database import Database, Role
from runtime.settings import Settings
from tests.factories import MASTER, World, open_world

CHECKS = 20
"""So many that some sale always falls between two readings of one check."""
Check = Callable[..., Any]
Touch = Callable[[str], None]


@pytest.fixture
def check(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Run `barimt check`, expect its exit code, and answer what it printed: JSON where it was asked for."""
    monkeypatch.setenv("BARIMT_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("BARIMT_DATABASE_URL", settings.database_url or "")

    def run(*arguments: str, expect: int = 0) -> Any:
        monkeypatch.setattr("sys.argv", ["barimt", "check", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert (ended.value.code or 0) == expect, said.out + said.err
        if expect > 1:
            return said.err
        return json.loads(said.out) if "--json" in arguments else said.out

    return run


@pytest.fixture
def opened(settings: Settings, data_dir: DataDir, database: Database) -> Opened:
    """A data directory whose keys are those of the world, in the published list."""
    secrets = {"root": b"r" * 32, "gateway-1": b"g" * 32, "turnover-1": MASTER, "tokens": b"t" * 32}
    for name, secret in secrets.items():
        (data_dir.keys / f"{name}.key").write_text(secret.hex())
    world = World(database, None, None)
    with database.transaction(Role.JOBS) as connection:
        open_authority(connection, world.clock, settings=settings)
    return Opened(settings, data_dir, database, world.clock)


@pytest.fixture
def touch(server_url: URL, database_name: str) -> Touch:
    """Do something to the database that no role of ours can, and no trigger lets pass."""

    def does(*statements: str) -> None:
        engine = create_engine(server_url.set(database=database_name), poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                assert connection.execute(text(statement)).rowcount != 0

    return does


def sell_claim_and_void(opened: Opened) -> tuple[str, str]:
    """Leave two voids of claimed sales in the outbox; answer the ids of a claimed sale and of another one."""

    async def selling() -> tuple[str, str]:
        async with open_world(opened.database) as world:
            shop, consumer = world.add_shop(), world.add_consumer()
            for total in (11_000_00, 22_000_00):
                sale = await world.sell(shop, total)
                await world.claim(sale, consumer)
                await world.void(sale)
            claimed, other = await world.sell(shop, 33_000_00), await world.sell(shop, 44_000_00)
            await world.claim(claimed, consumer)
            return str(claimed.id), str(other.id)

    return asyncio.run(selling())


def broken(printed: dict[str, Any]) -> dict[str, list[str]]:
    assert printed["holds"] is not any(not one["holds"] for one in printed["invariants"])
    return {one["code"]: one["places"] for one in printed["invariants"] if not one["holds"]}


class TestCheckCommand:
    def test_holds_where_nothing_has_happened_yet(self, check: Check) -> None:
        printed = check("--json")
        assert printed["holds"] is True
        assert {one["looked_at"] for one in printed["invariants"]} == {0}

    def test_drains_the_outbox_and_holds(self, opened: Opened, check: Check) -> None:
        sell_claim_and_void(opened)
        printed = check("--json")
        assert (broken(printed), printed["drained"]) == ({}, 2)
        looked_at = {one["code"]: one["looked_at"] for one in printed["invariants"]}
        assert (looked_at["signatures"], looked_at["void_amounts"], looked_at["credit_on_void"]) == (7, 2, 3)
        assert check("--json")["drained"] == 0

    def test_drains_the_outbox_however_much_is_in_it(
        self, opened: Opened, check: Check, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("barimt.check.EVENTS_AT_ONCE", 1)
        sell_claim_and_void(opened)
        assert check("--json")["drained"] == 2

    def test_shows_people_a_line_for_each_invariant(self, opened: Opened, check: Check) -> None:
        sell_claim_and_void(opened)
        said = check()
        lines = [line.split() for line in said.splitlines() if line.startswith("✓")]
        assert f"All {len(lines)} invariants hold." in said
        assert "2 events of the outbox were applied before." in said
        assert ["✓", *["The", "times", "of", "a", "chain", "never", "decrease."], "7"] in lines
        assert "✗" not in said

    def test_names_a_touched_receipt(self, opened: Opened, check: Check, touch: Touch) -> None:
        _, sale = sell_claim_and_void(opened)
        touch(f"UPDATE pos.receipts SET total_mongo = total_mongo - 1 WHERE number = {sale[20:25]}")
        assert broken(check("--json", expect=1)) == {"columns_of_qr": [sale]}
        said = check(expect=1)
        assert "✗ columns_of_qr: 1 broken" in said
        assert f"    {sale}" in said.splitlines()

    def test_says_that_there_are_more_places_than_it_names(self, opened: Opened, check: Check, touch: Touch) -> None:
        sell_claim_and_void(opened)
        touch(
            "INSERT INTO pos.idempotency SELECT seller, client_id, key || at, received_month, content_hash, terminal,"
            " day, number + 1000 * at FROM pos.idempotency, generate_series(1, 4) at"
        )
        said = check(expect=1)
        assert "✗ keys_of_receipts: 24 broken" in said
        listed = said[said.index("24 broken") :].splitlines()[1:]
        assert [line.split()[0] for line in listed[:21]] == ["seller"] * 20 + ["…"]

    def test_names_a_touched_wallet(self, opened: Opened, check: Check, touch: Touch) -> None:
        sell_claim_and_void(opened)
        check()
        touch("UPDATE private.accounts SET available_mongo = available_mongo + 1")
        assert set(broken(check("--json", expect=1))) == {
            "balance_of_account", "ledger_identity", "ledger_identity_of_all",
        }  # fmt: skip

    def test_names_a_touched_commitment_and_a_prize_that_nobody_posted(
        self, opened: Opened, check: Check, touch: Touch
    ) -> None:
        touch(
            "INSERT INTO lottery.draws VALUES (24206, '{}', sha256('{}'), '{}', now())",
            "INSERT INTO lottery.prizes VALUES (24206, 1, 2, 100)",
        )
        found = broken(check("--json", expect=1))
        assert found == {"readable_draws": ["KeyError: 'month'"], "posted_prizes": ["claim 1"]}
        touch(
            "ALTER TABLE lottery.draws DROP CONSTRAINT draws_check",
            "UPDATE lottery.draws SET commitment = '[]'",
        )
        assert broken(check("--json", expect=1))["commitment_hashes"] == ["2017-03"]

    def test_sees_one_moment_while_others_are_at_work(self, opened: Opened) -> None:
        def check_often() -> set[str]:
            done = [one for _ in range(CHECKS) for one in check_everything(opened, lambda _links: None)]
            return {one.invariant.code for one in done if not one.holds}

        async def both() -> set[str]:
            async with open_world(opened.database) as world:
                shops, consumer = [world.add_shop() for _ in range(2)], world.add_consumer()
                checking_it = asyncio.create_task(asyncio.to_thread(check_often))
                while not checking_it.done():
                    sales = await asyncio.gather(*(world.sell(shop, 11_000_00) for shop in shops))
                    await world.claim(sales[0], consumer)
                    await world.void(sales[0])
                return await checking_it

        assert asyncio.run(both()) == set()

    def test_could_not_run_without_the_secrets(self, opened: Opened, check: Check) -> None:
        sell_claim_and_void(opened)
        (opened.data_dir.keys / "turnover-1.key").unlink()
        assert "holds no turnover secret" in check(expect=2)
        assert not (opened.data_dir.keys / "turnover-1.key").exists()

    def test_could_not_run_without_the_outbox(self, opened: Opened, check: Check, touch: Touch) -> None:
        sell_claim_and_void(opened)
        touch("REVOKE DELETE ON pos.outbox FROM barimt_claims")
        assert "outbox cannot be drained" in check(expect=2)

    def test_could_not_run_without_the_database(self, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BARIMT_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/barimt")
        assert "127.0.0.1" in check(expect=2)

    def test_has_a_sentence_for_every_invariant_of_the_ledger(self) -> None:
        assert {invariant.code for invariant in LEDGER} == {*checking.INVARIANTS, "share_of_vat"}


class TestBenchCheck:
    def test_measures_a_world_of_which_everything_holds(self, opened: Opened) -> None:
        figures = measure(opened, 60)
        assert (figures.receipts, figures.broken) == (TERMINALS + 60 + 2 + 1, ())
        assert min(figures.issue_s, figures.check_s, figures.bare_verify_s, figures.ratio) > 0
