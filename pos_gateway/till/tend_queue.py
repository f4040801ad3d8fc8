"""Tend the queue beside its writer: empty SQLite's log into the database, and write the witness. It has a thread of its
own, so that no commit waits for it.
"""

import contextlib
import threading
import time
from pathlib import Path
from typing import Final

import apsw

from pos_gateway.till.sealing import Sealer
from pos_gateway.till.store import reading
from pos_gateway.till.store.connecting import checkpoint
from pos_gateway.till.witness import write_witness

PACE_S: Final = 0.5
WITNESS_S: Final = 2.0
"""How often the witness is written at most."""


class Tender:
    """Looks after the queue whenever something was committed. `connection` is its own, and may write."""

    def __init__(self, connection: apsw.Connection, sealer: Sealer, witness: Path) -> None:
        self._connection = connection
        self._sealer = sealer
        self._witness = witness
        self._news = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="till tender", daemon=True)
        self._thread.start()

    def committed(self) -> None:
        """Note that there is something to look after."""
        self._news.set()

    def witness(self) -> None:
        """Write now how far the chains are; where the disk is full, the next time does."""
        with self._lock, contextlib.suppress(OSError, apsw.Error):
            heads = [head for head, _ in reading.read_heads(self._connection)]
            if heads:
                write_witness(self._witness, self._sealer, heads)

    def close(self) -> None:
        """Write the witness a last time, and end."""
        self._closing.set()
        self._news.set()
        self._thread.join()
        self.witness()
        self._connection.close()

    def _run(self) -> None:
        witnessed = time.monotonic()
        while not self._closing.is_set():
            left = witnessed + WITNESS_S - time.monotonic()
            if not self._news.wait():
                continue
            self._checkpoint()
            if left <= 0:
                self._news.clear()
                self.witness()
                witnessed = time.monotonic()
            self._closing.wait(PACE_S)

    def _checkpoint(self) -> None:
        with self._lock, contextlib.suppress(apsw.Error):
            checkpoint(self._connection)
