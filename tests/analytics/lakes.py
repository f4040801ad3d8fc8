"""Small lakes for tests: shops with a number of equal sales, declarations, claims, voids and sightings."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from analytics.frames import DECLARATIONS, FORKS, LINKS, PARTS, SELLERS, SIGHTINGS, Lake
from kernel.clock import Month

MARCH = Month(2017, 3)
AS_OF = MARCH.ends_at + timedelta(days=10)
FIRST_SELLER = 37_900_000_001
TERMINAL = 10_000_001


@dataclass(frozen=True, slots=True)
class Parts:
    """Rows of `PARTS` of one seller: `count` links of nature `nature`, one part each, spread over the month's days."""

    seller: int
    count: int
    net_mongo: int = 100_00
    vat_mongo: int = 10_00
    nature: int = 0
    tax_type: int = 0
    business: bool = False
    counts: bool = True
    month: Month = MARCH
    days: tuple[int, ...] = tuple(range(31))
    first_number: int = 0

    def rows(self) -> list[dict[str, object]]:
        """Answer the rows, with the column `month`."""
        return [
            {
                "merchant": self.seller,
                "seller": self.seller,
                "branch": 1,
                "terminal": TERMINAL,
                "day": self.month.first_day + self.days[at % len(self.days)],
                "number": self.first_number + 2 * at,
                "issued_at": self.month.starts_at + timedelta(days=self.days[at % len(self.days)], hours=at % 12),
                "nature": self.nature,
                "business": self.business,
                "tax_type": self.tax_type,
                "counts": self.counts,
                "revenue_mongo": self.net_mongo + self.vat_mongo,
                "vat_mongo": self.vat_mongo,
                "city_tax_mongo": 0,
                "month": str(self.month),
            }
            for at in range(self.count)
        ]


@dataclass(slots=True)
class Town:
    """Sellers, their parts, links, sightings and declarations; `lake()` puts them together."""

    parts: list[Parts] = field(default_factory=list)
    declared: list[tuple[int, Month, int, int, int]] = field(default_factory=list)
    links: list[dict[str, object]] = field(default_factory=list)
    sightings: list[dict[str, object]] = field(default_factory=list)
    forks: list[dict[str, object]] = field(default_factory=list)
    sectors: dict[int, str] = field(default_factory=dict)
    vat_payers: dict[int, bool] = field(default_factory=dict)
    as_of: datetime = AS_OF

    def add_shop(self, *, receipts: int = 50, net_mongo: int = 100_00, sector: str = "4711", share: float = 1.0) -> int:
        """Add a seller that sells as much as in the two months before, and declares that share of it."""
        seller = FIRST_SELLER + len(self.sectors)
        self.sectors[seller], self.vat_payers[seller] = sector, True
        self.parts.append(Parts(seller, receipts, net_mongo, net_mongo // 10))
        for back in (2, 1):
            self.declare(seller, receipts * net_mongo, month=MARCH.plus(-back))
        self.declare(seller, round(receipts * net_mongo * share))
        return seller

    def declare(
        self, seller: int, net_mongo: int, *, vat_mongo: int | None = None, month: Month = MARCH, version: int = 1
    ) -> None:
        """File a declaration, with a tenth of VAT unless told otherwise."""
        self.declared.append((seller, month, version, net_mongo, net_mongo // 10 if vat_mongo is None else vat_mongo))

    def redeclare(self, seller: int, net_mongo: int, *, vat_mongo: int | None = None) -> None:
        """Amend the month's declaration."""
        versions = [version for who, month, version, *_ in self.declared if (who, month) == (seller, MARCH)]
        self.declare(seller, net_mongo, vat_mongo=vat_mongo, version=max(versions, default=0) + 1)

    def resell(self, seller: int, **changes: object) -> None:
        """Change what a seller sold, leaving what it declared before as it is."""
        self.parts = [replace(part, **changes) if part.seller == seller else part for part in self.parts]

    def link(self, seller: int, counter: int, total_mongo: int, **given: object) -> None:
        """Add a stored link of the seller's one chain; its number is its counter."""
        at = MARCH.starts_at + timedelta(hours=1 + counter)
        self.links.append(
            {
                "seller": seller,
                "branch": 1,
                "terminal": TERMINAL,
                "day": MARCH.first_day,
                "number": counter,
                "counter": counter,
                "turnover_mongo": 0,
                "nature": 0,
                "total_mongo": total_mongo,
                "vat_mongo": 0,
                "issued_at": at,
                "root_terminal": TERMINAL,
                "root_day": MARCH.first_day,
                "root_number": counter,
                "claimed_at": None,
            }
            | given
        )

    def sight(self, seller: int, counter: int, turnover_mongo: int, *, total_mongo: int, stored: str = "same") -> None:
        """Let a customer scan the receipt with that counter."""
        self.sightings.append(
            {
                "seller": seller,
                "branch": 1,
                "terminal": TERMINAL,
                "day": MARCH.first_day,
                "number": counter,
                "counter": counter,
                "total_mongo": total_mongo,
                "turnover_mongo": turnover_mongo,
                "issued_at": MARCH.starts_at + timedelta(hours=1 + counter),
                "seen_at": MARCH.starts_at + timedelta(days=1),
                "stored": stored,
            }
        )

    def fork(self, seller: int, counter: int, total_mongo: int) -> None:
        """Add a link of a second branch of the seller's one chain."""
        at = MARCH.starts_at + timedelta(hours=1 + counter)
        place = {"seller": seller, "branch": 1, "terminal": TERMINAL, "day": MARCH.first_day, "number": counter}
        said = {"counter": counter, "nature": 0, "total_mongo": total_mongo, "issued_at": at}
        self.forks.append({**place, **said})

    def lake(self) -> Lake:
        """Put the lake together."""
        sellers = [
            (seller, f"{seller}", f"Дэлгүүр {seller}", sector, "2501", self.vat_payers[seller], False)
            for seller, sector in self.sectors.items()
        ]
        declared = [
            (seller, str(month), version, net, vat, datetime(2017, 4, version, tzinfo=UTC))
            for seller, month, version, net, vat in self.declared
        ]
        rows = [row for part in self.parts for row in part.rows()]
        return Lake(
            month=MARCH,
            as_of=self.as_of,
            parts=pl.LazyFrame(rows, schema=pl.Schema([*PARTS.items(), ("month", pl.String())])),
            links=_in_march(pl.LazyFrame(self.links, schema=LINKS)),
            sightings=_in_march(pl.LazyFrame(self.sightings, schema=SIGHTINGS)),
            sellers=_in_march(pl.LazyFrame(sellers, schema=SELLERS, orient="row")),
            declarations=pl.LazyFrame(declared, schema=DECLARATIONS, orient="row"),
            forks=_in_march(pl.LazyFrame(self.forks, schema=FORKS)),
        )


def _in_march(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.with_columns(month=pl.lit(str(MARCH)))


def honest_town(*, shops: int = 30, receipts: int = 50) -> Town:
    """A town of honest shops whose trade and declarations scatter a little, each differently."""
    town = Town()
    for at in range(shops):
        seller = town.add_shop(receipts=receipts, share=1 + (at % 7 - 3) / 100)
        town.resell(seller, count=receipts + at % 9 - 4)
        grown = town.parts[-1].count * town.parts[-1].net_mongo
        town.redeclare(seller, grown * (100 + at % 7 - 3) // 100)
    return town
