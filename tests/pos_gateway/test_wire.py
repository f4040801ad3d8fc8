"""The fast reader sees to the forms of all lines at once, and never differs from the slow one that explains."""

import json
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.refusal import Malformed
from pos_gateway import wire
from pos_gateway.explain import faults_in
from pos_gateway.wire import BatchLineIn, LineIn, PartIn, ReceiptIn, read_batch_line, read_receipt, submission_of
from receipts.document import Line

TEXTS = st.one_of(
    st.text(max_size=40),
    st.from_regex(r"\A[0-9]{1,10}(\.[0-9]{0,7})?\Z"),
    st.sampled_from(
        ["1", "1.000", "2349010", "401", "19059010880001", "1\n2", "١٢٣", "1 2", "12345678", "²³¹", "None"]
    ),
)
FIELDS = ("quantity", "classification", "tax_product", "barcode")


def body(*lines: dict[str, Any]) -> bytes:
    whole = [{"name": "Талх", "quantity": "1", "unit": "ш", "total_mongo": 100} | line for line in lines]
    part = {"tax_type": "VAT_ABLE", "total_mongo": 100 * len(lines), "lines": whole}
    return json.dumps({"type": "B2C_RECEIPT", "seller_tin": "37900846788", "parts": [part]}).encode()


TINS = st.text("0123456789", min_size=11, max_size=14) | st.text("9", max_size=14) | st.text("09٣² \n", max_size=14)
KEYS = st.text(max_size=4) | st.text(st.characters(min_codepoint=0x1F, max_codepoint=0x81), max_size=130)


class TestLateFormsOfAReceipt:
    @given(TINS, st.none() | st.text("0123456789٣²", max_size=9), KEYS)
    def test_are_judged_as_they_are_explained(self, tin: str, terminal: str | None, key: str) -> None:
        receipt = json.loads(body({})) | {"seller_tin": tin, "terminal": terminal}
        octets = json.dumps({"key": key, "receipt": receipt}).encode()
        explained = faults_in(octets, BatchLineIn)
        if [fault for fault in explained if fault.code != "json_invalid"]:
            with pytest.raises(Malformed) as refused:
                read_batch_line(octets)
            assert list(refused.value.faults) == explained
        else:
            line = read_batch_line(octets)
            assert (line.key, line.receipt.seller_tin, line.receipt.terminal) == (key, tin, terminal)

    @pytest.mark.parametrize(
        ("changed", "code"),
        [({"seller_tin": "990000000001"}, "tin_form"), ({"seller_tin": "3790084678"}, "tin_form"),
         ({"seller_tin": "379008467é8"}, "tin_form"), ({"terminal": "1001261x"}, "terminal_form"),
         ({"terminal": "100126190"}, "terminal_form")],
    )  # fmt: skip
    def test_are_named(self, changed: dict[str, str], code: str) -> None:
        with pytest.raises(Malformed) as refused:
            read_receipt(json.dumps(json.loads(body({})) | changed).encode())
        assert [(fault.code, fault.path) for fault in refused.value.faults] == [(code, f"/{next(iter(changed))}")]


class TestLateForms:
    @given(st.lists(st.dictionaries(st.sampled_from(FIELDS), TEXTS), min_size=1, max_size=4))
    def test_are_judged_as_they_are_explained(self, lines: list[dict[str, str]]) -> None:
        octets = body(*lines)
        explained = [fault for fault in faults_in(octets, ReceiptIn) if fault.code != "json_invalid"]
        if explained:
            with pytest.raises(Malformed) as refused:
                read_receipt(octets)
            assert list(refused.value.faults) == explained
        else:
            assert [line.quantity for line in read_receipt(octets).parts[0].lines] == [
                line.get("quantity", "1") for line in lines
            ]

    @pytest.mark.parametrize(
        ("field", "wrong"),
        [
            ("quantity", "1\n2"), ("quantity", ""), ("quantity", "1."), ("quantity", ".5"), ("quantity", "1,5"),
            ("classification", "234901x"), ("classification", "٢٣٤٩٠١٠"), ("tax_product", "4-1"),
            ("barcode", "a b"), ("barcode", "é"), ("barcode", "\x7f"),
        ],
    )  # fmt: skip
    def test_one_wrong_text_among_many_lines_is_found(self, field: str, wrong: str) -> None:
        right: dict[str, str] = {"classification": "2349010", "barcode": "19059010880001"}
        with pytest.raises(Malformed) as refused:
            read_receipt(body(right, {**right, field: wrong}, right))
        assert [(fault.code, fault.path) for fault in refused.value.faults] == [
            (f"{field}_form", f"/parts/0/lines/1/{field}") if wrong else ("quantity_form", "/parts/0/lines/1/quantity")
        ]


