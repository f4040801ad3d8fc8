import csv
from pathlib import Path

import polars as pl
import pytest

from barimt.demo.cast import (
    PLACES,
    cast_sellers,
    csv_text,
    households_of,
    read_stores,
    sector_of,
    seller_rows,
    terminal_rows,
)
from barimt.demo.world import DEFAULT_MONTH, World
from kernel.identity import parse_terminal, parse_tin
from tests.needs import SHARED_DATA

CODES = SHARED_DATA / "codes"
STORE = {"store_id": [7], "year_mongo": [0], "food_mongo": [0], "fuel_mongo": [0], "baskets": [1]}


def cast_one(**change: int) -> object:
    [seller] = cast_sellers(pl.DataFrame(STORE | {name: [value] for name, value in change.items()}))
    return seller


class TestReadStores:
    def test_one_row_a_store_that_sold_in_the_month(self, folder: Path, world: World) -> None:
        stores = read_stores(folder, DEFAULT_MONTH)
        assert stores["store_id"].to_list() == sorted({basket.store_id for basket in world.baskets})
        assert stores["baskets"].sum() == 12_981

    def test_food_and_fuel_are_parts_of_the_year(self, folder: Path) -> None:
        stores = read_stores(folder, DEFAULT_MONTH)
        assert stores.filter(pl.col("food_mongo") + pl.col("fuel_mongo") > pl.col("year_mongo")).is_empty()
        assert stores["fuel_mongo"].sum() > 0


class TestCastSellers:
    @pytest.mark.parametrize(("year_mongo", "payer"), [(4_999_999_999, False), (5_000_000_000, True)])
    def test_a_seller_of_50_million_tugrik_a_year_pays_vat(self, year_mongo: int, *, payer: bool) -> None:
        assert cast_one(year_mongo=year_mongo).vat_payer is payer

    @pytest.mark.parametrize(("store_id", "payer"), [(3, False), (4, True)])
    def test_only_vat_payers_of_the_capital_pay_city_tax(self, store_id: int, *, payer: bool) -> None:
        assert PLACES[store_id].capital is payer
        assert cast_one(store_id=store_id, year_mongo=5_000_000_000).city_tax_payer is payer
        assert cast_one(store_id=store_id).city_tax_payer is False

    @pytest.mark.parametrize(("baskets", "terminals"), [(1, 1), (120, 1), (121, 2), (240, 2), (241, 3), (9_999, 3)])
    def test_terminals_by_the_number_of_baskets(self, baskets: int, terminals: int) -> None:
        assert len(cast_one(baskets=baskets).terminals) == terminals

    def test_numbers_are_well_formed_and_nobody_shares_one(self, world: World) -> None:
        tins = [parse_tin(seller.tin) for seller in world.sellers]
        terminals = [parse_terminal(f"{terminal:08d}") for seller in world.sellers for terminal in seller.terminals]
        names = [seller.name for seller in world.sellers]
        assert [len(set(these)) - len(these) for these in (tins, terminals, names)] == [0, 0, 0]

    def test_a_basket_belongs_to_one_of_its_sellers_terminals(self, world: World) -> None:
        used = {sale.terminal for sale in world.plan.sales}
        assert used == {terminal for seller in world.sellers for terminal in seller.terminals}
        assert all(sale.terminal in sale.seller.terminals for sale in world.plan.sales)

    @pytest.mark.needs("shared data")
    def test_districts_and_sectors_are_rows_of_the_official_lists(self, world: World) -> None:
        with (CODES / "ebarimt_district_codes_api.csv").open(encoding="utf-8") as file:
            districts = {row["branchCode"] + row["subBranchCode"] for row in csv.DictReader(file)}
        with (CODES / "isic4_en.csv").open(encoding="utf-8") as file:
            classes = {row["code"] for row in csv.DictReader(file) if row["level"] == "class"}
        assert {place.district for place in PLACES} - districts == set()
        assert {seller.sector for seller in world.sellers} - classes == set()


class TestSectorOf:
    @pytest.mark.parametrize(
        ("food_mongo", "fuel_mongo", "sector"),
        [(700, 0, "4711"), (699, 0, "4719"), (400, 500, "4730"), (501, 499, "4719"), (700, 300, "4711")],
    )
    def test_follows_what_was_sold(self, food_mongo: int, fuel_mongo: int, sector: str) -> None:
        assert sector_of(year_mongo=1000, food_mongo=food_mongo, fuel_mongo=fuel_mongo) == sector


class TestRows:
    def test_sellers_and_terminals_come_as_csv(self) -> None:
        seller = cast_one(store_id=4, year_mongo=5_000_000_000)
        assert csv_text(seller_rows([seller])) == (
            "tin,name,sector,district,city_tax_payer,vat_registered_from\n"
            "90000000004,Ногоон гүүр №4,4719,2405,true,2016-01-01\n"
        )
        assert csv_text(terminal_rows([seller])) == (
            "seller_tin,number,mode,branch,district\n90000000004,10000041,gateway,001,2405\n"
        )

    def test_who_does_not_pay_vat_has_no_day_of_registration(self) -> None:
        [row] = seller_rows([cast_one()])
        assert (row["vat_registered_from"], row["city_tax_payer"]) == ("", "false")

    def test_each_household_is_one_consumer(self, world: World) -> None:
        assert len(households_of(world.baskets)) == 2_025
