"""What real tills send is taken: one test a leniency."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from kernel.refusal import Malformed
from pos_gateway.posapi.answer import answer_of
from pos_gateway.posapi.request import VOID_REASON, read_void
from receipts.ids import ReceiptId
from receipts.receipt import Nature, TaxType
from receipts.submission import Payment
from tests.pos_gateway.posapi.bodies import (
    AN_ID,
    ANOTHER_ID,
    BREAD,
    BUYER,
    GONE,
    LESSEE,
    OFFICIAL,
    SHOP,
    STRANGER,
    answered,
    changed,
    document,
    issued,
    octets,
    plain,
    read,
)


def renamed(value: Any, spell: Any) -> Any:
    if isinstance(value, dict):
        return {spell(name): renamed(item, spell) for name, item in value.items()}
    return [renamed(item, spell) for item in value] if isinstance(value, list) else value


def quoted(value: Any) -> Any:
    """Every number as a text, as the SDK writes decimals."""
    if isinstance(value, dict):
        return {name: quoted(item) for name, item in value.items()}
    if isinstance(value, list):
        return [quoted(item) for item in value]
    return str(value) if isinstance(value, int | float) else value


class TestSpelling:
    @pytest.mark.parametrize("spell", [str.lower, str.upper, str.title, str.swapcase])
    def test_upper_and_lower_case_of_names_do_not_count(self, spell: Any) -> None:
        assert read(renamed(OFFICIAL, spell)).submission == read(OFFICIAL).submission

    def test_the_spellings_that_were_seen(self) -> None:
        body = changed(r0_totalVat=500, totalVat=500, inActiveId=AN_ID, r0_totalVAT=GONE, totalVAT=GONE)
        submission = read(body).submission
        assert (submission.parts[0].vat_mongo, str(submission.corrects)) == (500_00, AN_ID)
        status = changed(p0_status=GONE, p0_Status="PAID", Data={"a": 1})
        assert answered(read(status))["data"] == {"a": 1}

    def test_numbers_in_quotes(self) -> None:
        assert read(quoted(OFFICIAL)).submission == read(OFFICIAL).submission

    def test_numbers_for_texts(self) -> None:
        body = changed(
            merchantTin=37900846788, r0_merchantTin=37900846788, branchNo=1, districtCode=2501, posNo=1,
            consumerNo=10038071, billIdSuffix=1, r0_i0_barCode=19059010880001, r0_i0_classificationCode=2349010,
        )  # fmt: skip
        assert read(body).submission == read(changed(billIdSuffix="1")).submission
        assert answered(read(body))["posNo"] == "1"

    def test_numbers_that_lost_the_zeros_in_front(self) -> None:
        body = changed(districtCode=101, r0_i0_classificationCode=111100, inactiveId=int(AN_ID))
        submission = read(body).submission
        assert (submission.district, str(submission.corrects)) == ("0101", AN_ID)
        assert submission.parts[0].lines[0].classification == "0111100"

    @pytest.mark.parametrize(("stated", "branch"), [("7", 7), ("01", 1), ("000", 0), ("142", 142)])
    def test_short_branches(self, stated: str, branch: int) -> None:
        assert read(changed(branchNo=stated)).submission.branch == branch

    @pytest.mark.parametrize("nothing", [None, "", "  ", GONE])
    def test_null_empty_and_missing_are_the_same(self, nothing: object) -> None:
        names = ("customerTin", "consumerNo", "inactiveId", "reportMonth", "billIdSuffix", "districtCode", "branchNo",
                 "totalVAT", "totalCityTax", "posNo", "payments", "r0_bankAccountNo", "r0_iBan", "r0_customerTin",
                 "r0_invoiceId", "r0_totalVAT", "r0_totalCityTax", "r0_i0_barCode", "r0_i0_barCodeType",
                 "r0_i0_classificationCode", "r0_i0_taxProductCode", "r0_i0_unitPrice", "r0_i0_totalVAT")  # fmt: skip
        request = read(changed(**dict.fromkeys(names, nothing)))
        submission = request.submission
        assert (submission.branch, submission.district, submission.consumer_no, submission.reference) == (None,) * 4
        assert (submission.payments, submission.buyer_tin, submission.corrects) == ((), None, None)
        assert request.priced.vat_mongo == 500_00
        assert not {"customerTin", "consumerNo", "billIdSuffix", "districtCode", "payments"} & set(answered(request))

    def test_names_that_nobody_knows(self) -> None:
        assert read(changed(anything=[{}], r0_i0_more={"x": [1]})).submission == read(OFFICIAL).submission

    def test_a_name_twice_with_one_value(self) -> None:
        raw = octets(OFFICIAL)[:-1] + b', "totalVat": 500, "TOTALVAT": null, "totalAmount": 5600}'
        assert read(raw).submission == read(OFFICIAL).submission

    def test_a_byte_order_mark(self) -> None:
        assert read(b"\xef\xbb\xbf" + octets(OFFICIAL)).submission == read(OFFICIAL).submission

    def test_half_characters(self) -> None:
        raw = octets(changed(posNo="@")).replace(b"@", b"a\\ud800b")
        assert answered(read(raw))["posNo"] == "a\ufffdb"

    def test_words_in_lower_case(self) -> None:
        body = changed(
            type="b2c_receipt", r0_taxType="vat_able", r0_i0_barCodeType="gs1", p0_code="cash", p0_status="paid"
        )  # fmt: skip
        assert read(body).submission == read(OFFICIAL).submission
        assert answered(read(body)) == answered(read(OFFICIAL))


class TestHeader:
    @pytest.mark.parametrize("suffix", ["01", "АБ-7", GONE])
    def test_an_internal_number_of_any_kind_is_the_reference(self, suffix: Any) -> None:
        assert read(changed(billIdSuffix=suffix)).submission.reference == (None if suffix is GONE else suffix)

    def test_a_reference_is_cut_and_cleaned(self) -> None:
        assert read(changed(billIdSuffix="a\n" + "b" * 99)).submission.reference == "a " + "b" * 62

    def test_a_sub_receipt_without_merchant_is_the_headers(self) -> None:
        assert read(changed(r0_merchantTin=GONE)).submission.parts[0].seller_tin == SHOP

    def test_a_buyers_number_on_a_consumers_receipt_is_passed_over(self) -> None:
        request = read(changed(customerTin=BUYER))
        assert document(request).buyer_tin is None
        assert answered(request)["customerTin"] == BUYER
        assert read(changed(customerTin="УБ99119911")).submission.buyer_tin is None

    def test_a_buyer_named_in_the_sub_receipts_alone(self) -> None:
        body = changed(type="B2B_RECEIPT", consumerNo=None, r0_customerTin=BUYER)
        assert read(body).submission.buyer_tin == BUYER

    @pytest.mark.parametrize("number", ["99887766554", "abc", "1003807"])
    def test_a_consumers_number_that_is_none_registers_nobody(self, number: str) -> None:
        assert read(changed(consumerNo=number)).consumer_no is None

    def test_a_consumers_number_on_business_is_passed_over(self) -> None:
        body = changed(type="B2B_RECEIPT", customerTin=int(BUYER))
        assert (read(body).consumer_no, read(body).submission.buyer_tin) == (None, BUYER)

    @pytest.mark.parametrize("month", ["2026-01-31", "2026-01", "202601", "2026-01-01 00:00:00", "2026-01-15T00:00:00"])
    def test_a_report_month_in_any_form(self, month: str) -> None:
        body = changed(type="B2B_RECEIPT", customerTin=BUYER, consumerNo=None, reportMonth=month)
        assert document(read(body, day=date(2026, 2, 7))).report_month == "2026-01"

    @pytest.mark.parametrize("kind", ["B2C_RECEIPT", "B2B_RECEIPT"])
    def test_a_report_month_that_is_the_receipts_own_says_nothing(self, kind: str) -> None:
        body = changed(type=kind, customerTin=BUYER, reportMonth="2026-02-12")
        assert read(body).submission.report_month is None


class TestMoney:
    def test_thirteen_decimals(self) -> None:
        body = changed(totalVAT=254.5454545454545, r0_totalVAT=254.5454545454545, r0_i0_totalVAT=254.5454545454545,
                       totalAmount="2799.9999999999995", r0_totalAmount=2799.9999999999995, r0_i0_totalAmount=2800,
                       totalCityTax=0, r0_totalCityTax=0, r0_i0_totalCityTax=0,
                       p0_paidAmount=2799.9999999999995)  # fmt: skip
        request = read(body)
        assert (request.priced.total_mongo, request.priced.vat_mongo) == (2800_00, 254_55)

    def test_exponents(self) -> None:
        assert read(octets(plain(5600)).replace(b"5600", b"5.6e+3")).priced.total_mongo == 5600_00

    def test_a_headers_vat_off_by_a_hundredth(self) -> None:
        for off in (499.99, 500.01):
            assert read(changed(totalVAT=off)).priced.vat_mongo == 500_00

    def test_a_sub_receipts_vat_off_by_a_hundredth_is_signed(self) -> None:
        request = read(changed(r0_totalVAT=500.01))
        assert (request.priced.vat_mongo, request.priced.computed_vat_mongo) == (500_01, 500_00)

    def test_raw_taxes_by_item(self) -> None:
        item = {"name": "a", "measureUnit": "ш", "qty": 1, "totalAmount": 9.99, "totalVAT": 0.908181818}
        body = plain(totalAmount=29.97)
        body["receipts"] = [
            {"totalAmount": 29.97, "taxType": "VAT_ABLE", "totalVAT": 2.7245454545, "items": [item] * 3}
        ]
        assert read(body).priced.vat_mongo == 272

    def test_quantity_times_price_that_is_not_the_total(self) -> None:
        line = read(changed(r0_i0_qty=2, r0_i0_unitPrice=1000)).submission.parts[0].lines[0]
        assert (line.quantity, line.unit_price_mongo, line.total_mongo) == ("2", 1000_00, 5600_00)

    @pytest.mark.parametrize(
        ("stated", "text"),
        [(1, "1"), ("1.000", "1.000"), (0.350, "0.35"), (1e-7, "0"), ("0.33333333333", "0.333333"), ("2.", "2"),
         ("1.50000000", "1.5"), ("20.0000000", "20")],
    )  # fmt: skip
    def test_quantities(self, stated: Any, text: str) -> None:
        assert read(changed(r0_i0_qty=stated)).submission.parts[0].lines[0].quantity == text

    def test_items_without_taxes(self) -> None:
        request = read(plain(1100, 550))
        assert (request.priced.vat_mongo, request.priced.city_tax_mongo) == (150_00, 0)
        assert "totalVAT" not in answered(request)["receipts"][0]["items"][0]

    def test_taxes_in_the_header_alone(self) -> None:
        priced = read(plain(5600, totalVAT=500, totalCityTax=100)).priced
        assert (priced.vat_mongo, priced.city_tax_mongo, priced.parts[0].lines[0].city_tax) == (500_00, 100_00, True)

    def test_taxes_in_the_items_alone(self) -> None:
        body = changed(totalVAT=GONE, totalCityTax=GONE, r0_totalVAT=GONE, r0_totalCityTax=GONE)
        assert read(body).submission.parts == read(OFFICIAL).submission.parts

    def test_zeros_for_item_taxes_that_are_not_known(self) -> None:
        request = read(changed(r0_i0_totalVAT=0, r0_i0_totalCityTax=0))
        assert (request.priced.vat_mongo, request.priced.city_tax_mongo) == (500_00, 100_00)

    def test_city_tax_on_some_items(self) -> None:
        milk = {"name": "Сүү", "measureUnit": "л", "qty": 1, "totalAmount": 1100, "totalVAT": 100, "totalCityTax": 0}
        body = changed(totalAmount=6700, totalVAT=600, r0_totalAmount=6700, r0_totalVAT=600, r0_items=[BREAD, milk],
                       p0_paidAmount=6700)  # fmt: skip
        assert [line.city_tax for line in read(body).priced.parts[0].lines] == [True, False]

    def test_the_largest_line_takes_the_difference(self) -> None:
        body = plain(1, 5, 5, 2)
        body["receipts"][0]["totalAmount"] = body["totalAmount"] = 13.02
        request = read(body)
        assert [line.total_mongo for line in request.priced.parts[0].lines] == [100, 502, 500, 200]
        assert request.priced.total_mongo == 1302

    def test_the_headers_total_is_what_is_signed(self) -> None:
        body = changed(totalAmount=5600.01, p0_paidAmount=5600)
        request = read(body)
        assert (request.priced.total_mongo, request.payments) == (5600_01, (Payment("CASH", 5600_01),))
        answer = answered(request)
        assert answer["totalAmount"] == answer["receipts"][0]["totalAmount"] == 5600.01

    def test_sold_for_nothing(self) -> None:
        assert read(plain(0)).priced.total_mongo == 0


class TestPayments:
    @pytest.mark.parametrize("payments", [None, [], "", GONE])
    @pytest.mark.parametrize("kind", ["B2C_RECEIPT", "B2C_INVOICE"])
    def test_none(self, payments: Any, kind: str) -> None:
        assert read(changed(payments=payments, type=kind)).payments == ()

    def test_means_that_the_vendor_does_not_list(self) -> None:
        body = changed(p0_code="BANK_TRANSFER_QPAY", p0_status=GONE)
        assert read(body).payments == (Payment("BANK_TRANSFER_QPAY", 5600_00),)

    def test_what_was_reversed_or_failed_does_not_count(self) -> None:
        payments = [
            {"code": "PAYMENT_CARD", "status": status, "paidAmount": 5600} for status in ("ERROR", "REVERSED", "PAY")
        ]
        request = read(changed(payments=payments))
        assert request.payments == (Payment("PAYMENT_CARD", 5600_00),)
        assert [payment["status"] for payment in answered(request)["payments"]] == ["ERROR", "REVERSED", "PAY"]

    def test_an_invoice_is_paid_in_part(self) -> None:
        assert read(changed(type="B2C_INVOICE", p0_paidAmount=1)).payments == (Payment("CASH", 100),)

    def test_nothing_of_a_card_is_kept_or_repeated(self) -> None:
        card = {"terminalID": "11111", "rrn": "123456789123", "maskedCardNumber": "123456XXXXXX7890", "easy": True}
        request = read(changed(p0_code="PAYMENT_CARD", p0_data=card))
        assert request.payments == (Payment("PAYMENT_CARD", 5600_00),)
        assert set(answered(request)["payments"][0]) == {"code", "paidAmount", "status"}


class TestKinds:
    def test_not_vat_is_no_vat(self) -> None:
        request = read(plain(5000, tax_type="NOT_VAT"))
        assert (request.submission.parts[0].tax_type, request.priced.lottery) == (TaxType.NO_VAT, False)
        assert answered(request)["receipts"][0]["taxType"] == "NO_VAT"

    @pytest.mark.parametrize(
        ("given", "nature"),
        [
            ({}, Nature.SALE),
            ({"type": "B2C_INVOICE"}, Nature.INVOICE),
            ({"type": "B2B_INVOICE", "customerTin": BUYER}, Nature.INVOICE),
            ({"invoiceId": AN_ID}, Nature.PAYMENT),
            ({"inactiveId": AN_ID}, Nature.CORRECTION),
            ({"inactiveId": AN_ID, "type": "B2B_INVOICE", "customerTin": BUYER}, Nature.CORRECTION),
        ],
    )
    def test_natures(self, given: dict[str, Any], nature: Nature) -> None:
        request = read(changed(**given))
        assert request.submission.nature is nature
        assert request.invoice is given.get("type", "").endswith("INVOICE")

    def test_several_merchants_and_tax_types(self) -> None:
        free = {"name": "Дээж сүү", "measureUnit": "л", "qty": 1, "totalAmount": 1000, "taxProductCode": "320"}
        subs = [
            OFFICIAL["receipts"][0],
            {"taxType": "VAT_FREE", "merchantTin": SHOP, "totalAmount": 1000, "items": [free]},
            {"taxType": "VAT_ABLE", "merchantTin": int(LESSEE), "totalAmount": 1000,
             "items": [free | {"taxProductCode": ""}]},
        ]  # fmt: skip
        request = read(changed(totalAmount=7600, receipts=subs, p0_paidAmount=7600))
        assert [part.vat_mongo for part in request.priced.parts] == [500_00, 0, 0]
        answer = answered(request)
        assert [sub["id"][:12] for sub in answer["receipts"]] == ["037900846788", "037900846788", "061200064714"]
        assert (answer["totalVAT"], answer["totalAmount"]) == (500, 7600)

    def test_an_invoice_in_the_only_sub_receipt_or_in_all_is_the_headers(self) -> None:
        request = read(changed(r0_invoiceId=AN_ID))
        assert str(document(request).pays_invoice) == AN_ID
        assert document(request).parts[0].pays_invoice is None
        assert read(changed(r0_invoiceId=AN_ID, invoiceId=AN_ID)).submission == request.submission

    def test_each_sub_receipt_pays_its_own_invoice(self) -> None:
        subs = [OFFICIAL["receipts"][0] | {"invoiceId": one} for one in (AN_ID, ANOTHER_ID)]
        body = changed(totalAmount=11200, totalVAT=1000, totalCityTax=200, receipts=subs, payments=None)
        paid = document(read(body))
        assert (paid.pays_invoice, [str(part.pays_invoice) for part in paid.parts]) == (None, [AN_ID, ANOTHER_ID])


class TestStrangers:
    """A merchant of whom a till has not heard is taken at the client's word."""

    def sale(self, **part: Any) -> dict[str, Any]:
        body = plain(1100)
        body["receipts"][0] |= {"merchantTin": STRANGER} | part
        return body

    @pytest.mark.parametrize(
        ("part", "vat"), [({}, 100_00), ({"totalVAT": 100}, 100_00), ({"totalVAT": 0}, 0), ({"totalVAT": "0.00"}, 0)]
    )
    def test_vat(self, part: dict[str, Any], vat: int) -> None:
        assert read(self.sale(**part)).priced.vat_mongo == vat

    def test_city_tax(self) -> None:
        assert read(self.sale(totalVAT=98.21, totalCityTax=19.64)).priced.city_tax_mongo == 19_64


