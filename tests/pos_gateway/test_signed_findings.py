"""What a till signed is stored whatever it says, and what is the matter with it stands beside it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from receipts.chain import Link
from receipts.document import Document, Line, Part
from receipts.receipt import Nature, TaxType
from tests.answered import Json
from tests.changing import replace
from tests.serving import OPENED_AT, Centre
from tests.signing import SigningTill, add_signing_till, broken, sale, void_draft

BUYER = "37900846789"


@pytest.fixture
def till(shared_centre: Centre) -> Iterator[SigningTill]:
    """A till whose start link is uploaded."""
    made = add_signing_till(shared_centre)
    made.start()
    made.upload(made.links)
    yield made
    shared_centre.set_clock(OPENED_AT)


def found(till: SigningTill, link: Link, *, private: Json | None = None) -> list[tuple[str, str, str | None]]:
    """Upload a link and answer what is stored of what was found: code, path, expected."""
    [verdict] = till.upload([link], private=private)
    assert verdict["status"] == 201, verdict
    rows = till.centre.ask(
        "SELECT code, path, expected FROM pos.link_findings WHERE receipt_hash = %s ORDER BY code, path",
        link.receipt_hash,
    )
    assert sorted({row[0] for row in rows}) == sorted(verdict["receipt"]["findings"])
    again = till.upload([link])
    assert (again[0]["status"], again[0]["receipt"]["findings"]) == (200, verdict["receipt"]["findings"])
    return [(code, path, expected) for code, path, expected in rows]


def tax_months(till: SigningTill, link: Link) -> list[Any]:
    rows = till.centre.ask(
        "SELECT tax_month FROM pos.tax_months WHERE (seller, terminal, day, number) = (%s, %s, %s, %s)",
        till.seller, till.terminal, link.id.day, link.id.number,
    )  # fmt: skip
    return [month for (month,) in rows]


def part(till: SigningTill, total_mongo: int, **changes: Any) -> Part:
    usual = sale(till, total_mongo).document.parts[0]
    return replace(usual, **changes)


def sold(till: SigningTill, *parts: Part, document: Document | None = None, **changes: Any) -> Link:
    """Sign a sale of these parts, which adds up unless the changes say otherwise."""
    document = replace(document or Document(), parts=parts)
    totals = {
        "total_mongo": sum(one.total_mongo for one in parts),
        "vat_mongo": sum(one.vat_mongo for one in parts),
        "lottery": not changes.get("business", False),
        "part_sellers": tuple(till.seller for _ in parts),
    }
    return till.sign(replace(sale(till, 1), document=document, **(totals | changes)))


class TestTaxes:
    def test_finds_a_vat_that_is_another(self, till: SigningTill) -> None:
        link = till.sell(11_000_00, vat_mongo=900_00)
        assert found(till, link) == [("vat_mismatch", "/parts/0/vat_mongo", "100000")]

    def test_lets_a_mongo_a_line_pass(self, till: SigningTill) -> None:
        assert found(till, till.sell(11_000_00, vat_mongo=1_000_01)) == []

    def test_computes_no_vat_for_who_pays_none(self, shared_centre: Centre) -> None:
        till = add_signing_till(shared_centre, vat_payer=False)
        till.start()
        till.upload(till.links)
        assert found(till, till.sell(11_000_00)) == [("vat_mismatch", "/parts/0/vat_mongo", "0")]

    def test_finds_lines_that_do_not_add_up(self, till: SigningTill) -> None:
        link = sold(till, part(till, 11_000_00, lines=(Line("Талх", "1", "ш", 10_000_00),)))
        assert found(till, link) == [
            ("lines_mismatch", "/parts/0/total_mongo", "1000000"),
            ("vat_mismatch", "/parts/0/vat_mongo", "90909"),
        ]

    def test_finds_amounts_that_are_not_those_of_the_parts(self, till: SigningTill) -> None:
        link = till.sell(11_000_00, document=Document(parts=(part(till, 5_500_00), part(till, 2_200_00))))
        assert [one for one in found(till, link) if one[0] == "amounts_mismatch"] == [
            ("amounts_mismatch", "/total_mongo", "770000"),
            ("amounts_mismatch", "/vat_mongo", "70000"),
        ]

    def test_finds_amounts_below_zero(self, till: SigningTill) -> None:
        link = sold(till, part(till, 5_500_00), part(till, 0, tax_type=TaxType.NO_VAT, city_tax_mongo=-1))
        assert ("out_of_range", "/parts/1", "amounts of at least 0") in found(till, link)

    def test_finds_codes_that_are_none(self, till: SigningTill) -> None:
        line = Line("Төмс", "1", "кг", 1_000_00, tax_product="999")
        link = sold(
            till,
            part(till, 1_000_00, tax_type=TaxType.VAT_FREE, vat_mongo=0, lines=(line,)),
            document=Document(district="0000"),
        )
        assert found(till, link) == [
            ("district_unknown", "/district", "a code of the district list, as 2501"),
            ("tax_product_unknown", "/parts/0/lines/0/tax_product", "a code in force for VAT_FREE"),
        ]

    def test_finds_merchants_that_nobody_enrolled(self, till: SigningTill) -> None:
        tins = ("37900000999", "12345678901234", "990000000001", "nobody")
        link = sold(till, *[part(till, 1_000_00, merchant_tin=tin) for tin in tins])
        assert [path for code, path, _ in found(till, link) if code == "merchant_unknown"] == [
            f"/parts/{at}/seller_tin" for at in range(4)
        ]
        stored = till.centre.ask("SELECT part_merchants FROM pos.receipts WHERE receipt_hash = %s", link.receipt_hash)
        assert stored == [([37900000999, 0, 0, 0],)]

    def test_knows_a_merchant_with_a_long_tin(self, till: SigningTill) -> None:
        other = till.centre.enrol(tin="1234567890123")
        link = sold(till, part(till, 1_100_00, merchant_tin=other.tin))
        assert found(till, link) == []

    def test_finds_payments_of_another_sum(self, till: SigningTill) -> None:
        private = {"payments": [{"method": "CASH", "amount_mongo": 1}]}
        assert found(till, till.sell(1_100_00), private=private) == [("payments_mismatch", "/payments", "110000")]

    def test_keeps_payments_that_add_up(self, till: SigningTill) -> None:
        link = till.sell(1_100_00)
        assert found(till, link, private={"payments": [{"method": "CASH", "amount_mongo": 1_100_00}]}) == []
        assert till.centre.ask("SELECT payments FROM pos.receipts WHERE receipt_hash = %s", link.receipt_hash) == [
            ("CASH 110000",)
        ]


class TestKinds:
    def test_finds_a_business_without_its_number(self, till: SigningTill) -> None:
        assert found(till, till.sell(business=True, lottery=False)) == [
            ("buyer_missing", "/buyer_tin", "the buyer's TIN on every B2B document")
        ]

    def test_finds_a_mark_for_the_lottery_that_is_wrong(self, till: SigningTill) -> None:
        free = part(till, 1_000_00, tax_type=TaxType.NO_VAT, vat_mongo=0)
        assert found(till, sold(till, free)) == [("lottery_bit", "/lottery", "no lottery number")]
        assert found(till, sold(till, free, lottery=False)) == []
        assert found(till, till.sell(lottery=False)) == [("lottery_bit", "/lottery", "a lottery number")]

    def test_finds_a_content_of_another_kind(self, till: SigningTill) -> None:
        before = till.sell()
        till.upload([before])
        follows = replace(sale(till, 1_100_00).document, root_id=before.id, previous_id=before.id, reason="алдаа")
        link = till.sign(sale(till, 1_100_00, document=follows))
        assert [path for code, path, _ in found(till, link)] == ["/corrects", "/reason"]
        empty = till.sign(sale(till, 0, document=Document(), part_sellers=(), lottery=False))
        assert [(code, path) for code, path, _ in found(till, empty)] == [("nature_mismatch", "/parts")]

    def test_finds_a_start_in_the_middle(self, till: SigningTill) -> None:
        assert [code for code, *_ in found(till, till.start())] == ["start_misplaced"]

    def test_finds_a_chain_that_begins_with_a_sale(self, shared_centre: Centre) -> None:
        till = add_signing_till(shared_centre)
        assert [code for code, *_ in found(till, till.sell())] == ["start_misplaced"]

    def test_finds_the_mark_of_a_test(self, till: SigningTill) -> None:
        till.key = replace(till.key, signer=replace(till.key.signer, test=True))
        assert found(till, till.sell()) == [("test_mark", "/test", "no mark TEST")]

    def test_stores_what_of_a_text_can_be_stored(self, till: SigningTill) -> None:
        long = till.sell(document=replace(sale(till, 11_000_00).document, reference="Р" * 65))
        assert [code for code, *_ in found(till, long)] == ["reference_form"]
        assert till.centre.ask("SELECT reference FROM pos.receipts WHERE receipt_hash = %s", long.receipt_hash) == [
            (None,)
        ]
        draft = void_draft(long)
        void = till.sign(replace(draft, document=replace(draft.document, reason="х" * 256)))
        assert [code for code, *_ in found(till, void)] == ["reason_form"]


class TestFollowing:
    def test_records_a_correction_and_a_void(self, till: SigningTill) -> None:
        root = till.sell(11_000_00)
        correction = till.correct(root, root, 5_500_00)
        void = till.void(correction, root)
        for link in (root, correction, void):
            assert found(till, link) == []
        rows = till.centre.ask(
            "SELECT number, by_number, root_number, nature, reason FROM pos.successors WHERE seller = %s"
            " ORDER BY by_number",
            till.seller,
        )
        assert rows == [
            (root.id.number, correction.id.number, root.id.number, 3, None),
            (correction.id.number, void.id.number, root.id.number, 4, "буцаалт"),
        ]
        [(totals, vats)] = till.centre.ask(
            "SELECT part_totals_mongo, part_vats_mongo FROM pos.receipts WHERE receipt_hash = %s", void.receipt_hash
        )
        assert (totals, vats) == ([-5_500_00], [-500_00])

    def test_follows_within_one_body(self, till: SigningTill) -> None:
        root = till.sell(11_000_00)
        till.void(till.correct(root, root, 5_500_00), root)
        verdicts = till.upload(till.links[1:])
        assert [verdict["receipt"]["findings"] for verdict in verdicts] == [[], [], []]

    def test_finds_what_nobody_can_follow(self, till: SigningTill) -> None:
        root = till.sell(11_000_00)
        correction = till.correct(root, root, 5_500_00)
        late = till.correct(root, root, 4_400_00)
        void = till.void(correction, root)
        twice = till.void(correction, root)
        stranger = replace(root, id=replace(root.id, number=99_999))
        unknown = till.void(stranger)
        till.upload([root, correction])
        assert found(till, late) == [("not_latest", "/corrects", str(correction.id))]
        assert found(till, void) == []
        assert found(till, twice) == [("already_void", "/corrects", None)]
        assert found(till, unknown) == [("unknown_receipt", "/corrects", None)]
        assert till.centre.ask("SELECT count(*) FROM pos.successors WHERE seller = %s", till.seller) == [(2,)]
        [(parts,)] = till.centre.ask("SELECT part_totals_mongo FROM pos.receipts WHERE receipt_hash = %s",
                                     twice.receipt_hash)  # fmt: skip
        assert parts == []

    def test_finds_a_start_voided_and_a_business_corrected_for_a_consumer(self, till: SigningTill) -> None:
        assert [code for code, *_ in found(till, till.void(till.links[0]))] == ["not_correctable"]
        business = till.sell(
            11_000_00, business=True, lottery=False,
            document=replace(sale(till, 11_000_00).document, buyer_tin=BUYER),
        )  # fmt: skip
        till.upload([business])
        assert [code for code, *_ in found(till, till.correct(business, business, 5_500_00))] == ["not_correctable"]

    def test_finds_a_root_that_is_another_and_a_void_of_another_amount(self, till: SigningTill) -> None:
        root, other = till.sell(11_000_00), till.sell(2_200_00)
        till.upload([root, other])
        assert found(till, till.void(root, other, total_mongo=-10_000_00)) == [
            ("amounts_mismatch", "/total_mongo", "-1100000"),
            ("root_mismatch", "/root_id", str(root.id)),
        ]
        assert till.centre.ask("SELECT count(*) FROM pos.successors WHERE seller = %s", till.seller) == [(1,)]

    def test_knows_the_invoices_that_are_paid(self, till: SigningTill) -> None:
        invoice = till.sell(11_000_00, nature=Nature.INVOICE, lottery=False)
        till.upload([invoice])
        payment = sale(till, 11_000_00, nature=Nature.PAYMENT)
        whole = till.sign(replace(payment, document=replace(payment.document, pays_invoice=invoice.id)))
        assert found(till, whole) == []
        parts = (part(till, 1_100_00, pays_invoice=invoice.id), part(till, 1_100_00, pays_invoice=whole.id))
        assert found(till, sold(till, *parts, nature=Nature.PAYMENT)) == [
            ("invoice_unknown", "/parts/1/pays_invoice", None)
        ]
        assert found(till, till.sell(11_000_00, nature=Nature.PAYMENT)) == [("invoice_unknown", "/pays_invoice", None)]
        misplaced = till.sell(11_000_00, document=replace(payment.document, pays_invoice=invoice.id))
        assert [(code, path) for code, path, _ in found(till, misplaced)] == [("nature_mismatch", "/pays_invoice")]


class TestPlaces:
    def test_finds_a_turnover_that_is_another_once(self, till: SigningTill) -> None:
        till.head = replace(till.head, turnover_mongo=5)
        assert found(till, till.sell(1_100_00)) == [("turnover_mismatch", "/turnover_mongo", "110000")]
        assert found(till, till.sell(1_100_00)) == []

    def test_stores_a_turnover_below_zero(self, till: SigningTill) -> None:
        till.head = replace(till.head, turnover_mongo=-(10**15))
        assert [code for code, *_ in found(till, till.sell(1_100_00))] == ["turnover_mismatch"]

    def test_finds_a_time_before_the_last(self, till: SigningTill) -> None:
        till.sell()
        till.upload(till.links[1:])
        till.head = replace(till.head, last_issued_at=OPENED_AT - timedelta(hours=1))
        back = till.sell(at=OPENED_AT - timedelta(minutes=1))
        assert found(till, back) == [("times", "/issued_at", "2017-03-01T09:00:00+08:00")]
        assert found(till, till.sell(at=OPENED_AT)) == []

    def test_finds_numbers_that_were_given_or_that_are_none(self, till: SigningTill) -> None:
        first = sold(till, *[part(till, 1_100_00, tax_type=kind, vat_mongo=0) for kind in list(TaxType)[2:]])
        till.upload([first])
        till.head = replace(till.head, next_number=first.id.number + 1)
        assert [code for code, *_ in found(till, till.sell())] == ["numbers"]
        till.head = replace(till.head, next_number=99_998)
        assert found(till, till.sell()) == []
        tomorrow = OPENED_AT + timedelta(days=1)
        till.centre.set_clock(tomorrow)
        till.head = replace(till.head, day=till.head.day + 1, next_number=99_999)
        assert [code for code, *_ in found(till, till.sell(part_sellers=()))] == ["numbers"]
        till.centre.set_clock(tomorrow + timedelta(days=1))
        assert found(till, till.sell()) == []

    def test_finds_a_clock_that_is_ahead_and_counts_for_the_month_received(self, till: SigningTill) -> None:
        little = till.sell(at=OPENED_AT + timedelta(minutes=10))
        assert found(till, little) == []
        ahead = till.sell(at=OPENED_AT + timedelta(days=40))
        assert found(till, ahead) == [("clock_ahead", "/issued_at", "2017-03-01T09:00:00+08:00")]
        assert (tax_months(till, little), tax_months(till, ahead)) == ([], [2017 * 12 + 2])

    def test_counts_a_clock_ahead_within_its_month_for_that_month(self, till: SigningTill) -> None:
        ahead = till.sell(at=OPENED_AT + timedelta(days=4))
        assert [code for code, *_ in found(till, ahead)] == ["clock_ahead"]
        assert tax_months(till, ahead) == []

    def test_finds_a_report_that_is_late(self, till: SigningTill) -> None:
        in_time, late = till.sell(at=OPENED_AT), till.sell(at=OPENED_AT + timedelta(seconds=1))
        till.centre.set_clock(OPENED_AT + timedelta(hours=72))
        assert found(till, in_time) == []
        till.centre.set_clock(OPENED_AT + timedelta(hours=72, seconds=2))
        assert [code for code, *_ in found(till, late)] == ["late"]

    def test_finds_what_was_signed_after_the_suspension(self, till: SigningTill) -> None:
        backup = till.copy()
        till.sell()
        till.upload(till.links)
        backup.sell(2_200_00)
        backup.upload(backup.links)
        assert found(till, till.sell(at=OPENED_AT)) == []
        assert [code for code, *_ in found(till, till.sell(at=OPENED_AT + timedelta(minutes=1)))] == [
            "after_suspension"
        ]


class TestReportMonths:
    def b2b(self, till: SigningTill, report_month: str, **changes: Any) -> Link:
        document = replace(sale(till, 11_000_00).document, buyer_tin=BUYER, report_month=report_month)
        return till.sell(11_000_00, **({"business": True, "lottery": False, "document": document} | changes))

    def test_counts_for_the_month_before(self, till: SigningTill) -> None:
        link = self.b2b(till, "2017-02")
        assert found(till, link) == []
        assert tax_months(till, link) == [2017 * 12 + 1]

    def test_counts_for_the_month_before_after_the_seventh_too_and_says_so(self, till: SigningTill) -> None:
        till.centre.set_clock(OPENED_AT + timedelta(days=10))
        link = self.b2b(till, "2017-02")
        assert [code for code, *_ in found(till, link)] == ["report_month_not_due"]
        assert tax_months(till, link) == [2017 * 12 + 1]

    @pytest.mark.parametrize("month", ["2016-12", "2017-04", "2099-01"])
    def test_counts_for_no_other_month(self, till: SigningTill, month: str) -> None:
        link = self.b2b(till, month)
        assert [code for code, *_ in found(till, link)] == ["report_month_not_due"]
        assert tax_months(till, link) == []

    def test_counts_a_consumers_receipt_for_its_own_month(self, till: SigningTill) -> None:
        link = self.b2b(till, "2017-02", business=False, lottery=True)
        assert [code for code, *_ in found(till, link)] == ["report_month_not_due"]
        assert tax_months(till, link) == []

    def test_is_kept_of_what_the_centre_signs_too(self, shared_centre: Centre) -> None:
        till = shared_centre.enrol()
        till.sell(type="B2B_RECEIPT", buyer_tin=BUYER, report_month="2017-02")
        till.sell(type="B2B_RECEIPT", buyer_tin=BUYER)
        rows = shared_centre.ask(
            "SELECT tax_month FROM pos.tax_months WHERE seller = (SELECT seller FROM pos.sellers WHERE tin = %s)",
            till.tin,
        )
        assert rows == [(2017 * 12 + 1,)]


def test_all_that_was_taken_holds_when_it_is_checked(shared_centre: Centre) -> None:
    assert broken(shared_centre) == {}
