"""How an answer is judged: leniently in how a value is written, strictly in what it says."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pos_gateway.conformance.body import Filling, Subject, body_of, content_of
from pos_gateway.conformance.case import Case, Echo, Expectation, Issued, Refused, Source, Step, Value
from pos_gateway.conformance.catalogue import catalogue
from pos_gateway.conformance.exchange import MISSING, Exchange, alike, leaves, put_at, read_json, value_at
from pos_gateway.conformance.judge import expectations_of, first_wrong, number_in
from pos_gateway.conformance.scene import Scene
from pos_gateway.conformance.verdict import Outcome, Result, concluded

NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
SUBJECT = Subject("37900846788", "10012619", "61200064714", "10038071")
RECEIPT = {"id": "037900846788001095330000010012619", "status": "SUCCESS", "totalAmount": 5600, "qrData": "3"}


def answered(body: Any, *expect: Expectation, status: int = 200, sent: Any = None) -> Scene:
    """What a step that expects something was answered."""
    step = Step(post="loaf", expect=expect)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Scene(Exchange("case", step, "POST /rest/receipt", sent, b"", status, {}, content), {}, SUBJECT, NOW)


def filling(before: dict[str, Exchange] | None = None) -> Filling:
    return Filling(SUBJECT, NOW, lambda: "000001", before or {})


class TestJudge:
    def test_takes_a_receipt_for_a_receipt(self) -> None:
        assert first_wrong(answered(RECEIPT)) is None

    @pytest.mark.parametrize(
        ("body", "status"),
        [(RECEIPT, 500), (RECEIPT | {"status": "ERROR"}, 200), (RECEIPT | {"id": ""}, 200), (b"", 200), (b"[1", 200)],
    )
    def test_takes_nothing_else_for_one(self, body: Any, status: int) -> None:
        wrong = first_wrong(answered(body, status=status))
        assert wrong is not None
        assert wrong.expected == "a receipt"

    def test_expects_a_receipt_unless_the_step_says_otherwise(self) -> None:
        value = Value(at="lottery", absent=True)
        assert expectations_of(Step(post="loaf", expect=(value,))) == (Issued(), value)
        assert expectations_of(Step(post="loaf", expect=(Refused(),))) == (Refused(),)
        assert expectations_of(Step(post="loaf", hang_up=True)) == ()

    def test_finds_a_refusal_by_the_status_or_by_the_word(self) -> None:
        assert first_wrong(answered({"status": "ERROR", "message": "x"}, Refused(), status=200)) is None
        assert first_wrong(answered({}, Refused(), status=400)) is None
        assert first_wrong(answered(RECEIPT, Refused())) is not None

    @pytest.mark.parametrize(
        ("value", "holds"),
        [
            (Value(at="totalAmount", equals=5600), True),
            (Value(at="totalAmount", equals="5600.00"), True),
            (Value(at="totalAmount", equals=5601), False),
            (Value(at="lottery", absent=True), True),
            (Value(at="lottery", present=True), False),
            (Value(at="id", form="[0-9]{33}"), True),
            (Value(at="id", form="[0-9]{32}"), False),
            (Value(at="totalAmount", kind="whole"), True),
            (Value(at="totalAmount", kind="text"), False),
            (Value(at="", kind="object"), True),
        ],
    )
    def test_looks_at_one_place(self, value: Value, *, holds: bool) -> None:
        assert (first_wrong(answered(RECEIPT, value)) is None) is holds

    def test_wants_back_what_was_sent_and_nothing_that_was_empty(self) -> None:
        sent = {"data": {"a": [1, 2.5], "b": None, "c": ""}}
        assert first_wrong(answered(RECEIPT | {"data": {"a": [1, 2.50]}}, Echo(of=("data",)), sent=sent)) is None
        wrong = first_wrong(answered(RECEIPT | {"data": {"a": [1]}}, Echo(of=("data",)), sent=sent))
        assert wrong is not None
        assert wrong.expected == "data.a[1]: 2.5"

    def test_finds_an_amount_among_the_words_of_a_refusal(self) -> None:
        for message in ("Шалгуур дүн: 1,100.00 ₮", "expected 1100", "1100.0."):
            assert number_in(message, "1100"), message
        assert not number_in("21100 or 110", "1100")


class TestReading:
    def test_keeps_how_a_number_was_written(self) -> None:
        read = read_json(b'{"a": 5600.0, "b": 1e3, "c": 5600}')
        assert [read[name].text for name in "abc"] == ["5600.0", "1e3", "5600"]
        assert read["a"] == read["c"] == Decimal(5600)

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
    def test_takes_no_json_for_missing(self, body: bytes) -> None:
        assert read_json(body) is MISSING

    def test_walks_paths(self) -> None:
        value = {"receipts": [{"items": [{"name": "a"}]}]}
        assert value_at(value, "receipts[0].items[0].name") == "a"
        assert value_at(value, "receipts[1].items") is MISSING
        assert value_at(value, "receipts.items") is MISSING
        assert dict(leaves(value)) == {"receipts[0].items[0].name": "a"}
        put_at(value, "receipts[0].items[0].name", MISSING)
        put_at(value, "receipts[0].tax", 1)
        assert value == {"receipts": [{"items": [{}], "tax": 1}]}

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            (1, "1", True), (1, 1.0, True), ("01", "1", False), (None, "", True), (MISSING, [], True),
            (True, 1, False), (False, None, False), (True, True, True), ("a", "b", False),
        ],
    )  # fmt: skip
    def test_tells_what_says_the_same(self, one: Any, other: Any, *, same: bool) -> None:
        assert alike(one, other) is same
        assert alike(other, one) is same


class TestBody:
    def test_fills_changes_and_respells(self) -> None:
        step = Step(post="loaf", set={"consumerNo": "$consumer"}, drop=("payments",), respell={"totalVAT": "totalVat"})
        value = body_of(step, catalogue().bodies, filling())
        assert value["merchantTin"] == "37900846788"
        assert value["consumerNo"] == "10038071"
        assert "payments" not in value
        assert b'"totalVat":100' in content_of(step, value)
        assert catalogue().bodies["loaf"]["merchantTin"] == "$tin"

    def test_multiplies_the_items_with_everything_above_them(self) -> None:
        value = body_of(Step(post="loaf", items=3), catalogue().bodies, filling())
        assert len({item["name"] for item in value["receipts"][0]["items"]}) == 3
        assert value["totalAmount"] == value["payments"][0]["paidAmount"] == 3300
        assert value["receipts"][0]["totalVAT"] == 300

    def test_takes_ids_from_earlier_answers(self) -> None:
        earlier = answered(RECEIPT | {"date": "2026-11-27 12:00:00"}).exchange
        step = Step(delete="sold")
        assert body_of(step, {}, filling({"sold": earlier})) == {"id": RECEIPT["id"], "date": "2026-11-27 12:00:00"}

    def test_pads_to_a_number_of_bytes(self) -> None:
        step = Step(post="loaf", padded_to=10_000)
        content = content_of(step, body_of(step, catalogue().bodies, filling()))
        assert len(content) == 10_000
        assert json.loads(content)["totalAmount"] == 1100


class TestVerdict:
    @staticmethod
    def failed(name: str, source: Source = Source.OFFICIAL, rests_on: tuple[str, ...] = ()) -> Result:
        case = Case(name=name, about="", reason="", source=source, steps=(Step(post="loaf"),), rests_on=rests_on)
        return Result(case, Outcome.FAILED, "", "")

    def test_tells_consequences_from_failures(self) -> None:
        outcomes = concluded([self.failed("a"), self.failed("b", rests_on=("a",))], ours=True)
        assert [result.outcome for result in outcomes] == [Outcome.FAILED, Outcome.FOLLOWS]

    def test_holds_what_only_barimt_promises_against_nobody_else(self) -> None:
        failed = self.failed("a", Source.BARIMT)
        assert concluded([failed], ours=True)[0].outcome is Outcome.FAILED
        assert concluded([failed], ours=False)[0].outcome is Outcome.REMARK
