from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from analytics.assessment import assess
from analytics.declare_month import Declaration, declare_month
from analytics.export_lake import Exported, export_lake
from analytics.facts import seller_month_facts
from analytics.frames import DECLARATIONS, FORKS, LINKS, PARTS, SELLERS, SIGHTINGS, Lake
from analytics.lake import open_lake
from analytics.profiles import daily_sales
from kernel.clock import Month
from receipts.receipt import Nature, TaxType
from runtime.database import Database, Role
from tests.changing import replace
from tests.factories import OPENED_AT, PartOf, World, open_world
from tests.receipts.signed_world import deliver, enrol_till, make_liar, sale_draft, sign, start

MARCH = Month(2017, 3)


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with open_world(database) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def export(database: Database, folder: Path) -> Exported:
    with database.transaction(Role.JOBS) as connection:
        return export_lake(connection, folder=folder)


def lake_of(database: Database, folder: Path, month: Month = MARCH) -> Lake:
    export(database, folder)
    return open_lake(folder, month, as_of=OPENED_AT + timedelta(days=60))


def facts_of(lake: Lake, seller: int) -> dict[str, object]:
    return seller_month_facts(lake).collect().row(by_predicate=pl.col("seller") == seller, named=True)


class TestExportLake:
    async def test_writes_the_shapes_that_everything_else_reads(self, world, database, folder):
        shop, consumer = world.add_shop(), world.add_consumer()
        await world.claim(await world.sell(shop, 11_000_00), consumer)
        lake = lake_of(database, folder)
        for frame, schema in [
            (lake.parts, PARTS),
            (lake.links, LINKS),
            (lake.forks, FORKS),
            (lake.sightings, SIGHTINGS),
            (lake.sellers, SELLERS),
            (lake.declarations, {name: kind for name, kind in DECLARATIONS.items() if name != "month"}),
        ]:
            assert dict(frame.collect_schema()) == {**schema, "month": pl.String()}
        assert lake.parts.collect().height == 1
        assert lake.sightings.collect()["stored"].to_list() == ["same"]

    async def test_a_lake_that_was_never_exported_is_empty(self, folder):
        lake = open_lake(folder, MARCH, as_of=OPENED_AT)
        assert seller_month_facts(lake).collect().is_empty()

    async def test_the_facts_are_what_was_sold_voided_and_corrected(self, world, database, folder):
        shop, consumer = world.add_shop(), world.add_consumer()
        voided = await world.sell(shop, 11_000_00)
        corrected = await world.sell(shop, 22_000_00, PartOf(5_000_00, TaxType.VAT_ZERO))
        await world.sell(shop, 3_300_00, business=True)
        await world.sell(shop, 4_400_00, nature=Nature.TRAINING)
        await world.claim(voided, consumer)
        world.now += timedelta(hours=1)
        await world.void(voided)
        await world.correct(corrected, shop, 1_100_00)
        facts = facts_of(lake_of(database, folder), shop.seller)
        assert (facts["receipts"], facts["voids"], facts["corrections"]) == (3, 1, 1)
        assert (facts["gross_mongo"], facts["vat_mongo"]) == (1_100_00 + 3_300_00, 100_00 + 300_00)
        assert (facts["b2b_net_mongo"], facts["voids_mongo"]) == (3_000_00, 11_000_00)
        assert (facts["claims"], facts["voids_after_claim"]) == (1, 1)

    async def test_a_correction_of_a_correction_takes_the_latest_away(self, world, database, folder):
        shop = world.add_shop()
        first = await world.sell(shop, 11_000_00)
        second = await world.correct(first, shop, 7_700_00)
        await world.correct(second, shop, 5_500_00)
        facts = facts_of(lake_of(database, folder), shop.seller)
        assert (facts["gross_mongo"], facts["corrections"]) == (5_500_00, 2)

    async def test_parts_count_for_their_merchant(self, world, database, folder):
        mall, tenant = world.add_shop(), world.add_shop()
        await world.sell(mall, 11_000_00, PartOf(2_200_00, shop=tenant), PartOf(1_000_00, TaxType.VAT_ZERO))
        lake = lake_of(database, folder)
        assert facts_of(lake, tenant.seller)["gross_mongo"] == 2_200_00
        own = facts_of(lake, mall.seller)
        assert (own["gross_mongo"], own["receipts"], own["vatable_net_mongo"]) == (12_000_00, 1, 10_000_00)

    async def test_copies_again_only_the_days_that_changed(self, world, database, folder):
        shop, consumer = world.add_shop(), world.add_consumer()
        first = await world.sell(shop, 11_000_00)
        world.now += timedelta(days=1)
        await world.sell(shop, 22_000_00)
        assert export(database, folder) == Exported(months=1, days_written=2, days_unchanged=0)
        assert export(database, folder) == Exported(months=1, days_written=0, days_unchanged=2)
        await world.sell(shop, 33_000_00)
        assert export(database, folder).days_written == 1
        await world.claim(first, consumer)
        assert export(database, folder).days_written == 1
        assert facts_of(lake_of(database, folder), shop.seller)["claims"] == 1

    async def test_knows_the_months_by_receipts_and_declarations(self, world, database, folder):
        shop = world.add_shop()
        await world.sell(shop, 11_000_00)
        with database.transaction(Role.GATEWAY) as connection:
            said = Declaration(Month(2016, 12), 1, 500, 50)
            declare_month(connection, world.clock, seller=shop.seller, client_id="client-1", declaration=said)
        assert export(database, folder) == Exported(months=2, days_written=1, days_unchanged=0)
        assert lake_of(database, folder).declarations.collect()["month"].to_list() == ["2016-12"]

    async def test_the_same_rows_make_the_same_files(self, world, database, folder, tmp_path):
        shop = world.add_shop()
        for _ in range(3):
            await world.sell(shop, 11_000_00, PartOf(500_00, TaxType.VAT_ZERO))
        export(database, folder)
        export(database, tmp_path / "again")
        files = sorted(path.relative_to(folder) for path in folder.rglob("*.parquet"))
        assert len(files) == 6
        for file in files:
            assert (folder / file).read_bytes() == (tmp_path / "again" / file).read_bytes()

    async def test_a_sale_belongs_to_the_month_in_ulaanbaatar(self, world, database, folder):
        shop = world.add_shop()
        world.now = MARCH.ends_at - timedelta(seconds=1)
        await world.sell(shop, 11_000_00)
        world.now += timedelta(seconds=1)
        await world.sell(shop, 22_000_00)
        assert facts_of(lake_of(database, folder), shop.seller)["gross_mongo"] == 11_000_00
        assert facts_of(lake_of(database, folder, MARCH.plus(1)), shop.seller)["gross_mongo"] == 22_000_00

    async def test_a_scanned_receipt_that_never_arrived_is_none(self, world, database, folder):
        till, consumer = world.add_till(), world.add_consumer()
        late = world.ring_up(till, 11_000_00)
        await world.claim(late, consumer)
        assert lake_of(database, folder).sightings.collect()["stored"].to_list() == ["none"]
        await world.upload(till, late)
        assert lake_of(database, folder).sightings.collect()["stored"].to_list() == ["same"]

    async def test_names_with_commas_quotes_and_newlines_survive(self, world, database, folder):
        shop = world.add_shop()
        name = 'Дэлгүүр, "Наран"\n=1+1'
        with database.transaction(Role.OWNER) as connection:
            connection.exec_driver_sql("UPDATE pos.sellers SET name = %s", (name,))
        await world.sell(shop, 11_000_00)
        lake = lake_of(database, folder)
        assert lake.sellers.collect()["name"].to_list() == [name]
        assert lake.sellers.collect()["vat_payer"].to_list() == [True]