class TestReportMonth:
    @pytest.mark.parametrize("month", ["2017-3", "2017-13", "2017-03-01", "1999-12", "2017-02\n", ""])
    def test_is_a_year_and_a_month(self, month: str) -> None:
        with pytest.raises(Malformed) as caught:
            read_receipt(json.dumps(json.loads(body({})) | {"report_month": month}).encode())
        assert [(fault.code, fault.path) for fault in caught.value.faults] == [("month_form", "/report_month")]

    def test_is_handed_on(self) -> None:
        read = read_receipt(json.dumps(json.loads(body({})) | {"report_month": "2017-02"}).encode())
        assert submission_of(read).report_month == "2017-02"


class TestCanonicalText:
    @given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=5))
    def test_every_name_is_taken_in_its_one_form(self, names: list[str]) -> None:
        octets = body({}, *({"name": name} for name in names if "\0" not in name))
        lines = submission_of(read_receipt(octets)).parts[0].lines
        assert all(unicodedata.is_normalized("NFC", line.name) for line in lines)


@pytest.mark.needs("speedups")
class TestTwins:
    @given(st.lists(st.dictionaries(st.sampled_from(FIELDS), TEXTS), min_size=1, max_size=4))
    def test_find_the_same_lines_well_formed(self, lines: list[dict[str, str]]) -> None:
        made = tuple(
            LineIn(**{"name": "Талх", "quantity": "1", "unit": "ш", "total_mongo": 1} | line) for line in lines
        )
        receipt = ReceiptIn("B2C_RECEIPT", "37900846788", (PartIn("VAT_ABLE", 1, made),))
        assert wire.speedups.well_formed(receipt) is wire.well_formed(receipt)

    @given(TINS.filter(bool), st.none() | st.text("0123456789٣²", min_size=1, max_size=8))
    def test_find_the_same_numbers_well_formed(self, tin: str, terminal: str | None) -> None:
        part = PartIn("VAT_ABLE", 1, (LineIn(name="Талх", quantity="1", unit="ш", total_mongo=1),))
        receipt = ReceiptIn("B2C_RECEIPT", tin, (part,), terminal=terminal)
        assert wire.speedups.well_formed(receipt) is wire.well_formed(receipt)

    def test_know_of_every_letter_whether_it_may_compose(self) -> None:
        sure = [
            chr(point)
            for point in range(sys.maxunicode + 1)
            if wire.speedups.surely_canonical((Line(chr(point), "1", "ш", 1),))
        ]
        assert {"Ө", "ү", "₮", "№", "a", "é", "Й"} < set(sure)
        assert not {"\0", "\u0301", "\u0483", "\u212b", "\u1100", "\ud800"} & set(sure)
        assert all(unicodedata.combining(letter) == 0 for letter in sure)
        assert all(unicodedata.is_normalized("NFC", letter) for letter in sure)
        composed = {unicodedata.decomposition(chr(point)) for point in range(sys.maxunicode + 1)}
        seconds = {chr(int(pair.split()[1], 16)) for pair in composed if pair.count(" ") == 1 and "<" not in pair}
        assert not seconds & set(sure), "what composes with the letter before it"

    @given(st.text("aеёйЙи́̆\u0306\u0308 ₮№", max_size=20), st.text("кг.\u0306", max_size=4))
    def test_take_no_text_that_has_another_form(self, name: str, unit: str) -> None:
        lines = (Line(name, "1", unit, 1),)
        if wire.speedups.surely_canonical(lines):
            assert wire._are_canonical(lines)
        assert wire.are_canonical(lines) is wire._are_canonical(lines)

    def test_take_nothing_for_a_tuple_that_is_none(self) -> None:
        receipt = ReceiptIn("B2C_RECEIPT", "37900846788", [])  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            wire.speedups.well_formed(receipt)
        with pytest.raises(TypeError):
            wire.speedups.surely_canonical([])
