import json

import pytest

from kernel.refusal import Malformed
from refunds.bank_rail import FileRail, LoopbackRail
from refunds.payout import Order, Paid, Returned, parse_bank_account

ORDERS = [Order(7, "MN120005005001234567", 123_00), Order(8, "5005001234", 1)]


class TestBankAccount:
    @pytest.mark.parametrize("text", ["5005001234", "MN120005005001234567", "A" * 34, "12345"])
    def test_is_digits_and_capitals(self, text):
        assert parse_bank_account(text) == text

    @pytest.mark.parametrize("text", ["", "1234", "A" * 35, "mn12000500", "12 345", "12345\n", "１２３４５", "=1+12"])
    def test_is_nothing_else(self, text):
        with pytest.raises(Malformed) as malformed:
            parse_bank_account(text)
        assert malformed.value.faults[0].path == "/bank_account"


class TestLoopbackRail:
    def test_pays_what_it_was_sent(self):
        rail = LoopbackRail()
        rail.send(ORDERS)
        rail.send(ORDERS[:1])
        assert rail.answers() == [Paid(7), Paid(8)]


class TestFileRail:
    def test_writes_a_line_an_order(self, tmp_path):
        FileRail(tmp_path).send(ORDERS)
        lines = (tmp_path / "orders" / "00000001.jsonl").read_text().splitlines()
        assert json.loads(lines[0]) == {"payout": 7, "bank_account": "MN120005005001234567", "amount_mongo": 12300}
        assert len(lines) == 2

    def test_sends_an_order_once_however_often_it_is_asked(self, tmp_path):
        rail = FileRail(tmp_path)
        rail.send(ORDERS[:1])
        rail.send(ORDERS)
        rail.send(ORDERS)
        written = [file.read_text().splitlines() for file in sorted((tmp_path / "orders").iterdir())]
        assert [[json.loads(line)["payout"] for line in lines] for lines in written] == [[7], [8]]

    def test_reads_every_answer_file(self, tmp_path):
        rail = FileRail(tmp_path)
        assert rail.answers() == []
        (tmp_path / "answers" / "a.jsonl").write_text('{"payout": 7, "state": "paid"}\n\n')
        (tmp_path / "answers" / "b.jsonl").write_text('{"payout": 8, "state": "returned", "reason": "closed"}\n')
        assert rail.answers() == [Paid(7), Returned(8, "closed")]

    @pytest.mark.parametrize(
        "line",
        ["{", "[]", '{"payout": "7", "state": "paid"}', '{"payout": 7}', '{"payout": 7, "state": "sent"}', '{"x": 1}'],
    )
    def test_refuses_a_line_that_is_no_answer_and_says_which(self, tmp_path, line):
        (tmp_path / "answers").mkdir()
        (tmp_path / "answers" / "a.jsonl").write_text('{"payout": 7, "state": "paid"}\n' + line)
        with pytest.raises(Malformed) as malformed:
            FileRail(tmp_path).answers()
        assert malformed.value.faults[0].path == "/a.jsonl/2"
