"""Who is found, who is wrongly accused: the plausibility rules on the demo's world, seed by seed, without a server.

    python benchmarks/bench_plausibility.py [--seeds 20] [--month 2017-03] [--json]

Every seed plants four sellers that declare 10 to 40 % below their receipts (first kind) and four that never post 30 to
60 % of their baskets (second kind) among the real retailer's stores; each seed is judged a second time with no plant.
The frames are made from the data set by the same tables as the demo's receipts. Printed are the sellers accused of each
kind, the honest ones accused, and the recall of the second kind with its 95 % interval (Wilson 1927). Exit 1 when a bar
is missed: all of the first kind, at most one honest seller on average, at most one with no plant.

March is a good month. `--month` judges another: some honest stores of the data lose much of their trade in April, July
and August, and are accused of it. How falls are judged was chosen with the figures of all ten months in sight, so none
of them is a blind test.
"""

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

import polars as pl

from analytics.assessment import assess
from analytics.frames import DECLARATIONS, INSTANT, LINKS, PARTS, SELLERS, SIGHTINGS, Lake
from barimt.demo.cast import Seller
from barimt.demo.expected import with_taxes, without_baskets
from barimt.demo.plants import Cheat, Declaration, kept_back
from barimt.demo.retail import data_folder, read_lines
from barimt.demo.seeded import Seed
from barimt.demo.world import World, make_world
from kernel.clock import DAY_ZERO, Month
from receipts.receipt import Nature, TaxType

VOIDED_AFTER = timedelta(hours=2)
HONEST_ACCUSED_MAX = 1.0
_KEY = ("seller", "terminal", "day", "number")


@dataclass(frozen=True, slots=True)
class Tally:
    """What one seed showed. `rules` counts the accusing rows of each rule."""

    seed: int
    first_planted: int
    first_found: int
    second_planted: int
    second_found: int
    honest_accused: int
    accused_without_plant: int
    rules: dict[str, int]


def lake_of(world: World) -> Lake:
    """Make the lake that the world's receipts and declarations would have left."""
    sold = _sold(world)
    links = _links(world, sold)
    return Lake(
        month=world.month,
        as_of=world.month.ends_at + timedelta(days=5),
        parts=_parts(world, sold, links).lazy(),
        links=_in(world.month, links).select(*LINKS, "month").lazy(),
        sightings=_in(world.month, pl.DataFrame(schema=SIGHTINGS)).lazy(),
        sellers=_in(world.month, _sellers(world.sellers)).lazy(),
        declarations=_declarations(world.declarations).lazy(),
    )


