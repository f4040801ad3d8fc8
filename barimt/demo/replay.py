"""The month as it was: tills post window by window, then consumers claim, then goods are brought back.

Only HTTP leaves this module. Business time stands at the end of each window while its sales are posted, so that each
`sold_at` is as late as a till that hands its sales in every other day.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from barimt.demo.plan import Plan, lanes
from barimt.demo.printing import printed_receipt
from barimt.demo.stage import Stage
from barimt.demo.submissions import Sale, body_of, correction_of
from barimt.demo.till_client import PostFailed, TillClient
from kernel.clock import Month
from mobile_stub.scan_client import claim_request
from receipts.receipt_image import receipt_png

WINDOW = timedelta(days=2)
LANES = 8
BATCH_MAX = 200
CLAIMERS = 8
CLAIM_SPREAD = 3
"""Of the claims of one window every third is made one window later, unless the sale is voided meanwhile."""
Progress = Callable[[str, int], None]
"""Told of (what, how many more) as it happens."""


@dataclass(slots=True)
class Played:
    """What the outside world knows when the month is over."""

    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The centre's answer for each sale, by the sale's key."""
    qr_texts: list[str] = field(default_factory=list)
    """Every receipt, correction and void, in the order of their answers."""
    voided: int = 0
    corrected: int = 0
    claims: int = 0
    claimed_by_picture: int = 0


@dataclass(slots=True)
class Replay:
    """One month's replay against a stage that is served."""

    stage: Stage
    plan: Plan
    tills: Mapping[str, TillClient]
    tokens: Mapping[int, str]
    http: httpx2.AsyncClient
    progress: Progress
    played: Played = field(default_factory=Played)

    async def play(self, month: Month) -> Played:
        """Play the month and the days after it in which the last receipts are claimed."""
        claims: dict[int, list[Sale]] = defaultdict(list)
        for window in count():
            starts_at = month.starts_at + window * WINDOW
            if starts_at >= month.ends_at:
                break
            ends_at = min(starts_at + WINDOW, month.ends_at)
            self.stage.set_clock(ends_at)
            inside = _Inside(starts_at, ends_at)
            await self._post(inside)
            for at, sale in enumerate(filter(inside.holds, self.plan.claimed)):
                late = at % CLAIM_SPREAD == 0 and sale.basket.basket_id not in self.plan.voided_baskets
                claims[window + late].append(sale)
            await self._claim(claims.pop(window, []))
            await self._take_back(inside, ends_at)
        self.stage.set_clock(month.ends_at + WINDOW)
        await self._claim([sale for late in claims.values() for sale in late])
        return self.played

    async def _post(self, inside: "_Inside") -> None:
        singles = [sale for sale in self.plan.singles if inside.holds(sale)]
        batches = [sale for sale in self.plan.batches if inside.holds(sale)]
        async with asyncio.TaskGroup() as group:
            for lane in lanes(singles, LANES):
                group.create_task(self._post_singles(lane))
            for sellers in _by_seller(batches, LANES):
                group.create_task(self._post_batches(sellers))

    async def _post_singles(self, sales: Iterable[Sale]) -> None:
        for sale in sales:
            self._keep(sale, await self.tills[sale.seller.tin].post(sale.key, body_of(sale)))
            self.progress("sales", 1)

    async def _post_batches(self, sellers: Iterable[Sequence[Sale]]) -> None:
        for sales in sellers:
            for first in range(0, len(sales), BATCH_MAX):
                chunk = sales[first : first + BATCH_MAX]
                till = self.tills[chunk[0].seller.tin]
                answers = await till.post_batch([(sale.key, body_of(sale)) for sale in chunk])
                for sale, answer in zip(chunk, answers, strict=True):
                    self._keep(sale, answer)
                self.progress("sales", len(chunk))

    def _keep(self, sale: Sale, answer: dict[str, Any]) -> None:
        self.played.receipts[sale.key] = answer
        self.played.qr_texts.append(answer["qr"])

    async def _claim(self, sales: Sequence[Sale]) -> None:
        printed = {sale.key for sale in self.plan.printed}
        async with asyncio.TaskGroup() as group:
            for first in range(CLAIMERS):
                group.create_task(self._claim_each(sales[first::CLAIMERS], printed))

    async def _claim_each(self, sales: Iterable[Sale], printed: set[str]) -> None:
        for sale in sales:
            receipt = self.played.receipts[sale.key]
            if sale.key in printed:
                picture = self.stage.out / "receipts" / f"{receipt['id']}.png"
                await asyncio.to_thread(_print, picture, sale, receipt)
                self.progress("pictures", 1)
                body = await asyncio.to_thread(claim_request, picture)
                self.played.claimed_by_picture += 1
            else:
                body = {"qr": receipt["qr"]}
            await self._post_claim(sale.basket.household_id, body)
            self.played.claims += 1
            self.progress("claims", 1)

    async def _post_claim(self, household_id: int, body: dict[str, str]) -> None:
        headers = {"Authorization": f"Bearer {self.tokens[household_id]}"}
        answer = await self.http.post("/v1/claims", json=body, headers=headers)
        if answer.status_code != httpx2.codes.OK:
            raise PostFailed(f"POST /v1/claims: {answer.status_code} {answer.text[:500]}")

    async def _take_back(self, inside: "_Inside", at: datetime) -> None:
        for sale in filter(inside.holds, self.plan.voided):
            till, receipt = self.tills[sale.seller.tin], self.played.receipts[sale.key]
            void = await till.void(receipt["id"], "Худалдан авагч бараагаа буцаав")
            self.played.qr_texts.append(void["qr"])
            self.played.voided += 1
            self.progress("returns", 1)
        for returned in self.plan.corrected:
            sale = returned.sale
            if inside.holds(sale):
                till, receipt = self.tills[sale.seller.tin], self.played.receipts[sale.key]
                body = correction_of(sale, returned.line, receipt_id=receipt["id"], at=at)
                correction = await till.post(f"{sale.key}-return", body)
                self.played.qr_texts.append(correction["qr"])
                self.played.corrected += 1
                self.progress("returns", 1)


def _print(path: Path, sale: Sale, receipt: dict[str, Any]) -> None:
    path.write_bytes(receipt_png(printed_receipt(sale, receipt), edges=True))


@dataclass(frozen=True, slots=True)
class _Inside:
    starts_at: datetime
    ends_at: datetime

    def holds(self, sale: Sale) -> bool:
        return self.starts_at <= sale.basket.sold_at < self.ends_at


def _by_seller(sales: Iterable[Sale], count: int) -> list[list[list[Sale]]]:
    """Share sellers out over lanes; each seller's sales stay in order of time."""
    of_seller: defaultdict[str, list[Sale]] = defaultdict(list)
    for sale in sales:
        of_seller[sale.seller.tin].append(sale)
    shared = list(of_seller.values())
    return [shared[first::count] for first in range(count)]


def picture_folder(stage: Stage) -> Path:
    """Make and answer the folder of the receipts' pictures."""
    folder = stage.out / "receipts"
    folder.mkdir(exist_ok=True)
    return folder