class TestTaxMonths:
    async def test_a_report_month_counts_for_the_month_before(self, world, database, folder):
        shop = world.add_shop()
        await world.sell(shop, 11_000_00)
        submission = replace(world.order_of(shop, 22_000_00, business=True).submission, report_month="2017-02")
        await world.issue(replace(world.order_of(shop, 22_000_00, business=True), submission=submission))
        february = lake_of(database, folder, MARCH.plus(-1))
        assert facts_of(february, shop.seller)["gross_mongo"] == 22_000_00
        march = lake_of(database, folder)
        facts = facts_of(march, shop.seller)
        assert (facts["gross_mongo"], facts["receipts"], facts["previous_receipts_net_mongo"]) == (
            11_000_00, 1, 20_000_00,
        )  # fmt: skip
        assert march.links.collect().height == 3
        assert daily_sales(february).collect()["date"].to_list() == [date(2017, 2, 28)]

    async def test_copies_the_other_month_again_when_something_counts_for_it(self, world, database, folder):
        shop = world.add_shop()
        order = world.order_of(shop, 22_000_00, business=True)
        await world.sell(shop, 11_000_00)
        assert export(database, folder) == Exported(months=1, days_written=1, days_unchanged=0)
        await world.issue(replace(order, submission=replace(order.submission, report_month="2017-02")))
        assert export(database, folder) == Exported(months=2, days_written=2, days_unchanged=0)
        assert export(database, folder) == Exported(months=2, days_written=0, days_unchanged=2)

    async def test_a_clock_that_was_ahead_counts_when_it_was_received(self, world, database, folder):
        till = enrol_till(world)
        links = [start(till), sign(till, sale_draft(till.shop, 11_000_00), at=OPENED_AT + timedelta(days=40))]
        await deliver(world, till, *links)
        assert facts_of(lake_of(database, folder), till.shop.seller)["gross_mongo"] == 11_000_00
        april = lake_of(database, folder, MARCH.plus(1))
        assert facts_of(april, till.shop.seller)["gross_mongo"] == 0


class TestLinksOfTills:
    async def test_what_follows_nothing_changes_nothing(self, world, database, folder):
        liar = await make_liar(world, enrol_till(world))
        facts = facts_of(lake_of(database, folder), liar.till.shop.seller)
        assert (facts["voids"], facts["corrections"]) == (1, 1)
        parts = lake_of(database, folder).parts.collect()
        assert parts.filter(pl.col("number") == liar.void_of_nothing.number, nature=4).is_empty()

    async def test_a_second_branch_is_in_no_sum_and_is_noted(self, world, database, folder):
        till, consumer = enrol_till(world), world.add_consumer()
        first = start(till)
        copy = replace(till)
        sold, other = sign(till, sale_draft(till.shop, 11_000_00)), sign(copy, sale_draft(till.shop, 22_000_00))
        await deliver(world, till, first, sold)
        await world.claim(other, consumer)
        lake = lake_of(database, folder)
        assert lake.sightings.collect()["stored"].to_list() == ["other"]
        await deliver(world, copy, other)
        lake = lake_of(database, folder)
        assert lake.sightings.collect()["stored"].to_list() == ["fork"]
        assert facts_of(lake, till.shop.seller)["gross_mongo"] == 11_000_00
        evidence = assess(lake)
        assert evidence.findings.select("rule", "level", "effect").rows() == [("chains_forked", "note", "1")]
        assert evidence.findings["receipts"].to_list() == [[str(other.id)]]
