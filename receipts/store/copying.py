"""Rows of pos.receipts as PostgreSQL's binary COPY format has them (PostgreSQL documentation, COPY, "Binary Format").

The driver finds out for each value how it is written; here the layout of a row is known, and one `struct` call writes
most of it. The order of the fields is that of `StoredReceipt`, which is the order of the table's columns.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime

from asyncpg import Connection, DataError

from receipts import speedups
from receipts.stored import StoredReceipt

COLUMNS = StoredReceipt.__struct_fields__
_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_NULL = struct.pack(">i", -1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From which on the server counts microseconds."""
_INT8, _INT2 = 20, 21
"""The object ids of bigint and smallint."""
_FIRST = struct.Struct(">h iq iiiiii ih iiiiii iq iq ih iq iq iq iq iq i144s i32s i")
_SECOND = struct.Struct(">i32s")
_LENGTH = struct.Struct(">i")
_LAST = struct.Struct(">iq")
_ARRAY = struct.Struct(">iiiiii")
_EMPTY_ARRAY = {oid: struct.pack(">iiii", 12, 0, 0, oid) for oid in (_INT8, _INT2)}
_ONE_INT8, _ONE_INT2 = (32, 1, 0, _INT8, 1, 1, 8), (26, 1, 0, _INT2, 1, 1, 2)
"""What comes before the value in an array of one."""
_ONE_PART = struct.Struct(">iiiiiiiq iiiiiiih iiiiiiiq iiiiiiiq iiiiiiiq")
_ELEMENT = {_INT8: struct.Struct(">iq"), _INT2: struct.Struct(">ih")}


async def copy_receipts(connection: Connection, receipts: Sequence[StoredReceipt]) -> None:
    """Store receipts. Raises `asyncpg.DataError` for a value that its column cannot hold."""
    try:
        written = b"".join((_HEADER, write_rows(receipts), _TRAILER))
    except (struct.error, OverflowError) as error:
        raise DataError(str(error)) from error
    source = memoryview(written)  # bytes would be taken for a path
    await connection.copy_to_table("receipts", schema_name="pos", columns=COLUMNS, source=source, format="binary")


def binary_rows(receipts: Sequence[StoredReceipt]) -> bytes:
    """Write rows, one after another."""
    return b"".join([_row(receipt) for receipt in receipts])


write_rows = binary_rows if speedups.compiled is None else speedups.compiled.binary_rows


def _row(receipt: StoredReceipt) -> bytes:
    """Write one row: the number of its fields, and each field's length and bytes."""
    r = receipt
    document = r.document
    return b"".join(
        (
            _FIRST.pack(
                len(COLUMNS), 8, r.seller, 4, r.terminal, 4, r.day, 4, r.number, 2, r.branch,
                4, r.root_terminal, 4, r.root_day, 4, r.root_number,
                8, _instant(r.issued_at), 8, _instant(r.received_at), 2, r.kind,
                8, r.counter, 8, r.total_mongo, 8, r.vat_mongo, 8, r.city_tax_mongo, 8, r.turnover_mongo,
                144, r.cose, 32, r.receipt_hash, len(document),
            ),
            document,
            _SECOND.pack(32, r.document_hash),
            _text(r.reference),
            _text(r.payments),
            _LAST.pack(8, r.computed_vat_mongo),
            _parts(r),
        )
    )  # fmt: skip


def _instant(instant: datetime) -> int:
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _text(text: str | None) -> bytes:
    if text is None:
        return _NULL
    octets = text.encode()
    return _LENGTH.pack(len(octets)) + octets


def _parts(r: StoredReceipt) -> bytes:
    """Write the five arrays; nearly all receipts have one part."""
    if len(r.part_merchants) == 1:
        return _ONE_PART.pack(
            *_ONE_INT8, r.part_merchants[0], *_ONE_INT2, r.part_tax_types[0], *_ONE_INT8, r.part_totals_mongo[0],
            *_ONE_INT8, r.part_vats_mongo[0], *_ONE_INT8, r.part_city_taxes_mongo[0],
        )  # fmt: skip
    return b"".join(
        (
            _array(r.part_merchants, _INT8),
            _array(r.part_tax_types, _INT2),
            _array(r.part_totals_mongo, _INT8),
            _array(r.part_vats_mongo, _INT8),
            _array(r.part_city_taxes_mongo, _INT8),
        )
    )


def _array(values: Sequence[int], oid: int) -> bytes:
    """Write an array: its length in bytes, dimensions, whether it has nulls, element type, elements, first index."""
    if not values:
        return _EMPTY_ARRAY[oid]
    element = _ELEMENT[oid]
    head = _ARRAY.pack(20 + element.size * len(values), 1, 0, oid, len(values), 1)
    size = element.size - 4
    return head + b"".join([element.pack(size, value) for value in values])