class TestTexts:
    def test_names_are_canonical_cleaned_and_cut(self) -> None:
        body = changed(r0_i0_name=" e\u0301\x00\x1b@\n" + "x" * 300, r0_i0_measureUnit="ш" * 40)
        line = read(body).submission.parts[0].lines[0]
        assert line.name == "\u00e9 @ " + "x" * 251
        assert line.unit == "ш" * 32

    def test_a_barcode_that_no_document_can_hold_is_repeated_all_the_same(self) -> None:
        request = read(changed(r0_i0_barCode="19059 0108 80001 Я"))
        assert request.submission.parts[0].lines[0].barcode is None
        assert answered(request)["receipts"][0]["items"][0]["barCode"] == "19059 0108 80001 Я"

    def test_free_content_is_repeated_as_it_was_written(self) -> None:
        raw = octets(changed(r0_i0_data="@")).replace(
            b'"@"', '{"lotNo":"Б","n":1.50,"stockQR":["A1"],"x":1e400}'.encode()
        )
        request = read(raw)
        answer = answer_of(request, issued(request), lottery=None).decode()
        assert '"data":{"lotNo":"Б","n":1.50,"stockQR":["A1"],"x":1e400}' in answer


class TestVoid:
    @pytest.mark.parametrize(
        "body",
        [
            {"id": AN_ID, "date": "2026-02-12 15:31:42"},
            {"id": AN_ID, "date": "yesterday"},
            {"id": AN_ID, "date": None},
            {"ID": AN_ID},
            {"id": f" {AN_ID} ", "date": 7},
            {"id": int(AN_ID)},
        ],
    )
    def test_needs_the_id_alone(self, body: dict[str, Any]) -> None:
        void = read_void(octets(body))
        assert (void.receipt, void.reason) == (ReceiptId.parse(AN_ID), VOID_REASON)

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": ""}', b'{"id": "1"}', b'{"id": [1]}', b"\xff"])
    def test_and_without_it_voids_nothing(self, body: bytes) -> None:
        with pytest.raises(Malformed):
            read_void(body)


def test_a_number_of_any_length_is_no_float() -> None:
    raw = octets(plain(1)).replace(b'"totalAmount": 1', b'"totalAmount": 90071992547.41')
    assert read(raw).priced.total_mongo == Decimal(9007199254741)


def test_the_day_is_an_argument() -> None:
    body = changed(totalAmount=5550, r0_totalAmount=5550, r0_i0_totalAmount=5550, totalCityTax=50,
                   r0_totalCityTax=50, r0_i0_totalCityTax=50, p0_paidAmount=5550)  # fmt: skip
    assert read(body, day=date(2023, 9, 10)).priced.city_tax_mongo == 50_00
