"""What till and centre say to each other, as values."""

import json

import pytest

from pos_gateway.till.centre_words import CentreWordsWrong, read_standing, read_verdict, signed_line

STANDING = {
    "terminal": "10012619", "mode": "till", "counter": 3, "head_hash": "ab" * 32,
    "last_issued_at": "2017-03-01T09:00:00+08:00", "suspended_at": None, "suspended_for": None, "closed_at": None,
    "now": "2017-03-01T09:00:01+08:00", "late_issue_hours": 72,
}  # fmt: skip


class TestSignedLine:
    def test_is_one_line_of_json(self) -> None:
        line = signed_line("MB1:Ж", b"\x00\xff\xfe", b'{"consumer_no":"10038071"}')
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        assert json.loads(line) == {
            "qr": "MB1:Ж", "document": "AP_-", "private": {"consumer_no": "10038071"},
        }  # fmt: skip

    @pytest.mark.parametrize("private", [None, b""])
    def test_leaves_out_what_is_not_there(self, private: bytes | None) -> None:
        assert json.loads(signed_line("q", b"d", private)).keys() == {"qr", "document"}


class TestVerdict:
    def test_a_stored_line(self) -> None:
        verdict = read_verdict(
            b'{"line":1,"hash":"aa","status":201,"receipt":{"id":"0","findings":["clock_ahead"],"fork":false,'
            b'"suspended":false,"easy":true,"later":"field"}}'
        )
        assert verdict.stored
        assert verdict.receipt is not None
        assert (verdict.receipt.findings, verdict.receipt.easy) == (("clock_ahead",), True)

    def test_a_refused_line(self) -> None:
        verdict = read_verdict(
            b'{"line":2,"hash":null,"status":409,"problem":{"code":"predecessor_missing","detail":"d","expected":7}}'
        )
        assert not verdict.stored
        assert verdict.problem is not None
        assert (verdict.problem.code, verdict.problem.expected) == ("predecessor_missing", 7)

    @pytest.mark.parametrize("line", [b"", b"<html>", b"{}", b'{"line":"1","status":201}', b"[]", b"\xff"])
    def test_of_another_form_is_refused(self, line: bytes) -> None:
        with pytest.raises(CentreWordsWrong):
            read_verdict(line)


class TestStanding:
    def test_is_read(self) -> None:
        standing = read_standing(json.dumps(STANDING | {"more": 1}).encode())
        assert (standing.counter, standing.head_hash, standing.late_issue_hours) == (3, "ab" * 32, 72)
        assert standing.now.utcoffset() is not None

    @pytest.mark.parametrize(
        "changed", [{"counter": None}, {"now": "2017-03-01T09:00:01"}, {"now": "yesterday"}, {"head_hash": 5}]
    )
    def test_of_another_form_is_refused(self, changed: dict[str, object]) -> None:
        with pytest.raises(CentreWordsWrong):
            read_standing(json.dumps(STANDING | changed).encode())
