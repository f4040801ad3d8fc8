from datetime import timedelta

import pytest

from receipts.chain import ChainKey
from receipts.document import Document, Line, Part, encode_document
from receipts.ids import ReceiptId
from receipts.keys import Signer
from receipts.paper import Roll
from receipts.printed import (
    PrintedLine,
    PrintedPayment,
    PrintedReceipt,
    PrintedTax,
    Shop,
    address_of,
    payments_of,
    printed_receipt,
)
from receipts.qr import encode_text
from receipts.receipt import Nature, TaxType, lottery_number
from receipts.receipt_image import receipt_png
from receipts.submission import Payment, payments_text
from tests.changing import replace
from tests.receipts.examples import BY_TILL, NOON, SALE, SELLER, TILL, TURNOVER_KEY, a_sale

SHOP = Shop("37900846788", "Их Наяд", names={"61200064714": "Түрээслэгч"})
INVOICES = tuple(ReceiptId(SELLER, 1, 6263, number, 10012619) for number in (3, 8))


def printed(document: Document = SALE, shop: Shop = SHOP, **fields: object) -> PrintedReceipt:
    """Sign a link with this document and print it."""
    link = a_sale(BY_TILL, document=document, **fields)
    return printed_receipt(link.cose, document, root_hash=link.receipt_hash, shop=shop)


def part(tin: str, tax_type: TaxType, total: int, *names: str, **fields: object) -> Part:
    lines = tuple(Line(name, "1", "ш", total // len(names)) for name in names)
    return Part(tin, tax_type, total, total // 11, 3, lines, **fields)  # type: ignore[arg-type]


class TestPrintedReceipt:
    def test_takes_everything_from_the_signed_bytes_and_their_document(self) -> None:
        link = a_sale(BY_TILL, at=NOON + timedelta(hours=2))
        paid = (PrintedPayment("CASH", 560000),)
        receipt = printed_receipt(link.cose, SALE, root_hash=link.receipt_hash, shop=SHOP, payments=paid)
        assert (receipt.receipt_id, receipt.terminal) == (str(link.id), "10012619")
        assert (receipt.issued_at, receipt.qr_text) == (NOON + timedelta(hours=2), encode_text(link.cose))
        assert (receipt.total_mongo, receipt.vat_mongo, receipt.payments) == (560000, 50909, paid)
        assert receipt.lottery == str(lottery_number(link.receipt_hash))
        [section] = receipt.sections
        assert section.lines == (PrintedLine("Талх", "1.000", "ш", 560000, TaxType.VAT_ABLE, 560000),)
        assert section.taxes == (PrintedTax(TaxType.VAT_ABLE, 560000, 50909, 0),)
        assert (receipt.nature, receipt.test, receipt.voided, receipt.registered) == (Nature.SALE, False, False, False)

    def test_has_the_lottery_number_of_the_root(self) -> None:
        link = a_sale(BY_TILL, nature=Nature.CORRECTION, lottery=True)
        corrected = printed_receipt(link.cose, SALE, root_hash=bytes(32), shop=SHOP)
        assert corrected.lottery == str(lottery_number(bytes(32)))

    def test_has_none_where_the_root_is_not_known(self) -> None:
        link = a_sale(BY_TILL, nature=Nature.CORRECTION, lottery=True)
        assert printed_receipt(link.cose, SALE, root_hash=None, shop=SHOP).lottery is None

    def test_has_none_where_the_link_carries_none(self) -> None:
        assert printed(lottery=False).lottery is None

    def test_has_a_section_for_each_merchant_in_the_order_of_the_document(self) -> None:
        document = Document(
            parts=(
                part("37900846788", TaxType.VAT_FREE, 200, "Сүү"),
                part("61200064714", TaxType.VAT_ABLE, 110, "Тамхи"),
                part("37900846788", TaxType.VAT_ABLE, 440, "Талх", "Боов"),
                part("37900846788", TaxType.VAT_FREE, 100, "Ном"),
                part("90000000007", TaxType.NO_VAT, 1, "Уут"),
            )
        )
        own, lessee, stranger = printed(document).sections
        assert [line.name for line in own.lines] == ["Сүү", "Талх", "Боов", "Ном"]
        assert own.taxes == (PrintedTax(TaxType.VAT_ABLE, 440, 40, 3), PrintedTax(TaxType.VAT_FREE, 300, 27, 6))
        assert (own.merchant_name, lessee.merchant_name, stranger.merchant_name) == ("Их Наяд", "Түрээслэгч", "")
        assert (lessee.merchant_tin, stranger.merchant_tin) == ("61200064714", "90000000007")

    def test_says_what_a_void_takes_back(self) -> None:
        document = Document(root_id=INVOICES[0], previous_id=INVOICES[1], reason="Буцаав")
        void = printed(
            document, nature=Nature.VOID, total_mongo=-560000, vat_mongo=-50909, part_sellers=(), lottery=False
        )
        assert (void.nature, void.total_mongo, void.sections) == (Nature.VOID, -560000, ())
        assert (void.previous_id, void.reason) == (str(INVOICES[1]), "Буцаав")

    @pytest.mark.parametrize(
        ("document", "paid"),
        [
            (replace(SALE, pays_invoice=INVOICES[0]), (str(INVOICES[0]),)),
            (
                Document(
                    parts=tuple(
                        part("37900846788", TaxType.VAT_ABLE, 110, "Талх", pays_invoice=invoice)
                        for invoice in (*INVOICES, INVOICES[0])
                    )
                ),
                (str(INVOICES[0]), str(INVOICES[1])),
            ),
            (SALE, ()),
        ],
    )
    def test_names_every_invoice_that_is_paid(self, document: Document, paid: tuple[str, ...]) -> None:
        assert printed(document, nature=Nature.PAYMENT).invoice_ids == paid

    def test_names_buyer_and_month_of_a_business_receipt(self) -> None:
        receipt = printed(replace(SALE, buyer_tin="90100000001", report_month="2017-02"), business=True, lottery=False)
        assert (receipt.buyer_tin, receipt.report_month) == ("90100000001", "2017-02")

    def test_marks_the_receipt_of_a_test_key(self) -> None:
        link = a_sale(ChainKey(Signer(TILL, by_till=True, test=True), TURNOVER_KEY))
        assert printed_receipt(link.cose, SALE, root_hash=link.receipt_hash, shop=SHOP).test is True

    @pytest.mark.parametrize(
        ("address", "district", "said"),
        [("", "2401", address_of("2401")), ("12-р байр", "2401", "12-р байр"), ("", "9999", ""), ("", None, "")],
    )
    def test_says_the_district_where_there_is_no_address(self, address: str, district: str | None, said: str) -> None:
        receipt = printed(replace(SALE, district=district), replace(SHOP, address=address))
        assert receipt.shop.address == said
        assert address_of("2401").startswith("Баянзүрх")

    @pytest.mark.parametrize(
        ("stored", "paid"),
        [
            (None, ()),
            ("CASH 560000", (PrintedPayment("CASH", 560000),)),
            ("CASH 5;BANK_TRANSFER 7", (PrintedPayment("CASH", 5), PrintedPayment("BANK_TRANSFER", 7))),
        ],
    )
    def test_reads_the_payments_as_they_are_stored(self, stored: str | None, paid: tuple[PrintedPayment, ...]) -> None:
        assert payments_of(stored) == paid
        assert payments_text(tuple(Payment(one.method, one.amount_mongo) for one in paid)) == stored

    def test_of_any_document_can_be_printed(self) -> None:
        assert len(encode_document(SALE)) < len(receipt_png(printed(), Roll.MM_58))
