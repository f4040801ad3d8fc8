"""What a till states is judged by the law of its day: all faults at once, taxes to the möngö."""

from datetime import date
from typing import Any

import pytest

from kernel.money import MONGO_MAX
from kernel.refusal import Malformed
from receipts.document import Line
from receipts.ids import ReceiptId
from receipts.receipt import Nature, TaxType
from receipts.rules import rules_on
from receipts.submission import (
    LINES_MAX,
    Merchant,
    Payment,
    Priced,
    StatedPart,
    Submission,
    document_of,
    payments_text,
    price,
)
from tests.changing import replace

DAY = date(2017, 3, 1)
SHOP = Merchant(37900846788, "37900846788", vat_payer=True, city_tax_payer=True)
SMALL = Merchant(37900846789, "37900846789", vat_payer=False, city_tax_payer=False)
MERCHANTS = {SHOP.tin: SHOP, SMALL.tin: SMALL}
BREAD = Line("Талх", "1", "ш", 112_000)
SOME_ID = ReceiptId(SHOP.seller, 1, 6263, 0, 1)


def part(*lines: Line, tax_type: TaxType = TaxType.VAT_ABLE, seller: Merchant = SHOP, **given: Any) -> StatedPart:
    stated = lines or (BREAD,)
    total = given.pop("total_mongo", sum(line.total_mongo for line in stated))
    vat, city = given.pop("vat_mongo", None), given.pop("city_tax_mongo", None)
    return StatedPart(seller.tin, tax_type, total, vat, city, stated, **given)


def sale(*parts: StatedPart, **given: Any) -> Submission:
    return Submission(
        given.pop("nature", Nature.SALE), given.pop("business", False), SHOP.tin, parts or (part(),), **given
    )


def to_business(**given: Any) -> Submission:
    return sale(business=True, buyer_tin=SMALL.tin, **given)


def judged(submission: Submission, day: date = DAY) -> Priced:
    return price(submission, MERCHANTS, rules=rules_on(day), day=day)


def faults(submission: Submission) -> list[tuple[str, str]]:
    with pytest.raises(Malformed) as caught:
        judged(submission)
    return [(fault.code, fault.path) for fault in caught.value.faults]


class TestPrice:
    def test_takes_the_taxes_out_of_the_price(self) -> None:
        priced = judged(sale(part(replace(BREAD, city_tax=True))))
        assert (priced.total_mongo, priced.vat_mongo, priced.city_tax_mongo) == (112_000, 10_090, 1_009)
        assert judged(sale(part(replace(BREAD, city_tax=True))), date(2025, 4, 1)).vat_mongo == 10_000

    def test_adds_up_lines_that_are_each_rounded(self) -> None:
        assert judged(sale(part(*[Line("x", "1", "ш", 6)] * 10))).vat_mongo == 10

    @pytest.mark.parametrize("tax_type", [TaxType.VAT_FREE, TaxType.VAT_ZERO, TaxType.NO_VAT])
    def test_takes_no_vat_out_of_other_parts(self, tax_type: TaxType) -> None:
        product = {TaxType.VAT_FREE: "447", TaxType.VAT_ZERO: "501"}.get(tax_type)
        priced = judged(sale(part(replace(BREAD, tax_product=product), tax_type=tax_type)))
        assert priced.vat_mongo == 0
        assert priced.lottery is (tax_type is not TaxType.NO_VAT)

    def test_takes_no_vat_out_of_what_no_vat_payer_sells(self) -> None:
        priced = judged(sale(part(), part(seller=SMALL)))
        assert [one.vat_mongo for one in priced.parts] == [10_182, 0]
        assert priced.part_sellers == (SHOP.seller, SMALL.seller)

    @pytest.mark.parametrize("off", [-1, 0, 1])
    def test_signs_what_was_stated_within_a_mongo_a_line(self, off: int) -> None:
        priced = judged(sale(part(vat_mongo=10_182 + off, city_tax_mongo=0)))
        assert (priced.vat_mongo, priced.computed_vat_mongo) == (10_182 + off, 10_182)

    @pytest.mark.parametrize(
        ("given", "lottery"),
        [
            ({}, True),
            ({"nature": Nature.PAYMENT, "pays_invoice": SOME_ID}, True),
            ({"nature": Nature.INVOICE}, False),
            ({"nature": Nature.CORRECTION, "corrects": SOME_ID}, False),
            ({"business": True, "buyer_tin": SMALL.tin}, False),
        ],
    )
    def test_gives_a_lottery_number_to_what_consumers_buy(self, given: dict[str, Any], lottery: object) -> None:
        assert judged(sale(**given)).lottery is lottery

    def test_lets_a_sale_of_nothing_pass(self) -> None:
        assert judged(sale(part(Line("Уут", "1", "ш", 0)))).total_mongo == 0

    def test_lets_the_largest_total_pass_and_no_more(self) -> None:
        assert judged(sale(part(Line("x", "1", "ш", MONGO_MAX)))).total_mongo == MONGO_MAX
        more = sale(part(Line("x", "1", "ш", MONGO_MAX), Line("x", "1", "ш", 1)))
        assert ("out_of_range", "/parts") in faults(more)


