"""What till and centre say to each other, as values."""

import base64
import json

import pytest

from kernel.refusal import Malformed
from pos_gateway.till.centre_words import CentreWordsWrong, b64url, parse_code, read_standing, read_verdict, signed_line

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

    def test_base64url_has_no_padding(self) -> None:
        assert base64.urlsafe_b64decode(b64url(b"a") + "==") == b"a"


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


class TestCode:
    @pytest.mark.parametrize(
        "text",
        ["7K2M-9QXA-04TB-W5ZE", "7k2m9qxa04tbw5ze", " 7K2M 9QXA O4TB W5ZE\n", "7k2m–9qxa–o4tb–w5ze"],
    )
    def test_is_read_as_people_copy_it(self, text: str) -> None:
        assert parse_code(text) == "7K2M-9QXA-04TB-W5ZE"

    def test_takes_letters_for_the_digits_that_they_look_like(self) -> None:
        assert parse_code("IlLo-0000-0000-0000") == "1110-0000-0000-0000"

    @pytest.mark.parametrize("text", ["", "7K2M-9QXA-04TB", "7K2M-9QXA-04TB-W5ZEX", "7K2M-9QXA-04TB-W5ZU", "Ж" * 16])
    def test_of_another_form_is_refused(self, text: str) -> None:
        with pytest.raises(Malformed) as caught:
            parse_code(text)
        assert caught.value.faults[0].code == "activation_code_form"
