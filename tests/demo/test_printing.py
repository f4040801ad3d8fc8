from datetime import UTC, datetime

from barimt.demo.printing import printed_receipt
from barimt.demo.submissions import body_of
from barimt.demo.world import World
from receipts.printed import PrintedLine, PrintedPayment, PrintedTax
from receipts.receipt import TaxType
from tests.changing import replace

ANSWER = {
    "id": "0" * 33,
    "issued_at": "2017-03-01T09:30:00+08:00",
    "lottery": "SN 47461258",
    "qr": "MB1:" + "A" * 216,
    "total_mongo": 116,
    "vat_mongo": 10,
    "parts": [
        {"id": "0" * 33, "tax_type": "VAT_ZERO", "total_mongo": 5, "vat_mongo": 0, "city_tax_mongo": 0},
        {"id": "0" * 33, "tax_type": "VAT_ABLE", "total_mongo": 111, "vat_mongo": 10, "city_tax_mongo": 1},
    ],
}


class TestPrintedReceipt:
    def test_takes_from_the_answer_what_the_centre_decided(self, world: World) -> None:
        printed = printed_receipt(world.plan.printed[0], ANSWER, test=True)
        assert (printed.receipt_id, printed.lottery, printed.qr_text) == (ANSWER["id"], ANSWER["lottery"], ANSWER["qr"])
        assert printed.issued_at == datetime(2017, 3, 1, 1, 30, tzinfo=UTC)
        assert (printed.total_mongo, printed.vat_mongo) == (116, 10)
        [section] = printed.sections
        assert section.taxes == (PrintedTax(TaxType.VAT_ZERO, 5, 0, 0), PrintedTax(TaxType.VAT_ABLE, 111, 10, 1))
        assert printed.test is True

    def test_takes_from_the_sale_what_the_till_knows(self, world: World) -> None:
        sale = next(sale for sale in world.plan.sales if sale.buyer_tin is not None)
        printed = printed_receipt(sale, ANSWER)
        assert (printed.shop.name, printed.shop.tin) == (sale.seller.name, sale.seller.tin)
        assert (printed.shop.address, printed.buyer_tin) == (sale.seller.place.name, sale.buyer_tin)
        assert printed.terminal == body_of(sale)["terminal"]

    def test_prints_each_line_as_it_was_posted(self, world: World) -> None:
        sale = world.plan.printed[0]
        posted = [
            PrintedLine(
                line["name"], line["quantity"], line["unit"], line["total_mongo"], TaxType[part["tax_type"]],
                line.get("unit_price_mongo"),
            )
            for part in body_of(sale)["parts"]  # type: ignore[attr-defined]
            for line in part["lines"]
        ]  # fmt: skip
        [section] = printed_receipt(sale, ANSWER).sections
        assert sorted(section.lines, key=repr) == sorted(posted, key=repr)

    def test_prints_a_payment_only_where_something_was_paid(self, world: World) -> None:
        sale = world.plan.printed[0]
        free = next(sale for sale in world.plan.sales if sale.basket.total_mongo == 0)
        assert printed_receipt(free, replace_lottery(None)).payments == ()
        assert printed_receipt(replace(sale), ANSWER).payments == (
            PrintedPayment(body_of(sale)["payments"][0]["method"], sale.basket.total_mongo),  # type: ignore[index]
        )


def replace_lottery(lottery: str | None) -> dict[str, object]:
    return {**ANSWER, "lottery": lottery}