def _in(month: Month, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(month=pl.lit(str(month)))


def _sellers(sellers: Sequence[Seller]) -> pl.DataFrame:
    rows = [
        (int(one.tin), one.tin, one.name, one.sector, one.place.district, one.vat_payer, one.city_tax_payer)
        for one in sellers
    ]
    return pl.DataFrame(rows, schema=SELLERS, orient="row")


def _declarations(declarations: Sequence[Declaration]) -> pl.DataFrame:
    rows = [
        (int(one.seller_tin), str(one.month), 1, one.net_revenue_mongo, one.vat_mongo, one.month.ends_at)
        for one in declarations
    ]
    return pl.DataFrame(rows, schema=DECLARATIONS, orient="row")


def _sold(world: World) -> pl.DataFrame:
    """Answer the posted lines with taxes, sorted by time, and of each its basket's seller, terminal and marks."""
    plan = world.plan
    claimed = {sale.basket.basket_id for sale in plan.claimed}
    sales = pl.DataFrame(
        [
            (
                sale.basket.basket_id,
                int(sale.seller.tin),
                sale.terminal,
                sale.buyer_tin is not None,
                sale.seller.vat_payer,
                sale.basket.basket_id in claimed,
                sale.basket.basket_id in plan.voided_baskets,
            )
            for sale in plan.sales
        ],
        schema=["basket_id", "seller", "terminal", "business", "vat_payer", "claimed", "voided"],
        orient="row",
    )
    returned = pl.DataFrame(sorted(plan.returned_lines), schema={"basket_id": pl.Int64, "line": pl.Int64}, orient="row")
    lines = without_baskets(with_taxes(read_lines(data_folder(), world.month), world.sellers), kept_back(world.planted))
    no_vat = pl.lit(int(TaxType.NO_VAT), dtype=pl.Int8)
    return (
        lines.join(sales, on="basket_id", how="inner")
        .join(returned.with_columns(returned=pl.lit(value=True)), on=["basket_id", "line"], how="left")
        .with_columns(
            pl.col("returned").fill_null(value=False),
            day=(pl.col("sold_at").dt.date() - pl.lit(DAY_ZERO)).dt.total_days().cast(pl.Int32),
            issued_at=pl.col("sold_at")
            .dt.replace_time_zone("Asia/Ulaanbaatar")
            .dt.convert_time_zone("UTC")
            .cast(INSTANT),
            tax_type=pl.when("vat_payer").then("tax_type").otherwise(no_vat),
        )
        .sort("issued_at", "basket_id", "line")
    )


def _links(world: World, sold: pl.DataFrame) -> pl.DataFrame:
    """Answer one row a link: each sale, each void and each correction, with number and counter in order of time."""
    amounts = [pl.col(name).sum() for name in ("total_mongo", "vat_mongo")]
    marks = ["basket_id", "seller", "terminal", "issued_at", "claimed", "voided"]
    sales = sold.group_by(*marks, maintain_order=True).agg(*amounts, corrected=pl.col("returned").any())
    kept = sold.filter(~pl.col("returned")).group_by("basket_id").agg(*amounts)
    later = pl.col("issued_at") + VOIDED_AFTER
    voids = sales.filter("voided").with_columns(later, -pl.col("total_mongo"), -pl.col("vat_mongo"))
    corrections = (
        sales.filter("corrected").drop("total_mongo", "vat_mongo").with_columns(later).join(kept, on="basket_id")
    )
    every = [(Nature.SALE, sales), (Nature.VOID, voids), (Nature.CORRECTION, corrections)]
    chain = ["seller", "terminal"]
    links = (
        pl.concat(
            [
                frame.select(*marks, "total_mongo", "vat_mongo", nature=pl.lit(int(nature), dtype=pl.Int8))
                for nature, frame in every
            ]
        )
        .sort("issued_at", "basket_id", "nature")
        .with_columns(
            day=(
                pl.col("issued_at").dt.convert_time_zone("Asia/Ulaanbaatar").dt.date() - pl.lit(DAY_ZERO)
            ).dt.total_days(),
            counter=pl.int_range(pl.len()).over(chain),
            turnover_mongo=pl.when(pl.col("nature") == int(Nature.VOID))
            .then(0)
            .otherwise("total_mongo")
            .cum_sum()
            .over(chain),
        )
        .with_columns(number=2 * pl.int_range(pl.len()).over(*chain, "day"), branch=pl.lit(1))
    )
    first = pl.col("nature") == int(Nature.SALE)
    roots = links.filter(first).select(
        "basket_id",
        *[pl.col(name).alias(f"root_{name}") for name in ("terminal", "day", "number")],
        claimed_at=pl.when("claimed").then(pl.col("issued_at") + timedelta(hours=1)),
    )
    joined = links.join(roots, on="basket_id", how="left", maintain_order="left")
    return _in(world.month, joined.with_columns(pl.col(name).cast(kind) for name, kind in LINKS.items()))


def _parts(world: World, sold: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Answer the parts of every link, signed as revenue is."""
    amounts = [pl.col(name).sum() for name in ("total_mongo", "vat_mongo", "city_tax_mongo")]
    by = ["basket_id", "tax_type", "business"]
    first = sold.group_by(by, maintain_order=True).agg(amounts)
    kept = sold.filter(~pl.col("returned")).group_by(by, maintain_order=True).agg(amounts)
    signed = [
        (Nature.SALE, first, 1, True),
        (Nature.VOID, first, -1, True),
        (Nature.CORRECTION, kept, 1, True),
        (Nature.CORRECTION, first, -1, False),
    ]
    pieces = [
        links.filter(pl.col("nature") == int(nature))
        .join(
            parts.drop("vat_mongo").with_columns(parts["vat_mongo"].alias("part_vat_mongo")),
            on="basket_id",
            how="inner",
            suffix="_part",
        )
        .with_columns(
            merchant=pl.col("seller"),
            revenue_mongo=sign * pl.col("total_mongo_part"),
            vat_mongo=sign * pl.col("part_vat_mongo"),
            city_tax_mongo=sign * pl.col("city_tax_mongo"),
            counts=pl.lit(counted) & (pl.int_range(pl.len()).over(*_KEY) == 0),
        )
        .select(pl.col(name).cast(kind) for name, kind in PARTS.items())
        for nature, parts, sign, counted in signed
    ]
    return _in(world.month, pl.concat(pieces))


def tally(seed: int, month: Month) -> Tally:
    """Judge one seed, with the plant and without."""
    world = make_world(data_folder(), month, Seed(seed))
    findings = assess(lake_of(world)).findings.filter(pl.col("level") == "finding")
    accused = set(findings["tin"])
    kinds = {kind: {one.seller.tin for one in world.planted if one.cheat is kind} for kind in Cheat}
    honest = make_world(data_folder(), month, Seed(seed), under_declared=0, keep_back=0)
    without = assess(lake_of(honest)).findings.filter(pl.col("level") == "finding")
    return Tally(
        seed=seed,
        first_planted=len(kinds[Cheat.UNDER_DECLARED]),
        first_found=len(kinds[Cheat.UNDER_DECLARED] & accused),
        second_planted=len(kinds[Cheat.KEPT_BACK]),
        second_found=len(kinds[Cheat.KEPT_BACK] & accused),
        honest_accused=len(accused.difference(*kinds.values())),
        accused_without_plant=without["tin"].n_unique(),
        rules=dict(sorted(Counter(findings["rule"]).items())),
    )


def interval(found: int, tried: int) -> tuple[float, float]:
    """Answer Wilson's 95 % interval of a share."""
    z, share = 1.959964, found / tried
    centre = (share + z * z / (2 * tried)) / (1 + z * z / tried)
    half = z / (1 + z * z / tried) * math.sqrt(share * (1 - share) / tried + z * z / (4 * tried * tried))
    return max(0.0, centre - half), min(1.0, centre + half)


def summary(tallies: Sequence[Tally], seconds: float) -> dict[str, object]:
    """Put the seeds together."""
    planted, found = sum(one.second_planted for one in tallies), sum(one.second_found for one in tallies)
    low, high = interval(found, planted)
    return {
        "seeds": len(tallies),
        "first_planted": sum(one.first_planted for one in tallies),
        "first_found": sum(one.first_found for one in tallies),
        "honest_accused_mean": sum(one.honest_accused for one in tallies) / len(tallies),
        "accused_without_plant_mean": sum(one.accused_without_plant for one in tallies) / len(tallies),
        "accused_without_plant_max": max(one.accused_without_plant for one in tallies),
        "second_planted": planted,
        "second_found": found,
        "second_recall": round(found / planted, 3),
        "second_recall_interval": [round(low, 3), round(high, 3)],
        "seconds": round(seconds, 1),
        "tallies": [asdict(one) for one in tallies],
    }


def holds(figures: dict[str, object]) -> bool:
    """Answer whether the bars are met."""
    return (
        figures["first_found"] == figures["first_planted"]
        and max(figures["honest_accused_mean"], figures["accused_without_plant_mean"]) <= HONEST_ACCUSED_MAX
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--month", type=Month.parse, default=Month(2017, 3))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    started = time.perf_counter()
    tallies = [tally(seed, options.month) for seed in range(1, options.seeds + 1)]
    figures = summary(tallies, time.perf_counter() - started)
    if options.json:
        print(json.dumps(figures))
    else:
        print("seed   1st found   2nd found   honest accused   accused without a plant   by rule")
        for one in tallies:
            print(
                f"{one.seed:4}   {one.first_found:3} of {one.first_planted}"
                f"    {one.second_found:3} of {one.second_planted}"
                f"   {one.honest_accused:14}   {one.accused_without_plant:23}   {one.rules}"
            )
        print(*(f"{name}: {value}" for name, value in figures.items() if name != "tallies"), sep="\n")
    return 0 if holds(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
