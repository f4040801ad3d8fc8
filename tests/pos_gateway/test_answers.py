"""An issued receipt is answered in the same words, whoever writes them."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.money import MONGO_MAX
from pos_gateway import answers
from pos_gateway.answers import WARNED_FROM, receipt_answer, receipt_json
from receipts.document import Part
from receipts.orders import Issued
from receipts.receipt import TaxType
from tests.changing import replace
from tests.receipts.test_copying import ROW

AMOUNTS = st.integers(-MONGO_MAX, MONGO_MAX)
TINS = st.text("0123456789", min_size=1, max_size=14)
INSTANTS = st.datetimes(datetime(2000, 1, 2), datetime(2105, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
HASH = st.binary(min_size=32, max_size=32)


@st.composite
def issued(draw: st.DrawFn) -> tuple[Issued, tuple[Part, ...]]:
    """A receipt of some parts just below and above the number from which a terminal is warned."""
    parts = tuple(
        draw(
            st.lists(
                st.builds(Part, TINS, st.sampled_from(TaxType), AMOUNTS, AMOUNTS, AMOUNTS, st.just(())), max_size=3
            )
        )
    )
    row = replace(
        ROW, seller=draw(st.integers(0, 10**12 - 1)), branch=draw(st.integers(0, 999)),
        day=draw(st.integers(0, 99_999)),
        number=draw(st.integers(0, 9) | st.integers(WARNED_FROM - 5, WARNED_FROM + 5)),
        terminal=draw(st.integers(0, 99_999_999)), issued_at=draw(INSTANTS).replace(microsecond=0),
        kind=draw(st.sampled_from([0, 1, 4, 16, 64, 128, 192])), total_mongo=draw(AMOUNTS), vat_mongo=draw(AMOUNTS),
        city_tax_mongo=draw(AMOUNTS), cose=draw(st.binary(min_size=144, max_size=144)), receipt_hash=draw(HASH),
        part_merchants=[draw(st.integers(0, 10**12 - 1)) for _ in parts],
    )  # fmt: skip
    return Issued(row, draw(HASH), repeated=False), parts


class TestReceiptJson:
    @given(issued())
    def test_writes_the_answer(self, given: tuple[Issued, tuple[Part, ...]]) -> None:
        assert receipt_json(*given) == msgspec.json.encode(receipt_answer(*given))

    @pytest.mark.needs("speedups")
    @given(issued())
    def test_the_compiled_one_writes_the_same(self, given: tuple[Issued, tuple[Part, ...]]) -> None:
        receipt, parts = given[0].receipt, given[1]
        answer = receipt_answer(*given)
        answer.pop("warnings", None)
        written = answers.compiled.receipt_json(receipt, given[0].root_hash, parts, answers._TAX_TYPES)
        assert written == msgspec.json.encode(answer)
        assert json.loads(written) == answer

    @pytest.mark.needs("speedups")
    @pytest.mark.parametrize("tin", ['1"', "1\\", "1\n", "ө", "1\0"])
    def test_the_compiled_one_escapes_nothing_and_says_so(self, tin: str) -> None:
        part = Part(tin, TaxType.VAT_ABLE, 1, 0, 0, ())
        with pytest.raises(ValueError, match="plain"):
            answers.compiled.receipt_json(ROW, b"r" * 32, [part], answers._TAX_TYPES)

    @pytest.mark.needs("speedups")
    def test_the_compiled_one_reads_nothing_beyond_a_list(self) -> None:
        parts = [Part("37900846788", TaxType.VAT_ABLE, 1, 0, 0, ())] * 2
        with pytest.raises(IndexError):
            answers.compiled.receipt_json(ROW, b"r" * 32, parts, answers._TAX_TYPES)
        with pytest.raises(IndexError):
            answers.compiled.receipt_json(ROW, b"r" * 32, parts[:1], ())
