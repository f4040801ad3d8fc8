"""After the torture: everything acknowledged is there byte for byte, and nothing was made twice."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import asyncpg
import msgspec

from pos_gateway.answers import receipt_answer
from receipts.orders import Issued
from receipts.store.issuing import find_receipts
from receipts.stored import ReceiptKey
from runtime.data_dir import SYSTEM_DIR, DataDir
from runtime.database import DATABASE, LOGINS, Database, Role
from runtime.embedded_postgres import running_server
from runtime.postgres_home import find_home
from tests.crash.serve_process import ServeProcess
from tests.crash.tills import answers_in

AT_ONCE = 1000
SHOWN_MAX = 10
KEYS = "SELECT key, seller, terminal, day, number FROM pos.idempotency"
STORED = "SELECT count(*) FROM pos.receipts WHERE kind & 15 NOT IN (6, 7)"
BROKEN_CHAINS = """
SELECT count(*) FROM pos.chains c WHERE counter <> (SELECT count(*) FROM pos.receipts r
                                                    WHERE (r.seller, r.terminal) = (c.seller, c.terminal))
"""


@dataclass(slots=True)
class Judgement:
    """What was found. `faults` is empty when every promise was kept."""

    acknowledged: int = 0
    keys: int = 0
    stored: int = 0
    faults: list[str] = field(default_factory=list)

    def blame(self, fault: str) -> None:
        """Remember a fault, or that there are more of them."""
        if len(self.faults) < SHOWN_MAX:
            self.faults.append(fault)


@contextlib.contextmanager
def database_of(data_dir: Path) -> Iterator[Database]:
    """Open the database of a running `barimt serve` beside it."""
    folder = DataDir.make(data_dir)
    admin = running_server(folder, SYSTEM_DIR)
    with contextlib.closing(Database(admin.set(database=DATABASE), folder.passwords(LOGINS))) as database:
        yield database


def postgres_log(serve: ServeProcess) -> str:
    """Answer what the server's PostgreSQL said, through all its restarts."""
    home = find_home(DataDir.make(serve.data_dir), SYSTEM_DIR)
    logs = (home.log.with_suffix(".log.1"), home.log)
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in logs if path.exists())


def judge(data_dir: Path, answers: Path) -> Judgement:
    """Compare what the tills wrote down with what is stored."""
    judgement = Judgement()
    said = _said(answers, judgement)
    with database_of(data_dir) as database:
        asyncio.run(_compare(database, said, judgement))
    return judgement


def _said(answers: Path, judgement: Judgement) -> dict[str, bytes]:
    """Answer what each key was told, and see that it was told one thing only."""
    said: dict[str, bytes] = {}
    ids: dict[str, str] = {}
    created: dict[str, int] = defaultdict(int)
    for record in answers_in(answers):
        key, content = record["key"], record["answer"].encode()
        judgement.acknowledged += 1
        created[key] += record["status"] == 201
        if said.setdefault(key, content) != content:
            judgement.blame(f"{key} was told two things: {said[key]!r} and {content!r}")
        receipt_id = msgspec.json.decode(content)["id"]
        if ids.setdefault(receipt_id, key) != key:
            judgement.blame(f"receipt {receipt_id} was told to {ids[receipt_id]} and {key}")
    for key, times in created.items():
        if times > 1:
            judgement.blame(f"{key} was created {times} times")
    judgement.keys = len(said)
    return said


async def _compare(database: Database, said: dict[str, bytes], judgement: Judgement) -> None:
    async with await database.pool(Role.OWNER, min_size=1, max_size=1) as pool, pool.acquire() as connection:
        used: dict[str, ReceiptKey] = {}
        for key, *receipt in await connection.fetch(KEYS):
            if key in used:
                judgement.blame(f"{key} was used twice: {used[key]} and {receipt}")
            used[key] = (receipt[0], receipt[1], receipt[2], receipt[3])
        judgement.stored = await connection.fetchval(STORED)
        if not judgement.stored == len(used) == len(said):
            judgement.blame(f"{len(said)} keys acknowledged, {len(used)} used, {judgement.stored} receipts stored")
        if broken := await connection.fetchval(BROKEN_CHAINS):
            judgement.blame(f"{broken} chains do not count their receipts")
        pending = iter(said.items())
        while some := dict(islice(pending, AT_ONCE)):
            await _compare_some(connection, some, used, judgement)


async def _compare_some(
    connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]",
    some: dict[str, bytes],
    used: dict[str, ReceiptKey],
    judgement: Judgement,
) -> None:
    """Write each answer once more from what is stored; it must have the bytes that were sent."""
    stored = await find_receipts(connection, {used[key] for key in some if key in used})
    roots = await find_receipts(connection, {receipt.root_key for receipt in stored.values()})
    for key, content in some.items():
        receipt = stored.get(used[key]) if key in used else None
        if receipt is None:
            judgement.blame(f"{key} was acknowledged and is lost: {content!r}")
            continue
        issued = Issued(receipt, roots[receipt.root_key].receipt_hash, repeated=True)
        if msgspec.json.encode(receipt_answer(issued)) != content:
            judgement.blame(f"{key} is stored with other bytes than {content!r}")
