"""Look at everything in the queue and answer where it is not as the till left it: on opening, and whenever asked.

Every fault is reported once, under its own name: the row after a missing one is not called edited.
"""

from collections.abc import Iterator
from pathlib import Path

import apsw

from pos_gateway.till.desk import place_of
from pos_gateway.till.outcomes import QueueFault
from pos_gateway.till.rows import HeadRow, Row, UploadRow
from pos_gateway.till.sealing import Purpose, Sealer
from pos_gateway.till.seat import ChainAt
from pos_gateway.till.store import reading
from pos_gateway.till.store.connecting import snapshot
from pos_gateway.till.witness import WitnessUnreadable, read_witness

DROPPABLE = frozenset({"key_seal", "owed_seal", "remembered_seal", "mark_seal", "upload_of_no_row"})
"""Faults of what only helps: it is not believed, and nothing is suspended for it."""

_NEW = 1
"""Links of a chain that may not have been witnessed yet: its start. Nothing is sold before the witness knows it."""


def check_queue(connection: apsw.Connection, sealer: Sealer, witness: Path) -> list[QueueFault]:
    """Answer every fault; a queue that is as the till left it has none."""
    try:
        with snapshot(connection):
            return list(_faults(connection, sealer, witness))
    except apsw.Error as error:
        return [QueueFault("queue_damaged", None, None, str(error))]


def _faults(connection: apsw.Connection, sealer: Sealer, witness: Path) -> Iterator[QueueFault]:
    chains: set[ChainAt] = set()
    for columns, seal in reading.read_seats(connection):
        chain = (columns[0], columns[1])
        if not sealer.holds(Purpose.SEAT, seal, columns):
            yield _fault("seat_seal", chain)
        chains.add(chain)
    heads: dict[ChainAt, HeadRow] = {}
    for head, seal in reading.read_heads(connection):
        if not sealer.holds(Purpose.HEAD, seal, head.columns()):
            yield _fault("head_seal", head.chain)
        elif head.chain not in chains:
            yield _fault("seat_missing", head.chain)
        heads[head.chain] = head
    for chain in sorted(chains - heads.keys()):
        yield _fault("head_missing", chain)
    for chain in set(reading.read_chains_of_rows(connection)) - heads.keys():
        yield _fault("row_of_no_chain", chain)
    uploads = 0
    for head in heads.values():
        walk = _Walk(sealer, head)
        yield from walk.faults(connection)
        uploads += walk.uploads
    if reading.count_uploads(connection) != uploads:
        yield QueueFault("upload_of_no_row", None, None, "uploads")
    yield from _loose(connection, sealer)
    yield from _witnessed(connection, sealer, witness, heads)


class _Walk:
    """A walk along the rows of one chain."""

    def __init__(self, sealer: Sealer, head: HeadRow) -> None:
        self._sealer = sealer
        self._head = head
        self.uploads = 0

    def faults(self, connection: apsw.Connection) -> Iterator[QueueFault]:
        head = self._head
        expected, before, hash_before = head.kept_from, head.anchor, b""
        for row, upload, upload_seal in reading.read_rows_with_uploads(connection, head.chain):
            if row.counter < head.kept_from or row.counter >= head.counter:
                yield _fault("row_too_many", head.chain, row.counter)
            elif row.counter != expected:
                yield _fault("row_missing", head.chain, expected)
            elif not self._sealer.holds(Purpose.ROW, row.seal, (before, *row.columns())):
                yield _fault("row_seal", head.chain, row.counter)
            yield from self._beside(row, upload, upload_seal)
            expected, before, hash_before = row.counter + 1, row.seal, row.receipt_hash
        if expected < head.counter:
            yield _fault("row_missing", head.chain, expected)
        elif head.counter > head.kept_from and (hash_before, before) != (head.previous_hash, head.last_seal):
            yield _fault("head_elsewhere", head.chain)

    def _beside(self, row: Row, upload: UploadRow | None, seal: object) -> Iterator[QueueFault]:
        chain, settled = row.chain, row.counter < self._head.settled
        if upload is not None:
            self.uploads += 1
            if not self._sealer.holds(Purpose.UPLOAD, seal, (row.receipt_hash, *upload.columns())):
                yield _fault("upload_seal", chain, row.counter)
        if settled is not (upload is not None):
            yield _fault("upload_missing" if settled else "upload_too_many", chain, row.counter)
        if row.consumer_seal is None or settled:
            if row.consumer_no is not None:
                yield _fault("consumer_too_many", chain, row.counter)
        elif not self._sealer.holds(Purpose.CONSUMER, row.consumer_seal, (row.receipt_hash, row.consumer_no)):
            yield _fault("consumer_seal", chain, row.counter)


def _loose(connection: apsw.Connection, sealer: Sealer) -> Iterator[QueueFault]:
    for columns, seal in reading.read_keys(connection):
        if not sealer.holds(Purpose.KEY, seal, columns):
            yield QueueFault("key_seal", None, None, f"idempotency key of seq {columns[2]}")
    for owed, seal in reading.read_owed(connection, since=0):
        if not sealer.holds(Purpose.OWED, seal, owed):
            yield QueueFault("owed_seal", None, None, f"answer of seq {owed[0]}")
    for remembered, seal in reading.read_all_remembered(connection):
        if not sealer.holds(Purpose.REMEMBERED, seal, remembered):
            yield QueueFault("remembered_seal", None, None, remembered[0])
    for name, value, seal in reading.read_marks(connection):
        if not sealer.holds(Purpose.MARK, seal, (name, value)):
            yield QueueFault("mark_seal", None, None, name)


def _witnessed(
    connection: apsw.Connection, sealer: Sealer, path: Path, heads: dict[ChainAt, HeadRow]
) -> Iterator[QueueFault]:
    try:
        known = read_witness(path, sealer)
    except WitnessUnreadable as error:
        if not error.missing or any(head.counter > _NEW for head in heads.values()):
            yield QueueFault("witness_missing" if error.missing else "witness_seal", None, None, path.name)
        return
    for chain, (counter, receipt_hash) in known.items():
        head = heads.get(chain)
        if head is None or counter > head.counter:
            yield _fault("rolled_back", chain, counter)
        elif counter > head.kept_from:
            row = reading.read_row(connection, chain, counter - 1)
            if row is not None and row.receipt_hash != receipt_hash:
                yield _fault("rolled_back", chain, counter)
    for chain in heads.keys() - known.keys():
        if heads[chain].counter > _NEW:
            yield _fault("witness_missing", chain)


def _fault(code: str, chain: ChainAt, counter: int | None = None) -> QueueFault:
    return QueueFault(code, chain[0], chain[1], place_of(chain, counter))
