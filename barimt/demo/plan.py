"""The course of a month: which sales go singly, which are printed and claimed, voided and corrected."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from barimt.demo.cast import Seller
from barimt.demo.plants import Planted, kept_back
from barimt.demo.retail import Basket
from barimt.demo.seeded import Seed
from barimt.demo.submissions import Sale

BUSINESS_PER_MILLE = 30
CLAIMED_PER_MILLE = 400
VOIDED_PER_MILLE = 10
CORRECTED_PER_MILLE = 10
SINGLES_MIN = 600
PRINTED = 240
BUYER_TINS = tuple(f"901{number:08d}" for number in range(1, 21))
"""Twenty invented companies that buy for their business."""


@dataclass(frozen=True, slots=True)
class Return:
    """A line that a customer brings back: which sale, and the line's place in its basket."""

    sale: Sale
    line: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A month as it will be played. Sales are in order of time; the other collections are of these sales."""

    sales: tuple[Sale, ...]
    """All that is posted: the baskets less those kept back."""
    singles: tuple[Sale, ...]
    """Posted one by one: every sale of some tills, so that no till's order is torn."""
    batches: tuple[Sale, ...]
    """Posted in batches: the rest."""
    printed: tuple[Sale, ...]
    """Drawn as a till would print them and claimed by picture; part of `claimed`."""
    claimed: tuple[Sale, ...]
    voided: tuple[Sale, ...]
    corrected: tuple[Return, ...]

    @property
    def voided_baskets(self) -> frozenset[int]:
        """The ids of the baskets whose receipts are voided."""
        return frozenset(sale.basket.basket_id for sale in self.voided)

    @property
    def returned_lines(self) -> frozenset[tuple[int, int]]:
        """The (basket id, line) of everything that was brought back."""
        return frozenset((one.sale.basket.basket_id, one.line) for one in self.corrected)


def plan_month(seed: Seed, sellers: Sequence[Seller], baskets: Sequence[Basket], planted: Sequence[Planted]) -> Plan:
    """Decide the course of a month."""
    sales = _sales(seed, sellers, baskets, kept_back(planted))
    single_tills = _single_tills(seed, sales)
    claimed = [sale for sale in sales if sale.claimable and seed.chance(CLAIMED_PER_MILLE, "claim", sale.key)]
    printed = {sale.key for sale in sorted(claimed, key=lambda sale: seed.draw(2**64, "print", sale.key))[:PRINTED]}
    paid = [sale for sale in sales if sale.basket.total_mongo > 0]
    voided = [sale for sale in paid if seed.chance(VOIDED_PER_MILLE, "void", sale.key)]
    gone = {sale.key for sale in voided}
    return Plan(
        sales=sales,
        singles=tuple(sale for sale in sales if sale.terminal in single_tills),
        batches=tuple(sale for sale in sales if sale.terminal not in single_tills),
        printed=tuple(sale for sale in claimed if sale.key in printed),
        claimed=tuple(claimed),
        voided=tuple(voided),
        corrected=tuple(_returns(seed, (sale for sale in paid if sale.key not in gone))),
    )


def _sales(
    seed: Seed, sellers: Sequence[Seller], baskets: Sequence[Basket], hidden: frozenset[int]
) -> tuple[Sale, ...]:
    of_store = {seller.store_id: seller for seller in sellers}
    return tuple(
        Sale(basket, of_store[basket.store_id], _buyer(seed, basket))
        for basket in baskets
        if basket.basket_id not in hidden
    )


def _buyer(seed: Seed, basket: Basket) -> str | None:
    """Some baskets are bought for a business; never one that cost nothing."""
    if basket.total_mongo == 0 or not seed.chance(BUSINESS_PER_MILLE, "business", basket.basket_id):
        return None
    return BUYER_TINS[seed.draw(len(BUYER_TINS), "buyer", basket.basket_id)]


def _single_tills(seed: Seed, sales: Sequence[Sale]) -> frozenset[int]:
    """Draw tills until they have at least `SINGLES_MIN` sales together (or all the sales there are)."""
    of_till: defaultdict[int, int] = defaultdict(int)
    for sale in sales:
        of_till[sale.terminal] += 1
    chosen: list[int] = []
    for till in sorted(of_till, key=lambda till: (seed.draw(2**32, "single", till), till)):
        if sum(of_till[one] for one in chosen) >= SINGLES_MIN:
            break
        chosen.append(till)
    return frozenset(chosen)


def _returns(seed: Seed, sales: Iterable[Sale]) -> Iterable[Return]:
    """One line of a sale is brought back where it cost something and something that cost remains."""
    for sale in sales:
        if not seed.chance(CORRECTED_PER_MILLE, "return", sale.key):
            continue
        costly = [place for place, line in enumerate(sale.basket.lines) if line.total_mongo > 0]
        if len(costly) > 1:
            yield Return(sale, costly[seed.draw(len(costly), "line", sale.key)])


def lanes(sales: Sequence[Sale], count: int) -> tuple[tuple[Sale, ...], ...]:
    """Share sales out over `count` connections so that each till stays on one of them, in order of time."""
    made: list[list[Sale]] = [[] for _ in range(count)]
    lane_of: dict[int, int] = {}
    for sale in sales:
        lane = lane_of.setdefault(sale.terminal, len(lane_of) % count)
        made[lane].append(sale)
    return tuple(map(tuple, made))
