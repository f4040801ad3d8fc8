from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from analytics.api import make_router
from analytics.purpose import Purpose
from analytics.run_plausibility import Judged, run_plausibility
from kernel.canonical import sha256
from kernel.clock import Month
from receipts.enrol import add_officer
from receipts.ids import ReceiptId
from receipts.store.reading import Client
from runtime import http_errors
from runtime.database import Database, Role
from tests.factories import Shop, World, open_world
from tests.receipts.signed_world import enrol_till, make_liar

MARCH = Month(2017, 3)
WHY = {"purpose": "monthly check", "case": "7/2017"}
JOB = Purpose("job", "monthly check", "7/2017")


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with open_world(database) as opened:
        with database.transaction(Role.OWNER) as connection:
            add_officer(connection, opened.clock, officer_id="officer-1", name="Б. Дорж")
        yield opened


class Asking:
    """Who is asking, in each of the three ways that the app knows."""

    def __init__(self) -> None:
        self.client = Client("none", 0, "", "", ())
        self.officer = "officer-1"
        self.consumer = 0

    def as_shop(self, shop: Shop) -> None:
        self.client = Client("client-1", shop.seller, shop.tin, "none", (shop.terminal,))


@pytest.fixture
def asking() -> Asking:
    return Asking()


@pytest.fixture
def client(database: Database, world: World, asking: Asking) -> Iterator[TestClient]:
    app = FastAPI()
    app.state.database = database
    app.state.clock = world.clock
    app.include_router(
        make_router(
            current_client=lambda: asking.client,
            current_officer=lambda: asking.officer,
            current_consumer=lambda: asking.consumer,
        )
    )
    http_errors.install(app)
    with TestClient(app) as opened:
        yield opened


def accesses(database: Database) -> list[tuple[object, ...]]:
    with database.transaction(Role.OWNER) as connection:
        rows = connection.execute(
            text("SELECT officer, purpose, case_number, what, month, seller FROM tax.accesses ORDER BY access")
        )
        return [tuple(row) for row in rows]


def declaration(shop: Shop, **changes: object) -> dict[str, object]:
    said = {"seller_tin": shop.tin, "month": "2017-03", "version": 1, "net_revenue_mongo": 500, "vat_mongo": 50}
    return said | changes


def run(database: Database, world: World, folder: Path) -> Judged:
    with database.transaction(Role.JOBS) as connection:
        return run_plausibility(connection, world.clock, lake_folder=folder, month=MARCH, purpose=JOB)


class TestDeclarations:
    def test_files_a_version_and_answers_it_again(self, world, client, asking):
        shop = world.add_shop()
        asking.as_shop(shop)
        first = client.post("/v1/declarations", json=declaration(shop))
        assert first.status_code == 201
        assert first.json() == declaration(shop) | {"declared_at": "2017-03-01T09:00:00+08:00"}
        world.now += timedelta(days=1)
        again = client.post("/v1/declarations", json=declaration(shop))
        assert (again.status_code, again.json()) == (200, first.json())

    def test_an_amendment_is_the_next_version(self, world, client, asking):
        shop = world.add_shop()
        asking.as_shop(shop)
        client.post("/v1/declarations", json=declaration(shop))
        amended = declaration(shop, version=2, net_revenue_mongo=600)
        assert client.post("/v1/declarations", json=amended).status_code == 201

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [({"version": 3}, "2"), ({"net_revenue_mongo": 501}, "2"), ({"vat_mongo": 51}, "2")],
        ids=["a gap", "other revenue", "other VAT"],
    )
    def test_refuses_a_gap_and_other_amounts_under_a_used_version(self, world, client, asking, changes, expected):
        shop = world.add_shop()
        asking.as_shop(shop)
        client.post("/v1/declarations", json=declaration(shop))
        refused = client.post("/v1/declarations", json=declaration(shop, **changes))
        assert refused.status_code == 400
        assert [(fault["path"], fault["expected"]) for fault in refused.json()["faults"]] == [("/version", expected)]

    def test_refuses_to_declare_for_another_seller(self, world, client, asking):
        shop, other = world.add_shop(), world.add_shop()
        asking.as_shop(shop)
        assert client.post("/v1/declarations", json=declaration(other)).status_code == 403

    @pytest.mark.parametrize(
        ("changes", "paths"),
        [
            ({"month": "2017-13"}, ["/month"]),
            ({"version": 0, "vat_mongo": -1}, ["/version", "/vat_mongo"]),
            ({"net_revenue_mongo": False}, ["/net_revenue_mongo"]),
            ({"net_revenue_mongo": 2**53}, ["/net_revenue_mongo"]),
            ({"vat_mongo": "50"}, ["/vat_mongo"]),
            ({"seller_tin": "12"}, ["/seller_tin"]),
            ({"extra": 1}, ["/extra"]),
        ],
    )
    def test_names_every_fault(self, world, client, asking, changes, paths):
        shop = world.add_shop()
        asking.as_shop(shop)
        refused = client.post("/v1/declarations", json=declaration(shop, **changes))
        assert refused.status_code == 400
        assert [fault["path"] for fault in refused.json()["faults"]] == paths

    def test_takes_the_largest_amount(self, world, client, asking):
        shop = world.add_shop()
        asking.as_shop(shop)
        largest = declaration(shop, net_revenue_mongo=2**53 - 1)
        assert client.post("/v1/declarations", json=largest).json()["net_revenue_mongo"] == 2**53 - 1


