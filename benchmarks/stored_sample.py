"""A sample of answers against what is stored: the QR text of each is decoded, and must be the stored bytes."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from receipts import base45
from receipts.ids import ReceiptId
from receipts.issue_receipts import receipt_key
from receipts.qr import PREFIX
from receipts.store import issuing
from receipts.stored import StoredReceipt
from runtime.database import Role, join_database
from runtime.settings import load_settings

ASKED_AT_ONCE = 1000


def verify_sample(sample: Path, data_dir: Path) -> tuple[int, list[str]]:
    """Compare the receipts of a sample file (answers, or verdicts of batches, one a line) with the database of a centre
    that is running, and answer how many there were and the ids of those that are not stored as they were answered.
    """
    return asyncio.run(_verify(sample, data_dir))


async def _verify(sample: Path, data_dir: Path) -> tuple[int, list[str]]:
    looked_at, wrong = 0, []
    with join_database(load_settings(data_dir=data_dir)) as database, sample.open("rb") as lines:
        async with await database.pool(Role.GATEWAY, min_size=1, max_size=1) as pool:
            receipts = _receipts(lines)
            while some := list(islice(receipts, ASKED_AT_ONCE)):
                keys = [receipt_key(ReceiptId.parse(answer["id"])) for answer in some]
                stored = await issuing.find_receipts(pool, keys)
                looked_at += len(some)
                wrong += [
                    answer["id"]
                    for answer, key in zip(some, keys, strict=True)
                    if key not in stored or not _as_answered(answer, stored[key])
                ]
    return looked_at, wrong


def _receipts(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if not line.startswith(b"{"):
            continue  # the length of a chunk, between the verdicts of a batch
        told = json.loads(line)
        if "receipt" in told or "qr" in told:
            yield told.get("receipt", told)


def _as_answered(answer: dict[str, Any], stored: StoredReceipt) -> bool:
    return (
        base45.decode(answer["qr"].removeprefix(PREFIX)) == stored.cose
        and answer["hash"] == stored.receipt_hash.hex()
        and answer["id"] == str(stored.id)
        and (answer["total_mongo"], answer["vat_mongo"]) == (stored.total_mongo, stored.vat_mongo)
    )