class TestFaults:
    @pytest.mark.parametrize(
        ("submission", "fault"),
        [
            (sale(business=True), ("buyer_missing", "/buyer_tin")),
            (
                sale(business=True, buyer_tin=SMALL.tin, consumer_no=11_000_000),
                ("consumer_on_business", "/consumer_no"),
            ),
            (sale(nature=Nature.INVOICE, consumer_no=11_000_000), ("consumer_on_business", "/consumer_no")),
            (sale(corrects=SOME_ID, pays_invoice=SOME_ID), ("corrects_and_pays", "/pays_invoice")),
            (sale(part(pays_invoice=SOME_ID), corrects=SOME_ID), ("corrects_and_pays", "/pays_invoice")),
            (
                sale(part(pays_invoice=SOME_ID), part(seller=SMALL), nature=Nature.PAYMENT),
                ("invoices_incomplete", "/parts"),
            ),
            (
                sale(part(pays_invoice=SOME_ID), nature=Nature.PAYMENT, pays_invoice=SOME_ID),
                ("invoices_incomplete", "/parts"),
            ),
            (sale(report_month="2017-02"), ("report_month_not_due", "/report_month")),
            (to_business(report_month="2017-03"), ("report_month_not_due", "/report_month")),
            (to_business(report_month="2017-01"), ("report_month_not_due", "/report_month")),
            (sale(district="9999"), ("district_unknown", "/district")),
            (sale(part(), part()), ("part_repeated", "/parts/1")),
            (sale(part(*[Line("x", "1", "ш", 1)] * (LINES_MAX + 1))), ("too_many_lines", "/parts")),
            (sale(payments=(Payment("CASH", 1),)), ("payments_mismatch", "/payments")),
            (sale(part(total_mongo=1)), ("lines_mismatch", "/parts/0/total_mongo")),
            (sale(part(vat_mongo=10_184)), ("vat_mismatch", "/parts/0/vat_mongo")),
            (sale(part(vat_mongo=10_180)), ("vat_mismatch", "/parts/0/vat_mongo")),
            (sale(part(Line("x", "1", "ш", 0), vat_mongo=1)), ("vat_mismatch", "/parts/0/vat_mongo")),
            (sale(part(city_tax_mongo=2)), ("city_tax_mismatch", "/parts/0/city_tax_mongo")),
            (
                sale(part(replace(BREAD, city_tax=True), seller=SMALL)),
                ("city_tax_not_due", "/parts/0/lines/0/city_tax"),
            ),
            (sale(part(tax_type=TaxType.VAT_FREE)), ("tax_product_missing", "/parts/0/lines/0/tax_product")),
            (sale(part(replace(BREAD, tax_product="501"))), ("tax_product_unknown", "/parts/0/lines/0/tax_product")),
            (
                sale(part(replace(BREAD, tax_product="439"), tax_type=TaxType.VAT_FREE)),
                ("tax_product_unknown", "/parts/0/lines/0/tax_product"),
            ),
            (sale(part(seller=replace(SHOP, tin="1"))), ("merchant_unknown", "/parts/0/seller_tin")),
        ],
    )
    def test_names_each_one_alone(self, submission: Submission, fault: tuple[str, str]) -> None:
        assert faults(submission) == [fault]

    def test_names_all_at_once(self) -> None:
        found = faults(
            sale(
                part(total_mongo=1, vat_mongo=0), part(seller=replace(SHOP, tin="1")), business=True, district="9999",
                payments=(Payment("CASH", 5),),
            )
        )  # fmt: skip
        assert {code for code, _ in found} == {
            "buyer_missing", "district_unknown", "payments_mismatch", "lines_mismatch", "vat_mismatch",
            "merchant_unknown",
        }  # fmt: skip

    def test_lets_an_invoice_be_paid_in_part(self) -> None:
        assert judged(sale(nature=Nature.INVOICE, payments=(Payment("CASH", 1),))).total_mongo == 112_000

    def test_lets_a_business_document_count_for_the_month_before_until_the_seventh(self) -> None:
        late = to_business(report_month="2016-12")
        assert judged(late, date(2017, 1, 7)).total_mongo == 112_000
        with pytest.raises(Malformed) as caught:
            judged(late, date(2017, 1, 8))
        assert [fault.code for fault in caught.value.faults] == ["report_month_not_due"]

    def test_lets_parts_of_one_kind_pay_different_invoices(self) -> None:
        two = [part(pays_invoice=SOME_ID), part(pays_invoice=replace(SOME_ID, number=5))]
        assert judged(sale(*two, nature=Nature.PAYMENT)).total_mongo == 224_000
        assert faults(sale(two[0], two[0], nature=Nature.PAYMENT)) == [("part_repeated", "/parts/1")]

    def test_lets_as_many_lines_pass_as_there_may_be(self) -> None:
        assert judged(sale(part(*[Line("x", "1", "ш", 1)] * LINES_MAX))).total_mongo == LINES_MAX


class TestDocumentOf:
    def test_says_what_was_stated_and_what_was_signed(self) -> None:
        submission = sale(part(vat_mongo=10_181), reference="a", district="2501", pays_invoice=SOME_ID)
        document = document_of(submission, judged(submission))
        assert (document.reference, document.district, document.pays_invoice) == ("a", "2501", SOME_ID)
        assert document.parts[0].vat_mongo == 10_181
        assert document.root_id is None

    def test_says_which_invoice_a_part_pays_and_for_which_month_it_counts(self) -> None:
        submission = to_business(report_month="2017-02")
        assert document_of(submission, judged(submission)).report_month == "2017-02"
        payment = sale(part(pays_invoice=SOME_ID), nature=Nature.PAYMENT)
        assert [one.pays_invoice for one in document_of(payment, judged(payment)).parts] == [SOME_ID]


class TestPaymentsText:
    def test_keeps_means_and_amounts(self) -> None:
        assert payments_text((Payment("CASH", 5), Payment("PAYMENT_CARD", 7))) == "CASH 5;PAYMENT_CARD 7"
        assert payments_text(()) is None
