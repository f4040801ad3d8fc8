"""What is copied in binary is what the driver reads back."""

from datetime import UTC, datetime

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import Month, business_day
from receipts.store.copying import copy_receipts
from receipts.store.issuing import ensure_month, find_receipts
from receipts.stored import StoredReceipt
from runtime.database import Database, Role
from tests.changing import replace

AT = datetime(2017, 3, 1, 4, tzinfo=UTC)
BIG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.none() | st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=30)
ROW = StoredReceipt(
    seller=37900846788, terminal=10012619, day=business_day(AT), number=7, branch=1, root_terminal=10012619,
    root_day=6263, root_number=7, issued_at=AT, received_at=AT, kind=128, counter=3, total_mongo=560000,
    vat_mongo=50000, city_tax_mongo=10000, turnover_mongo=560000, cose=bytes(range(144)),
    receipt_hash=b"r" * 32, document=b"\xa1\0\1",
    document_hash=b"d" * 32, reference="r1", payments="CASH 5600", computed_vat_mongo=50000,
    part_merchants=[37900846788], part_tax_types=[0], part_totals_mongo=[560000], part_vats_mongo=[50000],
    part_city_taxes_mongo=[10000],
)  # fmt: skip


@st.composite
def rows(draw: st.DrawFn) -> StoredReceipt:
    parts = draw(st.integers(0, 4))
    amounts = st.lists(BIG, min_size=parts, max_size=parts)
    instant = st.datetimes(datetime(2000, 1, 2), datetime(2105, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    return replace(
        ROW, branch=draw(st.integers(0, 999)), kind=draw(st.integers(0, 255)), counter=draw(st.integers(0, 2**32)),
        total_mongo=draw(BIG), vat_mongo=draw(BIG), city_tax_mongo=draw(BIG), computed_vat_mongo=draw(BIG),
        turnover_mongo=draw(st.integers(0, 2**63 - 1)), issued_at=draw(instant), received_at=draw(instant),
        document=draw(st.binary(max_size=400)), reference=draw(TEXT), payments=draw(TEXT),
        part_merchants=draw(amounts), part_totals_mongo=draw(amounts), part_vats_mongo=draw(amounts),
        part_city_taxes_mongo=draw(amounts),
        part_tax_types=draw(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=parts, max_size=parts)),
    )  # fmt: skip


class TestCopyReceipts:
    @given(st.lists(rows(), min_size=1, max_size=3))
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_stores_what_is_read_back(self, database: Database, given: list[StoredReceipt]) -> None:
        numbered = [replace(row, number=at) for at, row in enumerate(given)]
        connection = await asyncpg.connect(database.url(Role.GATEWAY))
        try:
            await ensure_month(connection, Month(2017, 3))
            transaction = connection.transaction()
            await transaction.start()
            await copy_receipts(connection, numbered)
            found = await find_receipts(connection, [row.key for row in numbered])
            await transaction.rollback()
        finally:
            await connection.close()
        assert [found[row.key] for row in numbered] == numbered

    @pytest.mark.parametrize(
        "wrong", [{"total_mongo": 2**63}, {"kind": 2**15}, {"terminal": 2**31}, {"part_vats_mongo": [-(2**63) - 1]}]
    )
    async def test_refuses_what_no_column_holds(self, database: Database, wrong: dict[str, int]) -> None:
        connection = await asyncpg.connect(database.url(Role.GATEWAY))
        try:
            with pytest.raises(asyncpg.DataError):
                await copy_receipts(connection, [replace(ROW, **wrong)])
        finally:
            await connection.close()
