"""How long `barimt check` takes, beside the bare signature verifications of as many receipts.

    python benchmarks/bench_check.py [--receipts 100000] [--json]

Issues the receipts with the real verb, 256 a transaction, into a scratch embedded PostgreSQL: 20 terminals, three lines
a receipt, every fiftieth voided and every fiftieth corrected. Then times the check as the command runs it (all
invariants, one process), and one bare Ed25519 verification a receipt in the same run. Exit 1 when the check found
anything.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from barimt.authority import EPOCH, Authority
from barimt.check import check_everything
from barimt.commands import Opened
from barimt.open_authority import open_authority
from kernel.canonical import sha256
from kernel.clock import Month, business_date
from receipts import qr
from receipts.document import Line
from receipts.enrol import NewSeller, NewTerminal, add_client, add_seller, add_terminal
from receipts.issue_receipts import issue_receipts
from receipts.orders import Issued, Order, SaleOrder, VoidOrder
from receipts.receipt import Nature, TaxType
from receipts.rules import rules_on
from receipts.store import checking, issuing
from receipts.stored import StoredReceipt
from receipts.submission import Merchant, StatedPart, Submission, price
from runtime.data_dir import DataDir
from runtime.database import Role, open_database
from runtime.settings import load_settings

OPENED_AT = datetime(2017, 3, 1, 1, 0, tzinfo=UTC)
TERMINALS = 20
CHUNK = 256
FOLLOWED_EVERY = 50


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. `ratio` is the check's time over that of the bare verifications."""

    receipts: int
    invariants: int
    broken: tuple[str, ...]
    issue_s: float
    check_s: float
    bare_verify_s: float
    ratio: float
    receipts_a_second: int
    memory_grown_mib: int
    """How much the process's peak memory grew by checking."""


def measure(on: Opened, receipts: int) -> Figures:
    """Issue, check, and verify bare."""
    began = time.perf_counter()
    shops = _enrol(on)
    asyncio.run(_issue(on, shops, receipts))
    issued = time.perf_counter()
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    checked = check_everything(on, lambda _links: None)
    done = time.perf_counter()
    after_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    looked_at = checked[0].looked_at
    bare_s = _verify_bare(on)
    return Figures(
        receipts=looked_at,
        invariants=len(checked),
        broken=tuple(one.invariant.code for one in checked if not one.holds),
        issue_s=round(issued - began, 3),
        check_s=round(done - issued, 3),
        bare_verify_s=round(bare_s, 3),
        ratio=round((done - issued) / bare_s, 2),
        receipts_a_second=round(looked_at / (done - issued)),
        memory_grown_mib=(after_kib - before_kib) // 1024,
    )


def _authority(on: Opened) -> Authority:
    with on.database.transaction(Role.JOBS) as connection:
        return open_authority(connection, on.clock, settings=on.settings)


def _enrol(on: Opened) -> list[Merchant]:
    signing = _authority(on).signing_keys(on.clock())
    shops = []
    with on.database.transaction(Role.JOBS) as connection:
        for number in range(1, TERMINALS + 1):
            tin = f"{37_900_000_000 + number}"
            new = NewSeller(tin, f"Дэлгүүр {number}", "4711", "2501", vat_registered_from=date(2016, 1, 1))
            seller = add_seller(connection, on.clock, seller=new)
            add_client(connection, on.clock, client_id=tin, seller_tin=tin, public_key="none")
            terminal = NewTerminal(tin, 10_000_000 + number, tin, "gateway", 1, "2501")
            add_terminal(connection, on.clock, terminal=terminal, epoch=EPOCH, chain_key=signing)
            shops.append(Merchant(seller, tin, vat_payer=True, city_tax_payer=False))
    return shops


async def _issue(on: Opened, shops: list[Merchant], receipts: int) -> None:
    month = Month.of(on.clock())
    async with await on.database.pool(Role.GATEWAY, min_size=1, max_size=1) as pool, pool.acquire() as connection:
        await issuing.ensure_month(connection, month)
        issue = partial(
            issue_receipts, issuing.PostgresIssuing(connection), on.clock,
            chain_keys=_authority(on).signing_keys(on.clock()), received_month=month,
        )  # fmt: skip
        for first in range(0, receipts, CHUNK):
            numbers = range(first, min(first + CHUNK, receipts))
            orders: list[Order] = [_sale(on, shops[at % TERMINALS], at) for at in numbers]
            async with connection.transaction():
                issued = [outcome for outcome in await issue(orders=orders) if isinstance(outcome, Issued)]
            assert len(issued) == len(orders)
            sold = zip(numbers, (outcome.receipt for outcome in issued), strict=True)
            async with connection.transaction():
                await issue(orders=[order for at, receipt in sold for order in _followers(on, shops, at, receipt)])


def _sale(on: Opened, shop: Merchant, at: int, corrects: StoredReceipt | None = None) -> SaleOrder:
    totals = [(at * step % 9_000 + 1_000) * 100 for step in (1, 7, 13)]
    lines = tuple(Line("Талх, атар 1-р зэрэг", "1.000", "ш", total, barcode="19059010880001") for total in totals)
    submission = Submission(
        nature=Nature.SALE if corrects is None else Nature.CORRECTION,
        business=False,
        seller_tin=shop.tin,
        parts=(StatedPart(shop.tin, TaxType.VAT_ABLE, sum(totals), None, None, lines),),
        corrects=None if corrects is None else corrects.id,
    )
    day = business_date(on.clock())
    priced = price(submission, {shop.tin: shop}, rules=rules_on(day), day=day)
    key = f"{submission.nature.name} {at}"
    return SaleOrder(shop.tin, key, sha256(key.encode()), shop.seller, 10_000_001 + at % TERMINALS, submission, priced)


def _followers(on: Opened, shops: list[Merchant], at: int, sold: StoredReceipt) -> Iterator[Order]:
    if at % FOLLOWED_EVERY == 0:
        key = f"VOID {at}"
        yield VoidOrder(str(sold.seller), key, sha256(key.encode()), sold.seller, sold.terminal, sold.id, "returned")
    if at % FOLLOWED_EVERY == FOLLOWED_EVERY // 2:
        yield _sale(on, shops[at % TERMINALS], at, corrects=sold)


def _verify_bare(on: Opened) -> float:
    """Answer the seconds of one verification a stored receipt and nothing else, all of one key."""
    verifier = _authority(on).signers[0].private_key.public_key()
    with on.database.transaction(Role.JOBS) as connection:
        stored = [link.row.cose for link in checking.receipts(connection)]
    taken = [pieces for pieces in map(qr.take_apart, stored) if pieces is not None]
    signed = [(signature, qr.to_sign(kid, packed)) for kid, packed, signature in taken]
    began = time.perf_counter()
    for signature, message in signed:
        verifier.verify(signature, message)
    return time.perf_counter() - began


def main() -> int:
    """Measure in a scratch database and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--receipts", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="barimt-bench-") as folder:
        Path(folder).chmod(0o711)  # so that, run by root, the server can pass through
        settings = load_settings(data_dir=Path(folder) / "data")
        with open_database(settings, say=lambda _line: None) as database:
            opened = Opened(settings, DataDir.make(settings.data_dir), database, lambda: OPENED_AT)
            figures = measure(opened, asked.receipts)
    if asked.json:
        print(json.dumps(asdict(figures)))
    else:
        for name, value in asdict(figures).items():
            print(f"{name:<20}{value:>12,}" if isinstance(value, int | float) else f"{name:<20}{value or '-':>12}")
    return int(bool(figures.broken))


if __name__ == "__main__":
    sys.exit(main())
