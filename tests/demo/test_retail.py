from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import polars as pl
import pytest

from barimt.demo.retail import LINES, LITRE, PIECE, baskets_of, data_folder, in_month, read_lines
from kernel.clock import Month

MONGO_PER_DOLLAR = Decimal(244_000)


class TestInMonth:
    def test_begins_at_midnight_and_ends_before_the_next(self) -> None:
        times = ["2017-02-28 23:59:59", "2017-03-01 00:00:00", "2017-03-31 23:59:59", "2017-04-01 00:00:00"]
        frame = pl.DataFrame({"time": times}).with_columns(sold_at=pl.col("time").str.to_datetime())
        assert frame.filter(in_month(Month(2017, 3)))["time"].to_list() == times[1:3]


class TestReadLines:
    def test_march_has_the_baskets_and_the_money_of_the_data_set(self, lines: pl.DataFrame) -> None:
        assert (lines["basket_id"].n_unique(), lines["total_mongo"].sum()) == (12_981, 92_793_380_560)

    def test_dollars_become_mongo_exactly(self, folder: Path, lines: pl.DataFrame) -> None:
        dollars = (
            pl.scan_parquet(folder / "transactions.parquet")
            .filter(pl.col("transaction_timestamp").dt.month() == 3)
            .select("sales_value")
            .collect()["sales_value"]
        )
        exact = sum(Decimal(f"{value:.2f}") for value in dollars) * MONGO_PER_DOLLAR
        assert exact == lines["total_mongo"].sum()

    def test_keeps_its_shape(self, lines: pl.DataFrame) -> None:
        assert lines.schema == LINES
        assert set(lines.columns) - set(lines.drop_nulls().columns) == set()
        assert [name for name in lines.columns if lines[name].null_count()] == ["tax_product"]

    def test_the_months_of_the_year_hold_every_sale_of_2017_once(self, folder: Path) -> None:
        counts = [read_lines(folder, Month(2017, number)).height for number in range(1, 13)]
        of_2018 = pl.read_parquet(folder / "transactions.parquet", columns=["transaction_timestamp"]).filter(
            pl.col("transaction_timestamp").dt.year() == 2018
        )
        assert sum(counts) == 1_469_307 - of_2018.height

    def test_is_the_same_every_time(self, folder: Path, lines: pl.DataFrame) -> None:
        assert read_lines(folder, Month(2017, 3)).equals(lines)

    def test_fuel_is_in_litres_and_all_else_in_pieces(self, lines: pl.DataFrame) -> None:
        litres = lines.filter(pl.col("unit") == LITRE)
        assert litres["product"].unique().to_list() == ["GASOLINE-REG UNLEADED"]
        assert set(lines["unit"]) == {LITRE, PIECE}
        price = (litres["total_mongo"] * 1000 // litres["quantity_milli"]).median()
        assert 100_000 < price < 200_000  # 1,000 to 2,000 MNT a litre

    def test_a_gallon_is_3_785411784_litres_half_up(self, folder: Path, lines: pl.DataFrame) -> None:
        sold = (
            pl.scan_parquet(folder / "transactions.parquet")
            .filter((pl.col("transaction_timestamp").dt.month() == 3) & (pl.col("quantity") > 200))
            .collect()["quantity"]
        )
        litres = [int((value * Decimal("3.785411784")).quantize(Decimal(1), rounding=ROUND_HALF_UP)) for value in sold]
        ours = lines.filter((pl.col("unit") == LITRE) & (pl.col("quantity_milli") > 757))["quantity_milli"]
        assert sorted(ours.to_list()) == sorted(litres)

    def test_no_quantity_is_zero_and_pieces_are_whole(self, lines: pl.DataFrame) -> None:
        assert lines["quantity_milli"].min() > 0
        assert lines.filter(pl.col("unit") == PIECE).filter(pl.col("quantity_milli") % 1000 != 0).is_empty()

    def test_names_tell_the_good_and_the_product(self, lines: pl.DataFrame) -> None:
        assert "Сүү, Fluid milk white only" in set(lines["name"])
        assert lines["name"].str.len_chars().max() <= 255
        assert lines.filter(pl.col("product") == "")["name"].str.contains(",").any() is False

    def test_places_count_from_zero_in_each_basket(self, lines: pl.DataFrame) -> None:
        by_basket = lines.group_by("basket_id").agg(pl.col("line").sort(), pl.len())
        assert by_basket.filter(pl.col("line") != pl.int_ranges(0, pl.col("len"))).is_empty()


class TestBasketsOf:
    def test_every_line_is_in_its_basket_at_its_place(self, lines: pl.DataFrame) -> None:
        rows = {
            (basket_id, line): total
            for basket_id, line, total in lines.select("basket_id", "line", "total_mongo").rows()
        }
        baskets = baskets_of(lines)
        assert {
            (basket.basket_id, place): line.total_mongo for basket in baskets for place, line in enumerate(basket.lines)
        } == rows

    def test_are_in_order_of_time_in_ulaanbaatar(self, lines: pl.DataFrame) -> None:
        baskets = baskets_of(lines)
        assert [basket.sold_at for basket in baskets] == sorted(basket.sold_at for basket in baskets)
        assert {basket.sold_at.utcoffset() for basket in baskets} == {timedelta(hours=8)}
        assert {Month.of(basket.sold_at) for basket in baskets} == {Month(2017, 3)}

    def test_42_baskets_of_march_cost_nothing(self, lines: pl.DataFrame) -> None:
        assert sum(basket.total_mongo == 0 for basket in baskets_of(lines)) == 42


class TestDataFolder:
    def test_says_what_to_install_where_the_data_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("barimt.demo.retail.PACKAGE", "no_such_package_anywhere")
        with pytest.raises(SystemExit, match="pip install"):
            data_folder()