class TestFindings:
    async def test_answers_the_newest_run_with_its_reasons(self, world, database, client, asking, tmp_path):
        honest = [world.add_shop() for _ in range(6)]
        cheat = world.add_shop()
        for shop in [*honest, cheat]:
            for _ in range(20):
                await world.sell(shop, 11_000_00)
            asking.as_shop(shop)
            net = 20 * 10_000_00 * (6 if shop is cheat else 10) // 10
            client.post("/v1/declarations", json=declaration(shop, net_revenue_mongo=net, vat_mongo=net // 10))
        run(database, world, tmp_path / "lake")
        judged = run(database, world, tmp_path / "lake")
        answer = client.get("/v1/findings", params={"month": "2017-03"} | WHY).json()
        assert answer["run"] == str(judged.run)
        assert answer["findings_hash"] == sha256(judged.findings_json).hex()
        assert [(row["seller_tin"], row["rule"]) for row in answer["findings"]] == [
            (cheat.tin, "declared_below_receipts")
        ]
        [found] = answer["findings"]
        assert (found["effect"], len(found["receipts"])) == ("-40.0", 20)
        assert list(found["evidence"]) == ["declared_net_mongo", "receipts_net_mongo", "version"]
        assert judged.accused == (cheat.tin,)
        assert answer["notes"] == []

    async def test_the_same_month_judged_twice_gives_the_same_bytes(self, world, database, tmp_path):
        for _ in range(3):
            await world.sell(world.add_shop(), 11_000_00)
        first = run(database, world, tmp_path / "lake")
        second = run(database, world, tmp_path / "another")
        assert first.findings_json == second.findings_json

    def test_answers_nothing_before_the_first_run(self, client):
        answer = client.get("/v1/findings", params={"month": "2017-03"} | WHY).json()
        assert (answer["run"], answer["findings"], answer["notes"]) == (None, [], [])


class TestReceipts:
    async def test_answers_a_sellers_links_of_the_month(self, world, client):
        shop, other = world.add_shop(), world.add_shop()
        sold = await world.sell(shop, 11_000_00)
        await world.sell(other, 22_000_00)
        void = await world.void(sold)
        answer = client.get(f"/v1/sellers/{shop.tin}/receipts", params={"month": "2017-03"} | WHY).json()
        assert answer["receipts"][0]["nature"] == "START"
        assert [(row["id"], row["nature"], row["total_mongo"]) for row in answer["receipts"][1:]] == [
            (str(sold.id), "SALE", 11_000_00),
            (str(void.id), "VOID", -11_000_00),
        ]
        assert answer["next_after"] is None

    async def test_goes_on_after_a_receipt(self, world, client):
        shop = world.add_shop()
        ids = [str((await world.sell(shop, 11_000_00)).id) for _ in range(3)]
        params = {"month": "2017-03", "after": ids[0]} | WHY
        answer = client.get(f"/v1/sellers/{shop.tin}/receipts", params=params).json()
        assert [row["id"] for row in answer["receipts"]] == ids[1:]
        assert ReceiptId.parse(ids[1]) > ReceiptId.parse(ids[0])

    def test_of_an_unknown_seller_is_404(self, client, database):
        refused = client.get("/v1/sellers/37900000099/receipts", params={"month": "2017-03"} | WHY)
        assert (refused.status_code, refused.json()["code"]) == (404, "seller_unknown")
        assert accesses(database) == []

    async def test_says_what_is_the_matter_with_links_of_tills_and_for_which_month_they_count(self, world, client):
        liar = await make_liar(world, enrol_till(world))
        answer = client.get(f"/v1/sellers/{liar.till.shop.tin}/receipts", params={"month": "2017-03"} | WHY).json()
        said = {row["id"]: (row["tax_month"], row["findings"]) for row in answer["receipts"]}
        assert said[str(liar.fine.id)] == ("2017-03", [])
        assert said[str(liar.taxed_wrongly.id)] == ("2017-03", ["vat_mismatch"])
        assert said[str(liar.of_february.id)] == ("2017-02", [])


class TestForks:
    async def test_are_told_with_their_terminal_in_the_order_in_which_they_came(self, world, client):
        liar = await make_liar(world, enrol_till(world))
        answer = client.get("/v1/forks", params={"month": "2017-03"} | WHY).json()
        assert [fork["hash"] for fork in answer["forks"]] == [
            liar.fork.receipt_hash.hex(), liar.forked_further.receipt_hash.hex(),
        ]  # fmt: skip
        [first, _] = answer["forks"]
        assert (first["previous_hash"], first["counter"]) == (liar.fine.receipt_hash.hex(), 2)
        assert (first["terminal"], first["suspended_for"]) == (f"{liar.fine.terminal:08d}", "fork")
        assert (first["id"], first["seller_tin"]) == (str(liar.fork.id), liar.till.shop.tin)
        assert client.get("/v1/forks", params={"month": "2017-04"} | WHY).json()["forks"] == []

    async def test_go_on_after_a_fork(self, world, client):
        liar = await make_liar(world, enrol_till(world))
        params = {"month": "2017-03", "after": liar.fork.receipt_hash.hex()} | WHY
        answer = client.get("/v1/forks", params=params).json()
        assert [fork["hash"] for fork in answer["forks"]] == [liar.forked_further.receipt_hash.hex()]
        params["after"] = "last"
        assert client.get("/v1/forks", params=params).status_code == 400


class TestAccess:
    """No answer without its record, and no record without its answer."""

    def paths(self, shop: Shop) -> dict[str, str]:
        return {
            "findings": "/v1/findings", "forks": "/v1/forks", "receipts": f"/v1/sellers/{shop.tin}/receipts",
        }  # fmt: skip

    @pytest.mark.parametrize("what", ["findings", "forks", "receipts"])
    def test_every_look_is_recorded(self, world, database, client, what):
        shop = world.add_shop()
        for _ in range(2):
            assert client.get(self.paths(shop)[what], params={"month": "2017-03"} | WHY).status_code == 200
        seller = shop.seller if what == "receipts" else None
        row = ("officer-1", "monthly check", "7/2017", what, 2017 * 12 + 2, seller)
        assert accesses(database) == [row, row]

    @pytest.mark.parametrize("what", ["findings", "forks", "receipts"])
    @pytest.mark.parametrize("missing", ["purpose", "case"])
    @pytest.mark.parametrize("said", [None, "", "   "])
    def test_no_purpose_no_answer(self, world, database, client, what, missing, said):
        params = {"month": "2017-03"} | WHY | {missing: said}
        given = {name: value for name, value in params.items() if value is not None}
        refused = client.get(self.paths(world.add_shop())[what], params=given)
        assert refused.status_code == 400
        assert [(fault["code"], fault["path"]) for fault in refused.json()["faults"]] == [
            ("missing_field", f"/{missing}")
        ]
        assert accesses(database) == []

    @pytest.mark.parametrize("what", ["findings", "forks", "receipts"])
    @pytest.mark.parametrize("gone", [True, False], ids=["revoked", "never enrolled"])
    def test_who_is_no_officer_sees_nothing(self, world, database, client, asking, what, gone):
        if gone:
            with database.transaction(Role.OWNER) as connection:
                connection.execute(text("UPDATE auth.officers SET revoked_at = now()"))
        else:
            asking.officer = "somebody"
        refused = client.get(self.paths(world.add_shop())[what], params={"month": "2017-03"} | WHY)
        assert (refused.status_code, accesses(database)) == (403, [])

    @pytest.mark.parametrize("what", ["findings", "forks", "receipts"])
    def test_what_cannot_be_recorded_is_not_shown(self, world, database, client, what):
        shop = world.add_shop()
        with database.transaction(Role.OWNER) as connection:
            connection.execute(text("REVOKE INSERT ON tax.accesses FROM barimt_officer"))
        with pytest.raises(ProgrammingError):
            self.ask_bare(database, world, shop, what)

    def ask_bare(self, database: Database, world: World, shop: Shop, what: str) -> None:
        from analytics.consult import consult_findings, consult_forks, consult_receipts  # noqa: PLC0415
        from analytics.store.consulting import Page  # noqa: PLC0415

        why = Purpose("officer-1", "monthly check", "7/2017")
        with database.transaction(Role.OFFICER) as connection:
            if what == "findings":
                consult_findings(connection, world.clock, purpose=why, month=MARCH)
            elif what == "forks":
                consult_forks(connection, world.clock, purpose=why, month=MARCH, after=None, limit=1)
            else:
                consult_receipts(connection, world.clock, purpose=why, tin=shop.tin, month=MARCH, page=Page(1))

    async def test_a_run_is_recorded_too(self, world, database, tmp_path):
        run(database, world, tmp_path / "lake")
        assert accesses(database) == [("job", "monthly check", "7/2017", "plausibility_run", 2017 * 12 + 2, None)]

    async def test_a_citizen_sees_the_looks_at_shops_where_he_claimed(self, world, client, asking):
        shop, other = world.add_shop(), world.add_shop()
        asking.consumer = world.add_consumer()
        await world.claim(await world.sell(shop, 11_000_00), asking.consumer)
        for one in (shop, other):
            client.get(f"/v1/sellers/{one.tin}/receipts", params={"month": "2017-03"} | WHY)
        client.get(f"/v1/sellers/{shop.tin}/receipts", params={"month": "2017-04"} | WHY)
        client.get("/v1/findings", params={"month": "2017-03"} | WHY)
        [seen] = client.get("/v1/me/accesses").json()["accesses"]
        assert (seen["seller_tin"], seen["month"], seen["purpose"], seen["case"]) == (
            shop.tin,
            "2017-03",
            "monthly check",
            "7/2017",
        )
        assert "officer" not in seen
        asking.consumer = world.add_consumer()
        assert client.get("/v1/me/accesses").json() == {"accesses": [], "next_before": None}


READ = {
    Role.GATEWAY: {"declarations"},
    Role.CLAIMS: set(),
    Role.OFFICER: {"declarations", "runs", "findings"},
    Role.JOBS: {"declarations", "runs", "findings"},
}


class TestPrivileges:
    @pytest.mark.parametrize("role", READ)
    @pytest.mark.parametrize("table", ["declarations", "runs", "findings", "accesses"])
    def test_each_role_reads_what_it_needs(self, database, role, table):
        if table in READ[role]:
            with database.transaction(role) as connection:
                connection.execute(text(f"SELECT * FROM tax.{table}"))
        else:
            with pytest.raises(ProgrammingError, match="permission denied"), database.transaction(role) as connection:
                connection.execute(text(f"SELECT * FROM tax.{table}"))

    @pytest.mark.parametrize("role", READ)
    @pytest.mark.parametrize("table", ["declarations", "runs", "findings", "accesses"])
    @pytest.mark.parametrize("change", ["DELETE FROM tax.{}", "UPDATE tax.{} SET month = 1"])
    def test_nobody_changes_what_was_written(self, database, role, table, change):
        statement = change.format(table).replace("tax.findings SET month", "tax.findings SET score")
        with pytest.raises(ProgrammingError, match="permission denied"), database.transaction(role) as connection:
            connection.execute(text(statement))

    def test_a_citizen_is_not_told_by_whom(self, database):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            database.transaction(Role.CLAIMS) as connection,
        ):
            connection.execute(text("SELECT officer FROM tax.accesses"))
