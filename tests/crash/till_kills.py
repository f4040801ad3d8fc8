"""Kill a till at random while it issues and uploads: nothing acknowledged is lost, nothing is doubled at the centre.

    python -m tests.crash.till_kills [--kills 200] [--seed 1]

A real centre, and `barimt till` as it ships, killed with -9 at random moments, also while it starts. Clients post each
sale with its own Idempotency-Key until they have read its answer. At the end everything is uploaded, the centre has
every acknowledged receipt once and no other sale, and both sides' `check` hold. Exit 1 when not.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from http.client import HTTPException
from itertools import count
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from urllib.error import URLError
from urllib.request import Request, urlopen

import psycopg

from benchmarks.bench_till import Stage, barimt, left_to_upload, staged
from benchmarks.posapi_client import sale_body
from benchmarks.served import centre_served, scratch_dir
from runtime.database import Role, join_database
from runtime.settings import load_settings

CLIENTS = 4
LIFE_S_MAX = 2.5
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of it. `lost` and `doubled` are receipts that the centre has not, or more than once; `unasked` sales
    that the centre has and nobody was answered.
    """

    kills: int
    while_starting: int
    acknowledged: int
    lost: int
    doubled: int
    unasked: int
    centre_check: int
    till_check: int

    @property
    def good(self) -> bool:
        """Whether all held."""
        return not (self.lost or self.doubled or self.unasked or self.centre_check or self.till_check)


@dataclass(slots=True)
class Clients:
    """POS software that sends each sale until it has read the answer."""

    stage: Stage
    sold: dict[int, str] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)
    _closing: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        """Sell from now on."""
        self._threads = [threading.Thread(target=self._sell) for _ in range(CLIENTS)]
        for one in self._threads:
            one.start()

    def close(self) -> None:
        """Sell no more; what was begun is answered first."""
        self._closing.set()
        for one in self._threads:
            one.join(120)
            assert not one.is_alive()

    def _sell(self) -> None:
        while not self._closing.is_set():
            number = next(self._numbers)
            body = sale_body(self.stage.tins[number % len(self.stage.tins)], number)
            while number not in self.sold:
                with contextlib.suppress(OSError, HTTPException, ValueError, KeyError):
                    self.sold[number] = self._answer_to(body, f"sale-{number}")
                time.sleep(0.01)

    def _answer_to(self, body: bytes, key: str) -> str:
        url = f"http://127.0.0.1:{self.stage.till_port}/rest/receipt"
        request = Request(url, body, {"Idempotency-Key": key, "Content-Type": "application/json"})
        with urlopen(request, timeout=20) as answer:
            return str(json.load(answer)["id"])


def run(folder: Path, *, kills: int, seed: int) -> Ended:
    """Kill and judge."""
    chance = Random(seed)
    stage = staged(folder, sellers=2)
    clients = Clients(stage)
    while_starting = 0
    with centre_served(stage.centre_dir, stage.centre_port):
        clients.begin()
        for number in range(kills):
            while_starting += not _live_and_die(stage, chance)
            if number % 10 == 9:
                print(f"{number + 1} kills, {len(clients.sold)} sold", file=sys.stderr)  # noqa: T201 - it takes minutes
        with stage.till_served():
            clients.close()
            while left_to_upload(stage):
                time.sleep(0.2)
        stored = _stored(stage)
    answered = list(clients.sold.values())
    return Ended(
        kills, while_starting, len(answered),
        lost=sum(stored.count(one) == 0 for one in answered),
        doubled=sum(stored.count(one) > 1 for one in answered) + len(answered) - len(set(answered)),
        unasked=len(set(stored) - set(answered)),
        centre_check=barimt("check", "--data-dir", str(stage.centre_dir), ok=(0, 1, 2)).returncode,
        till_check=barimt("till", "check", "--data-dir", str(stage.till_dir), ok=(0, 1, 2)).returncode,
    )  # fmt: skip


def _live_and_die(stage: Stage, chance: Random) -> bool:
    """Run the till and kill it at a random moment; answer whether it had begun to answer by then."""
    command = [sys.executable, "-m", "barimt.cli", "till", "--port", str(stage.till_port),
               "--data-dir", str(stage.till_dir)]  # fmt: skip
    with (stage.folder / "killed.log").open("ab") as log:
        till = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=log, stderr=log, env=dict(os.environ))
    try:
        early = chance.random() < 0.1
        served = not early and _answers(stage, till)
        time.sleep(chance.uniform(0, 0.5 if early else LIFE_S_MAX))
        return served
    finally:
        till.send_signal(signal.SIGKILL)
        till.wait(30)


def _answers(stage: Stage, till: "subprocess.Popen[bytes]") -> bool:
    ends, url = time.monotonic() + START_S, f"http://127.0.0.1:{stage.till_port}/rest/info"
    while till.poll() is None and time.monotonic() < ends:
        with (
            contextlib.suppress(URLError, OSError, HTTPException),
            urlopen(url, timeout=5),
        ):
            return True
        time.sleep(0.05)
    raise AssertionError("the till did not start")


def _stored(stage: Stage) -> list[str]:
    """The ids of all sales that the centre has, as often as it has them, forks too."""
    with join_database(load_settings(data_dir=stage.centre_dir)) as database:
        url = database.url(Role.OWNER)
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "SELECT lpad(seller::text, 12, '0') || lpad(branch::text, 3, '0') || lpad(day::text, 5, '0')"
                " || lpad(number::text, 5, '0') || lpad(terminal::text, 8, '0')"
                " FROM pos.receipts WHERE kind & 15 = 0 UNION ALL SELECT encode(receipt_hash, 'hex') FROM pos.forks"
            ).fetchall()
    return [str(row[0]) for row in rows]


def main() -> int:
    """Run, print, and answer the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with scratch_dir() as folder:
        ended = run(folder, kills=given.kills, seed=given.seed)
    print(json.dumps(asdict(ended)))  # noqa: T201 - the command's answer
    return int(not ended.good)


if __name__ == "__main__":
    sys.exit(main())
